"""Telegram's flood control, as far as it is known: about 1 message a second in a chat with short bursts,
20 a minute in a group, about 30 a second overall (core.telegram.org/bots/faq)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from math import ceil

from tests.emulators.telegram_rules import ApiError

__all__ = ["Flood"]


class Bucket:
    """Holds `burst` at once and refills at `rate` a second."""

    def __init__(self, burst: float, rate: float, now: float) -> None:
        self._burst, self._rate = burst, rate
        self._level, self._at = burst, now

    def take(self, now: float) -> float:
        """0, or the seconds until there is room."""
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return (1 - self._level) / self._rate


class Flood:
    """Raises 429 for what comes too fast. `refused` counts how often."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._all = Bucket(30, 30, clock())
        self._chats: dict[int, Bucket] = {}
        self._groups: defaultdict[int, deque[float]] = defaultdict(deque)
        self.refused = 0

    def message(self, chat: int) -> None:
        """A message or an edit. Raises ApiError."""
        now = self._clock()
        wait = self._chats.setdefault(chat, Bucket(4, 1, now)).take(now)
        if chat < 0:
            minute = self._groups[chat]
            while minute and minute[0] <= now - 60:
                minute.popleft()
            if len(minute) >= 20:
                wait = max(wait, minute[0] + 60 - now)
            else:
                minute.append(now)
        self._judge(max(wait, self._all.take(now)))

    def other(self) -> None:
        """A draft. Raises ApiError."""
        self._judge(self._all.take(self._clock()))

    def _judge(self, wait: float) -> None:
        if wait > 0:
            self.refused += 1
            after = ceil(wait)
            raise ApiError(429, f"Too Many Requests: retry after {after}", {"retry_after": after})
