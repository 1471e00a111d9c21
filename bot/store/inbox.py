"""The inbox and the lease on a conversation: what was accepted, and who works on it.

Plain functions of a connection, each meant to run inside one transaction of the `Writer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, func, insert, select, text, update

from bot.errors import LeaseLost, SealBroken
from bot.store.dialect import insert_or_ignore
from bot.store.schema import NEW_SQL, conversations, dead_letters, inbox, raw_payloads
from bot.store.subjects import DataKeys, customer_index, sender_subject
from bot.types import Conversation, InboundEvent, decode, encode

__all__ = [
    "Claim",
    "Owner",
    "accept",
    "claim",
    "end_leases",
    "fail",
    "fence",
    "finish",
    "insert_or_ignore",
    "park",
    "release",
    "renew",
]


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who speaks in a conversation: the bot (empty id) or a staff member."""

    id: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on a conversation and the event to handle under it."""

    inbox_id: int
    event: InboundEvent
    tries: int
    """Failed tries so far."""
    crashes: int
    """Earlier claims that ended neither well nor badly: their process died."""
    lease: int
    """Fencing token."""
    owner: Owner
    state: dict[str, Any]
    language: str


def inbox_row(platform: str, account: str, event_id: str) -> str:
    """What a sealed event is bound to."""
    return f"{platform}|{account}|{event_id}"


def accept(
    connection: Connection, keys: DataKeys, event: InboundEvent, raw: bytes, queue_limit: int, now: float
) -> bool | None:
    """Store one event. False if it is known already; None, and nothing is written, if `queue_limit`
    events wait. (No exception: that would roll back all that shares this transaction.)"""
    key = event.conversation.key
    waiting = connection.execute(select(func.count()).select_from(inbox).where(text(NEW_SQL))).scalar_one()
    if waiting >= queue_limit:
        known = select(inbox.c.id).where(
            inbox.c.platform == event.platform,
            inbox.c.account == event.account,
            inbox.c.event_id == event.event_id,
        )
        return None if connection.execute(known).first() is None else False
    customer = customer_index(keys.ring, event.platform, event.account, event.sender.id)
    seal = keys.of(connection, sender_subject(event), customer)
    row = inbox_row(event.platform, event.account, event.event_id)
    values = {
        "platform": event.platform,
        "account": event.account,
        "event_id": event.event_id,
        "conversation": key,
        "event": seal.seal("inbox", "event", row, encode(event).decode()),
        "subject": seal.id,
        "received_at": now,
    }
    inserted = connection.execute(insert_or_ignore(connection, inbox, values).returning(inbox.c.id)).scalar()
    if inserted is None:
        return False
    if raw:
        ref = event.raw_ref or event.correlation_id
        body = seal.seal_bytes("raw_payloads", "body", ref, raw)
        payload = {"ref": ref, "body": body, "subject": seal.id, "received_at": now}
        connection.execute(insert_or_ignore(connection, raw_payloads, payload))
    open_conversation(connection, event.conversation, now)
    connection.execute(
        update(conversations)
        .where(conversations.c.key == key)
        .values(head=func.coalesce(conversations.c.head, inserted))
    )
    return True


def next_head(connection: Connection, key: str) -> int | None:
    """Id of a conversation's lowest unfinished event. A statement of its own, after the conversation's
    row was locked, so that it sees every event that was committed before."""
    lowest = select(func.min(inbox.c.id)).where(inbox.c.conversation == key, text(NEW_SQL))
    found: int | None = connection.execute(lowest).scalar()
    return found


def write_letter(
    connection: Connection, kind: str, ref: int, conversation: str, reason: str, now: float
) -> None:
    """Keep what was given up (`event` or `message`, by its row's id) for a person."""
    values = {"kind": kind, "ref": ref, "conversation": conversation, "reason": reason, "at": now}
    connection.execute(insert(dead_letters).values(values))


def open_conversation(connection: Connection, conversation: Conversation, now: float) -> None:
    values = {"key": conversation.key, "conversation": encode(conversation).decode(), "created_at": now}
    connection.execute(insert_or_ignore(connection, conversations, values))


def claim(connection: Connection, keys: DataKeys, now: float, lease_s: float, limit: int) -> list[Claim]:
    """Lease up to `limit` conversations that have something waiting, oldest event first.

    Each comes with its lowest unfinished event: order inside a conversation is strict, and
    different conversations run side by side.
    """
    ready = (
        select(
            conversations.c.key,
            conversations.c.lease,
            conversations.c.owner,
            conversations.c.owner_version,
            conversations.c.state,
            conversations.c.language,
            conversations.c.subject.label("state_subject"),
            inbox.c.id,
            inbox.c.platform,
            inbox.c.account,
            inbox.c.event_id,
            inbox.c.subject,
            inbox.c.event,
            inbox.c.tries,
            inbox.c.claims,
        )
        .join(inbox, inbox.c.id == conversations.c.head)
        .where(conversations.c.head.is_not(None), conversations.c.ready_at <= now)
        .order_by(conversations.c.head)
        .limit(limit)
        .with_for_update(of=conversations, skip_locked=True)
    )
    claims = []
    rows = connection.execute(ready).all()
    keys.preload(connection, [id for row in rows for id in (row.subject, row.state_subject)])
    for row in rows:
        connection.execute(
            update(conversations)
            .where(conversations.c.key == row.key)
            .values(lease=row.lease + 1, ready_at=now + lease_s)
        )
        connection.execute(update(inbox).where(inbox.c.id == row.id).values(claims=row.claims + 1))
        event = _readable(connection, keys, row, now)
        if event is None:
            continue
        claims.append(
            Claim(
                inbox_id=row.id,
                event=event,
                tries=row.tries,
                crashes=max(0, row.claims - row.tries),
                lease=row.lease + 1,
                owner=Owner(row.owner, row.owner_version),
                state=_state(connection, keys, row),
                language=row.language,
            )
        )
    return claims


def _readable(connection: Connection, keys: DataKeys, row: Any, now: float) -> InboundEvent | None:
    """The event of a row. One that this version can't read becomes a dead letter, so that it holds up
    nothing but itself."""
    try:
        name = inbox_row(row.platform, row.account, row.event_id)
        return decode(keys.open(connection, row.subject, "inbox", "event", name, row.event), InboundEvent)
    except (msgspec.DecodeError, SealBroken) as error:
        connection.execute(
            update(inbox).where(inbox.c.id == row.id).values(status="dead", error=str(error), done_at=now)
        )
        write_letter(connection, "event", row.id, row.key, str(error), now)
        connection.execute(
            update(conversations)
            .where(conversations.c.key == row.key)
            .values(head=next_head(connection, row.key), ready_at=0.0)
        )
        return None


def _state(connection: Connection, keys: DataKeys, row: Any) -> dict[str, Any]:
    """A conversation's state. One that was tampered with, or whose key is gone, is begun afresh."""
    try:
        opened = keys.open(connection, row.state_subject, "conversations", "state", row.key, row.state)
        return decode(opened, dict)
    except (msgspec.DecodeError, SealBroken) as error:
        log.error("state.unreadable", reason=str(error))
        return {}


def owner_version(connection: Connection, key: str) -> int:
    query = select(conversations.c.owner_version).where(conversations.c.key == key)
    return int(connection.execute(query).scalar_one())


def change_owner(connection: Connection, key: str, owner: str) -> int:
    """Set who speaks; the version grows, which fences off answers decided on before."""
    version = connection.execute(
        update(conversations)
        .where(conversations.c.key == key)
        .values(owner=owner, owner_version=conversations.c.owner_version + 1)
        .returning(conversations.c.owner_version)
    ).scalar_one()
    return int(version)


def fence(connection: Connection, held: Claim) -> None:
    """Lock the conversation and make sure that the lease is still ours.

    Must come first in a transaction: what is read after it sees all that was committed before.

    Raises:
        LeaseLost
    """
    lease = connection.execute(
        select(conversations.c.lease)
        .where(conversations.c.key == held.event.conversation.key)
        .with_for_update()
    ).scalar()
    if lease != held.lease:
        raise LeaseLost("another worker has taken this conversation over")


def renew(connection: Connection, held: Claim, until: float) -> None:
    """Keep a lease while a long turn runs. Raises LeaseLost."""
    fence(connection, held)
    _set(connection, held, ready_at=until)


def release(connection: Connection, held: Claim) -> None:
    """Give an unfinished event back, as if it had never been claimed. Raises LeaseLost."""
    fence(connection, held)
    connection.execute(update(inbox).where(inbox.c.id == held.inbox_id).values(claims=inbox.c.claims - 1))
    _set(connection, held, ready_at=0.0)


def finish(connection: Connection, held: Claim, now: float, **changes: Any) -> None:
    """Mark the event done and give the conversation back. The caller has fenced."""
    connection.execute(update(inbox).where(inbox.c.id == held.inbox_id).values(status="done", done_at=now))
    _advance(connection, held, **changes)


def fail(connection: Connection, held: Claim, error: str, retry_at: float) -> None:
    """Count a failed try; the same event comes again at `retry_at`. Raises LeaseLost."""
    fence(connection, held)
    connection.execute(
        update(inbox).where(inbox.c.id == held.inbox_id).values(tries=inbox.c.tries + 1, error=error)
    )
    _set(connection, held, ready_at=retry_at)


def park(connection: Connection, held: Claim, error: str, now: float) -> None:
    """Put a poisonous event aside as a dead letter; the conversation goes on. The caller has fenced."""
    connection.execute(
        update(inbox)
        .where(inbox.c.id == held.inbox_id)
        .values(status="dead", tries=inbox.c.tries + 1, error=error, done_at=now)
    )
    write_letter(connection, "event", held.inbox_id, held.event.conversation.key, error, now)
    _advance(connection, held)


def end_leases(connection: Connection) -> None:
    """Make everything claimable at once, and every token that is still out there stale."""
    connection.execute(
        update(conversations)
        .where(conversations.c.head.is_not(None))
        .values(ready_at=0.0, lease=conversations.c.lease + 1)
    )


def _advance(connection: Connection, held: Claim, **changes: Any) -> None:
    """Move the conversation's head to its next unfinished event and end the lease."""
    following = next_head(connection, held.event.conversation.key)
    # The token ends with the lease: a renewal that is still under way must not bring it back.
    _set(connection, held, head=following, ready_at=0.0, lease=held.lease + 1, **changes)


def _set(connection: Connection, held: Claim, **values: Any) -> None:
    connection.execute(
        update(conversations).where(conversations.c.key == held.event.conversation.key).values(**values)
    )
