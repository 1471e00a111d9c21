"""The concepts of complaints, read from `words.yaml`, and what a message has of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.config.source import load_yaml
from bot.errors import ConfigError, Problem
from inference.rules.folding import fold
from inference.rules.lexicon import Concept, Lexicon
from inference.rules.terms import TermError

__all__ = ["DEPARTMENTS", "SEVERITIES", "Severity", "Signals", "Words", "load_words", "parse_words"]

Severity = Literal["P1", "P2", "P3", "P4"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
DEPARTMENTS = (
    "branch", "cards", "collections", "compliance", "consumer_protection", "contact_center", "corporate",
    "ebank_it", "fraud_risk", "loans", "payments_ops", "pr", "privacy", "retail", "wealth",
)  # fmt: skip
TIERS: Mapping[str, float] = {"strong": 3.0, "usual": 1.5, "weak": 0.5}
"""What a word of each tier adds to its department."""
MOST = 3
"""Places of one concept that count."""
LONGEST = 1200
"""Characters that are read: the matter is named early, and the time stays bounded."""
_AMOUNT = re.compile(
    r"\d[\d,]{3,}|\d+(?:\.\d+)? ?(?:万|千|[wk]\b|grand|thousand)|[一二两三四五六七八九十几百]+[多来]?[万千]"
)
"""A sum of a thousand or more."""
_EXTRA = 5
_MARKS = ("!", "?")
_ENDS = ("吗", "呢", "?", "么", "嘛")


class _Department(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    strong: tuple[str, ...]
    usual: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()


class _Ground(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"besides": "not"}):
    level: Severity
    words: tuple[str, ...]
    besides: tuple[str, ...] = ()
    """Words after which the ground isn't taken."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    departments: dict[str, _Department]
    severity: dict[str, _Ground]
    tone: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Signals:
    """What the words of a message say.

    Attributes:
        departments: points of each department, in the order of `DEPARTMENTS`.
        grounds: reasons to take it as grave, gravest first.
        tone: places of each tone (angry, demand, fault, question, praise …).
        features: shape (concepts + 5,): all of it as numbers, for the linear heads.
    """

    departments: tuple[float, ...]
    grounds: tuple[str, ...]
    tone: Mapping[str, int]
    features: NDArray[np.float32]


class Words:
    """All concepts, ready to be looked for in one pass."""

    def __init__(self, file: _File) -> None:
        concepts: list[Concept] = []
        for department in DEPARTMENTS:
            tiers = file.departments[department]
            concepts += [Concept(f"{department}.{tier}", getattr(tiers, tier)) for tier in TIERS]
        concepts += [Concept(f"ground.{name}", ground.words) for name, ground in file.severity.items()]
        concepts += [Concept(f"tone.{name}", words) for name, words in file.tone.items()]
        self.names = [concept.name for concept in concepts]
        besides = [Concept(f"not.{n}", g.besides) for n, g in file.severity.items() if g.besides]
        self._lexicon = Lexicon([*concepts, *besides])
        self.level: Mapping[str, Severity] = {n: g.level for n, g in file.severity.items()}

    @property
    def size(self) -> int:
        """Length of `Signals.features`."""
        return len(self.names) + _EXTRA

    def read(self, text: str) -> Signals:
        """Cheap (well below a millisecond for a usual message), and never fails on any text."""
        folded = fold(text[:LONGEST])
        found: Counter[str] = Counter()
        negated: Counter[str] = Counter()
        read = self._lexicon.find(folded)
        for name, places in read.said.items():
            found[name] += len(set(places))
        for name, places in read.denied.items():
            found[name] += len(set(places))
            negated[name] += len(set(places))
        points = tuple(
            sum(weight * min(found[f"{d}.{tier}"], MOST) ** 0.5 for tier, weight in TIERS.items())
            for d in DEPARTMENTS
        )
        grounds = [
            name
            for name in self.level
            if found[f"ground.{name}"] > negated[f"ground.{name}"] and not found[f"not.{name}"]
        ]
        grounds.sort(key=lambda name: self.level[name])
        tone = {
            name.removeprefix("tone."): min(count, MOST)
            for name, count in found.items()
            if name.startswith("tone.")
        }
        return Signals(points, tuple(grounds), tone, self._features(text, found, grounds))

    def _features(self, text: str, found: Mapping[str, int], grounds: list[str]) -> NDArray[np.float32]:
        values = []
        for name in self.names:
            ground = name.removeprefix("ground.")
            if name.startswith("ground."):
                values.append(float(ground in grounds))
            else:
                values.append(min(found.get(name, 0), MOST) ** 0.5)
        head = text[:LONGEST].replace("！", "!").replace("？", "?").rstrip("。. ")
        values += [min(head.count(mark), MOST) ** 0.5 for mark in _MARKS]
        values.append(float(head.endswith(_ENDS)))
        values.append(min(len(text), 200) / 100)
        values.append(float(_AMOUNT.search(head) is not None))
        return np.array(values, np.float32)


def parse_words(path: Path) -> Words:
    """Read a word file. Raises ConfigError with everything that is wrong in it."""
    document = load_yaml(path)
    try:
        file = msgspec.convert(document.data, _File)
        if set(file.departments) != set(DEPARTMENTS):
            raise ValueError(f"departments must be these: {', '.join(DEPARTMENTS)}")
        return Words(file)
    except (ValueError, TermError) as error:  # msgspec's errors are ValueErrors
        raise ConfigError([Problem(str(path), 0, str(error))]) from None


@cache
def load_words() -> Words:
    """The shipped words."""
    with as_file(files("inference.complaints").joinpath("words.yaml")) as path:
        return parse_words(path)
