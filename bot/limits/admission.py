"""What was decided about taking one event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ADMITTED", "Admission", "Campaign", "Why"]

Why = Literal["", "denied", "rate", "group_rate", "crowd", "answered", "flood"]
"""Why no answer is given: the sender is denied; wrote too fast; the group did; everybody together did; the
same was just answered; the same few texts come over and over."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """One text from many senders, noticed with this event."""

    senders: int
    mark: str
    """Tells texts apart within one process's life; nothing of the text can be had from it."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether an event may be *answered*. Privacy and risk see it either way."""

    why: Why = ""
    """Empty: it is answered."""
    notice: bool = False
    """A refused sender is told so; at most once a burst."""
    campaign: Campaign | None = None

    @property
    def limited(self) -> bool:
        return bool(self.why)


ADMITTED = Admission()
