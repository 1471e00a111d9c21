"""Fits the bag of words and characters: TF-IDF under scikit-learn's logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bot.errors import TellerError
from inference.classify.model import folded
from inference.classify.words import BAGS, WordHead

__all__ = ["WordModel"]

Arrays = dict[str, NDArray[np.generic]]


class WordModel:
    """A fitted bag; `arrays` is what `WordHead` reads."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self._head = WordHead(arrays)

    @staticmethod
    def require() -> None:
        """Raises TellerError if scikit-learn (the extra `train`) isn't installed."""
        if find_spec("sklearn") is None:
            raise TellerError("scikit-learn is needed: pip install 'teller[train]'")

    @classmethod
    def fit(
        cls, texts: Sequence[str], y: Sequence[int], labels: int, *, strength: float = 20.0, fewest: int = 1
    ) -> Self:
        """Train on texts and the numbers of their labels, of which each occurs.

        Args:
            strength: inverse of the regularisation.
            fewest: texts that a gram must occur in.

        Raises:
            TellerError: scikit-learn (the extra `train`) isn't installed, or the texts have no words.
        """
        cls.require()
        from scipy.sparse import hstack
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        plain = [folded(text) for text in texts]
        bags = {
            name: TfidfVectorizer(analyzer=split, sublinear_tf=True, min_df=fewest)
            for name, split in BAGS.items()
        }
        try:
            features = hstack([bag.fit_transform(plain) for bag in bags.values()]).tocsr()
        except ValueError as error:  # no words at all, or none twice
            raise TellerError(
                f"the texts have too little in common for a bag of words ({error}): set `words: 0`"
            ) from error
        regression = LogisticRegression(C=strength, max_iter=300).fit(features, list(y))
        weights, bias = _for_all(regression, labels)
        arrays: Arrays = {"bias": bias}
        at = 0
        for name, bag in bags.items():
            grams = bag.get_feature_names_out()
            part = weights[at : at + len(grams)]
            at += len(grams)
            scale = np.abs(part).max(axis=0).clip(min=1e-9) / 127
            arrays |= {
                f"{name}/grams": np.array("\n".join(grams)),
                f"{name}/idf": bag.idf_.astype(np.float16),
                f"{name}/weights": np.round(part / scale).astype(np.int8),
                f"{name}/scale": scale.astype(np.float32),
            }
        return cls(arrays)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (texts, labels)."""
        return self._head.probabilities([folded(text) for text in texts])


def _for_all(regression: Any, labels: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Weights (grams, labels) and bias (labels,); a label that never occurred is out of reach, and two
    labels have one row between them."""
    coefficients, intercepts = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:
        coefficients = np.vstack([-coefficients / 2, coefficients / 2])
        intercepts = np.array([-intercepts[0] / 2, intercepts[0] / 2])
    weights = np.zeros((coefficients.shape[1], labels))
    bias = np.full(labels, -1e4, np.float32)
    weights[:, regression.classes_] = coefficients.T
    bias[regression.classes_] = intercepts
    return weights, bias
