"""What was said: written with the turn, read as context for the next one and as the transcript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import structlog
from sqlalchemy import Connection, insert, select

from bot.errors import SealBroken
from bot.feedback.vote import is_vote
from bot.store.inbox import inbox_row
from bot.store.schema import history, inbox, outbox, subjects
from bot.store.subjects import DataKeys, conversation_subject, sender_subject
from bot.trust.sealing import DataKey
from bot.types import Exchange, InboundEvent, OutboundMessage, decode, encode

__all__ = [
    "Kept",
    "Role",
    "Row",
    "add_event",
    "add_message",
    "customer_texts",
    "exchanges",
    "history_row",
    "released",
    "transcript",
]

log = structlog.get_logger(__name__)

Role = Literal["customer", "bot", "staff"]
Kept = Literal[Role, "aside"]
"""How a line is kept. `aside`: what the bot said beside the conversation, like thanks for a vote."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a conversation."""

    key: str
    role: Role
    at: float
    event: InboundEvent | None = None
    message: OutboundMessage | None = None


def add_event(connection: Connection, keys: DataKeys, event: InboundEvent, text: str, now: float) -> None:
    """Note a customer's message; `text` is what later turns may see of it. Once, however often its
    turn is run (a dead letter that is retried)."""
    known = select(history.c.id).where(
        history.c.conversation == event.conversation.key,
        history.c.key == event.event_id,
        history.c.role == "customer",
    )
    if connection.execute(known).first() is not None:
        return
    seal = keys.of(connection, sender_subject(event))
    _add(connection, seal, event.conversation.key, "customer", event.event_id, encode(event), text, (), now)


def add_message(
    connection: Connection,
    keys: DataKeys,
    message: OutboundMessage,
    passages: Sequence[str],
    now: float,
    role: Kept = "bot",
    *,
    subject: str = "",
) -> None:
    """Note a reply and the ids of the passages it stands on.

    Args:
        subject: whose data it is, where that isn't the conversation's.
    """
    subject, key = subject or conversation_subject(message.conversation), message.idempotency_key
    seal = keys.of(connection, subject)
    body, conversation = encode(message), message.conversation.key
    _add(connection, seal, conversation, role, key, body, message.text, passages, now)


def history_row(conversation: str, role: str, key: str) -> str:
    """What a sealed line is bound to."""
    return f"{conversation}|{role}|{key}"


def _add(
    connection: Connection,
    seal: DataKey,
    conversation: str,
    role: Kept,
    key: str,
    body: bytes,
    text: str,
    passages: Sequence[str],
    now: float,
) -> None:
    name = history_row(conversation, role, key)
    values = {
        "conversation": conversation,
        "role": role,
        "key": key,
        "body": seal.seal("history", "body", name, body.decode()),
        "text": seal.seal("history", "text", name, text),
        "subject": seal.id,
        "passages": encode(list(passages)).decode(),
        "at": now,
    }
    connection.execute(insert(history).values(values))


def exchanges(
    connection: Connection, keys: DataKeys, conversation: str, limit: int, since: float
) -> list[Exchange]:
    """The last `limit` questions with their answers, oldest first, from `since` on."""
    rows = connection.execute(
        select(
            history.c.role,
            history.c.key,
            history.c.text,
            history.c.passages,
            history.c.subject,
            subjects.c.subject.label("whose"),
        )
        .outerjoin(subjects, subjects.c.id == history.c.subject)
        .where(history.c.conversation == conversation, history.c.role != "aside", history.c.at >= since)
        .order_by(history.c.id.desc())
        .limit(limit * 3)
    ).all()
    found: list[Exchange] = []
    question: str | None = None
    asker = ""
    for row in reversed(rows):
        name = history_row(conversation, row.role, row.key)
        text = _opened(connection, keys, row.subject, "history", "text", name, row.text)
        if text is None:
            continue
        if row.role == "customer":
            question, asker = text, "" if row.whose in (None, conversation) else row.whose
        elif question is not None:
            found.append(Exchange(question, text, tuple(decode(row.passages, list[str])), asker))
            question = None
    return found[-limit:] if limit else []


def customer_texts(connection: Connection, keys: DataKeys, since: float) -> list[str]:
    """Masked texts of customers from `since` on, oldest first; unreadable lines are left out."""
    query = select(history).where(history.c.role == "customer", history.c.at >= since).order_by(history.c.id)
    found = []
    for row in connection.execute(query):
        name = history_row(row.conversation, row.role, row.key)
        opened = _opened(connection, keys, row.subject, "history", "text", name, row.text)
        if opened:
            found.append(opened)
    return found


def transcript(connection: Connection, keys: DataKeys, conversation: str, limit: int) -> list[Row]:
    """The latest `limit` lines, oldest first, as the customer sees them.

    A reply appears once it was released to the platform; a message that is accepted but not
    handled yet appears at the end. A vote is no line.
    """
    visible = (history.c.role == "customer") | outbox.c.status.in_(("attempting", "sent"))
    rows = connection.execute(
        select(history.c.key, history.c.role, history.c.body, history.c.at, history.c.subject)
        .outerjoin(outbox, outbox.c.idempotency_key == history.c.key)
        .where(history.c.conversation == conversation, visible)
        .order_by(history.c.id.desc())
        .limit(limit)
    ).all()
    waiting = connection.execute(
        select(inbox)
        .where(inbox.c.conversation == conversation, inbox.c.status == "new")
        .order_by(inbox.c.id)
    ).all()
    keys.preload(connection, [row.subject for row in (*rows, *waiting)])
    lines: list[Row] = []
    for row in reversed(rows):
        name = history_row(conversation, row.role, row.key)
        body = _opened(connection, keys, row.subject, "history", "body", name, row.body)
        if body is None:
            continue
        if row.role == "customer":
            lines.append(Row(row.key, row.role, row.at, event=decode(body, InboundEvent)))
        else:
            role: Role = "bot" if row.role == "aside" else row.role
            lines.append(Row(row.key, role, row.at, message=decode(body, OutboundMessage)))
    for row in waiting:
        name = inbox_row(row.platform, row.account, row.event_id)
        body = _opened(connection, keys, row.subject, "inbox", "event", name, row.event)
        if body is not None:
            event = decode(body, InboundEvent)
            if is_vote(event):
                continue
            lines.append(Row(row.event_id, "customer", row.received_at, event=event))
    return lines[-limit:]


def _opened(
    connection: Connection, keys: DataKeys, id: int | None, table: str, column: str, name: str, value: str
) -> str | None:
    """A field; None where it was tampered with: the rest of a conversation can be shown without."""
    try:
        return keys.open(connection, id, table, column, name, value)
    except SealBroken as error:
        log.error("row.unreadable", table=table, reason=str(error))
        return None


def released(
    connection: Connection, keys: DataKeys, conversation: str, after: int
) -> list[tuple[int, OutboundMessage]]:
    """Messages handed to the platform with an outbox id above `after`, in order."""
    rows = connection.execute(
        select(outbox.c.id, outbox.c.message, outbox.c.subject, outbox.c.idempotency_key)
        .where(
            outbox.c.conversation == conversation,
            outbox.c.id > after,
            outbox.c.status.in_(("attempting", "sent")),
            outbox.c.message != "",
        )
        .order_by(outbox.c.id)
    ).all()
    keys.preload(connection, [row.subject for row in rows])
    found = []
    for row in rows:
        body = _opened(connection, keys, row.subject, "outbox", "message", row.idempotency_key, row.message)
        if body is not None:
            found.append((row.id, decode(body, OutboundMessage)))
    return found
