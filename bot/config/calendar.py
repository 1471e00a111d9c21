"""`config/calendar/*.yaml`: public holidays and make-up working days of a country."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from bot.config.section import Section
from bot.config.source import Document, load_yaml, parse
from bot.errors import ConfigError, Problem

__all__ = ["CalendarFile", "Day", "Holiday", "load_calendar"]


def _is_day(value: object) -> object:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError("must be a day such as 2026-10-01") from None
    if isinstance(value, date):
        return value
    raise ValueError("must be a day such as 2026-10-01")


Day = Annotated[date, BeforeValidator(_is_day)]
LONGEST = 31
"""Days that one holiday can have; more is a slip of the pen."""


class Holiday(Section):
    name: str = Field(min_length=1)
    first: Day = Field(alias="from")
    last: Day = Field(alias="to")

    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


class CalendarFile(Section):
    country: str
    source: str = Field(min_length=1)
    """Where the days were announced."""
    until: Day
    """The last day for which the days are known."""
    holidays: tuple[Holiday, ...] = ()
    working: tuple[Day, ...] = ()
    """Weekend days that are worked."""

    @property
    def days_off(self) -> frozenset[date]:
        return frozenset(day for holiday in self.holidays for day in holiday.days())


def load_calendar(path: Path) -> CalendarFile:
    """Read and check a calendar.

    Raises:
        ConfigError: with file and line.
    """
    document = load_yaml(path)
    file = parse(document, CalendarFile)
    problems = list(_check(file, document))
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))
    return file


def _check(file: CalendarFile, document: Document) -> Iterator[Problem]:
    for number, holiday in enumerate(file.holidays):
        where = ("holidays", number)
        length = (holiday.last - holiday.first).days + 1
        if not 1 <= length <= LONGEST:
            yield document.problem(
                where,
                f"{holiday.name}: from {holiday.first} to {holiday.last} are {length} days; correct one",
            )
        elif holiday.last > file.until:
            yield document.problem(
                where, f"{holiday.name} is later than `until`; move `until` to the year's end"
            )
    days_off = file.days_off
    for number, day in enumerate(file.working):
        where = ("working", number)
        if day in days_off:
            yield document.problem(where, f"{day} is a holiday and a working day; keep one")
        elif day.weekday() < 5:
            yield document.problem(
                where, f"{day} is no weekend day, so it is worked anyway; correct the date"
            )
        elif day > file.until:
            yield document.problem(where, f"{day} is later than `until`; move `until` to the year's end")
