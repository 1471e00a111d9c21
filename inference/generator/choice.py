"""Chooses each row's next token: greedy, with what an untuned model needs to stay on its passages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from inference.generator.numbers import Figures
from inference.generator.vocabulary import Vocabulary

__all__ = ["Chooser", "Writing"]

_NEVER = float("-inf")
_ECHO = 5
"""Tokens of the question that a reply may not repeat in a row."""


@dataclass(slots=True)
class Writing:
    """What the choice of a row's next token depends on."""

    figures: Figures
    extra_rows: tuple[int, ...] = ()
    """Rows beyond the vocabulary's core that this reply may use."""
    sources: Sequence[Sequence[int]] = ()
    """Rows of the tokens of each passage; tokens that have no row are -1."""
    question: Sequence[int] = ()
    """Rows of the question's tokens, which the reply is not to echo."""
    rows: list[int] = field(default_factory=list)
    """Rows chosen so far."""
    begun: str = ""
    """The figure being written."""
    favoured: torch.Tensor = field(init=False)
    following: dict[tuple[int, ...], list[int]] = field(init=False)
    """What the passages have after one token, and after two."""
    echoes: set[tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.favoured = torch.tensor(sorted({row for rows in self.sources for row in rows if row >= 0}), dtype=torch.long)
        following: dict[tuple[int, ...], set[int]] = defaultdict(set)
        said = set()
        for rows in self.sources:
            for at, row in enumerate(rows):
                if row >= 0 and at >= 1:
                    following[rows[at - 1],].add(row)
                    following[tuple(rows[max(at - 2, 0) : at])].add(row)
                said.add(tuple(rows[at : at + _ECHO]))
        self.following = {key: sorted(value) for key, value in following.items()}
        asked = {tuple(self.question[at : at + _ECHO]) for at in range(len(self.question) - _ECHO + 1)}
        self.echoes = asked - said

    def add(self, row: int, text: str) -> None:
        self.rows.append(row)
        self.begun = self.figures.advance(self.begun, text) or ""


class Chooser:
    """Greedy choice under constraints. Deterministic: equal logits and writing, equal choice."""

    def __init__(
        self, vocabulary: Vocabulary, *, repetition_penalty: float, no_repeat: int, favour: float, copy: float
    ) -> None:
        """`repetition_penalty` ≥ 1 as in CTRL (arXiv:1909.05858, 4.1), over the reply alone;
        `no_repeat` forbids a second occurrence of any such many tokens (0: doesn't);
        `favour` is added to the logits of tokens that occur in the passages;
        `copy` to that of a token which follows the last one there, and again the last two."""
        self._vocabulary = vocabulary
        self._penalty = repetition_penalty
        self._no_repeat = no_repeat
        self._favour = favour
        self._copy = copy
        texts = vocabulary.texts[: vocabulary.core]
        self._dead = torch.tensor(
            [row for row, text in enumerate(texts) if not text and row not in vocabulary.stop_rows],
            dtype=torch.long,
        )
        self._digit_rows = [row for row, text in enumerate(texts) if _has_digit(text)]
        self._digits = torch.tensor(self._digit_rows, dtype=torch.long)
        self._ends = [
            row for row, text in enumerate(texts) if row in vocabulary.stop_rows or not text.strip()
        ]
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
        scores[writing.favoured] += self._favour
        for size in (1, 2):
            onward = writing.following.get(tuple(writing.rows[-size:]), [])
            if len(writing.rows) >= size:
                scores[onward] += self._copy
        if not writing.rows:
            scores[self._ends] = _NEVER  # an empty reply helps nobody
        elif self._penalty > 1:
            used = torch.tensor(sorted(set(writing.rows)))
            values = scores[used]
            scores[used] = torch.where(values > 0, values / self._penalty, values * self._penalty)
        tail = tuple(writing.rows[1 - _ECHO :])
        banned = self._repeating(writing.rows) + [echo[-1] for echo in writing.echoes if echo[:-1] == tail]
        if banned:
            scores[banned] = _NEVER
        self._keep_figures(scores, writing)

    def _repeating(self, rows: list[int]) -> list[int]:
        size = self._no_repeat
        if not size or len(rows) < size:
            return []
        tail = rows[len(rows) - size + 1 :]
        return [rows[at + size - 1] for at in range(len(rows) - size + 1) if rows[at : at + size - 1] == tail]

    def _keep_figures(self, scores: torch.Tensor, writing: Writing) -> None:
        figures, begun, texts = writing.figures, writing.begun, self._vocabulary.texts
        if figures.may_end(begun):
            allowed = [row for row in self._digit_rows if figures.advance(begun, texts[row]) is not None]
            kept = scores[allowed].clone()
            scores[self._digits] = _NEVER
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
