"""Feedback in the store: votes, corrections and resolutions, their review, and what of it may be learnt from.

A row belongs to an exchange: the customer's line with its event id, and the bot's line that answered it.
Neither is copied, so what is erased or outlives its time is gone from here too. What somebody says anew
about the same exchange replaces what they said before, under a new id and unreviewed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import structlog
from sqlalchemy import Connection, delete, insert, select, update

from bot.errors import NotAllowed, SealBroken, StoreError
from bot.feedback.item import Citations, Item, Kind, Status
from bot.feedback.vote import Cast, Vote, answer_key, offers
from bot.store.history import history_row
from bot.store.schema import conversations, feedback, history, outbox, ticket_changes, tickets
from bot.store.subjects import DataKeys, sender_subject
from bot.tickets.request import asks_for_person
from bot.types import Conversation, InboundEvent, OutboundMessage, Sources, decode, encode

__all__ = ["cast", "feedback_row", "find_answer", "find_case", "items", "lines", "review", "say_instead"]

log = structlog.get_logger(__name__)

LAST_ID = 2**63 - 1
"""The databases know no greater number."""
BEFORE = 6
"""The customer's lines before a wish for a person in which their question is looked for."""


def feedback_row(row: Any) -> str:
    """What a sealed row is bound to."""
    return _name(row.conversation, row.event_id, row.kind, row.whose)


def _name(conversation: str, event_id: str, kind: str, whose: str) -> str:
    return f"{conversation}|{event_id}|{kind}|{whose}"


# ── what is said ──


def cast(
    connection: Connection, keys: DataKeys, event: InboundEvent, vote: Vote, position: int, now: float
) -> Cast:
    """Count one press; pressed again it changes the vote and never adds one.

    Args:
        position: inbox id of `event`. An older press, handled late, doesn't undo a newer one.
    """
    key, reply = event.conversation.key, answer_key(event, vote.event_id)
    line = _line(connection, key, reply, "bot")
    answer = None if line is None else _message(connection, keys, line)
    if answer is None or not offers(answer, vote):
        return "unknown"
    whose = sender_subject(event)
    mine = _of(key, vote.event_id, "vote", whose)
    row = connection.execute(select(feedback).where(mine).with_for_update()).first()
    if row is not None and (row.position >= position or row.verdict == vote.verdict):
        newer = update(feedback).where(feedback.c.id == row.id, feedback.c.position < position)
        connection.execute(newer.values(position=position))
        return "same"
    connection.execute(delete(feedback).where(mine))
    values = {
        "conversation": key,
        "event_id": vote.event_id,
        "reply": reply,
        "kind": "vote",
        "whose": whose,
        "verdict": vote.verdict,
        "position": position,
        "at": now,
        "subject": keys.of(connection, whose).id,
    }
    connection.execute(insert(feedback).values(values))
    return "new" if row is None else "changed"


def say_instead(
    connection: Connection,
    keys: DataKeys,
    about: tuple[str, str, str],
    text: str,
    *,
    kind: Literal["correction", "resolution"],
    by: str,
    passages: Sequence[str] = (),
    now: float,
) -> int:
    """Keep what a member of staff says the answer is; its id.

    Args:
        about: conversation, event id and the bot's line, as `find_answer` and `find_case` give them.
        text: masked already.
        passages: ids of what it stands on; without any, what the answer stood on.
    """
    conversation, event_id, reply = about
    # It speaks of the customer's matter, so it is theirs, and goes when they are erased.
    asked = _line(connection, conversation, event_id, "customer")
    key = None if asked is None or asked.subject is None else keys.by_id(connection, asked.subject)
    if key is None:
        raise StoreError("the customer's question isn't kept any more")
    connection.execute(delete(feedback).where(_of(conversation, event_id, kind, by)))
    name = _name(conversation, event_id, kind, by)
    values = {
        "conversation": conversation,
        "event_id": event_id,
        "reply": reply,
        "kind": kind,
        "whose": by,
        "text": key.seal("feedback", "text", name, text),
        "passages": encode(list(passages)).decode(),
        "at": now,
        "subject": key.id,
    }
    made = connection.execute(insert(feedback).values(values).returning(feedback.c.id)).scalar_one()
    return int(made)


