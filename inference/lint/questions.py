"""Questions that two entries share, or nearly: retrieval can't know which answer is meant."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.errors import Problem
from inference.lint.finding import Finding
from inference.lint.source import Placed
from inference.retrieval.text import Analyser

__all__ = ["check_questions"]

NEAR = 0.9
"""Jaccard similarity of character pairs from which two questions are nearly the same."""

_NOISE = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Asked:
    text: str
    key: str
    placed: Placed
    where: tuple[str | int, ...]

    def problem(self, message: str) -> Problem:
        return self.placed.problem(message, *self.where)


def check_questions(placed: Sequence[Placed]) -> Iterator[Finding]:
    """Equal questions of different entries are errors (compared without case, spaces, punctuation and
    script); nearly equal ones, and one that an entry repeats, are warnings."""
    analyser = Analyser()
    asked: dict[str, list[Asked]] = defaultdict(list)
    for item in _asked(placed, analyser):
        asked[item.key].append(item)
    for same in asked.values():
        first = same[0]
        for other in same[1:]:
            if other.placed.entry.id != first.placed.entry.id:
                message = (
                    f"{other.text!r} is asked by {first.placed.entry.id} too; keep it where its answer is"
                )
                yield Finding(other.problem(message), "error")
            elif other.text == first.text:
                yield Finding(other.problem(f"{other.text!r} is written twice; keep one"), "warning")
    for one, other, likeness in _near([same[0] for same in asked.values()]):
        if one.placed.entry.id != other.placed.entry.id:
            message = f"{other.text!r} is nearly {one.text!r} of {one.placed.entry.id} ({likeness:.2f})"
            yield Finding(other.problem(message), "warning")


def _asked(placed: Sequence[Placed], analyser: Analyser) -> Iterator[Asked]:
    for item in placed:
        for language, wording in item.wordings():
            texts = [((language, "question"), wording.question)]
            texts += [((language, "paraphrases", n), text) for n, text in enumerate(wording.paraphrases)]  # type: ignore[misc]
            for where, text in texts:
                key = _NOISE.sub("", analyser.fold(text))
                yield Asked(text, key or text, item, where)


def _near(asked: Sequence[Asked]) -> Iterator[tuple[Asked, Asked, float]]:
    """All pairs at least `NEAR` alike. Two sets that alike share one of each other's rarest members
    (prefix filter of Chaudhuri et al. 2006), so only those are compared."""
    pairs = [frozenset(item.key[at : at + 2] for at in range(len(item.key) - 1)) for item in asked]
    rarity = Counter(pair for bag in pairs for pair in bag)
    index: dict[str, list[int]] = defaultdict(list)
    for here, bag in enumerate(pairs):
        ordered = sorted(bag, key=lambda pair: (rarity[pair], pair))
        candidates: set[int] = set()
        for pair in ordered[: len(ordered) - math.ceil(NEAR * len(ordered)) + 1]:
            candidates.update(index[pair])
            index[pair].append(here)
        for there in sorted(candidates):
            likeness = len(bag & pairs[there]) / len(bag | pairs[there])
            if likeness >= NEAR:
                yield asked[there], asked[here], likeness
