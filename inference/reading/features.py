"""What speaks for a clause as the answer to a question, as numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.guard.figures import Figure, compatible, find_figures
from inference.reading.kinds import OFFERS, WANTS, wanted
from inference.reading.passage import Clause, Passage
from inference.retrieval.embedding import CachedEncoder, Vectors
from inference.retrieval.text import Analyser, strip_courtesies

__all__ = ["DENSE", "LEXICAL", "Question", "dense_features", "lexical_features"]

Matrix = NDArray[np.float64]

_PAIRS = tuple(
    (want, offer)
    for want, offers in {
        "money": ("money", "rate", "permission", "denial"),
        "limit": ("money", "number", "rate", "condition"),
        "rate": ("rate", "money"),
        "time": ("time", "condition"),
        "count": ("number", "condition"),
        "place": ("place",),
        "how": ("place", "paper", "permission"),
        "need": ("paper", "person"),
        "who": ("person", "permission", "denial"),
        "why": ("condition", "denial", "time"),
        "yes": ("permission", "denial", "condition", "time", "money"),
        "other": ("place", "permission", "denial", "money", "time"),
    }.items()
    for offer in offers
)
"""Wants and offers that may belong together; how much is fitted."""
LEXICAL: tuple[str, ...] = (
    "grams",
    "overlap",
    "rival",
    "sentence",
    "window",
    "earlier",
    "earlier_sentence",
    "same_figure",
    "like_figure",
    "echo",
    "label",
    "labelled",
    "leads",
    "led",
    "led_by",
    "best_sentence",
    "first",
    "length",
    "tiny",
    *OFFERS,
    *(f"{want}:{offer}" for want, offer in _PAIRS),
    *(f"{want}:length" for want in WANTS),
)
DENSE: tuple[str, ...] = ("near", "near_sentence", "near_window", "near_earlier")
_EMPTY = frozenset(
    "的了吗呢啊呀吧么嘛哦我你您是有在和与就都也还把被给这那哪个什怎几多少不能可以会要想到上下人一去来"
)
"""Characters that alone say nothing of what is asked."""
_FULL = 24.0
"""Characters of a clause that counts as one of usual length."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question analysed once, and the one before it, which a follow-up leans on."""

    text: str
    """Folded, without courtesies."""
    grams: frozenset[str]
    earlier: frozenset[str]
    """Grams of the question before."""
    wants: frozenset[str]
    figures: tuple[Figure, ...]
    earlier_text: str = ""

    @classmethod
    def of(cls, question: str, earlier: str, analyser: Analyser) -> Question:
        text = strip_courtesies(analyser.fold(question))
        before = strip_courtesies(analyser.fold(earlier))
        return cls(
            text,
            frozenset(analyser.grams(text)) - _EMPTY,
            frozenset(analyser.grams(before)) - _EMPTY,
            wanted(text),
            find_figures(question),
            before,
        )


