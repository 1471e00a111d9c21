"""Token buckets, told the time by the events themselves.

An event's own time counts, not that of its turn: a backlog worked off after an outage is no burst, and a
turn that runs again finds nothing changed.
"""

from __future__ import annotations

from bot.config.limits import Rate

__all__ = ["Bucket"]


class Bucket:
    """`rate.burst` tokens when full; `rate.per_minute` come back. The rate is given with each call, so a
    changed configuration holds at once."""

    __slots__ = ("_at", "_spent")

    def __init__(self) -> None:
        self._spent = 0.0
        self._at = float("-inf")

    def left(self, rate: Rate, at: float) -> float:
        """Tokens at `at` (epoch seconds). A time before the latest one seen stands still."""
        if at > self._at:
            if self._spent:
                self._spent = max(0.0, self._spent - (at - self._at) * rate.per_minute / 60)
            self._at = at
        return rate.burst - self._spent

    def take(self, rate: Rate, at: float, *, reserve: float = 0.0) -> bool:
        """Take one token, if that leaves `reserve` of them."""
        if self.left(rate, at) - 1 < reserve:
            return False
        self._spent += 1
        return True
