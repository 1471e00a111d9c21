"""What the core offers to adapters: durable intake, transcripts, attachments and transient pushes."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import structlog

from adapters.base import Attachment, Line
from bot.bus import Bus
from bot.config import LiveConfig
from bot.errors import QueueFull, StoreBusy
from bot.limits.files import Unsafe, examine
from bot.metrics import Metrics
from bot.ports import Clock, Ids, Masker
from bot.rails.normalise import SAY
from bot.store import Store, StoredFile
from bot.turns import TURNS
from bot.types import Conversation, File, Image, InboundEvent, Location, OutboundMessage, Part, Text

__all__ = ["CounterHost", "StoredNotes"]

log = structlog.get_logger(__name__)


LONGEST_KEY = 240
_LONG = 4000
"""Characters from which a text is scrubbed off the event loop."""
_KEPT = 3
"""Of a text so many times `limits.message_chars` are kept: half as much again as is ever read."""
_BEYOND = 200
"""Characters behind what is kept that are looked at too: a code may stand across the edge."""
_NAME = 400
"""Characters that are kept of a file's name or a place's label."""


def _named(key: str) -> str:
    """A key as the store can hold it: a long one keeps its beginning, and the rest as its hash."""
    if len(key) <= LONGEST_KEY:
        return key
    return key[: LONGEST_KEY - 65] + "#" + hashlib.sha256(key.encode()).hexdigest()


class StoredNotes:
    """Implements `adapters.base.Notes` over the store."""

    def __init__(self, store: Store, account: tuple[str, str], seconds: Callable[[], float]) -> None:
        self._store = store
        self._account = account
        self._seconds = seconds

    async def get(self, key: str) -> str | None:
        return await self._store.note(self._account, _named(key), now=self._seconds())

    async def put(self, key: str, value: str, *, ttl_s: float | None = None) -> None:
        await self._store.put_note(self._account, _named(key), value, until=self._until(ttl_s))

    async def add(self, key: str, value: str, *, ttl_s: float | None = None) -> bool:
        until, now = self._until(ttl_s), self._seconds()
        return await self._store.add_note(self._account, _named(key), value, until=until, now=now)

    async def drop(self, key: str) -> None:
        await self._store.drop_note(self._account, _named(key))

    def _until(self, ttl_s: float | None) -> float | None:
        return None if ttl_s is None else self._seconds() + ttl_s


@dataclass(frozen=True, slots=True)
class _Scrubbed:
    text: str
    hidden: frozenset[str]
    """Kinds of secrets that were taken out."""
    dropped: int
    """Characters that were left away at the end."""


class CounterHost:
    """Implements `adapters.base.Host` over the store and the bus."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        live: LiveConfig,
        metrics: Metrics,
        clock: Clock,
        new_id: Ids,
        masker: Masker,
    ) -> None:
        self._masker = masker
        self._store = store
        self._bus = bus
        self._live = live
        self._metrics = metrics
        self._clock = clock
        self._new_id = new_id
        self.stopping = False

    async def accept(self, event: InboundEvent, raw: bytes = b"") -> bool:
        if self.stopping:
            raise StoreBusy("Teller is shutting down; try again in a moment")
        started, platform = time.perf_counter(), event.platform
        event, raw = await self._without_secrets(event, raw)
        try:
            new = await self._store.accept(
                event, raw, queue_limit=self._live.config.limits.queue, now=self._seconds()
            )
        except (StoreBusy, QueueFull) as error:
            outcome = "full" if isinstance(error, QueueFull) else "busy"
            self._metrics.intake.labels(platform, outcome).inc()
            log.warning("intake.refused", platform=platform, outcome=outcome, reason=str(error))
            raise
        self._metrics.intake.labels(platform, "accepted" if new else "duplicate").inc()
        self._metrics.intake_seconds.labels(platform).observe(time.perf_counter() - started)
        # A duplicate may be a redelivery of something that still waits: the hint costs nothing.
        await self._bus.publish(TURNS, event.conversation.key)
        return new

    async def _without_secrets(self, event: InboundEvent, raw: bytes) -> tuple[InboundEvent, bytes]:
        """One-time codes, PINs, CVVs and passwords are never stored, not even sealed. A payload that
        held one isn't kept at all. What is far longer than can be read loses its end, and its payload too."""
        longest = left = self._live.config.limits.message_chars * _KEPT
        parts: list[Part] = []
        hidden: frozenset[str] = frozenset()
        dropped = 0
        value = event.value
        for part in event.parts:
            match part:
                case Text(text):
                    kept = await self._scrubbed(text, left)
                    left -= len(kept.text)
                    dropped += kept.dropped
                    if kept.text or not text:
                        parts.append(Text(kept.text))
                case Image() | File():
                    kept = await self._scrubbed(part.name, _NAME)
                    parts.append(msgspec.structs.replace(part, name=kept.text))
                case Location():
                    kept = await self._scrubbed(part.label, _NAME)
                    parts.append(msgspec.structs.replace(part, label=kept.text))
                case _:
                    parts.append(part)
                    continue
            hidden |= kept.hidden
            raw = b"" if kept.dropped else raw
        if value.startswith(SAY):
            kept = await self._scrubbed(value.removeprefix(SAY), longest)
            value, dropped, hidden = SAY + kept.text, dropped + kept.dropped, hidden | kept.hidden
        if hidden or dropped:
            raw = b""
        return msgspec.structs.replace(
            event, parts=tuple(parts), value=value, hidden=tuple(sorted(hidden)), dropped=dropped
        ), raw

    async def _scrubbed(self, text: str, longest: int) -> _Scrubbed:
        """The beginning of a text, without secrets."""
        if longest <= 0:
            return _Scrubbed("", frozenset(), len(text))
        read = text[: longest + _BEYOND]
        if len(read) > _LONG:
            clean = await asyncio.to_thread(self._masker.scrub, read)
        else:
            clean = self._masker.scrub(read)
        if len(text) <= longest:
            return _Scrubbed(clean.text, clean.kinds, 0)
        kept = clean.text[:longest]
        return _Scrubbed(kept, clean.kinds, max(1, len(text) - len(kept)))

    async def transcript(self, conversation: Conversation, *, limit: int = 100) -> list[Line]:
        rows = await self._store.transcript(conversation.key, limit=limit)
        return [Line(r.key, r.role, datetime.fromtimestamp(r.at, UTC), r.event, r.message) for r in rows]

    async def outgoing(self, conversation: Conversation, *, after: int) -> list[tuple[int, OutboundMessage]]:
        return await self._store.released(conversation.key, after=after)

    async def keep_attachment(self, conversation: Conversation, attachment: Attachment) -> str:
        rules = self._live.config.limits.attachments
        try:
            await asyncio.to_thread(examine, attachment.data, attachment.name, rules)
        except Unsafe as unsafe:
            self._metrics.attachments_refused.labels(unsafe.reason).inc()
            log.warning("attachment.refused", reason=unsafe.reason, detail=str(unsafe))
            raise
        ref = self.new_id()
        # A file's name lies in clear: 「张三身份证 1101….jpg」 must not.
        file = StoredFile(self._masker.mask(attachment.name[:200]).text, attachment.mime, attachment.data)
        await self._store.keep_attachment(ref, conversation, file, now=self._seconds())
        return ref

    async def attachment(self, conversation: Conversation, ref: str) -> Attachment:
        file = await self._store.attachment(ref, conversation)
        return Attachment(file.name, file.mime, file.data)

    def notes(self, platform: str, account: str) -> StoredNotes:
        return StoredNotes(self._store, (platform, account), self._seconds)

    def refused(self, platform: str, reason: str) -> None:
        self._metrics.intake.labels(platform, reason).inc()

    async def push(self, topic: str, payload: bytes) -> None:
        await self._bus.publish(f"push.{topic}", payload=payload)

    @asynccontextmanager
    async def pushed(self, topic: str) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self._bus.subscribe(f"push.{topic}") as hints:

            async def payloads() -> AsyncGenerator[bytes, None]:
                async for _, payload in hints:
                    yield payload

            async with aclosing(payloads()) as stream:
                yield stream

    def now(self) -> datetime:
        return self._clock()

    def new_id(self) -> str:
        return self._new_id()

    def _seconds(self) -> float:
        return self._clock().timestamp()
