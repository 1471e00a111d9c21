"""The index of one language: every signal that a question and an item match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.retrieval.embedding import CachedEncoder, Role, Vectors
from inference.retrieval.knowledge import Item
from inference.retrieval.lexical import LexicalField, Vector, idf_of
from inference.retrieval.text import Analyser, strip_courtesies

__all__ = ["DENSE_SIGNALS", "LEXICAL_SIGNALS", "Index", "Query"]

LEXICAL_SIGNALS = ("word_question", "word_dice", "gram_question", "gram_dice", "word_text", "gram_text")
DENSE_SIGNALS = ("dense_question", "dense_questions", "dense_text")

_SHARPNESS = 20.0
"""Of the soft maximum over an item's questions: it asks for several that are near, not only one."""


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
        counts = [len(_questions(item)) for item in items]
        self._starts = np.cumsum([0, *counts[:-1]], dtype=np.int64)
        owners = np.repeat(np.arange(len(counts)), counts)
        self._words = _Lexicon([analyser.words(q) for q in questions], [analyser.words(t) for t in texts], owners)
        self._grams = _Lexicon([analyser.grams(q) for q in questions], [analyser.grams(t) for t in texts], owners)
        self.embedded: tuple[tuple[str, Role], ...] = ()
        self._dense: _Dense | None = None
        if encoder is not None and items:
            self.embedded = (*((q, "query") for q in questions), *((t, "passage") for t in texts))
            self._dense = _Dense(encoder.encode(questions, "query"), encoder.encode(texts, "passage"))

    def signals(self, query: Query) -> NDArray[np.float32]:
        """Shape (items, signals), columns in the order of `LEXICAL_SIGNALS`, then `DENSE_SIGNALS`
        where the index is dense."""
        starts = self._starts
        columns = [*self._words.signals(query.words, starts), *self._grams.signals(query.grams, starts)]
        ordered = [columns[0], columns[1], columns[3], columns[4], columns[2], columns[5]]
        if self._dense is not None and query.vector is not None:
            ordered += self._dense.signals(query.vector, starts)
        return np.stack(ordered, axis=1)


class _Lexicon:
    def __init__(
        self, questions: Sequence[Sequence[str]], texts: Sequence[Sequence[str]], owners: NDArray[np.int64]
    ) -> None:
        per_item = [set(text) for text in texts]
        for owner, question in zip(owners, questions, strict=True):
            per_item[owner].update(question)
        idf = idf_of(per_item)
        unknown = max(idf.values(), default=1.0)
        self._questions = LexicalField(questions, idf, unknown)
        self._texts = LexicalField(texts, idf, unknown)

    def signals(self, query: Sequence[str], starts: NDArray[np.int64]) -> list[Vector]:
        return [
            np.maximum.reduceat(self._questions.scores(query), starts),
            np.maximum.reduceat(self._questions.dice(query), starts),
            self._texts.scores(query),
        ]


class _Dense:
    def __init__(self, questions: Vectors, texts: Vectors) -> None:
        self._questions = questions
        self._texts = texts

    def signals(self, query: Vector, starts: NDArray[np.int64]) -> list[Vector]:
        near = self._questions @ query
        best = np.maximum.reduceat(near, starts)
        soft = np.log(np.add.reduceat(np.exp(_SHARPNESS * (near - 1)), starts)) / _SHARPNESS + 1
        return [best, soft.astype(np.float32), self._texts @ query]


def _questions(item: Item) -> tuple[str, ...]:
    return item.questions or (item.passage.title or item.passage.text[:40],)
