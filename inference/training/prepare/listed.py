"""Word lists as they read best: one word beside the other."""

from __future__ import annotations

__all__ = ["listed"]


def listed(words: str) -> tuple[str, ...]:
    """The words of a text that spaces stand between."""
    return tuple(words.split())
