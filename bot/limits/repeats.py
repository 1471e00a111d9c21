"""Has this sender just said that? One text again and again, or a few in turn."""

from __future__ import annotations

from typing import Literal

from bot.config.limits import Repeats
from bot.limits.fingerprint import Fingerprint

__all__ = ["Said"]

KEPT = 8
"""Latest different texts remembered of one sender."""
SHORT = 0.2
"""What repeating a short text weighs: "1", "A" and "好的" come often while a form is gone through."""
FORGIVEN_S = 60.0
"""Seconds in which one repetition is forgotten."""


class _Text:
    __slots__ = ("answered_at", "at", "print")

    def __init__(self, print: Fingerprint, at: float) -> None:
        self.print = print
        self.at = at
        self.answered_at = float("-inf")


class Said:
    """What one sender said of late."""

    __slots__ = ("_at", "_score", "_texts")

    def __init__(self) -> None:
        self._texts: list[_Text] = []
        self._score = 0.0
        """Repetitions, less what was forgiven; much alike counts half."""
        self._at = float("-inf")

    def __len__(self) -> int:
        return len(self._texts)

    def judge(self, print: Fingerprint, at: float, settings: Repeats) -> Literal["", "answered", "flood"]:
        """Count a text. `answered`: the same was answered within the window. `flood`: it is repetition
        without end. Short texts are never taken for an answered question."""
        self._texts = [text for text in self._texts if at - text.at < settings.window_s]
        self._score = max(0.0, self._score - max(0.0, at - self._at) / FORGIVEN_S)
        self._at = max(self._at, at)
        known = self._find(print)
        short = print.length < settings.min_chars
        if known is not None:
            self._score += SHORT if short else 1
            known.at = max(known.at, at)
        else:
            alike = not short and any(text.print.like(print) for text in self._texts)
            self._score = self._score + 0.5 if alike else max(0.0, self._score - 1)
            self._texts = [*self._texts[-KEPT + 1 :], _Text(print, at)]
        if self._score >= settings.flood:
            return "flood"
        if known is None or short:
            return ""
        return "answered" if at - known.answered_at < settings.window_s else ""

    def answered(self, print: Fingerprint, at: float) -> None:
        """This text has got its answer."""
        known = self._find(print)
        if known is not None:
            known.answered_at = max(known.answered_at, at)

    def _find(self, print: Fingerprint) -> _Text | None:
        return next((text for text in reversed(self._texts) if text.print.same(print)), None)
