"""An honest host in memory, and the web chat served over it on a real socket."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Literal

from aiohttp import web

from adapters.base import Attachment, Line
from adapters.web import Localized, WebAdapter, WebSettings
from bot.errors import UnknownAttachment
from bot.types import Conversation, InboundEvent, MessageKind, OutboundMessage, OutPart, Text

SETTINGS = WebSettings(
    bank_name=Localized("澜湾银行", "Lanwan Bank"),
    greeting=Localized("您好，请问有什么可以帮您？", "Hello. How can we help you today?"),
    suggestions=(
        Localized("手机银行转账限额是多少？", "What is the transfer limit in the app?"),
        Localized("银行卡丢了怎么办？", "I lost my card. What should I do?"),
        Localized("附近网点几点开门？", "When do branches open?"),
        Localized("有人自称公检法让我转账", "Someone from “the police” asks me for a transfer"),
        Localized("怎么提前还房贷？", "How do I repay my mortgage early?"),
        Localized("定期存款利率是多少？", "What do fixed-term deposits pay?"),
    ),
)


class MemoryHost:
    """Keeps what an adapter gives it. `failure`, when set, is what the store raises."""

    def __init__(self) -> None:
        self.events: list[InboundEvent] = []
        self.raw: list[bytes] = []
        self.failure: Exception | None = None
        self.accepted = asyncio.Condition()
        self.reads = 0
        self.clock = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
        self._known: set[str] = set()
        self._lines: dict[str, list[Line]] = defaultdict(list)
        self._outgoing: dict[str, list[tuple[int, OutboundMessage]]] = defaultdict(list)
        self._attachments: dict[tuple[str, str], Attachment] = {}
        self._listeners: dict[str, set[asyncio.Queue[bytes]]] = defaultdict(set)
        self._ids = count(1)

    # ── what an adapter calls ──

    async def accept(self, event: InboundEvent, raw: bytes = b"") -> bool:
        self._fail()
        async with self.accepted:
            if event.event_id in self._known:
                return False
            self._known.add(event.event_id)
            self.events.append(event)
            self.raw.append(raw)
            line = Line(event.event_id, "customer", event.received_at, event=event)
            self._lines[event.conversation.key].append(line)
            self.accepted.notify_all()
        return True

    async def transcript(self, conversation: Conversation, *, limit: int = 100) -> list[Line]:
        self._fail()
        return self._lines[conversation.key][-limit:]

    async def outgoing(self, conversation: Conversation, *, after: int) -> list[tuple[int, OutboundMessage]]:
        self._fail()
        self.reads += 1
        return [(n, message) for n, message in self._outgoing[conversation.key] if n > after]

    async def keep_attachment(self, conversation: Conversation, attachment: Attachment) -> str:
        self._fail()
        ref = self.new_id()
        self._attachments[conversation.key, ref] = attachment
        return ref

    async def attachment(self, conversation: Conversation, ref: str) -> Attachment:
        self._fail()
        try:
            return self._attachments[conversation.key, ref]
        except KeyError:
            raise UnknownAttachment(f"no attachment {ref!r} in this conversation") from None

    async def push(self, topic: str, payload: bytes) -> None:
        for queue in self._listeners[topic]:
            queue.put_nowait(payload)

    @asynccontextmanager
    async def pushed(self, topic: str) -> AsyncIterator[AsyncIterator[bytes]]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()

        async def payloads() -> AsyncIterator[bytes]:
            while True:
                yield await queue.get()

        self._listeners[topic].add(queue)
        try:
            yield payloads()
        finally:
            self._listeners[topic].discard(queue)

    def now(self) -> datetime:
        self.clock += timedelta(milliseconds=1)
        return self.clock

    def new_id(self) -> str:
        return f"id-{next(self._ids):06d}"

    # ── what a test calls ──

    def release(self, message: OutboundMessage, *, by_staff: bool = False) -> int:
        """What the sender does just before it calls the adapter's `send`."""
        key = message.conversation.key
        n = len(self._outgoing[key]) + 1
        self._outgoing[key].append((n, message))
        role: Literal["bot", "staff"] = "staff" if by_staff else "bot"
        self._lines[key].append(Line(message.idempotency_key, role, self.now(), message=message))
        return n

    @property
    def attachments(self) -> int:
        """How many are kept."""
        return len(self._attachments)

    async def event(self, number: int) -> InboundEvent:
        """The `number`-th accepted event (from 1), once it is there."""
        async with asyncio.timeout(10), self.accepted:
            await self.accepted.wait_for(lambda: len(self.events) >= number)
        return self.events[number - 1]

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


def message(
    conversation: Conversation,
    key: str,
    *parts: OutPart | str,
    kind: MessageKind = "answer",
) -> OutboundMessage:
    made = tuple(Text(part) if isinstance(part, str) else part for part in parts)
    return OutboundMessage(conversation, made, key, kind)


@dataclass(frozen=True, slots=True)
class Served:
    adapter: WebAdapter
    host: MemoryHost
    url: str

    async def say(self, message: OutboundMessage, *, by_staff: bool = False) -> int:
        """Release a message and have it sent."""
        n = self.host.release(message, by_staff=by_staff)
        await self.adapter.send(message)
        return n


@asynccontextmanager
async def serve(adapter: WebAdapter, host: MemoryHost, port: int = 0) -> AsyncIterator[Served]:
    """The adapter on 127.0.0.1 until the block ends."""
    app = web.Application()
    app.add_routes(adapter.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    await adapter.start(host)
    bound = runner.addresses[0][1]
    try:
        yield Served(adapter, host, f"http://127.0.0.1:{bound}")
    finally:
        await adapter.stop()
        await runner.cleanup()
