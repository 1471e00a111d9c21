"""Long texts in windows that an encoder can take: cut at sentence ends, overlapping."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["LONGEST", "OVERLAP", "windows"]

LONGEST = 320
"""Size of a window, in Chinese characters (three of another script count as one): the encoder reads 512
tokens, and a Chinese character can be more than one."""
OVERLAP = 60
"""How much of a window's end, in whole sentences, begins the next one."""


def windows(text: str, sentences: Sequence[tuple[int, int]]) -> list[range]:
    """Runs of sentences, first to last; one run where all fits.

    A sentence longer than a window is a window of its own.

    Args:
        sentences: start and end of each, in code points of `text`.
    """
    sizes = [_size(text[start:end]) for start, end in sentences]
    found: list[range] = []
    first = 0
    while first < len(sizes):
        last, size = first, sizes[first]
        while last + 1 < len(sizes) and size + sizes[last + 1] <= LONGEST:
            last += 1
            size += sizes[last]
        found.append(range(first, last + 1))
        if last + 1 == len(sizes):
            break
        following, shared = last + 1, 0
        while following - 1 > first and shared + sizes[following - 1] <= OVERLAP:
            following -= 1
            shared += sizes[following]
        # What is repeated must leave room for what comes next, or nothing is won.
        first = following if shared + sizes[last + 1] <= LONGEST else last + 1
    return found


def _size(text: str) -> int:
    wide = sum(1 for character in text if character > "\u2e7f")
    return wide + (len(text) - wide + 2) // 3
