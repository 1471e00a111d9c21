"""One customer's data: found by the blind index, handed out, held, erased.

A customer is a person on one platform account. They write in direct conversations, whose rows are theirs
whole, and in groups, where only what they themselves say is theirs (and the bot's answers belong to the
group's conversation).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, or_, select, text, update

from bot.errors import NotAllowed, SealBroken
from bot.store.dialect import insert_or_ignore
from bot.store.feedback import feedback_row
from bot.store.history import history_row
from bot.store.inbox import inbox_row
from bot.store.retention import sealed_tables
from bot.store.schema import (
    NEW_SQL,
    OPEN_SQL,
    attachments,
    audit,
    conversations,
    customers,
    dead_letters,
    feedback,
    history,
    inbox,
    outbox,
    profiles,
    raw_payloads,
    subjects,
    tickets,
    vault,
)
from bot.store.subjects import DataKeys, customer_index
from bot.types import encode

__all__ = ["Customer", "Erased", "Hold", "erase", "export", "find", "hold", "hold_of", "release"]

OWN = frozenset({"attachments", "conversations", "history", "inbox", "outbox", "raw_payloads", "vault"})
"""Tables that this module knows row by row; what others hold under a data key goes whole."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Who was found, and the data keys that are theirs."""

    index: str
    """Blind index; empty if only a conversation is known, and nobody has written in it yet."""
    keys: tuple[int, ...]
    subjects: tuple[str, ...]
    conversations: tuple[str, ...]
    """Their direct conversations."""
    groups: tuple[str, ...]
    """Group conversations in which they have written."""


@dataclass(frozen=True, slots=True)
class Hold:
    since: float
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did: rows by table, and how much is kept and why."""

    rows: dict[str, int]
    kept: tuple[tuple[str, int, str], ...]
    """(what, how many, why)"""


def find(connection: Connection, keys: DataKeys, id: str) -> Customer | None:
    """A customer by `platform:account:sender` or by a conversation's key; None if there is none.

    A key of a group names no single customer, and finds none.
    """
    index = ""
    if "|" in id:
        row = connection.execute(select(subjects).where(subjects.c.subject == id)).first()
        if row is None:
            return None
        index = row.customer
        if not index:
            return _customer(connection, "", [row])
    else:
        platform, _, rest = id.partition(":")
        account, _, sender = rest.partition(":")
        index = customer_index(keys.ring, platform, account, sender)
    rows = connection.execute(
        select(subjects).where(subjects.c.customer == index).order_by(subjects.c.id)
    ).all()
    known = connection.execute(select(customers).where(customers.c.customer == index)).first()
    return _customer(connection, index, rows) if rows or known is not None else None


def _customer(connection: Connection, index: str, rows: Any) -> Customer:
    ids = [row.id for row in rows]
    names = [row.subject for row in rows]
    direct = connection.execute(select(conversations.c.key).where(conversations.c.key.in_(names)))
    own = tuple(direct.scalars().all())
    # What staff were told of them is theirs too, but the channel isn't one of their groups.
    said = select(history.c.conversation).where(history.c.subject.in_(ids), history.c.role == "customer")
    waiting = select(inbox.c.conversation).where(inbox.c.subject.in_(ids))
    everywhere = set(connection.execute(said.union(waiting)).scalars().all())
    # A group whose transcript has outlived its time may still hold something in its state.
    places = select(conversations.c.key).where(conversations.c.key.in_(_rooms_of(names)))
    everywhere |= set(connection.execute(places).scalars().all())
    return Customer(index, tuple(ids), tuple(names), own, tuple(sorted(everywhere - set(own))))


def _rooms_of(subjects: list[str]) -> set[str]:
    """What may be the key of the group that a subject is a member of: `group key|sender`."""
    parts = [subject.split("|") for subject in subjects]
    return {"|".join(some[:n]) for some in parts for n in range(4, len(some))}


# ── legal hold ──


def hold_of(connection: Connection, index: str) -> Hold | None:
    row = connection.execute(
        select(customers).where(customers.c.customer == index, customers.c.held_at.is_not(None))
    ).first()
    return None if row is None else Hold(row.held_at, row.hold_reason, row.held_by)


def hold(connection: Connection, index: str, reason: str, by: str, now: float) -> None:
    """Nothing of this customer's is removed from now on, neither by hand nor by retention."""
    connection.execute(insert_or_ignore(connection, customers, {"customer": index}))
    values = {"held_at": now, "hold_reason": reason, "held_by": by}
    connection.execute(update(customers).where(customers.c.customer == index).values(values))


