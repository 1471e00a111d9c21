"""The business calendar: when a department is open, and when so many working hours or days are over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

__all__ = ["CHINA", "OFFICE", "BusinessCalendar", "Hours", "Span"]

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China has had one time and no summer time since 1991 (tz database, `Asia/Shanghai`)."""
LONGEST_CLOSED = 366
"""Days after which a search for an opening ends: such hours are never open."""

Span = tuple[time, time]
"""From, to; within one day."""


@dataclass(frozen=True, slots=True)
class Hours:
    """When somebody is there."""

    working: tuple[Span, ...] = ((time(9), time(17, 30)),)
    """On working days, in order."""
    other: tuple[Span, ...] = ()
    """On weekends and public holidays."""
    always: bool = False


OFFICE = Hours()


@dataclass(frozen=True, slots=True)
class BusinessCalendar:
    """Working days of one country in one time zone. Takes and gives aware datetimes."""

    zone: tzinfo = CHINA
    holidays: frozenset[date] = frozenset()
    """Days off that aren't weekend days, or are part of a holiday."""
    make_up: frozenset[date] = frozenset()
    """Weekend days that are worked."""
    until: date | None = None
    """The last day for which holidays are known; from then on only weekends count as days off."""
    hours: Hours = field(default=OFFICE)

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone)

    def is_working_day(self, day: date) -> bool:
        if day in self.make_up:
            return True
        return day.weekday() < 5 and day not in self.holidays

    def is_open(self, moment: datetime) -> bool:
        if self.hours.always:
            return True
        local = self.local(moment)
        return any(start <= local < end for start, end in self._spans(local.date()))

    def next_opening(self, moment: datetime) -> datetime | None:
        """When it opens next; None if it is open now, or never opens."""
        if self.is_open(moment):
            return None
        return next((start for start, end in self._from(moment) if start > moment), None)

    def after_hours(self, moment: datetime, hours: float) -> datetime:
        """The moment when `hours` of opening time have gone by."""
        left = timedelta(hours=hours)
        if self.hours.always:
            return self.local(moment) + left
        for start, end in self._from(moment):
            begin = max(start, self.local(moment))
            if end - begin >= left:
                return begin + left
            left -= end - begin
        return self.local(moment) + left  # never open: the clock alone

    def working_days_after(self, moment: datetime, days: int) -> datetime:
        """The end of work on the `days`-th working day after the day of `moment`."""
        day = self.local(moment).date()
        while days > 0:
            day += timedelta(days=1)
            days -= self.is_working_day(day)
        end = self.hours.working[-1][1] if self.hours.working else OFFICE.working[-1][1]
        if self.hours.always:
            end = OFFICE.working[-1][1]
        return datetime.combine(day, end, self.zone)

    def end_of_day_after(self, moment: datetime, days: int) -> datetime:
        """Midnight at the end of the `days`-th calendar day after the day of `moment`."""
        day = self.local(moment).date() + timedelta(days=days + 1)
        return datetime.combine(day, time(0), self.zone)

    def _spans(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        for start, end in self.hours.working if self.is_working_day(day) else self.hours.other:
            yield datetime.combine(day, start, self.zone), datetime.combine(day, end, self.zone)

    def _from(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Opening times that aren't over at `moment`, for a year ahead."""
        first = self.local(moment).date()
        for number in range(LONGEST_CLOSED):
            for start, end in self._spans(first + timedelta(days=number)):
                if end.astimezone(UTC) > moment.astimezone(UTC):
                    yield start, end
