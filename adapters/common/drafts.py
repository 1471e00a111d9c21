"""Growing drafts: each is one message on the platform, which the final message takes the place of.

    draft ─► open ─► handle (noted durably) ─► grow, grow, …  no faster than `every_s`
    final ─► finish ─► handle, or None where nothing was shown

Which process gets a draft is chance, so the first to note a key shows it and others let it be; the
process that sends the final message, this one or another, finds the handle in the notes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from adapters.base import Notes
from bot.errors import RetryLater, SendError, StoreBusy
from bot.types import Conversation, Draft

__all__ = ["Drafts"]

log = structlog.get_logger(__name__)

LONGEST_S = 600.0
"""A draft whose final message never comes is forgotten after so many seconds."""
OPENING_S = 5.0
"""How long a final message waits for another process that is opening its draft at this moment."""
REMEMBERED = 4096
"""Finished keys remembered, so that a draft that comes late isn't shown after its final message."""

Open = Callable[[Draft], Awaitable[str]]
"""Shows a draft's first text; returns a handle by which any process can change it."""
Grow = Callable[[Draft, str], Awaitable[None]]
"""Shows a later text in the place of the one before."""


class _Live:
    """A draft this process is showing."""

    def __init__(self, draft: Draft) -> None:
        self.latest = draft
        self.changed = asyncio.Event()
        self.ended = False
        self.handle: str | None = None
        self.task: asyncio.Task[None] | None = None


class Drafts:
    """The drafts of one adapter.

    Args:
        open, grow: the platform's calls; a RetryLater holds back, another SendError ends the preview.
        notes: the durable memory of the conversation's account.
        every_s: least seconds between two calls for one draft.
    """

    def __init__(
        self, open: Open, grow: Grow, notes: Callable[[Conversation], Notes], *, every_s: float
    ) -> None:
        self._open = open
        self._grow = grow
        self._notes = notes
        self._every_s = every_s
        self._live: dict[str, _Live] = {}
        self._finished: OrderedDict[str, None] = OrderedDict()

    def show(self, draft: Draft) -> None:
        """Show it, soon; a later draft may take its place before it is shown at all."""
        key = draft.idempotency_key
        if not draft.text.strip() or key in self._finished:
            return
        live = self._live.get(key)
        if live is None:
            live = self._live[key] = _Live(draft)
            live.task = asyncio.create_task(self._run(key, live), name="draft")
        elif draft.sequence > live.latest.sequence:
            live.latest = draft
            live.changed.set()

    async def finish(self, conversation: Conversation, key: str) -> str | None:
        """End the draft `key`, if there is one; its handle. Asked again (after a failed attempt at the
        final message), it answers the same. Raises StoreBusy."""
        self._finished[key] = None
        while len(self._finished) > REMEMBERED:
            self._finished.popitem(last=False)
        live = self._live.get(key)
        if live is not None and live.task is not None:
            live.ended = True
            live.changed.set()
            await asyncio.wait({live.task}, timeout=OPENING_S)
            if live.handle is not None:
                return live.handle
        return await self._noted(conversation, key)

    async def close(self) -> None:
        tasks = [live.task for live in self._live.values() if live.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _noted(self, conversation: Conversation, key: str) -> str | None:
        notes, note = self._notes(conversation), f"draft:{key}"
        for _ in range(int(OPENING_S / 0.1)):
            handle = await notes.get(note)
            if handle != "":
                return handle
            await asyncio.sleep(0.1)
        return None

    async def _run(self, key: str, live: _Live) -> None:
        try:
            async with asyncio.timeout(LONGEST_S):
                await self._show(key, live)
        except (SendError, StoreBusy, TimeoutError) as error:
            # A preview only: the final message comes all the same.
            log.info("draft.given_up", reason=type(error).__name__)
        finally:
            self._live.pop(key, None)

    async def _show(self, key: str, live: _Live) -> None:
        notes, note = self._notes(live.latest.conversation), f"draft:{key}"
        if not await notes.add(note, "", ttl_s=LONGEST_S):
            return
        try:
            live.handle = await self._open(live.latest)
        except SendError:
            await notes.drop(note)
            raise
        await notes.put(note, live.handle, ttl_s=LONGEST_S)
        shown = live.latest.sequence
        while True:
            await self._pause(live, self._every_s)
            while live.latest.sequence == shown and not live.ended:
                live.changed.clear()
                await live.changed.wait()
            if live.ended:
                return
            shown = live.latest.sequence
            try:
                await self._grow(live.latest, live.handle)
            except RetryLater as error:
                await self._pause(live, error.retry_after)

    async def _pause(self, live: _Live, seconds: float) -> None:
        """Sleep, but no longer than until the draft ends."""
        until = asyncio.get_running_loop().time() + seconds
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while not live.ended:
                    live.changed.clear()
                    await live.changed.wait()