def release(connection: Connection, index: str) -> bool:
    """End a hold; False if there was none."""
    values = {"held_at": None, "hold_reason": "", "held_by": ""}
    ended = connection.execute(
        update(customers)
        .where(customers.c.customer == index, customers.c.held_at.is_not(None))
        .values(values)
    )
    return bool(ended.rowcount)


# ── everything we hold ──


def export(connection: Connection, keys: DataKeys, customer: Customer) -> dict[str, Any]:
    """All of it, opened, as plain JSON data. What can't be opened any more says so in its place. What staff
    were told is left out: it is the bank's own working, and the tickets are there."""
    ids = customer.keys
    places = {*customer.conversations, *customer.groups}
    found: dict[str, Any] = {
        "customer": customer.index,
        "conversations": list(customer.conversations),
        "groups": list(customer.groups),
        "hold": None,
    }
    held = hold_of(connection, customer.index)
    if held is not None:
        found["hold"] = {"since": held.since, "reason": held.reason}

    def opened(row: Any, table: str, column: str, name: str) -> Any:
        try:
            value = keys.open(connection, row.subject, table, column, name, getattr(row, column))
        except SealBroken as error:
            return {"unreadable": str(error)}
        return _plain(value)

    def binary(row: Any, table: str, column: str, name: str) -> Any:
        try:
            data = keys.open_bytes(connection, row.subject, table, column, name, getattr(row, column))
        except SealBroken as error:
            return {"unreadable": str(error)}
        try:
            return _plain(data.decode())
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(data).decode()}

    found["received"] = [
        {
            "at": row.received_at,
            "status": row.status,
            "event": opened(row, "inbox", "event", inbox_row(row.platform, row.account, row.event_id)),
        }
        for row in _of(connection, inbox, ids, inbox.c.id)
        if row.event
    ]
    found["raw_payloads"] = [
        {"at": row.received_at, "ref": row.ref, "body": binary(row, "raw_payloads", "body", row.ref)}
        for row in _of(connection, raw_payloads, ids, raw_payloads.c.received_at)
    ]
    found["transcript"] = [
        {
            "at": row.at,
            "conversation": row.conversation,
            "role": row.role,
            "text": opened(row, "history", "text", history_row(row.conversation, row.role, row.key)),
            "body": opened(row, "history", "body", history_row(row.conversation, row.role, row.key)),
        }
        for row in _of(connection, history, ids, history.c.id)
        if row.conversation in places
    ]
    found["sent"] = [
        {
            "at": row.created_at,
            "status": row.status,
            "message": opened(row, "outbox", "message", row.idempotency_key),
        }
        for row in _of(connection, outbox, ids, outbox.c.id)
        if row.message and row.conversation in places
    ]
    found["states"] = [
        {"conversation": row.key, "state": opened(row, "conversations", "state", row.key)}
        for row in _of(connection, conversations, ids, conversations.c.key)
    ]
    found["attachments"] = [
        {
            "at": row.at,
            "name": row.name,
            "mime": row.mime,
            "data": binary(row, "attachments", "data", row.ref),
        }
        for row in _of(connection, attachments, ids, attachments.c.at)
    ]
    found["vault"] = [
        {"at": row.at, "kind": row.kind, "value": opened(row, "vault", "value", row.token)}
        for row in _of(connection, vault, ids, vault.c.at)
    ]
    found["profile"] = [
        {"at": row.updated_at, "profile": opened(row, "profiles", "data", row.whose)}
        for row in _of(connection, profiles, ids, profiles.c.whose)
    ]
    found["tickets"] = [
        {
            "at": row.opened_at,
            "number": row.number,
            "department": row.department,
            "severity": row.severity,
            "status": row.status,
            "reason": row.reason,
            "summary": opened(row, "tickets", "summary", row.number),
        }
        for row in _of(connection, tickets, ids, tickets.c.id)
    ]
    found["feedback"] = [
        {
            "at": row.at,
            "kind": row.kind,
            "verdict": row.verdict,
            "on": row.event_id,
            "text": opened(row, "feedback", "text", feedback_row(row)),
        }
        for row in _of(connection, feedback, ids, feedback.c.id)
    ]
    found["audit"] = [
        {"seq": row.seq, "at": row.at, "kind": row.kind, "data": _plain(row.data)}
        for row in connection.execute(
            select(audit).where(audit.c.conversation.in_(customer.conversations)).order_by(audit.c.seq)
        )
    ]
    return found


