"""Which paraphrases may be learned from, tuned on and tested on."""

from __future__ import annotations

import hashlib
from typing import Literal

__all__ = ["Part", "part_of"]

Part = Literal["known", "tuning", "test"]


def part_of(paraphrase: str) -> Part:
    """By hash, so that it never changes: 70 % known (the encoder adapter learns from these), 10 %
    tuning (the fusion is fitted on these), 20 % test (nothing sees these)."""
    bucket = int.from_bytes(hashlib.blake2b(paraphrase.encode(), digest_size=4).digest(), "big") % 100
    if bucket < 20:
        return "test"
    return "tuning" if bucket < 30 else "known"
