"""The circuit breaker: leaves a broken server alone, and finds out with one request when it works again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from inference.remote.options import BreakerOptions

__all__ = ["Breaker"]


class Breaker:
    """closed ─ too many failures ─► open ─ pause over, next call ─► half-open (that call is the probe)
    half-open ─ probe succeeds ─► closed; probe fails ─► open, for twice as long

    A call takes a ticket from `begin` and hands it back with its outcome. Outcomes of calls that began
    before the last change of state tell nothing about the state now, and aren't counted.
    """

    def __init__(self, options: BreakerOptions, clock: Callable[[], float]) -> None:
        """Args:
        clock: monotonic seconds.
        """
        self._options = options
        self._clock = clock
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._until: float | None = None
        """When the next probe may go; None while closed."""
        self._probing = False
        self._reopened = 0
        self._ticket = 0
        self.opened = 0
        """Times it opened from closed."""

    @property
    def closed(self) -> bool:
        return self._until is None

    @property
    def ready(self) -> bool:
        """Whether a call may go now."""
        return self._until is None or (not self._probing and self._clock() >= self._until)

    def begin(self) -> int | None:
        """A ticket for one call, or None if it may not go."""
        if not self.ready:
            return None
        if self._until is not None:
            self._probing = True
            self._ticket += 1
        return self._ticket

    def succeeded(self, ticket: int) -> None:
        if ticket != self._ticket:
            return
        if self._probing:
            self._until, self._probing, self._reopened = None, False, 0
            self._outcomes.clear()
            self._ticket += 1
        elif self._until is None:
            self._note(True)

    def failed(self, ticket: int) -> None:
        if ticket != self._ticket:
            return
        if self._probing:
            self._reopened += 1
            self._open()
        elif self._until is None:
            failures = self._note(False)
            if failures >= self._options.failures and 2 * failures >= len(self._outcomes):
                self.opened += 1
                self._open()

    def left(self, ticket: int) -> None:
        """The call ended without saying anything about the server."""
        if ticket == self._ticket:
            self._probing = False  # the next call may be the probe

    def _open(self) -> None:
        pause = min(self._options.pause * 2.0 ** min(self._reopened, 30), self._options.longest_pause)
        self._until, self._probing = self._clock() + pause, False
        self._outcomes.clear()
        self._ticket += 1

    def _note(self, success: bool) -> int:
        """Note an outcome; the failures in the window."""
        now = self._clock()
        self._outcomes.append((now, success))
        while self._outcomes[0][0] <= now - self._options.window:
            self._outcomes.popleft()
        return sum(not good for _, good in self._outcomes)
