"""Chooses each row's next token: greedy, within what its steering and its figures allow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from inference.generator.figures import Figures
from inference.generator.options import Steering
from inference.generator.vocabulary import Vocabulary

__all__ = ["Chooser", "Writing"]

_NEVER = float("-inf")
_SENTENCE_ENDS = ("。", "！", "？", ".", "!", "?")
_SHORTEST_SENTENCE = 6
"""Tokens."""
_INSIDE_FIGURES = frozenset(",:/~–-")
_CONTEXTS = (1, 2)


@dataclass(slots=True)
class Writing:
    """What the choice of a row's next token depends on."""

    figures: Figures
    extra_rows: tuple[int, ...] = ()
    """Rows beyond the vocabulary's core that this reply may use."""
    best: Sequence[int] = ()
    """Rows of the best passage's tokens, -1 for a token that has none: what is to be copied."""
    question: Sequence[int] = ()
    """Rows of the question's tokens, which the reply is not to echo."""
    rows: list[int] = field(default_factory=list)
    """Rows chosen so far."""
    begun: str = ""
    """The figure being written."""
    sentences: int = 0
    """Complete sentences so far."""
    sentence_ended: bool = False
    unended: int = 0
    """Tokens since the last of them."""
    favoured: torch.Tensor = field(init=False)
    following: dict[tuple[int, ...], set[int]] = field(init=False)
    """What the best passage has after one token and after two, and hasn't been copied yet."""
    _echoes: frozenset[tuple[int, ...]] | None = None

    def __post_init__(self) -> None:
        self.favoured = torch.tensor(sorted({row for row in self.best if row >= 0}), dtype=torch.long)
        self.following = defaultdict(set)
        for at, row in enumerate(self.best):
            for size in _CONTEXTS:
                if row >= 0 and at >= size:
                    self.following[tuple(self.best[at - size : at])].add(row)

    @property
    def inside_figure(self) -> bool:
        """Whether ending here would leave a figure that no passage has."""
        return not self.figures.may_end(self.begun)

    def echoes(self, size: int) -> frozenset[tuple[int, ...]]:
        """Runs of so many tokens that only the question has."""
        if self._echoes is None:
            self._echoes = _runs(self.question, size) - _runs(self.best, size)
        return self._echoes

    def add(self, row: int, text: str) -> None:
        for size in _CONTEXTS:
            # Copied once: a second time it would go round in circles.
            self.following[tuple(self.rows[-size:])].discard(row)
        self.rows.append(row)
        self.unended += 1
        # A bare "Yes." is no answer yet.
        self.sentence_ended = text.rstrip().endswith(_SENTENCE_ENDS) and self.unended >= _SHORTEST_SENTENCE
        if self.sentence_ended:
            self.sentences += 1
            self.unended = 0
        self.begun = self.figures.advance(self.begun, text) or ""


def _runs(rows: Sequence[int], size: int) -> frozenset[tuple[int, ...]]:
    return frozenset(tuple(rows[at : at + size]) for at in range(len(rows) - size + 1))


class Chooser:
    """Greedy choice under constraints. Deterministic: equal logits and writing, equal choice."""

    def __init__(self, vocabulary: Vocabulary, steering: Steering) -> None:
        self._vocabulary = vocabulary
        self._steering = steering
        texts = vocabulary.texts[: vocabulary.core]
        self._dead = torch.tensor(
            [row for row, text in enumerate(texts) if not text and row not in vocabulary.stop_rows],
            dtype=torch.long,
        )
        self._digit_rows = [row for row, text in enumerate(texts) if _has_digit(text)]
        self._digits = torch.tensor(self._digit_rows, dtype=torch.long)
        self._ends = [row for row, text in enumerate(texts) if row in vocabulary.stop_rows or "\n" in text]
        self._blanks = [row for row, text in enumerate(texts) if text.isspace()]
        self._by_first: dict[str, list[int]] = defaultdict(list)
        for row, text in enumerate(texts):
            if text:
                self._by_first[text[0]].append(row)

    def choose(self, logits: torch.Tensor, writings: Sequence[Writing]) -> list[int]:
        """The next row of each reply; `logits` is (replies, rows) float32 and is changed."""
        core = self._vocabulary.core
        logits[:, self._dead] = _NEVER
        for scores, writing in zip(logits, writings, strict=True):
            if core < len(scores):
                extra = list(writing.extra_rows)
                kept = scores[extra].clone()
                scores[core:] = _NEVER
                scores[extra] = kept
            self._shape(scores, writing)
        return [int(row) for row in logits.argmax(dim=-1)]

    def _shape(self, scores: torch.Tensor, writing: Writing) -> None:
        scores[writing.favoured] += self._steering.favour
        for size in _CONTEXTS:
            onward = writing.following.get(tuple(writing.rows[-size:]), set())
            if len(writing.rows) >= size:
                scores[list(onward)] += self._steering.copy
        if len(writing.rows) < self._steering.least:  # an empty reply helps nobody
            scores[self._ends] = _NEVER
        if not writing.rows:
            scores[self._blanks] = _NEVER
            if writing.best and writing.best[0] >= 0:
                scores[writing.best[0]] += self._steering.opening
        if writing.sentence_ended:
            scores[self._ends] += self._steering.brevity * writing.sentences
        penalty = self._steering.repetition_penalty
        if penalty > 1 and writing.rows:
            used = torch.tensor(sorted(set(writing.rows)))
            values = scores[used]
            scores[used] = torch.where(values > 0, values / penalty, values * penalty)
        banned = self._repeating(writing.rows) + self._echoing(writing)
        if banned and not writing.begun:  # a figure may well be said twice, and must be finished
            scores[banned] = _NEVER
        self._keep_figures(scores, writing)

    def _echoing(self, writing: Writing) -> list[int]:
        size = self._steering.echo
        if not size:
            return []
        tail = tuple(writing.rows[1 - size :])
        return [echo[-1] for echo in writing.echoes(size) if echo[:-1] == tail]

    def _repeating(self, rows: list[int]) -> list[int]:
        size = self._steering.no_repeat
        if not size or len(rows) < size:
            return []
        tail = rows[len(rows) - size + 1 :]
        return [rows[at + size - 1] for at in range(len(rows) - size + 1) if rows[at : at + size - 1] == tail]

    def _keep_figures(self, scores: torch.Tensor, writing: Writing) -> None:
        figures, begun, texts = writing.figures, writing.begun, self._vocabulary.texts
        if begun[-1:] in _INSIDE_FIGURES:
            scores[self._ends] = _NEVER
        if figures.may_end(begun):
            extra = [row for row in writing.extra_rows if _has_digit(texts[row])]
            allowed = [
                row for row in self._digit_rows + extra if figures.advance(begun, texts[row]) is not None
            ]
            kept = scores[allowed].clone()
            scores[self._digits] = _NEVER
            scores[extra] = _NEVER
            scores[allowed] = kept
            return
        following = figures.next(begun)
        candidates = [row for first in following for row in self._by_first[first]]
        candidates += [row for row in writing.extra_rows if texts[row][0] in following]
        allowed = [row for row in candidates if figures.advance(begun, texts[row]) is not None]
        if allowed:
            kept = scores[allowed].clone()
            scores.fill_(_NEVER)
            scores[allowed] = kept


def _has_digit(text: str) -> bool:
    return any(character.isascii() and character.isdigit() for character in text)
