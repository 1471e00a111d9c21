"""Long texts in pieces that a platform takes, cut where a reader would pause."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from adapters.base import TextUnit

__all__ = ["measure", "split"]

# Best place first: between paragraphs, lines, sentences, clauses, words.
_PAUSES: Final = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"[。！？!?；;…]+[”’」』）)\"']*|\.(?=\s)"),
    re.compile(r"[，,、：:]"),
    re.compile(r"\s"),
)
_JOINERS: Final = frozenset("\u200d\ufe0e\ufe0f\u20e3")


def measure(text: str, unit: TextUnit) -> int:
    """The length of a text as the platform counts it."""
    if unit == "characters":
        return len(text)
    if unit == "utf8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text) + sum(c > "\uffff" for c in text)


def split(text: str, limit: int, unit: TextUnit = "characters") -> list[str]:
    """Pieces of at most `limit` units, none empty, that read on in order; white space where a cut
    falls is dropped and nothing else is. A text without anything visible gives no piece."""
    pieces, rest = [], text.strip()
    while rest:
        room = _fitting(rest, limit, unit)
        if room < len(rest):
            room = _cut(rest, room)
        piece = rest[:room].rstrip()
        if piece:
            pieces.append(piece)
        rest = rest[room:].lstrip()
    return pieces


def _fitting(text: str, limit: int, unit: TextUnit) -> int:
    """How many characters from the start fit (at least one, or nothing would ever end)."""
    head = text[:limit]
    if unit == "utf8":
        head = head.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
    elif unit == "utf16":
        used = 0
        for at, character in enumerate(head):
            used += 2 if character > "\uffff" else 1
            if used > limit:
                head = head[:at]
                break
    return max(1, len(head))


def _cut(text: str, room: int) -> int:
    """The best place to cut at or before `room`: the latest of the best kind in the second half."""
    window = text[:room]
    for pause in _PAUSES:
        found = [match.end() for match in pause.finditer(window, room // 2)]
        if found:
            return found[-1]
    return _whole_character(text, room)


def _whole_character(text: str, room: int) -> int:
    """Not inside an emoji sequence, a flag or a letter with its marks, unless that is all there is."""
    at = room
    while at > max(0, room - 16) and _continues(text, at):
        at -= 1
    return at if at > max(0, room - 16) else room


def _continues(text: str, at: int) -> bool:
    """Whether the character at `at` belongs to the one before it."""
    this, before = text[at], text[at - 1]
    if (
        this in _JOINERS
        or before == "\u200d"
        or unicodedata.combining(this)
        or "\U0001f3fb" <= this <= "\U0001f3ff"
    ):
        return True
    return _flags_before(text, at) % 2 == 1 and _is_flag_letter(this)


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flags_before(text: str, at: int) -> int:
    count = 0
    while at - count > 0 and _is_flag_letter(text[at - count - 1]):
        count += 1
    return count
