"""The index of one language: every signal that a question and an item match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.retrieval.embedding import CachedEncoder, Role, Vectors
from inference.retrieval.knowledge import Item
from inference.retrieval.lexical import LexicalField, Vector, idf_of
from inference.retrieval.text import Analyser, strip_courtesies

__all__ = ["DENSE_SIGNALS", "LEXICAL_SIGNALS", "Index", "Query"]

LEXICAL_SIGNALS = (
    "word_question",
    "word_text",
    "word_item",
    "gram_question",
    "gram_dice",
    "gram_text",
    "gram_item",
)
DENSE_SIGNALS = ("dense_question", "dense_questions", "dense_text")
"""`…_question` is the best over an item's questions, `…_text` its title and answer, `…_item` and
`dense_questions` all it is known by taken together."""

_MEAN_WEIGHT = 20
"""Vectors below which the mean of a set is shrunk towards zero: few vectors have no telling mean."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question, analysed once for all signals."""

    text: str
    words: tuple[str, ...]
    grams: tuple[str, ...]
    vector: Vector | None

    @classmethod
    def of(cls, question: str, analyser: Analyser, encoder: CachedEncoder | None) -> Query:
        text = strip_courtesies(analyser.fold(question))
        vector = None if encoder is None else encoder.query(text)
        return cls(text, tuple(analyser.words(text)), tuple(analyser.grams(text)), vector)


class Index:
    """Immutable once built: a search in flight keeps the one it began with."""

    def __init__(self, items: Sequence[Item], analyser: Analyser, encoder: CachedEncoder | None) -> None:
        self.items = tuple(items)
        questions = [analyser.fold(q) for item in items for q in _questions(item)]
        texts = [analyser.fold(f"{item.passage.title}\n{item.passage.text}") for item in items]
        owners = _Owners([len(_questions(item)) for item in items])
        self._words = _Lexicon(list(map(analyser.words, questions)), list(map(analyser.words, texts)), owners)
        self._grams = _Lexicon(list(map(analyser.grams, questions)), list(map(analyser.grams, texts)), owners)
        self.embedded: tuple[tuple[str, Role], ...] = ()
        self._dense: _Dense | None = None
        if encoder is not None and items:
            self.embedded = (*((q, "query") for q in questions), *((t, "passage") for t in texts))
            self._dense = _Dense(encoder.encode(questions, "query"), encoder.encode(texts, "passage"), owners)

    def signals(self, query: Query) -> Vectors:
        """Shape (items, signals), columns in the order of `LEXICAL_SIGNALS`, then `DENSE_SIGNALS`
        where the index is dense."""
        question, _, text, item = self._words.signals(query.words)
        columns = [question, text, item, *self._grams.signals(query.grams)]
        if self._dense is not None and query.vector is not None:
            columns += self._dense.signals(query.vector)
        return np.stack(columns, axis=1)


class _Owners:
    """Which run of questions belongs to which item."""

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = np.array(counts, dtype=np.int64)
        self._starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.counts)[:-1]])

    def best(self, scores: Vector) -> Vector:
        """From shape (questions,) to the best of each item, shape (items,)."""
        return np.maximum.reduceat(scores, self._starts)

    def total(self, vectors: Vectors) -> Vectors:
        return np.add.reduceat(vectors, self._starts, axis=0)

    def join(self, questions: Sequence[Sequence[str]], texts: Sequence[Sequence[str]]) -> list[list[str]]:
        """The terms of each item's text and all its questions."""
        joined = []
        for start, count, text in zip(self._starts, self.counts, texts, strict=True):
            joined.append([*text, *(term for q in questions[start : start + count] for term in q)])
        return joined


class _Lexicon:
    """The lexical signals on one kind of term."""

    def __init__(
        self, questions: Sequence[Sequence[str]], texts: Sequence[Sequence[str]], owners: _Owners
    ) -> None:
        items = owners.join(questions, texts)
        idf = idf_of([set(item) for item in items])
        unknown = max(idf.values(), default=1.0)
        self._owners = owners
        self._questions = LexicalField(questions, idf, unknown)
        self._texts = LexicalField(texts, idf, unknown)
        self._items = LexicalField(items, idf, unknown)

    def signals(self, query: Sequence[str]) -> list[Vector]:
        """Question coverage, question overlap, text coverage, item coverage; each shape (items,)."""
        best = self._owners.best
        return [
            best(self._questions.scores(query)),
            best(self._questions.dice(query)),
            self._texts.scores(query),
            self._items.scores(query),
        ]


class _Dense:
    """The dense signals.

    Sentence vectors of E5 lie in a narrow cone; the mean is taken off before vectors of different
    kinds are compared (Mu & Viswanath 2018, arXiv:1702.01417).
    """

    def __init__(self, questions: Vectors, texts: Vectors, owners: _Owners) -> None:
        self._owners = owners
        self._questions = questions
        self._question_mean = _mean(questions)
        self._centroids = _unit(owners.total(_unit(questions - self._question_mean)))
        self._texts = _unit(texts - _mean(texts))

    def signals(self, query: Vector) -> list[Vector]:
        """Nearest question, all questions together, text; each shape (items,)."""
        centred = _unit((query - self._question_mean)[None])[0]
        return [self._owners.best(self._questions @ query), self._centroids @ centred, self._texts @ centred]


def _mean(vectors: Vectors) -> Vector:
    mean: Vector = vectors.sum(axis=0) / (len(vectors) + _MEAN_WEIGHT)
    return mean


def _unit(vectors: Vectors) -> Vectors:
    units: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return units


def _questions(item: Item) -> tuple[str, ...]:
    return item.questions or (item.passage.title or item.passage.text[:40],)
