"""Figures that share what is written once: a unit, a scale, a currency, a half of the day."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from inference.guard.figure import Figure
from inference.guard.units import CURRENCIES, multiplier

__all__ = ["share_units"]

_CONNECTOR = re.compile(
    r"[ \t]?-?[ \t]?(?:-|~|/|,|、|至|到|或者?|和|与|及|to|or|and|,[ ]?or|,[ ]?and)[ \t]?", re.IGNORECASE
)
_RANGE = re.compile(r"[ \t]?(?:-|~|至|到|或者?|to|or)[ \t]?", re.IGNORECASE)
_BETWEEN = re.compile(r"\bbetween[ ]$|[在介于]{1,2}[ ]?$", re.IGNORECASE)
_LATE = re.compile("下午|晚上|晚间|傍晚|夜间|午后|晚")
_LARGE = re.compile("[万亿]")


def share_units(figures: list[Figure], text: str) -> list[Figure]:
    """3到10个工作日, "3, 6 or 12 months", "CNY 50 to 260", 20-50万, 下午2点到5点: both ends have the unit."""
    result = list(figures)
    for index in range(len(result) - 2, -1, -1):
        left, right = result[index], result[index + 1]
        if not left.bare or right.kind in {"phone", "url", "email", "code", "date"}:
            continue
        if right.bare and (left.kind, right.kind) != ("number", "amount"):
            continue
        # 「6期、0.6%」: rates are listed each with its sign, so only a range shares one.
        between = _BETWEEN.search(text, max(0, left.start - 12), left.start) is not None
        connector = _RANGE if right.kind == "percent" and not between else _CONNECTOR
        if connector.fullmatch(text[left.end : right.start]):
            result[index] = _with_unit_of(left, right)
    for index in range(1, len(result)):
        left, right = result[index - 1], result[index]
        if not _CONNECTOR.fullmatch(text[left.end : right.start]):
            continue
        if right.bare and right.kind in {"number", "amount"} and left.kind in CURRENCIES:
            result[index] = replace(right, kind=left.kind, bare=False)
        elif right.kind == "halftime" and left.kind == "time" and isinstance(right.value, Fraction):
            late = right.value < 720 and _LATE.match(left.text) is not None
            result[index] = replace(right, kind="time", value=right.value + (720 if late else 0))
    return result


def _with_unit_of(left: Figure, right: Figure) -> Figure:
    value = left.value
    if not isinstance(value, Fraction):
        return left
    if right.kind in {"time", "halftime"}:
        return replace(left, kind="halftime", value=value * 60, bare=False)
    if left.kind == "number" and right.kind != "number":
        scale = _LARGE.search(right.text)
        if scale and not _LARGE.search(left.text):
            value *= multiplier(scale[0])
        elif not scale:
            value *= right.factor
    return replace(left, kind=right.kind, value=value, bare=right.bare)
