"""An honest host in memory, for tests of adapters."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Literal

from adapters.base import Attachment, Line
from bot.errors import UnknownAttachment
from bot.types import Conversation, InboundEvent, OutboundMessage

__all__ = ["MemoryHost", "MemoryNotes"]


class MemoryNotes:
    """The notes of one account. `clock` gives the seconds by which they expire."""

    def __init__(self, host: MemoryHost) -> None:
        self._host = host
        self.kept: dict[str, tuple[str, float | None]] = {}

    async def get(self, key: str) -> str | None:
        self._host.fail()
        return self._get(key)

    async def put(self, key: str, value: str, *, ttl_s: float | None = None) -> None:
        self._host.fail()
        assert len(key) <= 240, f"a note's key is too long: {key}"
        self.kept[key] = (value, None if ttl_s is None else self._host.seconds() + ttl_s)

    async def add(self, key: str, value: str, *, ttl_s: float | None = None) -> bool:
        self._host.fail()
        if self._get(key) is not None:
            return False
        await self.put(key, value, ttl_s=ttl_s)
        return True

    async def drop(self, key: str) -> None:
        self._host.fail()
        self.kept.pop(key, None)

    def _get(self, key: str) -> str | None:
        value, until = self.kept.get(key, (None, None))
        return None if until is not None and until <= self._host.seconds() else value


class MemoryHost:
    """Keeps what an adapter gives it. `failure`, when set, is what the store raises."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.seconds = clock
        """The clock that notes expire by."""
        self.refusals: Counter[str] = Counter()
        """What `refused` counted, by reason."""
        self.events: list[InboundEvent] = []
        self.raw: list[bytes] = []
        self.failure: Exception | None = None
        self.accepted = asyncio.Condition()
        self.reads = 0
        self.clock = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
        self._known: set[tuple[str, str, str]] = set()
        self._notes: dict[tuple[str, str], MemoryNotes] = {}
        self._lines: dict[str, list[Line]] = defaultdict(list)
        self._outgoing: dict[str, list[tuple[int, OutboundMessage]]] = defaultdict(list)
        self._attachments: dict[tuple[str, str], Attachment] = {}
        self._listeners: dict[str, set[asyncio.Queue[bytes]]] = defaultdict(set)
        self._ids = count(1)

    # ── what an adapter calls ──

    async def accept(self, event: InboundEvent, raw: bytes = b"") -> bool:
        self.fail()
        async with self.accepted:
            identity = (event.platform, event.account, event.event_id)
            if identity in self._known:
                return False
            self._known.add(identity)
            self.events.append(event)
            self.raw.append(raw)
            line = Line(event.event_id, "customer", event.received_at, event=event)
            self._lines[event.conversation.key].append(line)
            self.accepted.notify_all()
        return True

    async def transcript(self, conversation: Conversation, *, limit: int = 100) -> list[Line]:
        self.fail()
        return self._lines[conversation.key][-limit:]

    async def outgoing(self, conversation: Conversation, *, after: int) -> list[tuple[int, OutboundMessage]]:
        self.fail()
        self.reads += 1
        return [(n, message) for n, message in self._outgoing[conversation.key] if n > after]

    async def keep_attachment(self, conversation: Conversation, attachment: Attachment) -> str:
        self.fail()
        ref = self.new_id()
        self._attachments[conversation.key, ref] = attachment
        return ref

    async def attachment(self, conversation: Conversation, ref: str) -> Attachment:
        self.fail()
        try:
            return self._attachments[conversation.key, ref]
        except KeyError:
            raise UnknownAttachment(f"no attachment {ref!r} in this conversation") from None

    def notes(self, platform: str, account: str) -> MemoryNotes:
        return self._notes.setdefault((platform, account), MemoryNotes(self))

    def refused(self, platform: str, reason: str) -> None:
        self.refusals[reason] += 1

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

    def fail(self) -> None:
        if self.failure is not None:
            raise self.failure
