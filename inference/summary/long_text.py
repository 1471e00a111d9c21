"""A long text in a few of its own sentences.

Each sentence is worth what it shares with the others (TextRank, Mihalcea & Tarau 2004, over sentence
vectors), a little more at the beginning of the text or of a paragraph and where it has figures. Sentences
are then taken one by one, each for its worth less its likeness to what is already there (maximal marginal
relevance, Carbonell & Goldstein 1998), while they fit; and they are shown in the order of the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.guard.figures import find_figures
from inference.reading.pieces import sentence_spans
from inference.retrieval.embedding import Encoder
from inference.retrieval.text import Analyser

__all__ = ["Summariser", "Taste"]

Array = NDArray[np.float64]

WINDOW = 120
"""Sentences that are ranked against each other; a longer text is ranked in windows, and then what they
put forward together."""
LEAST = {True: 6, False: 20}
"""Characters of what counts as a sentence, with 汉字 and without: headings and list marks say too little."""
COPY = 0.98
"""Likeness from which a sentence says nothing that another hasn't said."""
JUMP, STEPS = 0.15, 40
"""Of the random walk: the chance to begin anew, and how many steps are taken."""


@dataclass(frozen=True, slots=True)
class Taste:
    """What counts how much, in units of the most central sentence's worth."""

    opening: float = 0.1
    """For the text's first sentence, falling to nothing at its end."""
    paragraph: float = 0.1
    """For the first sentence of a paragraph."""
    figures: float = 0.6
    """For sentences with figures."""
    likeness: float = 1.5
    """What full likeness to a sentence that is already taken costs."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    start: int
    end: int
    at: float
    """Where in the text, 0 to 1."""
    opens: bool
    figures: bool


class Summariser:
    """Summarises texts of any length, in Chinese or English.

    Args:
        encoder: compares sentences by meaning; without one, by their words.
    """

    def __init__(
        self, analyser: Analyser, encoder: Encoder | None = None, taste: Taste | None = None
    ) -> None:
        self._analyser = analyser
        self._encoder = encoder
        self._taste = taste if taste is not None else Taste()

    def summarise(self, text: str, longest: int) -> str:
        """Whole sentences of `text`, in its order, of at most `longest` characters together.

        A text that is short enough is returned as it is, without white space around it; one whose every
        sentence is too long gives its best sentence, cut.
        """
        if len(text.strip()) <= longest:
            return text.strip()
        found = _sentences(text)
        if not found:
            return text.strip()[: max(longest - 1, 0)] + "…"
        while len(found) > WINDOW:
            found = self._shortlist(text, found)
        chosen = self._choose(text, found, longest)
        if not chosen:
            best = found[int(self._rank(text, found)[0].argmax())]
            return text[best.start : best.end][: max(longest - 1, 0)] + "…"
        return _join(text, sorted(chosen, key=lambda sentence: sentence.start))

    def _shortlist(self, text: str, sentences: Sequence[_Sentence]) -> list[_Sentence]:
        """The better third of every window, in order."""
        kept: list[_Sentence] = []
        for begins in range(0, len(sentences), WINDOW):
            window = sentences[begins : begins + WINDOW]
            worth = self._rank(text, window)[0]
            best = np.sort(np.argsort(-worth, kind="stable")[: max(len(window) // 3, 1)])
            kept += [window[at] for at in best]
        return kept

    def _choose(self, text: str, sentences: Sequence[_Sentence], longest: int) -> list[_Sentence]:
        worth, likeness = self._rank(text, sentences)
        chosen: list[int] = []
        left, room = set(range(len(sentences))), longest
        while left:
            fitting = [at for at in sorted(left) if _size(sentences[at]) <= room]
            if not fitting:
                break
            best = max(
                fitting,
                key=lambda at: worth[at] - self._taste.likeness * likeness[at, chosen].max(initial=0.0),
            )
            left.discard(best)
            if likeness[best, chosen].max(initial=0.0) > COPY:
                continue
            chosen.append(best)
            room -= _size(sentences[best])
        return [sentences[at] for at in chosen]

    def _rank(self, text: str, sentences: Sequence[_Sentence]) -> tuple[Array, Array]:
        """Worth of each sentence, shape (sentences,); likeness of each two, 0 to 1, shape (sentences,
        sentences)."""
        likeness = self._likeness([text[s.start : s.end] for s in sentences])
        central = _walk(likeness)
        taste = self._taste
        extra = [
            taste.opening * (1 - s.at) ** 2 + taste.paragraph * s.opens + taste.figures * s.figures
            for s in sentences
        ]
        return central / central.max() + np.array(extra), likeness

    def _likeness(self, sentences: Sequence[str]) -> Array:
        vectors = self._by_words(sentences)
        likeness = np.clip(vectors @ vectors.T, 0, 1)
        if self._encoder is not None:
            meaning = self._encoder.encode(sentences, "passage").astype(np.float64)
            # Vectors of this encoder lie in a narrow cone: what all have in common is taken off.
            meaning -= meaning.mean(axis=0)
            meaning /= np.maximum(np.linalg.norm(meaning, axis=1, keepdims=True), 1e-9)
            likeness = (likeness + np.clip(meaning @ meaning.T, 0, 1)) / 2
        np.fill_diagonal(likeness, 0.0)
        return likeness

    def _by_words(self, sentences: Sequence[str]) -> Array:
        """Unit vectors over words, weighed by rarity; shape (sentences, words)."""
        words = [set(self._analyser.words(self._analyser.fold(sentence))) for sentence in sentences]
        known = {word: at for at, word in enumerate(sorted(set().union(*words)))}
        found = np.zeros((len(sentences), max(len(known), 1)))
        for row, some in enumerate(words):
            found[row, [known[word] for word in some]] = 1.0
        found *= np.log1p(len(sentences) / np.maximum(found.sum(axis=0), 1.0))
        unit: Array = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
        return unit


def _sentences(text: str) -> list[_Sentence]:
    found, before = [], 0
    for start, end in _joined(text, sentence_spans(text)):
        said, opens = text[start:end], not before or "\n" in text[before:start]
        before = end
        wide = any(character > "\u2e7f" for character in said)
        if len(said) >= LEAST[wide]:
            found.append(_Sentence(start, end, start / len(text), opens, bool(find_figures(said))))
    return found


_ABBREVIATED = re.compile(
    r"(?:^|[\s(\"“])(?:Mrs?|Ms|Dr|Prof|St|Nos?|Art|Sec|vs|approx|[A-Za-z](?:\.[A-Za-z])*)\.$"
)
"""A full stop that ends no sentence: Mr., No., e.g., U.S."""
_CLOSING = re.compile(r"[”’\"'」』）)】》]+[ \t]*")


def _joined(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sentences with the closing quotes behind them, and whole where an abbreviation stands in one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        begins = start
        if joined and "\n" not in text[joined[-1][1] : start]:
            opens, closes = joined[-1]
            closing = _CLOSING.match(text, start, end)
            if _ABBREVIATED.search(text, max(opens - 1, closes - 16, 0), closes):
                joined[-1], begins = (opens, end), end
            elif closing and start == closes:
                joined[-1], begins = (opens, start + len(closing[0].rstrip())), closing.end()
        if begins < end:
            joined.append((begins, end))
    return joined


def _walk(likeness: Array) -> Array:
    """How often a random walk from sentence to like sentence comes by; shape (sentences,)."""
    total = len(likeness)
    out = likeness.sum(axis=1, keepdims=True)
    steps = np.divide(likeness, out, out=np.full_like(likeness, 1 / total), where=out > 0)
    visits = np.full(total, 1 / total)
    for _ in range(STEPS):
        visits = JUMP / total + (1 - JUMP) * visits @ steps
    return visits


def _size(sentence: _Sentence) -> int:
    """Characters, with a space before it."""
    return sentence.end - sentence.start + 1


def _join(text: str, sentences: Sequence[_Sentence]) -> str:
    """Chinese sentences follow each other closely, others with a space."""
    joined = ""
    for sentence in sentences:
        said = text[sentence.start : sentence.end]
        close = not joined or joined[-1] > "\u2e7f" or said[0] > "\u2e7f"
        joined += said if close else " " + said
    return joined
