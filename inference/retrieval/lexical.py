"""BM25 over short texts, pooled to the items they belong to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["LexicalField", "Vector", "idf_of"]

Vector = NDArray[np.float32]

K1 = 1.2
B = 0.6
"""Robertson & Zaragoza (2009) give 1.2–2 and 0.5–0.8; short texts repeat few terms, so the low ends."""


def idf_of(documents: Sequence[set[str]]) -> dict[str, float]:
    """Inverse document frequency, always positive (Lucene's form), of every term."""
    count = Counter(term for document in documents for term in document)
    total = len(documents)
    return {term: math.log1p((total - df + 0.5) / (df + 0.5)) for term, df in count.items()}


class LexicalField:
    """One field of an index: BM25 scores of a query against `texts`, as shares of the best possible.

    A score is divided by what a text holding every query term once, at average length, would get:
    that makes it a coverage in about 0…1, comparable between queries and between knowledge bases.
    """

    def __init__(self, texts: Sequence[Sequence[str]], idf: Mapping[str, float], unknown: float) -> None:
        """`unknown` is the idf of a term that occurs nowhere: the query isn't covered there."""
        self._idf = idf
        self._unknown = unknown
        self._size = len(texts)
        lengths = np.array([len(text) for text in texts], dtype=np.float32)
        mean = float(lengths.mean()) if len(texts) else 1.0
        norms = K1 * (1 - B + B * lengths / max(mean, 1.0))
        rows: dict[str, list[int]] = {}
        counts: dict[str, list[int]] = {}
        self._mass = np.zeros(len(texts), dtype=np.float32)
        for row, text in enumerate(texts):
            for term, frequency in Counter(text).items():
                rows.setdefault(term, []).append(row)
                counts.setdefault(term, []).append(frequency)
                self._mass[row] += idf.get(term, unknown)
        self._postings: dict[str, tuple[NDArray[np.int32], Vector]] = {}
        for term, where in rows.items():
            index = np.array(where, dtype=np.int32)
            times = np.array(counts[term], dtype=np.float32)
            impact = idf.get(term, unknown) * times * (K1 + 1) / (times + norms[index])
            self._postings[term] = (index, impact.astype(np.float32))

    def scores(self, query: Sequence[str]) -> Vector:
        """Coverage of the query by each text, shape (texts,)."""
        scores = np.zeros(self._size, dtype=np.float32)
        ideal = 0.0
        for term in set(query):
            ideal += self._idf.get(term, self._unknown)
            posting = self._postings.get(term)
            if posting is not None:
                scores[posting[0]] += posting[1]
        coverage: Vector = scores / np.float32(max(ideal, 1e-6))
        return coverage

    def dice(self, query: Sequence[str]) -> Vector:
        """IDF-weighted Dice overlap of query and text, 0…1, shape (texts,): falls where the text
        says more than was asked, which coverage doesn't see."""
        shared = np.zeros(self._size, dtype=np.float32)
        mass = 0.0
        for term in set(query):
            weight = self._idf.get(term, self._unknown)
            mass += weight
            posting = self._postings.get(term)
            if posting is not None:
                shared[posting[0]] += weight
        overlap: Vector = 2 * shared / np.maximum(self._mass + np.float32(mass), np.float32(1e-6))
        return overlap
