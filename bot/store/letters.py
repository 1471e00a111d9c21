"""Dead letters: what failed too often, kept for a person to look at and to try again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from bot.errors import SealBroken
from bot.store.inbox import inbox_row, next_head
from bot.store.schema import conversations, dead_letters, inbox, outbox
from bot.store.subjects import DataKeys

__all__ = ["DeadLetter", "list_letters", "retry", "show"]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    id: int
    kind: str
    """`event` (a turn failed) or `message` (a send failed)."""
    conversation: str
    reason: str
    at: float
    status: str
    content: str = ""
    """The event's or message's JSON; only from `show`."""


def list_letters(connection: Connection, *, every: bool = False, limit: int = 200) -> list[DeadLetter]:
    query = select(dead_letters).order_by(dead_letters.c.id.desc()).limit(limit)
    if not every:
        query = query.where(dead_letters.c.status == "open")
    return [
        DeadLetter(row.id, row.kind, row.conversation, row.reason, row.at, row.status)
        for row in connection.execute(query)
    ]


def show(connection: Connection, keys: DataKeys, id: int) -> DeadLetter | None:
    row = connection.execute(select(dead_letters).where(dead_letters.c.id == id)).first()
    if row is None:
        return None
    try:
        content = _content(connection, keys, row.kind, row.ref)
    except SealBroken as error:
        content = f"({error})"
    return DeadLetter(row.id, row.kind, row.conversation, row.reason, row.at, row.status, content)


def _content(connection: Connection, keys: DataKeys, kind: str, ref: int) -> str:
    if kind == "message":
        sent = connection.execute(
            select(outbox.c.message, outbox.c.subject, outbox.c.idempotency_key).where(outbox.c.id == ref)
        ).first()
        if sent is None:
            return ""
        return keys.open(connection, sent.subject, "outbox", "message", sent.idempotency_key, sent.message)
    said = connection.execute(select(inbox).where(inbox.c.id == ref)).first()
    if said is None:
        return ""
    name = inbox_row(said.platform, said.account, said.event_id)
    return keys.open(connection, said.subject, "inbox", "event", name, said.event)


def retry(connection: Connection, id: int) -> bool:
    """Put the event or message back in its queue. False if there is no open letter with that id.

    An event comes back at its old place: before anything of its conversation that still waits.
    """
    row = connection.execute(
        select(dead_letters).where(dead_letters.c.id == id, dead_letters.c.status == "open").with_for_update()
    ).first()
    if row is None:
        return False
    if row.kind == "message":
        connection.execute(
            update(outbox)
            .where(outbox.c.id == row.ref, outbox.c.status == "dead", outbox.c.message != "")
            .values(status="pending", ready_at=0.0, failures=0)
        )
    else:
        connection.execute(
            select(conversations.c.lease).where(conversations.c.key == row.conversation).with_for_update()
        )
        connection.execute(
            update(inbox)
            .where(inbox.c.id == row.ref, inbox.c.status == "dead", inbox.c.event != "")
            .values(status="new", tries=0, claims=0)
        )
        connection.execute(
            update(conversations)
            .where(conversations.c.key == row.conversation)
            .values(head=next_head(connection, row.conversation))
        )
    connection.execute(update(dead_letters).where(dead_letters.c.id == id).values(status="retried"))
    return True
