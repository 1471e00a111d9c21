"""A text analysed once for any number of questions."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from inference.guard.figures import Figure, find_figures
from inference.reading.kinds import offered
from inference.reading.pieces import Piece, cut, sentence_spans
from inference.reading.windows import windows
from inference.retrieval.text import Analyser

__all__ = ["Clause", "Passage", "analyse"]

_LEADS = re.compile(
    r"(?:的|时|后|前|者)$|^(?:如|若|凡|因|对)|^(?:if|when|where|once|after|before|for|in case|unless)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Clause:
    piece: Piece
    grams: frozenset[str]
    """Characters and their pairs of 汉字; words and their beginnings and ends of other scripts."""
    wide: bool
    """Whether it has 汉字."""
    figures: tuple[Figure, ...]
    offers: frozenset[str]
    label: bool
    """Whether a colon follows: it names what comes next."""
    leads: bool
    """Whether it says when what comes next holds (「忘记密码的，」, "if you lose it,")."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Clauses, sentences, windows, and how rare each term is among the clauses."""

    text: str
    clauses: tuple[Clause, ...]
    sentences: tuple[tuple[int, int], ...]
    sentence_grams: tuple[frozenset[str], ...]
    windows: tuple[range, ...]
    """Runs of sentences; several where the text is longer than an encoder reads at once."""
    rarity: dict[str, float]
    unknown: float
    """Rarity of a term that the text doesn't have."""


def analyse(text: str, analyser: Analyser) -> Passage:
    pieces = cut(text)
    spans = sentence_spans(text)
    clauses = tuple(
        _clause(text, piece, figures, analyser)
        for piece, figures in zip(pieces, _figures_of(find_figures(text), pieces), strict=True)
    )
    grams: list[set[str]] = [set() for _ in spans]
    counts: Counter[str] = Counter()
    for clause in clauses:
        grams[clause.piece.sentence] |= clause.grams
        counts.update(clause.grams)
    total = len(clauses)
    rarity = {term: math.log1p((total - count + 0.5) / (count + 0.5)) for term, count in counts.items()}
    return Passage(
        text,
        clauses,
        tuple(spans),
        tuple(frozenset(found) for found in grams),
        tuple(windows(text, spans)),
        rarity,
        math.log1p(2 * total + 1),
    )


def _clause(text: str, piece: Piece, figures: tuple[Figure, ...], analyser: Analyser) -> Clause:
    said, follows = text[piece.start : piece.end], text[piece.end : piece.end + 1]
    return Clause(
        piece,
        frozenset(analyser.grams(analyser.fold(said))),
        any(character > "\u2e7f" for character in said),
        figures,
        offered(said, figures),
        label=follows in ("：", ":"),
        leads=follows in ("，", ",") and _LEADS.search(said) is not None,
    )


def _figures_of(figures: Sequence[Figure], pieces: Sequence[Piece]) -> list[tuple[Figure, ...]]:
    """The figures that begin in each clause."""
    if not pieces:
        return []
    found: list[list[Figure]] = [[] for _ in pieces]
    at = 0
    borders = [following.start for _, following in pairwise(pieces)]
    for figure in figures:
        while at < len(borders) and figure.start >= borders[at]:
            at += 1
        found[at].append(figure)
    return [tuple(some) for some in found]
