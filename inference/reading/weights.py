"""The fitted weights of the features, with words alone and with sentence vectors."""

from __future__ import annotations

from functools import cached_property
from importlib.resources import files
from pathlib import Path

import msgspec
import numpy as np

from inference.reading.features import DENSE, LEXICAL, Matrix

__all__ = ["Weights", "WeightsFile", "load_weights"]


class Weights(msgspec.Struct, frozen=True, dict=True):
    values: dict[str, float]
    """By feature; what isn't named weighs nothing."""
    clear: float
    """Probability from which a clause is taken for the answer."""

    @cached_property
    def vector(self) -> Matrix:
        """Shape (len(LEXICAL) + len(DENSE),)."""
        return np.array([self.values.get(name, 0.0) for name in (*LEXICAL, *DENSE)])

    def scores(self, features: Matrix) -> Matrix:
        """From shape (clauses, features), with or without the dense ones, to log-odds, shape (clauses,)."""
        scores: Matrix = features @ self.vector[: features.shape[1]]
        return scores


class WeightsFile(msgspec.Struct, frozen=True):
    made_by: str
    """The command that wrote it."""
    lexical: Weights
    dense: Weights


def load_weights(path: Path | None = None) -> WeightsFile:
    """The weights shipped with the package, or those of the file at `path`."""
    source = path if path is not None else files("inference.reading") / "weights.json"
    return msgspec.json.decode(source.read_bytes(), type=WeightsFile)
