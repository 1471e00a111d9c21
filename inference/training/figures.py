"""Other figures in the same dialogue, so that a model learns to copy them instead of knowing them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

import msgspec

from inference.training.dialogues import Dialogue

__all__ = ["with_other_figures"]

_FIGURE = re.compile(r"(?<![A-Za-z0-9+.,:])[0-9]+(?![0-9]*[A-Za-z])")
"""Digits that stand for themselves: not those of T+1, R3, 3D; of 1,000 or 9:30 the first group."""


def with_other_figures(dialogue: Dialogue, chance: random.Random) -> Dialogue:
    """The dialogue with each figure of its passages replaced, the same one everywhere by the same other of
    the same length."""
    figures = sorted({found for quoted in dialogue.passages for found in _FIGURE.findall(quoted.text)})
    others: dict[str, str] = {}
    for figure in figures:
        others[figure] = _other(figure, (*figures, *others.values()), chance)

    def replaced(text: str) -> str:
        return _FIGURE.sub(lambda found: others.get(found[0], found[0]), text)

    return msgspec.structs.replace(
        dialogue,
        passages=tuple(
            msgspec.structs.replace(quoted, title=replaced(quoted.title), text=replaced(quoted.text))
            for quoted in dialogue.passages
        ),
        turns=tuple(
            msgspec.structs.replace(turn, question=replaced(turn.question), reply=replaced(turn.reply))
            for turn in dialogue.turns
        ),
    )


def _other(figure: str, taken: Iterable[str], chance: random.Random) -> str:
    """A figure of as many digits, as round as this one, that isn't taken; this one where there is none."""
    head = figure.rstrip("0") or figure
    known = frozenset(taken)
    for _ in range(20):
        digits = "".join(
            chance.choice("123456789" if at in (0, len(head) - 1) else "0123456789")
            for at in range(len(head))
        )
        other = digits + figure[len(head) :]
        if other not in known:
            return other
    return figure
