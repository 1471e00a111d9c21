"""From answers to a level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.suitability.levels import Level, lower
from bot.suitability.questionnaire import Questionnaire

__all__ = ["Result", "score"]


@dataclass(frozen=True, slots=True)
class Result:
    level: Level
    """After knock-outs."""
    points: int
    by_points: Level
    """What the score alone would give."""
    capped_by: tuple[str, ...]
    """Ids of the questions whose answers lowered it."""
    age: int | None
    """The lower end of the chosen band, in years."""


def score(questionnaire: Questionnaire, answers: Mapping[str, str]) -> Result:
    """Score complete answers (question id → option id).

    Raises:
        ValueError: a question isn't answered, or with what it doesn't offer.
    """
    points, age, caps = 0, None, {}
    for question in questionnaire.questions:
        option = question.option(answers.get(question.id, ""))
        if option is None:
            raise ValueError(f"question {question.id!r} has no valid answer")
        points += option.score
        if option.cap is not None:
            caps[question.id] = option.cap
        if option.age_from is not None:
            age = option.age_from
    by_points = next(band.level for band in questionnaire.levels if points <= band.up_to)
    level = by_points
    for cap in caps.values():
        level = lower(level, cap)
    capped_by = tuple(id for id, cap in caps.items() if lower(by_points, cap) != by_points)
    return Result(level, points, by_points, capped_by, age)
