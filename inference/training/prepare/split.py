"""Train, dev and test: whole conversations, and whole families of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Literal

from inference.training.prepare.config import SplitSettings

__all__ = ["SPLITS", "Families", "Split", "assign"]

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


class Families:
    """Conversations that must stay on one side of every split (a union-find, numbered from 0)."""

    def __init__(self) -> None:
        self._parents: list[int] = []

    def add(self) -> int:
        """A new one, alone at first; its number."""
        self._parents.append(len(self._parents))
        return len(self._parents) - 1

    def join(self, a: int, b: int) -> None:
        a, b = self.root(a), self.root(b)
        self._parents[max(a, b)] = min(a, b)

    def root(self, n: int) -> int:
        """The number that stands for the family of `n`."""
        while self._parents[n] != n:
            self._parents[n] = self._parents[self._parents[n]]
            n = self._parents[n]
        return n

    def roots(self) -> list[int]:
        return [self.root(n) for n in range(len(self._parents))]


def assign(keys: list[bytes], families: Families, settings: SplitSettings, seed: int) -> list[Split]:
    """The split of each conversation. `keys` are what is hashed, one each.

    A family goes where the hash of its lowest key falls, so what else is in the data changes nothing for it
    unless it gets new members. If nothing falls into train, the largest family goes there.
    """
    roots = families.roots()
    lowest: dict[int, bytes] = {}
    for root, key in zip(roots, keys, strict=True):
        lowest[root] = min(key, lowest.get(root, key))
    sides = {root: _side(key, settings, seed) for root, key in lowest.items()}
    if sides and "train" not in sides.values():
        sizes = Counter(roots)
        sides[max(sizes, key=lambda root: (sizes[root], -root))] = "train"
    return [sides[root] for root in roots]


def _side(key: bytes, settings: SplitSettings, seed: int) -> Split:
    drawn = int.from_bytes(hashlib.sha256(f"{seed}:".encode() + key).digest()[:8]) / 2**64
    if drawn < settings.test:
        return "test"
    return "dev" if drawn < settings.test + settings.dev else "train"
