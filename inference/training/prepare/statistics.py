"""Figures about what is kept: lengths, turns, languages, words, and what was masked."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from inference.training.prepare.dialogue import Role, Turn
from inference.training.prepare.language import DialogueLanguage

__all__ = ["Statistics", "spread"]

_TOP_WORDS = 40
_SHARED = 2
"""Conversations a word must stand in to be listed: one of a single conversation might say whose it is."""


@dataclass(slots=True)
class Statistics:
    """Takes in conversation after conversation; memory grows by 4 bytes a turn."""

    dialogues: int = 0
    chars: dict[Role, array[int]] = field(
        default_factory=lambda: {"customer": array("I"), "counter": array("I")}
    )
    turns: array[int] = field(default_factory=lambda: array("I"))
    languages: Counter[DialogueLanguage] = field(default_factory=Counter)
    masked_pieces: Counter[str] = field(default_factory=Counter)
    masked_dialogues: Counter[str] = field(default_factory=Counter)
    words: dict[DialogueLanguage, Counter[str]] = field(default_factory=dict)
    _spread: Counter[str] = field(default_factory=Counter)
    """In how many conversations a word stands."""
    words_in: int = 0
    """Conversations whose words were counted."""

    def add(self, turns: Sequence[Turn], language: DialogueLanguage, masked: Counter[str]) -> None:
        for turn in turns:
            self.chars[turn.role].append(len(turn.text))
        self.turns.append(len(turns))
        self.dialogues += 1
        self.languages[language] += 1
        self.masked_pieces.update(masked)
        self.masked_dialogues.update(masked.keys())
        self.masked_dialogues["any"] += bool(masked)

    def add_words(self, words: Iterable[str], language: DialogueLanguage) -> None:
        counted = Counter(words)
        self.words.setdefault(language, Counter()).update(counted)
        self._spread.update(counted.keys())
        self.words_in += 1

    def as_dict(self) -> dict[str, Any]:
        of = max(1, self.dialogues)
        kinds = sorted(self.masked_pieces)
        return {
            "dialogues": self.dialogues,
            "turns": spread(self.turns),
            "customer_chars": spread(self.chars["customer"]),
            "counter_chars": spread(self.chars["counter"]),
            "languages": dict(sorted(self.languages.items())),
            "masked": {
                "share_of_dialogues": round(self.masked_dialogues["any"] / of, 4),
                "kinds": {
                    kind: {
                        "pieces": self.masked_pieces[kind],
                        "share_of_dialogues": round(self.masked_dialogues[kind] / of, 4),
                    }
                    for kind in kinds
                },
            },
            "words": {
                "counted_in": self.words_in,
                "most_frequent": {
                    language: self._top(counts) for language, counts in sorted(self.words.items())
                },
            },
        }

    def _top(self, counts: Counter[str]) -> list[tuple[str, int]]:
        shared = (item for item in counts.items() if self._spread[item[0]] >= _SHARED)
        return sorted(shared, key=lambda item: (-item[1], item[0]))[:_TOP_WORDS]


def spread(values: array[int]) -> dict[str, float]:
    """Mean, percentiles (nearest rank) and extremes; empty for no values."""
    if not values:
        return {}
    ordered = sorted(values)
    last = len(ordered) - 1
    percentiles = {f"p{share}": ordered[round(last * share / 100)] for share in (50, 90, 99)}
    mean = round(sum(ordered) / len(ordered), 2)
    return {"mean": mean, "min": ordered[0], **percentiles, "max": ordered[-1], "total": sum(ordered)}
