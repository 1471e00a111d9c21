"""Growing drafts: each is one message on the platform, which the final message takes the place of.

    draft ─► open ─► handle (noted durably) ─► grow, grow, …  no faster than `every_s`
    final ─► finish ─► handle, or None where nothing was shown

Which process gets a draft is chance, so the first to note a key shows it and others let it be; the
process that sends the final message, this one or another, finds the handle in the notes.

Two notes keep them apart. `draft:KEY` is `busy|HANDLE` while a call is under way and `idle|HANDLE`
otherwise; only the process that shows the draft changes it. `draft-end:KEY` is there once the final
message is on its way. The one writes `busy` before it looks for the end, the other writes the end
before it looks for `busy`; so no preview lands on a final message.

A final message waits only so long for a draft that is being opened, and is then sent by itself. Who is
first to add a third note, `draft-left:KEY`, decides whether it does, or takes the draft's place after
all; a draft that came too late is taken away.
"""

from __future__ import annotations

import asyncio
import math
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
"""How long a final message waits for a call for its draft that is under way at this moment."""
REMEMBERED = 4096
"""Past keys remembered, so that a draft that comes late isn't shown after its final message."""

_FINAL, _DRAFT = "final", "draft"
"""Who was first."""

Open = Callable[[Draft], Awaitable[str]]
"""Shows a draft's first text; returns a handle by which any process can change it."""
Grow = Callable[[Draft, str], Awaitable[None]]
"""Shows a later text in the place of the one before."""
Drop = Callable[[Draft, str], Awaitable[None]]
"""Takes away what was opened when its final message had been sent already."""


