"""Search of one index: signals, fusion, follow-ups, confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.retrieval.embedding import CachedEncoder
from inference.retrieval.follow_up import Context, Dependence, dependence, kinship
from inference.retrieval.fusion import FusionFile
from inference.retrieval.index import Index, Query
from inference.retrieval.knowledge import Item
from inference.retrieval.lexical import Vector
from inference.retrieval.text import Analyser

__all__ = ["Found", "FoundItem", "Searcher"]

_SELF_SUFFICIENT = 0.6
"""Confidence from which a question that only looks like a continuation is taken to stand alone."""
_CONTEXT_SHARE = 0.5
_KIN_BONUS = 1.5
"""In units of relevance (log-odds)."""


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
        confidence = self._fusion.trust(relevance, signals)
        if context is not None:
            leaning = dependence(self._analyser.fold(question))
            if leaning is Dependence.CERTAIN or (
                leaning is Dependence.POSSIBLE and confidence < _SELF_SUFFICIENT
            ):
                question, relevance, signals = self._resolve(question, relevance, context)
                confidence = self._fusion.trust(relevance, signals)
        order = np.argsort(-relevance, kind="stable")[:limit]
        hits = tuple(FoundItem(self.index.items[at], float(relevance[at])) for at in order)
        return Found(hits, confidence, question)

    def _score(self, question: str) -> tuple[Vector, NDArray[np.float32]]:
        signals = self.index.signals(Query.of(question, self._analyser, self._encoder))
        return self._fusion.relevance(signals), signals

    def _resolve(
        self, question: str, alone: Vector, context: Context
    ) -> tuple[str, Vector, NDArray[np.float32]]:
        resolved = f"{context.question} {question}"
        together, signals = self._score(resolved)
        kin = np.array(
            [kinship(item.passage.id, item.passage.related, context) for item in self.index.items],
            dtype=np.float32,
        )
        relevance = _CONTEXT_SHARE * together + (1 - _CONTEXT_SHARE) * alone + _KIN_BONUS * kin
        return resolved, relevance, signals