def find_answer(connection: Connection, keys: DataKeys, message: str) -> tuple[str, str, str]:
    """(conversation, event id, key) of an answer, by the id of feedback on it or by its own key.

    Raises:
        StoreError: there is none (any more).
    """
    if message.isdecimal() and message.isascii():
        id = int(message) if len(message) < 20 else LAST_ID + 1  # int() refuses thousands of digits
        row = connection.execute(select(feedback).where(_among([id]))).first()
        if row is None:
            raise StoreError(
                f"there is no feedback {message[:80]} (any more); `teller feedback list` shows it"
            )
        return row.conversation, row.event_id, row.reply
    # By way of the outbox, which is indexed by key; the history is by conversation.
    place = connection.execute(
        select(outbox.c.conversation).where(outbox.c.idempotency_key == message)
    ).scalar()
    row = None if place is None else _line(connection, place, message, "bot")
    if row is None:
        raise StoreError(
            f"there is no answer {message[:80]!r}; give the number of feedback on it, or the message's key"
        )
    answer = _message(connection, keys, row)
    if answer is None or not answer.in_reply_to:
        raise StoreError("this message answers nobody's question, or can't be read")
    return row.conversation, answer.in_reply_to, row.key


def find_case(connection: Connection, keys: DataKeys, number: str) -> tuple[str, str, str]:
    """The question behind a ticket, as `find_answer` says it, without a bot's line: what opened it, or,
    where that only asked for a person, what the customer had said before.

    Raises:
        StoreError: no such ticket, or its question isn't kept any more.
    """
    ticket = connection.execute(select(tickets).where(tickets.c.number == number)).first()
    if ticket is None:
        raise StoreError(f"there is no ticket {number}; `teller tickets list --all` shows what there is")
    opened = select(ticket_changes.c.cause).where(
        ticket_changes.c.number == number, ticket_changes.c.kind == "opened"
    )
    cause = connection.execute(opened).scalar() or ""
    place = decode(ticket.place, Conversation)
    event_id = cause.removeprefix(f"{place.platform}|{place.account}|").rpartition("|")[0]
    asked = _line(connection, ticket.conversation, event_id, "customer")
    if asked is not None:
        lines_before = connection.execute(
            select(history)
            .where(
                history.c.conversation == ticket.conversation,
                history.c.role == "customer",
                history.c.subject == asked.subject,
                history.c.id <= asked.id,
            )
            .order_by(history.c.id.desc())
            .limit(BEFORE)
        )
        for row in lines_before:
            text = _text(connection, keys, row)
            if text and not asks_for_person(text):
                return ticket.conversation, row.key, ""
    raise StoreError(f"ticket {number} has no question (any more) that a resolution could answer")


# ── review ──


def items(
    connection: Connection,
    keys: DataKeys,
    *,
    status: Status | None = None,
    ids: Sequence[int] | None = None,
    limit: int | None = None,
) -> list[Item]:
    """Feedback with the exchange it is about, the oldest first; what can't be read any more is empty."""
    query = select(feedback).order_by(feedback.c.id)
    if status is not None:
        query = query.where(feedback.c.status == status)
    if ids is not None:
        query = query.where(_among(ids))
    rows = connection.execute(query if limit is None else query.limit(limit)).all()
    keys.preload(connection, [row.subject for row in rows])
    return [_item(connection, keys, row) for row in rows]