class _Live:
    """A draft this process is showing."""

    def __init__(self, draft: Draft) -> None:
        self.latest = draft
        self.changed = asyncio.Event()
        self.ended = False
        self.handle: str | None = None
        self.task: asyncio.Task[None] | None = None

    async def pause(self, seconds: float) -> None:
        """Sleep, but no longer than until the draft ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.ended:
                    await self._change()

    async def newer(self, than: int | None) -> bool:
        """Wait for a text later than number `than`; False when the draft ends instead."""
        while self.latest.sequence == than and not self.ended:
            await self._change()
        return not self.ended

    async def _change(self) -> None:
        self.changed.clear()
        await self.changed.wait()


class Drafts:
    """The drafts of one adapter.

    Args:
        open, grow: the platform's calls; a RetryLater holds back, another SendError ends the preview.
        notes: the durable memory of the conversation's account.
        every_s: least seconds between two calls for one draft.
        drop: where it isn't given, a draft that came too late stays.
    """

    def __init__(
        self,
        open: Open,
        grow: Grow,
        notes: Callable[[Conversation], Notes],
        *,
        every_s: float,
        drop: Drop | None = None,
    ) -> None:
        self._open = open
        self._grow = grow
        self._notes = notes
        self._every_s = every_s
        self._drop = drop
        self._live: dict[str, _Live] = {}
        self._past: OrderedDict[str, str | None] = OrderedDict()
        """Keys that this process shows no drafts of (any more), with the handle where it knows it."""

    def show(self, draft: Draft) -> None:
        """Show it, soon; a later draft may take its place before it is shown at all."""
        key = draft.idempotency_key
        if not draft.text.strip() or key in self._past:
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
        until = asyncio.get_running_loop().time() + OPENING_S
        handle = self._past.get(key)
        self._leave(key, handle)
        live = self._live.get(key)
        if live is not None and live.task is not None:
            live.ended = True
            live.changed.set()
            await asyncio.wait({live.task}, timeout=OPENING_S)
            handle = live.handle
            if handle is not None:
                # It hangs: better no answer than one that comes after the final message.
                live.task.cancel()
        if handle is None:
            handle = await self._noted(conversation, key, until)
        self._leave(key, handle)
        return handle

    async def close(self) -> None:
        tasks = []
        for live in self._live.values():
            live.ended = True
            if live.task is not None:
                live.task.cancel()
                tasks.append(live.task)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _leave(self, key: str, handle: str | None) -> None:
        self._past[key] = handle
        while len(self._past) > REMEMBERED:
            self._past.popitem(last=False)

    async def _noted(self, conversation: Conversation, key: str, until: float) -> str | None:
        """End a draft of another process; its handle."""
        notes, (note, end) = self._notes(conversation), _names(key)
        if await notes.add(note, "idle|", ttl_s=LONGEST_S):
            # Nobody has shown it, and with this nobody will.
            return None
        await notes.put(end, "", ttl_s=LONGEST_S)
        while True:
            state, _, handle = (await notes.get(note) or "idle|").partition("|")
            if state == "idle" or handle:
                if state == "idle" or asyncio.get_running_loop().time() >= until:
                    return handle or None
            elif asyncio.get_running_loop().time() >= until:
                break
            await asyncio.sleep(0.1)
        if await notes.add(_left(key), _FINAL, ttl_s=LONGEST_S) or await notes.get(_left(key)) == _FINAL:
            return None
        # It was opened at the last moment, and stays.
        return (await notes.get(note) or "idle|").partition("|")[2] or None

    async def _run(self, key: str, live: _Live) -> None:
        try:
            async with asyncio.timeout(LONGEST_S):
                await self._show(key, live)
        except (SendError, StoreBusy, TimeoutError) as error:
            # A preview only: the final message comes all the same.
            log.info("draft.given_up", reason=type(error).__name__)
        except Exception as error:
            log.error("draft.crashed", exc_info=error)
        finally:
            # Over here for good: the note says all that later attempts could find out.
            self._live.pop(key, None)
            self._leave(key, live.handle)

    async def _show(self, key: str, live: _Live) -> None:
        notes, (note, end) = self._notes(live.latest.conversation), _names(key)
        if not await notes.add(note, "busy|", ttl_s=LONGEST_S):
            return
        shown: int | None = None
        while not live.ended:
            draft, pause = live.latest, self._every_s
            opened_at = asyncio.get_running_loop().time() if live.handle is None else math.inf
            try:
                if live.handle is None:
                    live.handle = await self._open(draft)
                else:
                    await self._grow(draft, live.handle)
                shown = draft.sequence
            except RetryLater as error:
                pause = max(pause, error.retry_after)
            except BaseException:
                with suppress(StoreBusy):
                    await notes.put(note, f"idle|{live.handle or ''}", ttl_s=LONGEST_S)
                raise
            await self._note(live, notes, note, "idle")
            # Only an opening that took long can have been given up; the others needn't look.
            slow = asyncio.get_running_loop().time() - opened_at >= OPENING_S / 2
            if slow and await self._came_too_late(draft, live, notes):
                return
            await live.pause(pause)
            if not await live.newer(shown):
                return
            await self._note(live, notes, note, "busy")
            if await notes.get(end) is not None:
                break
        await self._note(live, notes, note, "idle")

    async def _came_too_late(self, draft: Draft, live: _Live, notes: Notes) -> bool:
        """Whether the final message stopped waiting for this draft; then it is taken away."""
        key, handle = draft.idempotency_key, live.handle
        note, end = _names(key)
        if handle is None or await notes.get(end) is None:
            return False
        if await notes.add(_left(key), _DRAFT, ttl_s=LONGEST_S):
            return False
        live.handle = None
        await self._note(live, notes, note, "idle")
        if self._drop is not None:
            await self._drop(draft, handle)
        return True

    async def _note(self, live: _Live, notes: Notes, note: str, state: str) -> None:
        """Note how it stands; a handle that wasn't noted would leave a preview nobody ends."""
        while True:
            try:
                await notes.put(note, f"{state}|{live.handle or ''}", ttl_s=LONGEST_S)
                return
            except StoreBusy:
                if live.ended:
                    raise
            await live.pause(self._every_s)


def _names(key: str) -> tuple[str, str]:
    return f"draft:{key}", f"draft-end:{key}"


def _left(key: str) -> str:
    return f"draft-left:{key}"
