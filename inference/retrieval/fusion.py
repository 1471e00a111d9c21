"""One relevance from many signals, and how far to trust the first hit.

Relevance is linear in the signals (a convex combination fuses better than reciprocal ranks and
needs few examples: Bruch, Gai & Ingber 2023, arXiv:2210.11934), the weights being those of a
conditional logit over all items of an index. Confidence is a logistic regression on the shape of
the result. Both are fitted by `python -m inference.retrieval.fit` into `fusion.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.retrieval.lexical import Vector

__all__ = ["CONFIDENCE_INPUTS", "Fusion", "FusionFile", "load_fusion", "shape_of"]

CONFIDENCE_INPUTS = ("probability", "lead", "relevance", "coverage")


class Fusion(msgspec.Struct, frozen=True, dict=True):
    """Fitted weights of one set of signals."""

    signals: tuple[str, ...]
    weights: tuple[float, ...]
    confidence: tuple[float, ...] = (0.0,) * len(CONFIDENCE_INPUTS)
    bias: float = 0.0

    @cached_property
    def _vector(self) -> Vector:
        return np.array(self.weights, dtype=np.float32)

    def relevance(self, signals: NDArray[np.float32]) -> Vector:
        """From shape (items, signals) to shape (items,)."""
        return signals @ self._vector

    def trust(self, relevance: Vector, signals: NDArray[np.float32]) -> float:
        """Probability (0–1) that the most relevant item answers the question."""
        inputs = shape_of(relevance, signals)
        return float(1 / (1 + np.exp(-(self.bias + np.dot(self.confidence, inputs)))))


class FusionFile(msgspec.Struct, frozen=True):
    made_by: str
    hybrid: Fusion
    lexical: Fusion


def load_fusion(path: Path | None = None) -> FusionFile:
    """The fitted weights: those shipped with the package, or the file at `path`."""
    source = path if path is not None else files("inference.retrieval") / "fusion.json"
    return msgspec.json.decode(source.read_bytes(), type=FusionFile)


def shape_of(relevance: Vector, signals: NDArray[np.float32]) -> Sequence[float]:
    """What the confidence is read from, in the order of `CONFIDENCE_INPUTS`."""
    order = np.argsort(relevance)[::-1]
    top = relevance[order[0]]
    share = 1 / float(np.exp(relevance - top).sum())
    lead = float(top - relevance[order[1]]) if len(order) > 1 else float(top)
    return (share, min(lead, 5.0), float(top), float(signals[order[0]].max()))
