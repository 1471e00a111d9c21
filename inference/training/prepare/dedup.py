"""Finding conversations that were seen before, word for word or nearly.

Nearly: Jaccard similarity of the sets of character n-grams. Candidates come from MinHash LSH, each is then
compared exactly. Time is linear in the number of conversations.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from bot.errors import TellerError
from inference.training.prepare.config import NearDuplicates

if TYPE_CHECKING:
    from datasketch import MinHash, MinHashLSH

__all__ = ["Duplicates", "Found", "digest_of", "jaccard", "shingles"]

Shingles = npt.NDArray[np.uint32]
"""Sorted and unique hashes, shape (n,)."""

_INDEXES = ((12, 5, 64), (24, 8, 256), (16, 12, 1024))
"""Of each LSH: bands, rows, and from how many hits a place is too crowded for it, so that the next one, which
fewer strangers with the same greeting and farewell come up in, takes what is new. Pairs found at similarity
0.5, 0.7, 0.85 and 0.95: 32, 89, 99.9, 100 %; 9, 76, 99.9, 100 %; 0.4, 20, 91, 100 %."""
_CROWD = 64
"""Siblings from which a family is large enough: what comes later is compared, but not indexed itself, so
thousands of siblings cost no quadratic time."""
_BASE = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Found:
    kind: Literal["new", "exact", "near"]
    of: int
    """Number of the kept conversation it repeats; for a new one, its own."""
    siblings: tuple[int, ...] = ()
    """Kept conversations a new one resembles, below the threshold."""


class Duplicates:
    """Remembers what was kept, numbered from 0. Holds hashes only, no text."""

    def __init__(self, settings: NearDuplicates, seed: int) -> None:
        self._settings = settings
        self._blank, self._indexes = _lsh(seed % (1 << 32))
        self._exact: dict[bytes, int] = {}
        self._shingles: dict[int, Shingles] = {}
        self._kept = 0
        self.unindexed = 0
        """Kept ones that later texts aren't compared with, unless they are the same."""

    def look(self, folded: str, digest: bytes) -> Found:
        """Compare a folded text with what was kept; if it is new, keep it."""
        known = self._exact.get(digest)
        if known is not None:
            return Found("exact", known)
        found = self._look(folded)
        # A copy of a near-duplicate repeats the same kept one.
        self._exact[digest] = found.of
        return found

    def _look(self, folded: str) -> Found:
        own = shingles(folded, self._settings.shingle)
        sketch = self._blank.copy()
        sketch.update_batch(own)
        hits: list[list[int]] = [index.query(sketch) for index in self._indexes]
        near, most, siblings = -1, 0.0, []
        for candidate in sorted(chain(*hits)):
            alike = jaccard(own, self._shingles[candidate])
            if alike >= self._settings.threshold and alike > most:
                near, most = candidate, alike
            elif alike >= self._settings.sibling:
                siblings.append(candidate)
        if near >= 0:
            return Found("near", near)
        number = self._kept
        self._kept += 1
        room = (n for n, (_, _, most) in enumerate(_INDEXES) if len(hits[n]) < most)
        chosen = next(room, None) if len(siblings) < _CROWD else None
        if chosen is None:
            self.unindexed += 1
        else:
            self._indexes[chosen].insert(number, sketch, check_duplication=False)
            self._shingles[number] = own
        return Found("new", number, tuple(siblings))


def _lsh(seed: int) -> tuple[MinHash, list[MinHashLSH]]:
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError:
        raise TellerError(
            "finding near-duplicates needs the package datasketch: pip install 'teller[train]'"
        ) from None
    size = max(bands * rows for bands, rows, _ in _INDEXES)
    indexes = [MinHashLSH(num_perm=size, params=(bands, rows)) for bands, rows, _ in _INDEXES]
    return MinHash(num_perm=size, seed=seed, hashfunc=int), indexes


def digest_of(folded: str) -> bytes:
    """16 bytes that stand for a folded text."""
    return hashlib.sha256(folded.encode()).digest()[:16]


def shingles(text: str, size: int) -> Shingles:
    """Hashes of all runs of `size` characters; of the whole text if it is shorter."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.uint64)
    size = max(1, min(size, len(codes)))
    n = max(0, len(codes) - size + 1)
    rolled = np.zeros(n, np.uint64)
    with np.errstate(over="ignore"):
        for at in range(size):
            rolled = (rolled + codes[at : at + n]) * _BASE
            rolled ^= rolled >> np.uint64(29)
    return np.unique((rolled >> np.uint64(32)).astype(np.uint32))


def jaccard(a: Shingles, b: Shingles) -> float:
    """Share of common elements of two sorted sets; 1 for two empty ones."""
    if not len(a) and not len(b):
        return 1.0
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / (len(a) + len(b) - common)