def _of(connection: Connection, table: Any, ids: tuple[int, ...], order: Any) -> list[Any]:
    return list(connection.execute(select(table).where(table.c.subject.in_(ids)).order_by(order)).all())


def _plain(value: str) -> Any:
    """JSON as data, other text as it is."""
    try:
        return json.loads(value)
    except ValueError:
        return value


# ── erasure ──


def erase(connection: Connection, keys: DataKeys, customer: Customer, now: float) -> Erased:
    """Blank what is this customer's and delete their data keys, in the running transaction.

    What waits is given up: unanswered events are marked done, unsent messages withdrawn, and a turn that
    is under way loses its lease. Ids of events stay for a while, so that a late redelivery isn't taken for
    news; the record stays, and minimal data of tickets.

    Raises:
        NotAllowed: the customer is under legal hold.
    """
    held = hold_of(connection, customer.index) if customer.index else None
    if held is not None:
        raise NotAllowed(
            f"this customer is under legal hold ({held.reason}; by {held.by}): nothing may be erased; "
            "`teller customer hold ID --release` ends it"
        )
    ids, own = customer.keys, customer.conversations
    mine = sorted({*own, *customer.groups})
    # First the locks, in the order in which turns take them.
    connection.execute(
        select(conversations.c.key)
        .where(conversations.c.key.in_(mine))
        .order_by(conversations.c.key)
        .with_for_update()
    ).all()
    rows: dict[str, int] = {}

    def count(name: str, statement: Any) -> None:
        changed = connection.execute(statement).rowcount
        if changed:
            rows[name] = rows.get(name, 0) + changed

    said = select(inbox.c.id).where(inbox.c.subject.in_(ids))
    sent = select(outbox.c.id).where(outbox.c.subject.in_(ids))
    letters = or_(
        (dead_letters.c.kind == "event") & dead_letters.c.ref.in_(said),
        (dead_letters.c.kind == "message") & dead_letters.c.ref.in_(sent),
    )
    count("dead_letters", delete(dead_letters).where(letters))
    # A waiting event ends; its conversation's head moves on, and whoever holds the lease loses it.
    waiting = inbox.c.subject.in_(ids) & text(NEW_SQL)
    touched = connection.execute(select(inbox.c.conversation).where(waiting).distinct()).scalars().all()
    connection.execute(update(inbox).where(waiting).values(status="done", done_at=now))
    blank = {"event": "", "subject": None, "error": ""}
    count("inbox", update(inbox).where(inbox.c.subject.in_(ids)).values(blank))
    for key in touched:
        lowest = select(inbox.c.id).where(inbox.c.conversation == key, text(NEW_SQL)).order_by(inbox.c.id)
        following = connection.execute(lowest.limit(1)).scalar()
        connection.execute(
            update(conversations)
            .where(conversations.c.key == key)
            .values(head=following, ready_at=0.0, lease=conversations.c.lease + 1)
        )
    unsent = outbox.c.subject.in_(ids) & text(OPEN_SQL)
    connection.execute(update(outbox).where(unsent).values(status="withdrawn"))
    gone = {"message": "", "subject": None, "error": ""}
    count("outbox", update(outbox).where(outbox.c.subject.in_(ids)).values(gone))
    for table in (raw_payloads, history, attachments, vault):
        count(table.name, delete(table).where(table.c.subject.in_(ids)))
    fresh = {"state": "{}", "subject": None}
    count("conversations", update(conversations).where(conversations.c.subject.in_(ids)).values(fresh))
    changed = sum(_leave(connection, keys, customer, group) for group in customer.groups)
    if changed:
        rows["conversations"] = rows.get("conversations", 0) + changed
    kept_tickets = connection.execute(
        select(tickets.c.number).where(tickets.c.whose.in_(customer.subjects))
    ).all()
    for table in sealed_tables():
        if table.name in OWN:
            continue
        if table is tickets:
            blank_ticket = {"summary": "", "subject": None}
            count("tickets", update(tickets).where(tickets.c.subject.in_(ids)).values(blank_ticket))
        else:
            count(table.name, delete(table).where(table.c.subject.in_(ids)))
    count("subjects", delete(subjects).where(subjects.c.id.in_(ids)))
    if customer.index:
        connection.execute(insert_or_ignore(connection, customers, {"customer": customer.index}))
        erased = update(customers).where(customers.c.customer == customer.index)
        connection.execute(erased.values(erased_at=now))
    return Erased(rows, _kept(connection, customer, len(kept_tickets), rows))