def lexical_features(question: Question, passage: Passage) -> Matrix:
    """Shape (clauses, len(LEXICAL)), each about 0 to 1."""
    rarity, unknown = passage.rarity, passage.unknown
    asked, earlier = question.grams, question.earlier - question.grams

    def share(terms: Collection[str], of: Collection[str]) -> float:
        """How much of `of`, weighed by rarity, is among `terms`."""
        whole = sum(rarity.get(term, unknown) for term in of)
        return sum(rarity.get(term, unknown) for term in of if term in terms) / whole if whole else 0.0

    clauses = passage.clauses
    grams = [share(clause.grams, asked) for clause in clauses]
    sentences = [share(found, asked) for found in passage.sentence_grams]
    before = [share(found, earlier) for found in passage.sentence_grams]
    in_windows = [frozenset().union(*(passage.sentence_grams[n] for n in run)) for run in passage.windows]
    windows = _by_sentence(passage, [share(found, asked) for found in in_windows])
    most = max(sentences, default=0.0) or 1.0
    kinds = {figure.kind for figure in question.figures}
    rows = []
    for at, clause in enumerate(clauses):
        number = clause.piece.sentence
        inside = [n for n in (at - 1, at + 1) if 0 <= n < len(clauses)]
        same = [n for n in inside if clauses[n].piece.sentence == number]
        rivals = [n for n in same if _kinds(clauses[n]) & _kinds(clause)]
        led = at - 1 in same and (clauses[at - 1].leads or clauses[at - 1].label)
        length = min((clause.piece.end - clause.piece.start) * _scale(clause), 60) / _FULL
        values: dict[str, float] = {
            "grams": grams[at],
            "overlap": share(asked, clause.grams),
            "rival": max((grams[n] - grams[at] for n in rivals), default=0.0),
            "sentence": sentences[number],
            "window": windows[number],
            "earlier": share(clause.grams, earlier),
            "earlier_sentence": before[number],
            "same_figure": float(any(compatible(a, b) for a in question.figures for b in clause.figures)),
            "like_figure": float(any(figure.kind in kinds for figure in clause.figures)),
            "echo": float(bool(clause.grams) and clause.grams <= asked),
            "label": float(clause.label),
            "labelled": float(at > 0 and clauses[at - 1].label),
            "leads": float(clause.leads),
            "led": float(led),
            "led_by": grams[at - 1] if led else 0.0,
            "best_sentence": sentences[number] / most,
            "first": float(at == 0),
            "length": length,
            "tiny": float(length < 5 / _FULL),
            **dict.fromkeys(clause.offers, 1.0),
            **{f"{w}:{o}": 1.0 for w, o in _PAIRS if w in question.wants and o in clause.offers},
            **{f"{want}:length": length for want in question.wants},
        }
        rows.append([values.get(name, 0.0) for name in LEXICAL])
    return np.array(rows, dtype=np.float64).reshape(len(clauses), len(LEXICAL))


def dense_features(question: Question, passage: Passage, encoder: CachedEncoder) -> Matrix:
    """Shape (clauses, len(DENSE)): cosines of sentence vectors, less their mean in this text."""
    text, clauses = passage.text, passage.clauses
    pieces = encoder.encode([text[c.piece.start : c.piece.end] for c in clauses], "passage")
    sentences = encoder.encode([text[start:end] for start, end in passage.sentences], "passage")
    asked = encoder.query(question.text).reshape(-1)
    earlier = encoder.query(question.earlier_text).reshape(-1) if question.earlier_text else None
    where = [clause.piece.sentence for clause in clauses]
    near = _less_mean(sentences @ asked)
    windows = _by_sentence(passage, [float(near[list(run)].max()) for run in passage.windows])
    columns = [
        _less_mean(pieces @ asked),
        near[where],
        np.array(windows)[where],
        np.zeros(len(clauses)) if earlier is None else _less_mean(pieces @ earlier),
    ]
    # Cosines of this encoder differ by hundredths.
    return 10 * np.stack(columns, axis=1).astype(np.float64)


def _less_mean(values: Vectors) -> Vectors:
    less: Vectors = values - values.mean()
    return less


def _by_sentence(passage: Passage, values: Sequence[float]) -> list[float]:
    """From a value of each window to the best that each sentence stands in; 0 where there is one window."""
    if len(values) < 2:
        return [0.0] * len(passage.sentences)
    best = [-np.inf] * len(passage.sentences)
    for run, value in zip(passage.windows, values, strict=True):
        for number in run:
            best[number] = max(best[number], float(value))
    return best


def _kinds(clause: Clause) -> frozenset[str]:
    """Of its figures. Neighbours with figures of a kind (小箱380元，中箱620元) answer different questions."""
    return frozenset(figure.kind for figure in clause.figures)


def _scale(clause: Clause) -> float:
    """Three letters say about as much as one Chinese character."""
    return 1.0 if clause.wide else 1 / 3
