"""A store with something in it, for the tests of what keeps it safe."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bot.store import AuditEntry, Outcome, Store
from bot.store.vault import Secret
from bot.types import Conversation, InboundEvent, OutboundMessage, Sender, Text
from tests.make import NOON, T0, event, message

__all__ = ["ANSWER", "WORDS", "converse", "file_bytes", "group_event", "rows", "send_all"]

WORDS = "我想把二十万转到新的收款人"
ANSWER = "请先核对收款人"


async def converse(
    store: Store, *, chat: str = "wang", id: str = "e1", words: str = WORDS, answer: str = ANSWER
) -> None:
    """One whole turn: accepted, handled with an entry and an answer, sent."""
    await store.accept(event(words, chat=chat, id=id), f"raw {words}".encode(), queue_limit=100, now=T0)
    claims = await store.claim(now=T0, lease_s=30, limit=10)
    for claim in claims:
        await store.complete(
            claim,
            Outcome(
                messages=(message(answer, chat=chat, key=f"answer-{chat}-{id}"),),
                seen=words,
                state={"said": words},
                audit=(AuditEntry("turn.answered", {"source": "verbatim"}),),
                secrets=(Secret(f"v_{chat}_{id}", "PHONE", f"phone {words}", "138****0000"),),
            ),
            now=T0,
        )
    await send_all(store)


async def send_all(store: Store) -> None:
    while sends := await store.claim_sends([("fake", "test")], now=T0, lease_s=30, limit=10):
        for dispatch in sends:
            await store.sent(dispatch, "m1", now=T0)


def group_event(words: str, *, sender: str, id: str) -> InboundEvent:
    return InboundEvent(
        event_id=id,
        conversation=Conversation("fake", "test", "room", kind="group"),
        sender=Sender(sender),
        kind="message",
        parts=(Text(words),),
        occurred_at=NOON,
        received_at=NOON,
        correlation_id=f"c-{id}",
    )


def group_reply(words: str, key: str) -> OutboundMessage:
    conversation = Conversation("fake", "test", "room", kind="group")
    return OutboundMessage(conversation, (Text(words),), key, "answer")


def file_bytes(path: Path) -> bytes:
    """The database as it lies on disk, with its log."""
    return b"".join(part.read_bytes() for part in path.parent.glob(path.name + "*") if part.is_file())


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        found: list[tuple[object, ...]] = connection.execute(query).fetchall()
        connection.commit()
        return found
    finally:
        connection.close()