def _leave(connection: Connection, keys: DataKeys, customer: Customer, group: str) -> bool:
    """Take what is this customer's out of a group's state; whether there was anything. A turn under way in
    the group would write the state back as it was, so it loses its lease and runs again."""
    row = connection.execute(select(conversations).where(conversations.c.key == group)).first()
    if row is None:
        return False
    try:
        state = json.loads(keys.open(connection, row.subject, "conversations", "state", group, row.state))
    except SealBroken:
        # It can't be read by a turn either.
        return False
    left = _without(state, frozenset(customer.subjects))
    if left == state:
        return False
    seal = keys.of(connection, group)
    values = {"state": seal.seal("conversations", "state", group, encode(left).decode()), "subject": seal.id}
    freed = {"ready_at": 0.0, "lease": conversations.c.lease + 1}
    connection.execute(update(conversations).where(conversations.c.key == group).values(values | freed))
    return True


def _without(value: Any, subjects: frozenset[str]) -> Any:
    """Plain data without what stands under one of these subjects, or is a list that names one."""
    if isinstance(value, dict):
        return {
            key: _without(inner, subjects)
            for key, inner in value.items()
            if key not in subjects and not _names(inner, subjects)
        }
    return value


def _names(value: Any, subjects: frozenset[str]) -> bool:
    return isinstance(value, list) and any(isinstance(item, str) and item in subjects for item in value)


def _kept(
    connection: Connection, customer: Customer, tickets_kept: int, rows: dict[str, int]
) -> tuple[tuple[str, int, str], ...]:
    recorded = connection.execute(
        select(audit.c.seq).where(audit.c.conversation.in_(customer.conversations))
    ).all()
    kept = [
        (
            "audit entries",
            len(recorded),
            "records are kept for ten years (反洗钱法 art. 34); they name conversations and versions, "
            "never what was said",
        ),
        (
            "tickets",
            tickets_kept,
            "number, department, severity and times are the record of a complaint; the summary is gone",
        ),
        (
            "ids of events and messages",
            rows.get("inbox", 0) + rows.get("outbox", 0),
            "so that a late redelivery isn't answered twice; removed after trust.retention.history days",
        ),
    ]
    return tuple(item for item in kept if item[1])
