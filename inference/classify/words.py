"""A bag of characters and words under a linear layer: what a classifier's tuned encoder is mixed with.

The encoder knows what a text is about, the bag knows the field's exact words; they err on different texts,
and their geometric mean errs on fewer (docs/models.md). `inference.training.words` fits it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from inference.probabilities import softmax

__all__ = ["BAGS", "PREFIX", "WordHead", "characters", "mixed", "words"]

Shares = NDArray[np.float32]
PREFIX = "words/"
"""What the names of its arrays begin with in a classifier's file."""
_LONGEST = 4
_WORD = re.compile(r"\w+")


def characters(text: str) -> list[str]:
    """Runs of one to four characters of each stretch between blanks, a blank put before and after it."""
    grams = []
    for stretch in text.split():
        padded = f" {stretch} "
        for size in range(1, min(_LONGEST, len(padded)) + 1):
            grams += [padded[at : at + size] for at in range(len(padded) - size + 1)]
    return grams


def words(text: str) -> list[str]:
    """Words and pairs of them; a stretch of 汉字 is one."""
    found = _WORD.findall(text)
    return [*found, *(f"{a} {b}" for a, b in pairwise(found))]


BAGS = {"characters": characters, "words": words}


class WordHead:
    """Probabilities of labels from TF-IDF (sublinear, each bag of unit length) of a folded text.

    Args:
        arrays: for each of `BAGS` its `NAME/grams` (one string, a gram a line), `NAME/idf` (grams,) and
            `NAME/weights` (grams, labels) as int8 with `NAME/scale` (labels,); `bias` (labels,).
    """

    def __init__(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        self._bias = arrays["bias"].astype(np.float32)
        self._bags = [_Bag(arrays, name) for name in BAGS]

    def logits(self, texts: Sequence[str]) -> Shares:
        """Shape (texts, labels)."""
        rows = [self._bias + sum(bag.logits(text) for bag in self._bags) for text in texts]
        return np.array(rows, np.float32).reshape(len(texts), len(self._bias))

    def probabilities(self, texts: Sequence[str]) -> Shares:
        """Shape (texts, labels), rows sum to 1."""
        return softmax(self.logits(texts))


class _Bag:
    def __init__(self, arrays: Mapping[str, NDArray[np.generic]], name: str) -> None:
        grams = str(arrays[f"{name}/grams"]).split("\n")
        self._split = BAGS[name]
        self._row = {gram: at for at, gram in enumerate(grams)}
        self._idf = arrays[f"{name}/idf"].astype(np.float32)
        self._weights = arrays[f"{name}/weights"]
        self._scale = arrays[f"{name}/scale"].astype(np.float32)

    def logits(self, text: str) -> Shares:
        rows, values = [], []
        for gram, count in Counter(self._split(text)).items():
            if (row := self._row.get(gram)) is not None:
                rows.append(row)
                values.append((1 + math.log(count)) * self._idf[row])
        if not rows:
            return np.zeros_like(self._scale)
        weight = np.array(values, np.float32)
        weight /= np.linalg.norm(weight)
        found: Shares = (weight @ self._weights[rows].astype(np.float32)) * self._scale
        return found


def mixed(shares: Iterable[tuple[Shares, float]]) -> Shares:
    """Weighted geometric mean of probabilities, each (texts, labels): what one finds impossible stays
    unlikely."""
    total = sum(weight * np.log(part + 1e-6) for part, weight in shares)
    return softmax(np.asarray(total, np.float32))
