"""One figure, and when one bears out another."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["RATES", "Figure", "Value", "about", "compatible", "sums_and_rates"]

Value = Fraction | str | tuple[int, int, int]
RATES = frozenset({"percent", "point", "bps"})
_SUMS_AND_RATES = RATES | {"CNY", "USD", "HKD", "EUR", "GBP", "amount"}


@dataclass(frozen=True, slots=True)
class Figure:
    kind: str
    """percent, point (percentage points), bps (basis points, in percent),
    an ISO 4217 currency, amount (万 or thousands without currency), number, minute, day,
    business_day, trading_day, month, age, day_or_date, monthday, date, time, halftime (which half of
    the day isn't said), phone, url, email, code."""
    value: Value
    """In the kind's base unit (time: minutes after midnight); (year, month, day) with 0 for what isn't
    said; the text of an address, a code, or a telephone number's digits."""
    start: int
    end: int
    text: str
    bare: bool = False
    """Without a unit or currency of its own."""
    factor: Fraction = Fraction(1)
    """Base units in one of the unit it is written with (12 for years)."""
    implicit: bool = False
    """Said without a number (每天, per year): evidence, but nothing that needs evidence."""


def sums_and_rates(figures: Iterable[Figure]) -> list[Figure]:
    """Those that say how much, in so many words."""
    return [figure for figure in figures if figure.kind in _SUMS_AND_RATES and not figure.implicit]


_COUNTED = re.compile(r"次|笔|张|个|times\b")


def compatible(stated: Figure, evidence: Figure) -> bool:
    """Whether `evidence` says what `stated` states: the same value, in the same or a like unit."""
    mine, theirs = stated.kind, evidence.kind
    if evidence.implicit and stated.text[:1] not in {"一", "o", "O"}:
        return False  # 每天 bears out 一天, but not a figure as exact as 1天
    if mine == theirs:
        if mine == "date":
            return all(a in {0, b} for a, b in zip(_date(stated), _date(evidence), strict=True))
        return stated.value == evidence.value
    if {mine, theirs} == {"time", "halftime"}:
        return (
            isinstance(stated.value, Fraction)
            and isinstance(evidence.value, Fraction)
            and (stated.value % 720 == evidence.value % 720)
        )
    if theirs == "date":
        return _within_date(stated, _date(evidence))
    if {mine, theirs} == {"age", "month"}:
        return _years(stated) == _years(evidence)
    if {mine, theirs} == {"phone", "number"}:
        return _digits(stated) == _digits(evidence)
    if "age" in {mine, theirs} and _COUNTED.search(stated.text + evidence.text):
        return False  # 18岁 bears out 18, not 18次
    return (mine, theirs) in _LIKE and stated.value == evidence.value


_DAYS = {"day": Fraction(1), "month": Fraction(365, 12)}


def about(stated: Figure, evidence: Figure) -> bool:
    """Whether `stated` says roughly what `evidence` does: half a year or so for 180 days, about a month for
    30 days. Only spans of days and months, within 4 %."""
    mine, theirs = _DAYS.get(stated.kind), _DAYS.get(evidence.kind)
    if mine is None or theirs is None or evidence.implicit:
        return False
    if not isinstance(stated.value, Fraction) or not isinstance(evidence.value, Fraction):
        return False
    return abs(stated.value * mine - evidence.value * theirs) <= evidence.value * theirs * Fraction(4, 100)


_LIKE = frozenset(
    pair
    for one, other in [
        ("amount", "CNY"),
        ("amount", "number"),
        ("number", "age"),
        ("day_or_date", "day"),
        ("bps", "percent"),
        ("bps", "point"),
        ("day_or_date", "monthday"),
    ]
    for pair in [(one, other), (other, one)]
)


def _date(figure: Figure) -> tuple[int, int, int]:
    return figure.value if isinstance(figure.value, tuple) else (0, 0, 0)


def _within_date(stated: Figure, date: tuple[int, int, int]) -> bool:
    year, _, day = date
    if stated.kind in {"monthday", "day_or_date"}:
        return stated.value == day
    return stated.kind == "number" and stated.bare and stated.value == year


def _years(figure: Figure) -> Fraction:
    if not isinstance(figure.value, Fraction):
        raise TypeError(f"a {figure.kind} is a number of years or months")
    return figure.value * 12 if figure.kind == "age" else figure.value


def _digits(figure: Figure) -> str:
    return str(figure.value)
