"""The linear heads of the complaint classifier: whether it is one, for whom, how grave.

Trained by `python -m inference.training.complaints`. There are two sets: one over words alone, and one over
words and the retriever's embeddings together; a message without a vector gets the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from inference.probabilities import softmax

__all__ = ["OUTPUTS", "Array", "Heads", "Shares", "load_heads"]

Array = NDArray[np.float32]
OUTPUTS = {"complaint": 2, "department": 15, "severity": 4}
"""The heads, and how many classes each has."""
SPREAD = 6.0
"""What centred vectors are multiplied by, so that one decay suits them and the words' counts."""
_FILE = "heads.npz"


@dataclass(frozen=True, slots=True)
class Shares:
    """Probabilities, each of shape (classes,)."""

    complaint: Array
    department: Array
    severity: Array


@dataclass(frozen=True, slots=True)
class Heads:
    """Weights by name: `words.department` of shape (features + 1, classes), `both.department` of shape
    (dimension + features + 1, classes); the last row is the bias.

    Attributes:
        centre: mean vector of the training messages, shape (dimension,).
        encoder: name of the encoder whose vectors `both` was trained on.
    """

    weights: dict[str, Array]
    centre: Array
    encoder: str

    def shares(self, features: Array, vector: Array | None) -> Shares:
        """Of one message; `vector` has shape (dimension,) or (1, dimension)."""
        if vector is None:
            given, row = "words", features
        else:
            given, row = "both", np.concatenate([(vector.reshape(-1) - self.centre) * SPREAD, features])
        found = []
        for name in OUTPUTS:
            weights = self.weights[f"{given}.{name}"]
            found.append(softmax(row @ weights[:-1] + weights[-1]))
        return Shares(*found)


def load_heads() -> Heads | None:
    """The shipped heads; None if there are none."""
    found = files("inference.complaints").joinpath(_FILE)
    if not found.is_file():
        return None
    with np.load(BytesIO(found.read_bytes()), allow_pickle=False) as data:
        weights = {
            name: data[name].astype(np.float32) for name in data.files if name.startswith(("words.", "both."))
        }
        return Heads(weights, data["centre"].astype(np.float32), str(data["encoder"]))
