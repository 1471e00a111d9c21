"""Other figures in the same dialogue, so that a model learns to copy them instead of knowing them."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from inference.guard import ReplyGuard
from inference.training.dialogues import Dialogue, problems

__all__ = ["with_other_figures"]

_FIGURE = re.compile(r"(?<![A-Za-z0-9+.,:])[0-9]+(?![0-9]*[A-Za-z])")
"""Digits that stand for themselves: not those of T+1, R3, 3D; of 1,000 or 9:30 the first group."""
_GUARD = ReplyGuard()


def with_other_figures(dialogue: Dialogue, chance: random.Random) -> Dialogue:
    """The dialogue with each figure of its passages replaced, the same one everywhere by the same other of
    the same length and roundness; what was less stays less. As it is where the guard would object."""
    figures = sorted({found for quoted in dialogue.passages for found in _FIGURE.findall(quoted.text)})
    others = _others(figures, chance)

    def replaced(text: str) -> str:
        return _FIGURE.sub(lambda found: others.get(found[0], found[0]), text)

    changed = msgspec.structs.replace(
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
    return dialogue if any(problems(changed, _GUARD)) else changed


def _others(figures: Iterable[str], chance: random.Random) -> dict[str, str]:
    """For each figure another; among those of one length in the same order. 0 stays, and so do leading
    zeros."""
    groups: dict[tuple[int, int], list[str]] = defaultdict(list)
    for figure in figures:
        if not figure.startswith("0"):
            groups[len(figure), len(figure) - len(figure.rstrip("0"))].append(figure)
    others: dict[str, str] = {}
    for (length, zeros), group in groups.items():
        first = 10 ** (length - zeros - 1)
        heads = [n for n in range(first, 10 * first) if n % 10] if length - zeros <= 3 else []
        if len(heads) < len(group):
            heads = [chance.randrange(first, 10 * first) for _ in group] if not heads else []
        if not heads:
            continue
        chosen = sorted(chance.sample(heads, len(group)))
        others |= {
            figure: f"{head}{'0' * zeros}"
            for figure, head in zip(sorted(group, key=int), chosen, strict=True)
        }
    return others
