"""What a citation shows of a passage: the part around the answer, where that is known."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["LONGEST", "Excerpt", "excerpt"]

LONGEST = 240
"""Characters that a citation shows, marks of omission included."""
_OPENING = re.compile(r"(?<=[。！？；!?;])|(?<=\. )|(?<=[，,、] )|(?<=[，、])")
"""Where an excerpt may well begin."""
_ADDRESS = re.compile(r"https?://[^\s\u3000-\u303f\u4e00-\u9fff\uff00-\uffef<>\"“”‘’]+")
"""Shown whole or not at all: half of one leads elsewhere."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    text: str
    """On one line."""
    mark: tuple[int, int] | None = None
    """Start and end of the answer, in code points of `text`."""


def excerpt(text: str, mark: tuple[int, int] | None = None, longest: int = LONGEST) -> Excerpt:
    """At most `longest` characters of `text`: its beginning, or what stands around `mark`.

    Args:
        mark: start and end of the answer, in code points of `text`.
    """
    if mark is None or not 0 <= mark[0] < mark[1] <= len(text) or not text[mark[0] : mark[1]].strip():
        line = " ".join(text.split())
        return Excerpt(line if len(line) <= longest else line[: _ending(line, 1, longest - 1)] + "…")
    start, end = _trimmed(text, *mark)
    # Squeezed together with a neighbour, so that a space at the answer's border stays one space.
    before = " ".join((text[:start] + "|").split())[:-1]
    inside = " ".join(text[start:end].split())
    after = " ".join(("|" + text[end:]).split())[1:]
    line, start = before + inside + after, len(before)
    end = min(start + len(inside), start + longest - 2)
    first = 0 if len(line) <= longest or end < longest else _beginning(line, start, end, longest)
    last = (
        len(line)
        if len(line) - first + (first > 0) <= longest
        else _ending(line, end, first + longest - 1 - (first > 0))
    )
    shown, ahead = line[first:last], 1 if first else 0
    whole = ("…" if first else "") + shown + ("…" if last < len(line) else "")
    return Excerpt(whole, (start - first + ahead, end - first + ahead))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    inside = text[start:end]
    return end - len(inside.lstrip()), start + len(inside.rstrip())


def _beginning(line: str, start: int, end: int, longest: int) -> int:
    """Where to begin, so that the answer is whole and what leads to it is read as far as there is room."""
    earliest = max(0, end - longest + 2, start - (longest - 2 - (end - start)) * 2 // 3)
    opening = _OPENING.search(line, earliest, start + 1)
    first = min(opening.start(), start) if opening else max(earliest, line.rfind(" ", earliest, start) + 1)
    return next((min(to, start) for at, to in _addresses(line) if at < first < to), first)


def _ending(line: str, least: int, last: int) -> int:
    """Where to end, at `last` or before; not before `least`."""
    return next((max(at, least) for at, to in _addresses(line) if at < last < to), last)


def _addresses(line: str) -> list[tuple[int, int]]:
    return [match.span() for match in _ADDRESS.finditer(line)]
