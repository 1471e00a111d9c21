"""The business calendar and the deadlines that it gives."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.calendar import load_calendar
from bot.errors import ConfigError
from bot.tickets.calendar import CHINA, BusinessCalendar, Hours
from bot.tickets.deadlines import complaint_due, due

ROOT = Path(__file__).parents[3]
SHIPPED = load_calendar(ROOT / "config" / "calendar" / "cn.yaml")
CALENDAR = BusinessCalendar(CHINA, SHIPPED.days_off, frozenset(SHIPPED.working), SHIPPED.until)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1), timezones=st.just(CHINA))


def at(day: str, clock: str = "10:00") -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}:00+08:00")


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2026-11-23", True),  # a Monday
        ("2026-11-21", False),  # a Saturday
        ("2026-01-02", False),  # New Year's holiday, a Friday
        ("2026-01-04", True),  # a Sunday that is worked
        ("2026-02-14", True),
        ("2026-02-16", False),
        ("2026-02-24", True),
        ("2026-10-07", False),
        ("2026-10-10", True),
    ],
)
def test_working_days_follow_the_published_calendar(day: str, works: bool) -> None:
    assert CALENDAR.is_working_day(date.fromisoformat(day)) is works


def test_the_shipped_year_has_thirty_three_days_off_and_six_worked_weekend_days() -> None:
    assert len(SHIPPED.days_off) == 33
    assert len(SHIPPED.working) == 6


@pytest.mark.parametrize(
    ("severity", "department", "now", "expected"),
    [
        ("P1", "fraud_risk", at("2026-11-22", "03:00"), at("2026-11-22", "03:15")),
        ("P1", "pr", at("2026-10-01", "23:50"), at("2026-10-02", "00:05")),
        ("P2", "fraud_risk", at("2026-11-21", "22:30"), at("2026-11-22", "00:30")),
        ("P2", "cards", at("2026-11-23", "10:00"), at("2026-11-23", "12:00")),
        ("P2", "cards", at("2026-11-23", "16:30"), at("2026-11-24", "10:00")),
        ("P2", "cards", at("2026-11-20", "17:00"), at("2026-11-23", "10:30")),
        ("P2", "cards", at("2026-11-23", "15:30"), at("2026-11-23", "17:30")),
        ("P2", "cards", at("2026-09-30", "20:00"), at("2026-10-08", "11:00")),
        ("P3", "loans", at("2026-11-23", "10:00"), at("2026-11-24", "17:30")),
        ("P3", "loans", at("2026-11-20", "10:00"), at("2026-11-23", "17:30")),
        ("P3", "loans", at("2026-09-30", "10:00"), at("2026-10-08", "17:30")),
        ("P3", "loans", at("2026-09-18", "10:00"), at("2026-09-20", "17:30")),  # a Sunday that is worked
        ("P4", "wealth", at("2026-02-13", "10:00"), at("2026-02-25", "17:30")),
    ],
)
def test_deadlines(severity: str, department: str, now: datetime, expected: datetime) -> None:
    assert due(now, severity, department, CALENDAR) == expected  # type: ignore[arg-type]


def test_a_lunch_break_doesn_t_count() -> None:
    hours = Hours(((time(9), time(12)), (time(13, 30), time(17, 30))))
    calendar = BusinessCalendar(hours=hours)
    assert due(at("2026-11-23", "11:30"), "P2", "cards", calendar) == at("2026-11-23", "15:00")
    assert calendar.next_opening(at("2026-11-23", "12:30")) == at("2026-11-23", "13:30")


def test_a_department_that_is_always_open_has_no_opening_to_wait_for() -> None:
    calendar = BusinessCalendar(hours=Hours(always=True))
    assert calendar.next_opening(at("2026-11-22", "03:00")) is None
    assert due(at("2026-11-22", "03:00"), "P2", "cards", calendar) == at("2026-11-22", "05:00")


def test_hours_that_never_open_still_give_a_deadline() -> None:
    calendar = BusinessCalendar(hours=Hours((), ()))
    assert calendar.next_opening(at("2026-11-22")) is None
    assert due(at("2026-11-22", "03:00"), "P2", "cards", calendar) == at("2026-11-22", "05:00")


def test_a_complaint_has_fifteen_whole_days() -> None:
    assert complaint_due(at("2026-11-23", "23:30"), CALENDAR) == at("2026-12-09", "00:00")


def test_the_bank_s_day_counts_not_the_server_s() -> None:
    late = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)  # Saturday 01:00 in Shanghai
    assert due(late, "P3", "cards", CALENDAR) == at("2026-11-23", "17:30")


def test_summer_time_doesn_t_move_closing_time() -> None:
    zone = ZoneInfo("Europe/Berlin")
    calendar = BusinessCalendar(zone)
    friday = datetime(2026, 3, 27, 10, 0, tzinfo=zone)
    assert due(friday, "P3", "cards", calendar).strftime("%m-%d %H:%M") == "03-30 17:30"


@given(moments, st.sampled_from(["P1", "P2", "P3", "P4"]), st.sampled_from(["fraud_risk", "cards"]))
def test_a_deadline_is_ahead_and_within_opening_hours_or_round_the_clock(
    now: datetime, severity: str, department: str
) -> None:
    found = due(now, severity, department, CALENDAR)  # type: ignore[arg-type]
    assert now < found < now + timedelta(days=20)
    if severity == "P2" and department == "cards":
        assert CALENDAR.is_open(found - timedelta(seconds=1))


@given(moments, st.floats(0.1, 30))
def test_opening_hours_gone_by_add_up(now: datetime, hours: float) -> None:
    half = CALENDAR.after_hours(now, hours / 2)
    assert abs(CALENDAR.after_hours(half, hours / 2) - CALENDAR.after_hours(now, hours)) < timedelta(
        seconds=1
    )


# ── the file ──


def refusal(folder: Path, text: str) -> str:
    path = folder / "cn.yaml"
    path.write_text("country: CN\nsource: a notice\nuntil: 2026-12-31\n" + text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_calendar(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("working: [2026-13-01]\n", 4, "must be a day such as 2026-10-01"),
        ("working: [2026-11-23]\n", 4, "no weekend day"),
        ("working:\n  - 2027-01-02\n", 5, "later than `until`"),
        ("holidays: [{name: X, from: 2026-10-07, to: 2026-10-01}]\n", 4, "-5 days"),
        ("holidays: [{name: X, from: 2026-10-01, to: 2027-10-01}]\n", 4, "366 days"),
        (
            "holidays: [{name: X, from: 2026-10-01, to: 2026-10-07}]\nworking: [2026-10-04]\n",
            5,
            "a holiday and a working day",
        ),
        ("workings: []\n", 4, "did you mean 'working'?"),
    ],
)
def test_a_wrong_calendar_is_refused_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    message = refusal(tmp_path, text)
    assert f"cn.yaml:{line}: " in message
    assert words in message
