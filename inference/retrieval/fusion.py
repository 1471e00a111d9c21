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
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.retrieval.embedding import Vectors
from inference.retrieval.lexical import Vector

__all__ = ["Fusion", "FusionFile", "domain_logit", "load_fusion", "shape_of"]

_FURTHEST_LEAD = 5.0
_SUREST = 6.0


class Fusion(msgspec.Struct, frozen=True, dict=True):
    """Fitted weights of one set of signals."""

    signals: tuple[str, ...]
    weights: tuple[float, ...]
    confidence: tuple[float, ...]
    """Of `shape_of`'s inputs."""
    bias: float
    domain: tuple[float, ...] = ()
    """Weights of a question's sentence vector, then a bias: the logit of its being a bank's business.
    Empty where there are no vectors."""

    @cached_property
    def _vector(self) -> Vector:
        return np.array(self.weights, dtype=np.float32)

    def relevance(self, signals: Vectors) -> Vector:
        """From shape (items, signals) to shape (items,)."""
        relevance: Vector = signals @ self._vector
        return relevance

    def trust(self, relevance: Vector, signals: Vectors, vector: Vector | None = None) -> float:
        """Probability (0–1) that the most relevant item answers the question with that `vector`."""
        shape = shape_of(relevance, signals)
        if self.domain:
            business = domain_logit(self.domain, vector) if vector is not None else 0.0
            shape = np.append(shape, business)
        logit = self.bias + float(np.dot(self.confidence, shape))
        return float(1 / (1 + np.exp(-logit)))


def domain_logit(domain: Sequence[float] | NDArray[Any], vector: NDArray[Any]) -> float:
    """Bounded, so that one odd vector can't outweigh everything else."""
    logit = float(np.dot(domain[:-1], vector)) + domain[-1]
    return max(-_SUREST, min(_SUREST, logit))


class FusionFile(msgspec.Struct, frozen=True):
    made_by: str
    """The command that wrote it."""
    hybrid: Fusion
    lexical: Fusion


def load_fusion(path: Path | None = None) -> FusionFile:
    """The fitted weights: those shipped with the package, or the file at `path`."""
    source = path if path is not None else files("inference.retrieval") / "fusion.json"
    return msgspec.json.decode(source.read_bytes(), type=FusionFile)


def shape_of(relevance: NDArray[Any], signals: NDArray[Any]) -> NDArray[Any]:
    """What confidence is read from: the first hit's share of the likelihood, its lead over the
    second, its relevance, and each of its signals; shape (3 + signals,)."""
    order = np.argsort(relevance)[::-1]
    top = float(relevance[order[0]])
    share = 1 / float(np.exp(relevance - top).sum())
    lead = top - float(relevance[order[1]]) if len(order) > 1 else _FURTHEST_LEAD
    head = np.array([share, min(lead, _FURTHEST_LEAD), top], dtype=np.float32)
    return np.concatenate([head, signals[order[0]]])
