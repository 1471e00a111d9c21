"""Long texts in pieces that a platform takes, cut where a reader would pause."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from adapters.base import TextUnit

__all__ = ["measure", "split"]

_CLOSERS: Final = r"""[”’」』）》】〕)\]}"']"""
_OPENERS: Final = r"[“‘「『（《【〔(\[{￥¥$€£]"
# An ASCII mark pauses only before white space or Chinese, or it would cut https://…?x=1 and 1,000.
_BEFORE_PAUSE: Final = r"(?=\s|[^\x00-\x7f])"

_WORDS: Final = re.compile(r"\s")
# Between two characters neither inside a number or a word, nor so that a line starts with its stop.
_CHARACTERS: Final = re.compile(
    rf"(?<!{_OPENERS})(?!{_CLOSERS}|[。，、；：！？…·%％‰])(?:(?<![!-~])|(?![!-~]))"
)
# Best place first: between paragraphs, lines, sentences, clauses, words, characters.
_PAUSES: Final = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(
        rf"[。！？；…][。！？；…!?;.]*+{_CLOSERS}*+"
        rf"|[!?;]++{_CLOSERS}*+{_BEFORE_PAUSE}"
        # Not the stop of "1. First, …" at the start of a line.
        rf"|(?<!^\d)(?<!\n\d)(?<!\n\d\d)\.++{_CLOSERS}*+(?=\s)"
    ),
    re.compile(rf"[，、：]{_CLOSERS}*+|[,:]{_BEFORE_PAUSE}"),
    _WORDS,
    _CHARACTERS,
)
_LOOKAHEAD: Final = 16
"""Characters after the last that fits, which show whether a pause ends there."""


def measure(text: str, unit: TextUnit) -> int:
    """The length of a text as the platform counts it."""
    if unit == "characters":
        return len(text)
    if unit == "utf8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text) + sum(c > "\uffff" for c in text)


def split(text: str, limit: int, unit: TextUnit = "characters") -> list[str]:
    """Pieces of at most `limit` units, none empty, that read on in order; white space where a cut
    falls is dropped and nothing else is. A text without anything visible gives no piece. A character
    that is longer than `limit` by itself is a piece all the same."""
    pieces: list[str] = []
    end, at = len(text.rstrip()), _visible(text, 0)
    while at < end:
        stop = _fitting(text, at, end, limit, unit)
        if stop < end:
            stop = _cut(text, at, stop)
        pieces.append(text[at:stop].rstrip())
        at = _visible(text, stop)
    return pieces


def _visible(text: str, at: int) -> int:
    """The first character from `at` on that isn't white space."""
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _fitting(text: str, at: int, end: int, limit: int, unit: TextUnit) -> int:
    """Where what fits from `at` on ends (at least one character, or nothing would ever end)."""
    furthest = min(end, at + limit)
    if unit == "characters":
        return max(at + 1, furthest)
    used = 0
    for here in range(at, furthest):
        used += measure(text[here], unit)
        if used > limit:
            return max(at + 1, here)
    return max(at + 1, furthest)


def _cut(text: str, start: int, room: int) -> int:
    """The best place to cut at or before `room`: the latest of the best kind in the second half, then
    between words in the first, then between whole characters."""
    middle = start + (room - start) // 2
    for pause in _PAUSES:
        for at in _latest_first(pause, text, middle, room):
            if at > start and not _continues(text, at, start):
                return at
    for pause in (_WORDS, _CHARACTERS):
        for at in _latest_first(pause, text, start, middle):
            if at > start and not _continues(text, at, start):
                return at
    at = room
    while at > start and _continues(text, at, start):
        at -= 1
    return at if at > start else room


def _latest_first(pause: re.Pattern[str], text: str, start: int, room: int) -> Iterator[int]:
    """Where such pauses are: before white space, which is dropped anyway, and after marks."""
    # Slicing would make a mark at `room` look like one that nothing follows.
    found = [match.span() for match in pause.finditer(text, start, room + _LOOKAHEAD)]
    for began, ended in reversed(found):
        at = began if text[began:ended].isspace() else ended
        if at <= room:
            yield at


def _continues(text: str, at: int, start: int) -> bool:
    """Whether the character at `at` belongs to the one before it: an emoji sequence, a flag, a letter
    with its marks. (UAX 29 in short: without Hangul jamo and the few vowels that are letters.)"""
    this, before = text[at], text[at - 1]
    return (
        this == "\u200d"
        or before == "\u200d"
        or unicodedata.category(this).startswith("M")
        or "\U0001f3fb" <= this <= "\U0001f3ff"
        or "\U000e0020" <= this <= "\U000e007f"
        or (_is_flag_letter(this) and _flag_letters_before(text, at, start) % 2 == 1)
    )


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_letters_before(text: str, at: int, start: int) -> int:
    here = at
    while here > start and _is_flag_letter(text[here - 1]):
        here -= 1
    return at - here