def review(
    connection: Connection, keys: DataKeys, ids: Sequence[int], status: Status, by: str, now: float
) -> list[Item]:
    """Approve or reject rows: all or none. Returns them as they were.

    Raises:
        StoreError: one isn't there (any more), or what it is about isn't.
        NotAllowed: one is what `by` said themselves.
    """
    # A vote that is changed at this moment is gone before it is read, or waits until it was reviewed.
    rows = select(feedback.c.id).where(_among(ids)).order_by(feedback.c.id)
    connection.execute(rows.with_for_update()).all()
    found = items(connection, keys, ids=ids)
    missing = sorted(set(ids) - {item.id for item in found})
    if missing:
        named = ", ".join(map(str, missing))
        raise StoreError(
            f"there is no feedback {named} (any more: whoever changes their mind has it under a new number)"
        )
    for item in found:
        if status == "approved" and item.kind != "vote" and item.whose == by:
            raise NotAllowed(f"feedback {item.id} is your own: a colleague has to approve it")
        if status == "approved" and not item.usable:
            raise StoreError(f"what feedback {item.id} is about isn't kept any more")
    values = {"status": status, "reviewed_by": by, "reviewed_at": now}
    connection.execute(update(feedback).where(feedback.c.id.in_(ids)).values(values))
    return found


def lines(connection: Connection, of: Sequence[str]) -> Iterator[tuple[str, str, float]]:
    """(conversation, event id, when) of all customers' lines in these conversations, in order."""
    for start in range(0, len(of), 500):
        query = select(history.c.conversation, history.c.key, history.c.at)
        some = history.c.conversation.in_(of[start : start + 500]) & (history.c.role == "customer")
        for row in connection.execute(query.where(some).order_by(history.c.conversation, history.c.id)):
            yield row.conversation, row.key, row.at


# ── inside ──


def _among(ids: Sequence[int]) -> Any:
    return feedback.c.id.in_([id for id in ids if 0 < id <= LAST_ID])


def _of(conversation: str, event_id: str, kind: str, whose: str) -> Any:
    return (
        (feedback.c.conversation == conversation)
        & (feedback.c.event_id == event_id)
        & (feedback.c.kind == kind)
        & (feedback.c.whose == whose)
    )


def _line(connection: Connection, conversation: str, key: str, role: str) -> Any:
    query = select(history).where(
        history.c.conversation == conversation, history.c.key == key, history.c.role == role
    )
    return connection.execute(query).first()


def _item(connection: Connection, keys: DataKeys, row: Any) -> Item:
    asked = _line(connection, row.conversation, row.event_id, "customer")
    replied = _line(connection, row.conversation, row.reply, "bot") if row.reply else None
    answer = None if replied is None else _message(connection, keys, replied)
    said = _open(connection, keys, row, "feedback", "text", feedback_row(row))
    stood_on = () if replied is None else tuple(decode(replied.passages, list[str]))
    known = select(conversations.c.language).where(conversations.c.key == row.conversation)
    language = answer.language if answer else connection.execute(known).scalar()
    kind: Kind = row.kind
    return Item(
        id=row.id,
        kind=kind,
        verdict=row.verdict,
        status=row.status,
        whose=row.whose,
        at=row.at,
        reviewed_by=row.reviewed_by,
        reviewed_at=row.reviewed_at,
        conversation=row.conversation,
        event_id=row.event_id,
        asked_at=0.0 if asked is None else asked.at,
        question="" if asked is None else _text(connection, keys, asked),
        reply="" if answer is None else answer.text,
        text=said,
        passages=tuple(decode(row.passages, list[str])) or stood_on,
        cited=_cited(answer),
        appended=() if answer is None else answer.appended,
        language="en" if language == "en" else "zh",
    )


def _cited(answer: OutboundMessage | None) -> Citations:
    parts = () if answer is None else answer.parts
    return tuple((c.id, c.excerpt) for part in parts if isinstance(part, Sources) for c in part.citations)


def _text(connection: Connection, keys: DataKeys, row: Any) -> str:
    return _open(connection, keys, row, "history", "text", history_row(row.conversation, row.role, row.key))


def _message(connection: Connection, keys: DataKeys, row: Any) -> OutboundMessage | None:
    name = history_row(row.conversation, row.role, row.key)
    body = _open(connection, keys, row, "history", "body", name)
    return decode(body, OutboundMessage) if body else None


def _open(connection: Connection, keys: DataKeys, row: Any, table: str, column: str, name: str) -> str:
    """A field; empty where it was tampered with."""
    try:
        return keys.open(connection, row.subject, table, column, name, getattr(row, column))
    except SealBroken as error:
        log.error("row.unreadable", table=table, reason=str(error))
        return ""
