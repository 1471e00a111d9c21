"""How much is going on, in four levels, and what is left out at each.

0: nothing. 1: the digest waits. 2: small talk isn't put into words. 3: nothing is; the bank's own words are
quoted. Rules, warnings, confirmations and escalations have no level: they are never left out.

A level is reached at once and left one at a time, after its signals stayed below `release` of its
thresholds for `calm_s`; so it doesn't flicker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import structlog

from bot.config.limits import LoadSettings
from bot.metrics import Metrics

__all__ = ["Load", "Reading", "Work"]

log = structlog.get_logger(__name__)

Work = Literal["digest", "small_talk", "generation"]
SHED_AT: Final[dict[Work, int]] = {"digest": 1, "small_talk": 2, "generation": 3}
RECENT_S: Final = 10.0
"""How long the wait of a claimed event says something about those that still wait."""
WEIGHT: Final = 0.1
"""Of the latest turn in the average."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement."""

    waiting: float = 0
    """Events that wait."""
    oldest_s: float = 0
    """Seconds the oldest has waited."""
    turn_s: float = 0
    """Seconds a turn takes, on average of late."""
    inference: float = 0
    """Answers that are being, or wait to be, written."""

    def level(self, settings: LoadSettings, share: float = 1.0) -> int:
        """The highest level whose threshold, times `share`, any signal has reached."""
        signals = (
            (self.waiting, settings.waiting),
            (self.oldest_s, settings.oldest_s),
            (self.turn_s, settings.turn_s),
            (self.inference, settings.inference),
        )
        return max(sum(value >= step * share for step in steps) for value, steps in signals)


class Load:
    """The gauge of one process.

    Args:
        settings: asked each time, so that a changed configuration holds at once.
        seconds: a clock that only goes forward.
    """

    def __init__(
        self,
        settings: Callable[[], LoadSettings],
        seconds: Callable[[], float],
        metrics: Metrics | None = None,
    ) -> None:
        self._settings = settings
        self._seconds = seconds
        self._metrics = metrics
        self._level = 0
        self._calm_since: float | None = None
        self._waits: deque[tuple[float, float]] = deque(maxlen=256)
        """(when, seconds waited) of the latest claimed events."""
        self._turn_s = 0.0
        self._moved_at = seconds()
        """When the queue was last seen empty, or an event claimed."""
        self._writing = 0
        self.reading = Reading()
        """The latest measurement."""

    @property
    def level(self) -> int:
        forced = self._settings().level
        return self._level if forced == "auto" else forced

    def sheds(self, work: Work) -> bool:
        """Whether this work is to be left out now; counted if so."""
        if self.level < SHED_AT[work]:
            return False
        if self._metrics is not None:
            self._metrics.shed.labels(work).inc()
        return True

    def report(self) -> dict[str, Any]:
        """For `/readyz`."""
        left_out = [work for work, level in SHED_AT.items() if self.level >= level]
        rounded = {name: round(value, 2) for name, value in asdict(self.reading).items()}
        return {"level": self.level, "left_out": left_out, **rounded}

    # ── signals ──

    def claimed(self, waited_s: float) -> None:
        """A turn begins whose event waited so long."""
        self._moved_at = self._seconds()
        self._waits.append((self._moved_at, waited_s))

    def turned(self, seconds: float) -> None:
        """A turn took so long."""
        self._turn_s += WEIGHT * (seconds - self._turn_s)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around one answer's generation."""
        self._writing += 1
        try:
            yield
        finally:
            self._writing -= 1

    def measure(self, waiting: int, *, oldest_s: float | None = None, inference: int = 0) -> int:
        """Take a measurement, every few seconds; returns the level.

        Args:
            waiting: events in the store that wait.
            oldest_s: seconds the oldest of them has waited; unless given, it is judged by how long those
                waited that were claimed of late, and by how long none was.
            inference: what waits in a worker of this process; of a worker elsewhere, this process's own
                requests are known.
        """
        now = self._seconds()
        if oldest_s is None:
            oldest_s = self._oldest(waiting, now)
        if not waiting:
            self._moved_at = now
            # Nothing is left to be slow, so a slow turn of an hour ago must not hold the level.
            self._turn_s *= 1 - WEIGHT
        self.reading = Reading(waiting, oldest_s, self._turn_s, max(self._writing, inference))
        before = self._level
        self._level = self._next(now)
        if self._level != before:
            log.warning("load.level", level=self._level, was=before, **asdict(self.reading))
        if self._metrics is not None:
            self._metrics.load.set(self.level)
        return self.level

    def _oldest(self, waiting: int, now: float) -> float:
        if not waiting:
            return 0.0
        recent = [waited for at, waited in self._waits if now - at <= RECENT_S]
        return max([now - self._moved_at, *recent])

    def _next(self, now: float) -> int:
        settings = self._settings()
        reached = self.reading.level(settings)
        if reached >= self._level or self.reading.level(settings, settings.release) >= self._level:
            self._calm_since = None
            return max(reached, self._level)
        if self._calm_since is None:
            self._calm_since = now
        if now - self._calm_since < settings.calm_s:
            return self._level
        self._calm_since = now
        return self._level - 1
