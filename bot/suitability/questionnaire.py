"""The questionnaire: `config/suitability.yaml`, checked as it is read."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from bot.config.models import Localised
from bot.config.section import Section
from bot.config.source import Document, load_yaml, parse, parse_text
from bot.errors import ConfigError, Problem
from bot.suitability.levels import LEVELS, Level

__all__ = ["DIMENSIONS", "Band", "Dimension", "Option", "Question", "Questionnaire", "load", "read"]

Dimension = Literal[
    "age", "income", "assets", "share", "liabilities", "experience", "products", "knowledge", "horizon",
    "goal", "loss_tolerance", "reaction",
]  # fmt: skip
DIMENSIONS: tuple[Dimension, ...] = (
    "age", "income", "assets", "liabilities", "experience", "horizon", "goal", "loss_tolerance",
)  # fmt: skip
"""What every questionnaire must ask about; the others are welcome besides."""
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]


class Option(Section):
    id: Id
    text: Localised
    score: Annotated[int, Field(ge=0, le=100)]
    cap: Level | None = None
    """Knock-out: whoever chooses this gets no higher level, whatever the score."""
    age_from: Annotated[int, Field(ge=0, le=120)] | None = None
    """Options of the age question: the youngest age that this band means, in years."""
    ends: bool = False
    """Whoever chooses this takes no test here (minors)."""


class Question(Section):
    id: Id
    dimension: Dimension
    text: Localised
    help: Localised | None = None
    """Explains the question, without saying which answer leads where."""
    options: Annotated[tuple[Option, ...], Field(min_length=2, max_length=6)]

    def option(self, id: str) -> Option | None:
        return next((option for option in self.options if option.id == id), None)


class Band(Section):
    level: Level
    up_to: Annotated[int, Field(ge=0)]
    """Highest score, inclusive, that still is this level."""


class Questionnaire(Section):
    """One version of the whole."""

    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.-]{1,20}$")]
    effective_from: date
    effective_to: date | None = None
    """Last day of use."""
    source: Annotated[str, Field(min_length=1)]
    levels: tuple[Band, ...]
    names: dict[Level, Localised]
    """What the levels are called."""
    questions: Annotated[tuple[Question, ...], Field(min_length=8, max_length=20)]

    @property
    def most(self) -> int:
        """The highest score there is."""
        return sum(max(option.score for option in question.options) for question in self.questions)

    @property
    def least(self) -> int:
        return sum(min(option.score for option in question.options) for question in self.questions)


def load(path: Path) -> Questionnaire:
    """Read and check one questionnaire. Raises ConfigError with file, line and what to do."""
    return _check(load_yaml(path))


def read(text: str, path: Path) -> Questionnaire:
    """As `load`, from text that came from `path`."""
    return _check(parse_text(text, path))


def _check(document: Document) -> Questionnaire:
    found = parse(document, Questionnaire)
    problems = [*_ids(document, found), *_bands(document, found), *_dimensions(document, found)]
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))
    return found


def _ids(document: Document, found: Questionnaire) -> list[Problem]:
    problems = []
    ids = Counter(question.id for question in found.questions)
    for number, question in enumerate(found.questions):
        where: tuple[Any, ...] = ("questions", number)
        if ids[question.id] > 1:
            problems.append(document.problem((*where, "id"), f"question id {question.id!r} is used twice"))
        options = Counter(option.id for option in question.options)
        for index, option in enumerate(question.options):
            place = (*where, "options", index)
            if options[option.id] > 1:
                problems.append(document.problem(place, f"option id {option.id!r} is used twice here"))
            if (option.age_from is not None) != (question.dimension == "age"):
                need = "needs" if question.dimension == "age" else "must not have"
                problems.append(
                    document.problem(
                        place, f"an option of a question about {question.dimension} {need} age_from"
                    )
                )
        for language in ("zh", "en"):
            texts = Counter(option.text[language] for option in question.options)
            if max(texts.values()) > 1:
                problems.append(
                    document.problem((*where, "options"), f"two options read the same in {language}")
                )
    if found.effective_to is not None and found.effective_to < found.effective_from:
        problems.append(document.problem(("effective_to",), "effective_to lies before effective_from"))
    return problems


def _bands(document: Document, found: Questionnaire) -> list[Problem]:
    levels = [band.level for band in found.levels]
    if levels != list(LEVELS):
        shown = ", ".join(levels) or "none"
        return [
            document.problem(("levels",), f"levels must be C1, C2, C3, C4, C5 in this order, not {shown}")
        ]
    problems = [
        document.problem(
            ("levels", number + 1, "up_to"), f"{band.level} must reach higher than the one before"
        )
        for number, (before, band) in enumerate(zip(found.levels, found.levels[1:], strict=False))
        if band.up_to <= before.up_to
    ]
    if found.levels[-1].up_to != found.most:
        problems.append(
            document.problem(
                ("levels", len(levels) - 1, "up_to"),
                f"the highest score is {found.most}: write up_to: {found.most} for C5",
            )
        )
    if found.levels[0].up_to < found.least:
        problems.append(
            document.problem(
                ("levels", 0, "up_to"), f"no answers reach C1: the lowest score is {found.least}"
            )
        )
    problems += [
        document.problem(("names",), f"names lacks {level}") for level in LEVELS if level not in found.names
    ]
    return problems


def _dimensions(document: Document, found: Questionnaire) -> list[Problem]:
    asked = Counter(question.dimension for question in found.questions)
    problems = [
        document.problem(("questions",), f"no question is about {dimension}; the regulation wants one")
        for dimension in DIMENSIONS
        if not asked[dimension]
    ]
    if asked["age"] > 1:
        problems.append(document.problem(("questions",), "more than one question is about age; keep one"))
    tolerance = [question for question in found.questions if question.dimension == "loss_tolerance"]
    if tolerance and not any(option.cap == "C1" for question in tolerance for option in question.options):
        where = ("questions", found.questions.index(tolerance[0]))
        problems.append(
            document.problem(where, "whoever can bear no loss must be C1: give that option `cap: C1`")
        )
    return problems
