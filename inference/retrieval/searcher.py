"""Search of one index: signals, fusion, follow-ups, confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from inference.retrieval.embedding import CachedEncoder, Vectors
from inference.retrieval.follow_up import Context, Dependence, dependence, kinship
from inference.retrieval.fusion import FusionFile
from inference.retrieval.index import Index, Query
from inference.retrieval.knowledge import Item
from inference.retrieval.lexical import Vector
from inference.retrieval.text import Analyser

__all__ = ["Found", "FoundItem", "Searcher"]

_LEANING: Mapping[Dependence, tuple[float, float]] = {
    Dependence.NONE: (0.0, 1.5),
    Dependence.POSSIBLE: (0.5, 1.5),
    Dependence.CERTAIN: (0.5, 2.0),
}
"""How much the question counts when joined to its context (the rest is the question alone), and what
full kinship with the passages cited before is worth, in units of relevance (log-odds). So small a
bonus decides between near equals only: a question that says what it is about keeps its own answer.
Chosen on the even rows of benchmarks/data/follow_ups.jsonl; the odd ones are for testing."""


@dataclass(frozen=True, slots=True)
class FoundItem:
    item: Item
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    hits: tuple[FoundItem, ...]
    confidence: float
    query: str


class Searcher:
    def __init__(
        self, index: Index, analyser: Analyser, encoder: CachedEncoder | None, weights: FusionFile
    ) -> None:
        self.index = index
        self._analyser = analyser
        self._encoder = encoder
        self._fusion = weights.lexical if encoder is None else weights.hybrid

    def search(self, question: str, context: Context | None = None, limit: int = 5) -> Found:
        """The best `limit` items; a question that leans on `context` is resolved against it."""
        if not self.index.items:
            return Found((), 0.0, question)
        relevance, signals = self._score(question)
        if context is not None:
            question, relevance, signals = self._resolve(question, relevance, signals, context)
        confidence = self._fusion.trust(relevance, signals)
        order = np.argsort(-relevance, kind="stable")[:limit]
        hits = tuple(FoundItem(self.index.items[at], float(relevance[at])) for at in order)
        return Found(hits, confidence, question)

    def _score(self, question: str) -> tuple[Vector, Vectors]:
        signals = self.index.signals(Query.of(question, self._analyser, self._encoder))
        return self._fusion.relevance(signals), signals

    def _resolve(
        self, question: str, alone: Vector, signals: Vectors, context: Context
    ) -> tuple[str, Vector, Vectors]:
        """The question as understood in its context, with its relevance and signals."""
        share, bonus = _LEANING[dependence(self._analyser.fold(question))]
        kin = np.array(
            [kinship(item.passage.id, item.passage.related, context) for item in self.index.items],
            dtype=np.float32,
        )
        if not share:
            return question, alone + bonus * kin, signals
        resolved = f"{context.question} {question}"
        together, joint = self._score(resolved)
        relevance = share * together + (1 - share) * alone + bonus * kin
        if relevance.argmax() == alone.argmax():
            # The context changes nothing: the question stood alone, and its confidence is its own.
            return question, alone, signals
        return resolved, relevance, share * joint + (1 - share) * signals
