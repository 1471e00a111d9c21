"""A text cut into sentences, and these into clauses, each with its place."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inference.guard.clauses import CLAUSE_END, sentences

__all__ = ["Piece", "cut", "sentence_spans"]

Spans = Sequence[tuple[int, int]]

_WHOLE = re.compile(
    r"https?://[^\s\u3000-\u303f\u4e00-\u9fff\uff00-\uffef<>\"“”‘’]*[A-Za-z0-9/=&#_~%+-]"
    r"|\*\*[^*\n。！？!?]{1,80}\*\*"
)
"""What punctuation inside doesn't cut: addresses and bold words."""
_BULLET = re.compile(r"[-*•·]\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A clause: `text[start:end]`, in code points, without white space around it or a list's bullet."""

    start: int
    end: int
    sentence: int
    """Number of the sentence it stands in."""


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of every sentence in code points, without white space around it or a
    list's bullet."""
    whole = _whole(text)
    spans: list[tuple[int, int]] = []
    at, opens = 0, None
    for sentence in sentences(text):
        start = text.index(sentence, at)
        at = start + len(sentence)
        opens = start if opens is None else opens
        if not _inside(whole, at):
            spans.append(_trimmed(text, opens, at))
            opens = None
    return spans


def cut(text: str) -> list[Piece]:
    """All clauses in order; punctuation between them belongs to none."""
    whole = _whole(text)
    return [
        Piece(start, end, number)
        for number, (opens, closes) in enumerate(sentence_spans(text))
        for start, end in _clauses(text, opens, closes, whole)
    ]


def _clauses(text: str, start: int, end: int, whole: Spans) -> Iterator[tuple[int, int]]:
    at = start
    borders = [
        (match.start(), match.end())
        for match in CLAUSE_END.finditer(text, start, end)
        if not _inside(whole, match.start())
    ]
    for opens, closes in (*borders, (end, end)):
        if text[at:opens].strip():
            yield _trimmed(text, at, opens)
        at = closes


def _whole(text: str) -> Spans:
    return [(match.start(), match.end()) for match in _WHOLE.finditer(text)]


def _inside(spans: Spans, border: int) -> bool:
    """Whether a border falls into one of the spans, which are in order."""
    before = bisect_left(spans, (border, 0)) - 1
    return before >= 0 and border < spans[before][1]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    start, end = end - len(piece.lstrip()), start + len(piece.rstrip())
    bullet = _BULLET.match(text, start, end)
    return bullet.end() if bullet else start, end
