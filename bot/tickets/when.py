"""Deadlines in a customer's words: "within 15 minutes", "before 17:30 today", 「11月26日（周四）17:30前」."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from bot.locales import say
from bot.types import Language

__all__ = ["at", "before", "stamp"]

SOON = timedelta(hours=2)
"""Deadlines that are nearer are said in minutes or hours from now."""
HOUR = 60


def before(due: float, now: float, offset_s: int, language: Language) -> str:
    """A deadline (epoch seconds) that is still ahead, as a customer says it.

    Args:
        offset_s: the bank's local time, seconds east of UTC.
    """
    left = timedelta(seconds=due - now)
    minutes = max(1, round(left.total_seconds() / 60))
    if left <= SOON and minutes % HOUR == 0:
        key = "tickets.within_hours" if minutes > HOUR else "tickets.within_hour"
        return say(key, language, n=minutes // HOUR)
    if left <= timedelta(minutes=30):
        return say("tickets.within_minutes", language, n=minutes)
    return say("tickets.by", language, moment=at(due, now, offset_s, language))


def at(moment: float, now: float, offset_s: int, language: Language) -> str:
    """A moment near `now`: 「今天17:30」, "Monday 30 November, 9:00"."""
    local, today = _local(moment, offset_s), _local(now, offset_s).date()
    clock = f"{local.hour}:{local.minute:02d}"
    days = (local.date() - today).days
    if days in (0, 1):
        return say("tickets.today" if days == 0 else "tickets.tomorrow", language, clock=clock)
    weekday = say(f"tickets.weekday.{local.isoweekday()}", language)
    month = say(f"tickets.month.{local.month}", language)
    return say("tickets.on_day", language, month=month, day=local.day, weekday=weekday, clock=clock)


def stamp(moment: float, offset_s: int) -> str:
    """For staff: `2026-11-23 17:30`."""
    return f"{_local(moment, offset_s):%Y-%m-%d %H:%M}"


def _local(moment: float, offset_s: int) -> datetime:
    return datetime.fromtimestamp(moment, timezone(timedelta(seconds=offset_s)))
