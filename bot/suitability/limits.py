"""How often a customer may be tested, and how long a rating lasts.

Source: 金融机构产品适当性管理办法: a rating lasts at most 12 months; at most 2 tests a day and 8 in 12
months. A day is a calendar day at the bank.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal

__all__ = ["Limits", "Refusal", "months_later", "refusal"]


@dataclass(frozen=True, slots=True)
class Limits:
    per_day: int = 2
    per_year: int = 8
    utc_offset_hours: float = 8.0
    """Where the bank's midnight is."""


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: Literal["day", "year"]
    again: datetime
    """When the next test may begin; in the bank's time."""


def months_later(at: datetime, months: int) -> datetime:
    """The same day `months` later (negative: earlier); the month's last day where there is no such day."""
    index = at.year * 12 + at.month - 1 + months
    year, month = divmod(index, 12)
    month += 1
    return at.replace(year=year, month=month, day=min(at.day, monthrange(year, month)[1]))


def refusal(tests: Iterable[datetime], now: datetime, limits: Limits) -> Refusal | None:
    """Why no test may begin at `now`, given when the counted ones began; None if one may."""
    zone = timezone(timedelta(hours=limits.utc_offset_hours))
    here = now.astimezone(zone)
    began = sorted(at.astimezone(zone) for at in tests)
    recent = [at for at in began if months_later(at, 12) > here]
    if len(recent) >= limits.per_year:
        # The oldest ones run out first; one place is free when all but per_year - 1 have.
        return Refusal("year", months_later(recent[-limits.per_year], 12))
    if sum(at.date() == here.date() for at in began) >= limits.per_day:
        midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
        return Refusal("day", midnight + timedelta(days=1))
    return None
