"""Deadlines by severity.

P1: acknowledged within 15 minutes, round the clock. P2: first reply within 2 hours, for fraud round the
clock and otherwise in opening hours. P3: by the end of the next working day. P4: within 3 working days.
A complaint besides is settled within 15 days (银行业保险业消费投诉处理管理办法), counted from the day after.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.tickets.calendar import BusinessCalendar
from bot.tickets.ticket import Department, Severity

__all__ = ["complaint_due", "due", "round_the_clock"]

ROUND_THE_CLOCK = frozenset[Department]({"fraud_risk"})
"""Departments whose P2 doesn't wait for the morning."""
ACKNOWLEDGE = timedelta(minutes=15)
FIRST_REPLY_H = 2
COMPLAINT_DAYS = 15


def round_the_clock(severity: Severity, department: Department) -> bool:
    """Whether the deadline runs outside opening hours too."""
    return severity == "P1" or (severity == "P2" and department in ROUND_THE_CLOCK)


def due(now: datetime, severity: Severity, department: Department, calendar: BusinessCalendar) -> datetime:
    """When the customer must have heard from a person, in the calendar's time zone.

    Args:
        calendar: with the department's hours.
    """
    match severity:
        case "P1":
            return calendar.local(now) + ACKNOWLEDGE
        case "P2" if department in ROUND_THE_CLOCK:
            return calendar.local(now) + timedelta(hours=FIRST_REPLY_H)
        case "P2":
            return calendar.after_hours(now, FIRST_REPLY_H)
        case "P3":
            return calendar.working_days_after(now, 1)
        case "P4":
            return calendar.working_days_after(now, 3)


def complaint_due(now: datetime, calendar: BusinessCalendar) -> datetime:
    """The end of the last day on which a complaint may be settled without an extension."""
    return calendar.end_of_day_after(now, COMPLAINT_DAYS)
