"""A text cut into sentences, and these into clauses, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inference.guard.clauses import CLAUSE_END, sentences

__all__ = ["Piece", "cut", "sentence_spans"]

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
    spans, at = [], 0
    for sentence in sentences(text):
        start = text.index(sentence, at)
        at = start + len(sentence)
        spans.append(_trimmed(text, start, at))
    return spans


def cut(text: str) -> list[Piece]:
    """All clauses in order; punctuation between them belongs to none."""
    return [
        Piece(start, end, number)
        for number, (opens, closes) in enumerate(sentence_spans(text))
        for start, end in _clauses(text, opens, closes)
    ]


def _clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    borders = [(match.start(), match.end()) for match in CLAUSE_END.finditer(text, start, end)]
    for opens, closes in (*borders, (end, end)):
        if text[at:opens].strip():
            yield _trimmed(text, at, opens)
        at = closes


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    start, end = end - len(piece.lstrip()), start + len(piece.rstrip())
    bullet = _BULLET.match(text, start, end)
    return bullet.end() if bullet else start, end
