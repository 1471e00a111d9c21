"""What a text is recognised by when it comes again, in a few hundred bytes and without its words."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

__all__ = ["Fingerprint", "fingerprint"]

LONGEST = 600
"""Characters looked at: a flood of long texts must cost no more than one of short ones."""
BITS = 512
NEAR, LIKE = 0.88, 0.72
_DIGITS = re.compile(r"\d+")
_NOT_WORDS = re.compile(r"[\W_]+")
_RUNS = re.compile(r"(.)\1{2,}")
_NEGATIONS = re.compile(r"[不没未非别无勿]|\b(?:not?|never|cannot|without)\b|n['’]t\b")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Hashes are Python's own, keyed afresh in each process: nothing can be read back from them."""

    whole: int
    """Of the text's letters and digits."""
    letters: int
    """Of its letters alone: the same for "order 1" and "order 2"."""
    figures: int
    """Of its digits, and of how often it says no: what makes alike sentences different questions."""
    pairs: int
    """A Bloom filter (512 bits) of its character pairs."""
    length: int
    """Letters and digits in it."""

    def same(self, other: Fingerprint) -> bool:
        """The same question: equal, or nearly so with equal figures and negations."""
        if self.whole == other.whole:
            return True
        return self.figures == other.figures and self._likeness(other) >= NEAR

    def like(self, other: Fingerprint) -> bool:
        """Much the same text, whatever its figures."""
        return self.letters == other.letters or self._likeness(other) >= LIKE

    def _likeness(self, other: Fingerprint) -> float:
        """Jaccard similarity of the character pairs, about."""
        either = (self.pairs | other.pairs).bit_count()
        return (self.pairs & other.pairs).bit_count() / either if either else 0.0


def fingerprint(text: str) -> Fingerprint:
    """Of the first 600 characters. Case, width, punctuation, spaces, emoji and drawn-out letters don't
    count."""
    text = unicodedata.normalize("NFKC", text[:LONGEST]).casefold()[:LONGEST]
    negations = len(_NEGATIONS.findall(text))
    squeezed = _RUNS.sub(r"\1\1", _NOT_WORDS.sub("", text))
    figures = tuple(_DIGITS.findall(text))
    pairs = 0
    for at in range(max(1, len(squeezed) - 1)):
        pairs |= 1 << hash(squeezed[at : at + 2]) % BITS
    return Fingerprint(
        whole=hash(squeezed),
        letters=hash(_DIGITS.sub("", squeezed)),
        figures=hash((figures, negations)),
        pairs=pairs if squeezed else 0,
        length=len(squeezed),
    )
