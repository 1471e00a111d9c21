"""A pool claims pieces of work from the store and runs them side by side: turns and sends alike.

A hint on the bus, or a finished piece, makes it claim at once; without either it looks every second,
so a lost hint costs no more than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import structlog

from bot.bus import Bus
from bot.errors import BusError, StoreBusy
from bot.metrics import Metrics

__all__ = ["POLL_S", "Pool"]

log = structlog.get_logger(__name__)

POLL_S = 1.0
"""How long a lost hint can delay a message."""
BITE = 2
"""Pieces started at once. Many at once would keep the event loop from what can't wait, above all from
acknowledging what comes in."""
BREATH_S, LONGEST_BREATH_S = 0.003, 0.5
"""Seconds between two bites: more while intake has to wait, for work waits where it is safe, in the
store, and a platform that waits for its acknowledgement may give up."""

W = TypeVar("W")


class Pool(Generic[W]):
    """Runs `handle` on whatever `claim` gives, at most `size()` pieces at a time.

    Args:
        topic: bus topic of the hints that there is work.
        group: one pool of those with the same group hears each hint; the topic, unless given.
        pressed: whether intake has to wait just now.
        wants: whether a hint with this key is about work that `claim` gives.
        claim: takes up to so many pieces; StoreBusy means "later".
        handle: does one piece; must deal with its own errors.
        size: asked each time, so that it can change while running.
    """

    def __init__(
        self,
        bus: Bus,
        metrics: Metrics,
        *,
        topic: str,
        claim: Callable[[int], Awaitable[Sequence[W]]],
        handle: Callable[[W], Awaitable[None]],
        size: Callable[[], int],
        pressed: Callable[[], bool] = lambda: False,
        group: str = "",
        wants: Callable[[str], bool] = lambda key: True,
    ) -> None:
        self._bus = bus
        self._metrics = metrics
        self._topic = topic
        self._claim = claim
        self._handle = handle
        self._size = size
        self._group = group or topic
        self._wants = wants
        self._pressed = pressed
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._breath = BREATH_S

    async def run(self) -> None:
        """Work until `stop`."""
        hints = asyncio.create_task(self._listen())
        try:
            while not self._stopping:
                self._wake.clear()
                if await self._start_some():
                    await self._breathe()
                else:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):
                            await self._wake.wait()
        finally:
            hints.cancel()
            await asyncio.gather(hints, return_exceptions=True)

    async def _breathe(self) -> None:
        """Rest between two bites: twice as long after each while intake waits, then less again."""
        await asyncio.sleep(self._breath)
        if self._pressed():
            self._breath = min(self._breath * 2, LONGEST_BREATH_S)
        else:
            self._breath = max(self._breath * 0.8, BREATH_S)

    async def stop(self, grace: float) -> None:
        """Claim nothing more; let what runs finish for `grace` seconds, then cancel it."""
        self._stopping = True
        self._wake.set()
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _listen(self) -> None:
        """Hints only save time: without the bus, polling goes on."""
        while True:
            with suppress(BusError):
                async with self._bus.subscribe(self._topic, group=self._group) as hints:
                    async for key, _ in hints:
                        if self._wants(key):
                            self._wake.set()
            await asyncio.sleep(POLL_S)

    async def _start_some(self) -> bool:
        """Start what can be started; True if anything was."""
        free = self._size() - len(self._running)
        if free <= 0:
            return False
        try:
            pieces = await self._claim(min(free, BITE))
        except StoreBusy as error:
            log.warning("claim.store_busy", topic=self._topic, reason=str(error))
            self._metrics.errors.labels(f"claim.{self._topic}", "StoreBusy").inc()
            return False
        except Exception as error:
            # Whatever it was, the next look may go well; a pool that dies silently never would.
            log.exception("claim.failed", topic=self._topic)
            self._metrics.errors.labels(f"claim.{self._topic}", type(error).__name__).inc()
            return False
        for piece in pieces:
            task = asyncio.create_task(self._run(piece))
            self._running.add(task)
            task.add_done_callback(self._ended)
        return bool(pieces)

    async def _run(self, piece: W) -> None:
        await self._handle(piece)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()
