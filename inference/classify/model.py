"""A text classifier: multilingual-e5-small with its upper layers tuned, and a linear head on its vectors.

One file (.npz, some MB) holds what differs from the packaged encoder, and the head.
`inference.training.finetune` makes it.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from inference.classify.words import PREFIX, WordHead, mixed
from inference.probabilities import softmax
from inference.retrieval.adapter import AdaptedEncoder
from inference.retrieval.text import fold

__all__ = ["ADAPTER", "SCALE", "TextClassifier", "folded", "read_arrays"]

Shares = NDArray[np.float32]

ADAPTER = "adapter/"
"""What the names of the encoder's arrays begin with in the file."""
SCALE = 20.0
"""What the encoder's unit vectors are multiplied by before the head."""


def folded(text: str) -> str:
    """A text as classifiers read it: NFKC, Simplified, lower case, single spaces."""
    return fold(text)


def read_arrays(path: Path) -> tuple[dict[str, NDArray[np.generic]], str]:
    """(a file's arrays, its name as a classifier has it). Raises OSError or ValueError as `load` does."""
    data = path.read_bytes()
    name = f"{path.stem}+{hashlib.sha256(data).hexdigest()[:12]}"
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}, name
    except (KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise ValueError(f"not a classifier's file: {error}") from None


class TextClassifier:
    """Probabilities of labels. Releases the GIL while it computes; one caller at a time.

    Args:
        arrays: `labels` (n,), `weights` (dimension, n), `bias` (n,), `temperature` (), and the encoder's
            adapter under names that begin with `ADAPTER`; `other` (): the label of what is none of them, and
            `other_below` (): the probability below which the likeliest label counts as that; `words_share`
            (): the weight of a bag of words in the mean, (and `mixed_temperature` () of that mean), whose
            arrays' names begin with `inference.classify.words.PREFIX`.
        name: names weights and version, for records.
    """

    def __init__(self, arrays: Mapping[str, NDArray[np.generic]], name: str = "") -> None:
        self.labels = tuple(str(label) for label in arrays["labels"])
        self.name = name
        self._weights = arrays["weights"].astype(np.float32)
        self._bias = arrays["bias"].astype(np.float32)
        self._temperature = float(arrays["temperature"])
        self.other = str(arrays["other"]) if "other" in arrays else ""
        self._other_below = float(arrays["other_below"]) if "other_below" in arrays else 0.0
        adapter = {
            key.removeprefix(ADAPTER): array for key, array in arrays.items() if key.startswith(ADAPTER)
        }
        self._encoder = AdaptedEncoder.of(adapter, name)
        self._words_share = float(arrays["words_share"]) if "words_share" in arrays else 0.0
        bag = {key.removeprefix(PREFIX): array for key, array in arrays.items() if key.startswith(PREFIX)}
        self._mixed_temperature = float(arrays.get("mixed_temperature", np.float32(1)))
        self._words = WordHead(bag) if self._words_share else None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises OSError or ValueError for what isn't such a file, or was cut short."""
        arrays, name = read_arrays(path)
        try:
            return cls(arrays, name)
        except KeyError as error:
            raise ValueError(f"not a classifier's file: {error}") from None

    def probabilities(self, texts: Sequence[str]) -> Shares:
        """Shape (texts, labels), rows sum to 1."""
        plain = [folded(text) for text in texts]
        vectors = self._encoder.encode(plain, "query") * np.float32(SCALE)
        tuned = softmax((vectors @ self._weights + self._bias) / np.float32(self._temperature))
        if self._words is None:
            return tuned
        share = self._words_share
        mean = mixed([(tuned, 1 - share), (self._words.probabilities(plain), share)])
        return softmax(np.log(mean + 1e-9) / np.float32(self._mixed_temperature))

    def classify(self, texts: Sequence[str]) -> list[str]:
        """The likeliest label of each text, or `other` where none is likely enough."""
        if not texts:
            return []
        shares = self.probabilities(texts)
        likeliest = shares.argmax(axis=1)
        sure = shares.max(axis=1) >= self._other_below
        return [self.labels[n] if known else self.other for n, known in zip(likeliest, sure, strict=True)]
