"""Our own pace towards a platform, per chat: a place now, or the seconds until there is one."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from adapters.base import Notes

__all__ = ["Pace", "Window"]

KEPT = 20_000
"""Chats remembered at most; the ones longest silent go first."""


@dataclass(frozen=True, slots=True)
class Window:
    """At most `count` calls in any `seconds`."""

    count: int
    seconds: float


class Pace:
    """Sliding windows per key; all must have room. `clock` gives seconds since the epoch.

    `take` keeps them in this process, `take_shared` durably and for all processes.
    """

    def __init__(self, *windows: Window, clock: Callable[[], float]) -> None:
        self._windows = windows
        self._clock = clock
        self._longest = max(window.seconds for window in windows)
        self._most = max(window.count for window in windows)
        self._taken: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take a place and return 0; or take none and return the seconds until one is free."""
        now = self._clock()
        times = self._taken.setdefault(key, deque(maxlen=self._most))
        self._taken.move_to_end(key)
        wait = self._wait(list(times), now)
        if wait <= 0:
            times.append(now)
        while len(self._taken) > KEPT:
            self._taken.popitem(last=False)
        return wait

    async def take_shared(self, key: str, notes: Notes) -> float:
        """`take` on the durable record, for limits whose excess a platform drops without a word.

        Calls of one key must not overlap (the outbox sends a conversation's messages one by one).
        """
        now, note = self._clock(), f"pace:{key}"
        kept = await notes.get(note)
        times: list[float] = msgspec.json.decode(kept, type=list[float]) if kept else []
        times = [t for t in times if abs(t - now) < self._longest]
        wait = self._wait(times, now)
        if wait <= 0:
            # Rounded up, so that the next isn't let through early. Other processes' clocks differ a little.
            times = sorted([*times, math.ceil(now * 1000) / 1000])[-self._most :]
            await notes.put(note, msgspec.json.encode(times).decode(), ttl_s=self._longest)
        return wait

    async def wait(self, key: str) -> None:
        """Wait for a place, for the short waits between the parts of one message."""
        pause = self.take(key)
        while pause > 0:
            await asyncio.sleep(pause)
            pause = self.take(key)

    def _wait(self, times: list[float], now: float) -> float:
        """Seconds until every window has room."""
        # A clock that was set back must not close a chat until it has caught up.
        times = sorted(t for t in times if t < now + self._longest)
        longest = 0.0
        for window in self._windows:
            if len(times) >= window.count:
                longest = max(longest, times[-window.count] + window.seconds - now)
        return max(0.0, longest)
