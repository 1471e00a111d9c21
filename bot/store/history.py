"""What was said: written with the turn, read as context for the next one and as the transcript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, insert, select

from bot.store.schema import history, inbox, outbox
from bot.types import Exchange, InboundEvent, OutboundMessage, decode, encode

__all__ = ["Role", "Row", "add_event", "add_message", "exchanges", "released", "transcript"]

Role = Literal["customer", "bot", "staff"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a conversation."""

    key: str
    role: Role
    at: float
    event: InboundEvent | None = None
    message: OutboundMessage | None = None


def add_event(connection: Connection, event: InboundEvent, text: str, now: float) -> None:
    """Note a customer's message; `text` is what later turns may see of it. Once, however often its
    turn is run (a dead letter that is retried)."""
    known = select(history.c.id).where(
        history.c.conversation == event.conversation.key,
        history.c.key == event.event_id,
        history.c.role == "customer",
    )
    if connection.execute(known).first() is not None:
        return
    _add(connection, event.conversation.key, "customer", event.event_id, encode(event), text, (), now)


def add_message(
    connection: Connection, message: OutboundMessage, passages: Sequence[str], now: float, role: Role = "bot"
) -> None:
    """Note a reply and the ids of the passages it stands on."""
    body = encode(message)
    _add(
        connection, message.conversation.key, role, message.idempotency_key, body, message.text, passages, now
    )


def _add(
    connection: Connection,
    conversation: str,
    role: Role,
    key: str,
    body: bytes,
    text: str,
    passages: Sequence[str],
    now: float,
) -> None:
    values = {
        "conversation": conversation,
        "role": role,
        "key": key,
        "body": body.decode(),
        "text": text,
        "passages": encode(list(passages)).decode(),
        "at": now,
    }
    connection.execute(insert(history).values(values))


def exchanges(connection: Connection, conversation: str, limit: int, since: float) -> list[Exchange]:
    """The last `limit` questions with their answers, oldest first, from `since` on."""
    rows = connection.execute(
        select(history.c.role, history.c.text, history.c.passages)
        .where(history.c.conversation == conversation, history.c.at >= since)
        .order_by(history.c.id.desc())
        .limit(limit * 3)
    ).all()
    found: list[Exchange] = []
    question: str | None = None
    for row in reversed(rows):
        if row.role == "customer":
            question = row.text
        elif question is not None:
            found.append(Exchange(question, row.text, tuple(decode(row.passages, list[str]))))
            question = None
    return found[-limit:] if limit else []


def transcript(connection: Connection, conversation: str, limit: int) -> list[Row]:
    """The latest `limit` lines, oldest first, as the customer sees them.

    A reply appears once it was released to the platform; a message that is accepted but not
    handled yet appears at the end.
    """
    visible = (history.c.role == "customer") | outbox.c.status.in_(("attempting", "sent"))
    rows = connection.execute(
        select(history.c.key, history.c.role, history.c.body, history.c.at)
        .outerjoin(outbox, outbox.c.idempotency_key == history.c.key)
        .where(history.c.conversation == conversation, visible)
        .order_by(history.c.id.desc())
        .limit(limit)
    ).all()
    waiting = connection.execute(
        select(inbox.c.event_id, inbox.c.event, inbox.c.received_at)
        .where(inbox.c.conversation == conversation, inbox.c.status == "new")
        .order_by(inbox.c.id)
    ).all()
    lines = [_row(row) for row in reversed(rows)]
    lines += [
        Row(row.event_id, "customer", row.received_at, event=decode(row.event, InboundEvent))
        for row in waiting
    ]
    return lines[-limit:]


def _row(row: Any) -> Row:
    if row.role == "customer":
        return Row(row.key, row.role, row.at, event=decode(row.body, InboundEvent))
    return Row(row.key, row.role, row.at, message=decode(row.body, OutboundMessage))


def released(connection: Connection, conversation: str, after: int) -> list[tuple[int, OutboundMessage]]:
    """Messages handed to the platform with an outbox id above `after`, in order."""
    rows = connection.execute(
        select(outbox.c.id, outbox.c.message)
        .where(
            outbox.c.conversation == conversation,
            outbox.c.id > after,
            outbox.c.status.in_(("attempting", "sent")),
        )
        .order_by(outbox.c.id)
    ).all()
    return [(row.id, decode(row.message, OutboundMessage)) for row in rows]
