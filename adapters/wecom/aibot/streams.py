"""The growing answers of callback mode, kept where every process finds them.

WeCom shows a bubble that it refreshes by asking us again and again (`poll`) until we say that it is
finished. Which process is asked is chance, and so is which one has the answer:

    message ─► open ──► poll: what `grow` left so far
    answer  ─► deliver ► poll: all of it, finished ─► told which shares were taken

A poll that finds nothing after `LIFE_S` ends the bubble, as WeCom would; a delivery that nobody comes
for gives up on it. `told:` is written by whichever of them is first, so an answer is either in the
bubble or left to its sender, never lost between the two.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from adapters.base import Notes
from adapters.common.split import measure
from adapters.wecom.aibot.cards import TemplateCard
from adapters.wecom.aibot.markdown import CONTENT_LIMIT

__all__ = ["LIFE_S", "Piece", "Shown", "Streams", "stream_id"]

LIFE_S: Final = 330.0
"""WeCom refreshes a bubble for six minutes after the customer's message; ours end before that."""
KEPT_S: Final = 3600.0
PICTURES: Final = 10
_GAP: Final = "\n\n"
_EXPIRED: Final = "expired"
_UNTAKEN: Final = "untaken"
LOCKS: Final = 64


class Piece(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message's share of a bubble."""

    key: str
    """The message's idempotency key: a message that is sent again is not there twice."""
    text: str
    pictures: tuple[str, ...] = ()
    """References of the conversation's attachments."""
    card: TemplateCard | None = None


class _Stream(msgspec.Struct, frozen=True, omit_defaults=True):
    at: float
    waiting: str = ""
    """What is shown before there is anything."""
    pieces: tuple[Piece, ...] = ()


class Shown(msgspec.Struct, frozen=True):
    """What a poll is answered with."""

    text: str
    finish: bool
    pictures: tuple[str, ...] = ()
    card: TemplateCard | None = None


def stream_id(account: str, event_id: str) -> str:
    """The bubble of a message: the same for a message that is delivered again."""
    return "s" + hashlib.sha256(f"{account}|{event_id}".encode()).hexdigest()[:40]


class Streams:
    """The bubbles of one account.

    Args:
        clock: seconds since the epoch.
        later: what a bubble says that ends without an answer.
        untaken_s: how long a finished answer waits for WeCom to come for it.
        look_s: how often a delivery looks whether another process has given it out; in this one it is
            told.
    """

    def __init__(
        self,
        notes: Notes,
        *,
        later: str,
        clock: Callable[[], float] = time.time,
        untaken_s: float = 10.0,
        look_s: float = 1.0,
    ) -> None:
        self._notes = notes
        self._later = later
        self._clock = clock
        self._untaken_s = untaken_s
        self._look_s = look_s
        self._waiting: dict[str, set[asyncio.Event]] = {}
        # Two messages for one bubble at one time must not overwrite each other's share.
        self._writing = [asyncio.Lock() for _ in range(LOCKS)]

    async def open(self, sid: str, *, waiting: str) -> bool:
        """Open the bubble; False if it is known. Raises StoreBusy, as all here."""
        stream = _Stream(self._clock(), waiting)
        return await self._notes.add(f"stream:{sid}", _encode(stream), ttl_s=KEPT_S)

    async def forget(self, sid: str) -> None:
        await self._notes.drop(f"stream:{sid}")

    async def is_open(self, sid: str) -> bool:
        """Whether an answer can still be put in it."""
        stream = await self._get(sid)
        return stream is not None and not stream.pieces and not self._old(stream)

    async def grow(self, sid: str, text: str) -> None:
        """Show `text` (Markdown) until the answer is there."""
        await self._notes.put(f"grow:{sid}", text, ttl_s=KEPT_S)

    async def deliver(self, sid: str, piece: Piece) -> bool:
        """Put a message's share in the bubble and wait until WeCom came for it. False: it is not shown
        here and must go another way."""
        here = asyncio.Event()
        self._waiting.setdefault(sid, set()).add(here)
        try:
            async with self._writing[hash(sid) % LOCKS]:
                if not await self._put(sid, piece):
                    return False
            return await self._taken(sid, piece.key, here)
        finally:
            self._waiting[sid].discard(here)
            if not self._waiting[sid]:
                del self._waiting[sid]

    async def _put(self, sid: str, piece: Piece) -> bool:
        """Add the share, unless it is there; False: it can't be."""
        stream = await self._get(sid)
        if stream is None:
            return False
        if any(kept.key == piece.key for kept in stream.pieces):
            return True
        grown = _Stream(stream.at, stream.waiting, (*stream.pieces, piece))
        if self._old(stream) or not _fits(grown) or await self._notes.get(f"told:{sid}") is not None:
            return False
        await self._notes.put(f"stream:{sid}", _encode(grown), ttl_s=KEPT_S)
        return True

    async def _taken(self, sid: str, key: str, here: asyncio.Event) -> bool:
        """Whether that share was taken, as soon as it is certain."""
        until = time.monotonic() + self._untaken_s
        while True:
            told = await self._notes.get(f"told:{sid}")
            if told in (_EXPIRED, _UNTAKEN):
                return False
            # An empty one: a poll is reading at this moment.
            if told:
                return key in _keys(told)
            if time.monotonic() >= until:
                if told == "" or await self._notes.add(f"told:{sid}", _UNTAKEN, ttl_s=KEPT_S):
                    return False
                until += self._untaken_s
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await here.wait()
            here.clear()

    async def poll(self, sid: str) -> Shown:
        """What to show now. A bubble that isn't known is finished, or WeCom would ask for ever."""
        stream = await self._get(sid)
        if stream is None:
            return Shown("", True)
        if not stream.pieces:
            grown = await self._notes.get(f"grow:{sid}") or ""
            if not self._old(stream):
                return Shown(grown or stream.waiting, False)
            if await self._notes.add(f"told:{sid}", _EXPIRED, ttl_s=KEPT_S):
                return Shown(grown or self._later, True)
        if await self._notes.add(f"told:{sid}", "", ttl_s=KEPT_S):
            # Read again: what came before the note above is shown, what comes after sees the note.
            stream = await self._get(sid) or stream
            await self._notes.put(
                f"told:{sid}", _encode([piece.key for piece in stream.pieces]), ttl_s=KEPT_S
            )
            for event in self._waiting.get(sid, ()):
                event.set()
            return _shown(stream.pieces)
        told = await self._notes.get(f"told:{sid}")
        if told in (_EXPIRED, _UNTAKEN):
            return Shown(await self._notes.get(f"grow:{sid}") or self._later, True)
        # Asked once more: the same again. What was put in since goes another way.
        return _shown([piece for piece in stream.pieces if not told or piece.key in _keys(told)])

    def _old(self, stream: _Stream) -> bool:
        return self._clock() - stream.at > LIFE_S

    async def _get(self, sid: str) -> _Stream | None:
        kept = await self._notes.get(f"stream:{sid}")
        return msgspec.json.decode(kept, type=_Stream) if kept else None


def _shown(pieces: Sequence[Piece]) -> Shown:
    return Shown(
        _GAP.join(piece.text for piece in pieces),
        True,
        tuple(ref for piece in pieces for ref in piece.pictures),
        next((piece.card for piece in pieces if piece.card is not None), None),
    )


def _keys(told: str) -> list[str]:
    return msgspec.json.decode(told, type=list[str])


def _fits(stream: _Stream) -> bool:
    """One bubble has one text, one card and ten pictures."""
    return (
        measure(_GAP.join(piece.text for piece in stream.pieces), "utf8") <= CONTENT_LIMIT
        and sum(piece.card is not None for piece in stream.pieces) <= 1
        and sum(len(piece.pictures) for piece in stream.pieces) <= PICTURES
    )


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()
