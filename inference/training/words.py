"""A bag of words and characters under logistic regression: fast, and hard to beat on plain wordings."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bot.errors import TellerError
from inference.classify.model import folded

__all__ = ["WordModel"]


class WordModel:
    """TF-IDF of words, word pairs and characters' n-grams; scikit-learn's logistic regression."""

    def __init__(self, pipeline: Any, labels: int) -> None:
        self._pipeline, self._labels = pipeline, labels

    @staticmethod
    def require() -> None:
        """Raises TellerError if scikit-learn (the extra `train`) isn't installed."""
        if find_spec("sklearn") is None:
            raise TellerError("scikit-learn is needed: pip install 'teller[train]'")

    @classmethod
    def fit(cls, texts: Sequence[str], y: Sequence[int], labels: int, *, strength: float = 20.0) -> Self:
        """Train on texts and the numbers of their labels.

        Args:
            strength: inverse of the regularisation.

        Raises:
            TellerError: scikit-learn (the extra `train`) isn't installed.
        """
        cls.require()
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline, make_union

        features = make_union(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True),
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b"),  # noqa: S106
        )
        pipeline = make_pipeline(features, LogisticRegression(C=strength, max_iter=300))
        pipeline.fit([folded(text) for text in texts], list(y))
        return cls(pipeline, labels)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (texts, labels)."""
        found = np.zeros((len(texts), self._labels), np.float32)
        if len(texts):
            found[:, self._pipeline.classes_] = self._pipeline.predict_proba([folded(text) for text in texts])
        return found
