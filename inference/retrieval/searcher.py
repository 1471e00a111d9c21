"""Search of one index: signals, fusion, follow-ups, confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

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


@dataclass(frozen=True, slots=True)
class _Scored:
    relevance: Vector
    signals: Vectors
    vector: Vector | None
    """Of the question."""


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
        scored = self._score(question)
        if context is not None:
            question, scored = self._resolve(question, scored, context)
        relevance = scored.relevance
        confidence = self._fusion.trust(relevance, scored.signals, scored.vector)
        order = np.argsort(-relevance, kind="stable")[:limit]
        hits = tuple(FoundItem(self.index.items[at], float(relevance[at])) for at in order)
        return Found(hits, confidence, question)

    def _score(self, question: str) -> _Scored:
        query = Query.of(question, self._analyser, self._encoder)
        signals = self.index.signals(query)
        return _Scored(self._fusion.relevance(signals), signals, query.vector)

    def _resolve(self, question: str, alone: _Scored, context: Context) -> tuple[str, _Scored]:
        """The question as understood in its context, scored."""
        share, bonus = _LEANING[dependence(self._analyser.fold(question))]
        kin = np.array(
            [kinship(item.passage.id, item.passage.related, context) for item in self.index.items],
            dtype=np.float32,
        )
        if not share:
            return question, replace(alone, relevance=alone.relevance + bonus * kin)
        resolved = f"{context.question} {question}"
        joint = self._score(resolved)
        relevance = share * joint.relevance + (1 - share) * alone.relevance + bonus * kin
        if relevance.argmax() == alone.relevance.argmax():
            # The context changes nothing: the question stood alone, and its confidence is its own.
            return question, alone
        signals = share * joint.signals + (1 - share) * alone.signals
        return resolved, _Scored(relevance, signals, joint.vector)
