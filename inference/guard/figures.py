"""Figures in Chinese and English text, normalised so that 20万元, ￥200,000 and CNY 200k compare equal.

A figure is a number with its unit, a date, a time of day, a telephone number, an address (URL or
e-mail) or a code (R3, II类户, T+1, a SWIFT code). Every decimal digit of a text belongs to a figure,
except in list markers (`1.` at the start of a line). Numbers in words count where they carry a unit
or a scale (三天, 两千, twenty-four hours). Left out on purpose, since they are articles, pronouns or
structure rather than figures: 一 before a counter (一张卡, 一次性), "one" without a unit of time or money,
两种方式 / "two ways", ordinal words, idioms (万一, 十分, 千万).
"""

from __future__ import annotations

import re
from fractions import Fraction

from inference.guard.figure import Figure, about, compatible
from inference.guard.patterns import SCAN, fold_figures
from inference.guard.ranges import share_units
from inference.guard.readers import READERS
from inference.guard.units import unit

__all__ = ["Figure", "about", "compatible", "find_figures"]

_ENDLESS = re.compile(r"[\d,.点零〇一二两三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟]{65}")
"""More numerals in a row than any sum has: such a run isn't reckoned with, it is only itself. (Python
refuses to read more than 4,300 digits.)"""
_AS_TEXT = frozenset({"email", "url", "phone", "code", "swift", "other"})
"""Patterns whose value is what is written."""


def find_figures(text: str) -> tuple[Figure, ...]:
    """All figures of a text in order; `start` and `end` are positions in `text` itself."""
    folded = fold_figures(text)
    figures: list[Figure] = []
    markers = 0
    at = 0
    while match := SCAN.search(folded, at):
        at = match.end()
        name = match.lastgroup or ""
        groups = {key: value for key, value in match.groupdict().items() if value is not None}
        if name == "number":
            marker = _list_marker(folded, match, markers)
            if marker:
                markers = marker
                continue
            if glued := _glued_marker(folded, match, markers):
                markers += 1
                at = match.start() + glued
                continue
        if name not in _AS_TEXT and _ENDLESS.search(match[0]):
            figures.append(Figure("code", match[0], match.start(), match.end(), match[0]))
            continue
        found = READERS[name](groups, folded, match)
        if found is None:
            continue
        kind, value = found
        written = groups.get("nu") or groups.get("wu") or groups.get("eu")
        bare = name in {"number", "words", "english"} and not written
        factor = unit(written)[1] if written else Fraction(1)
        implicit = name == "implicit"
        figures.append(Figure(kind, value, match.start(), match.end(), match[0], bare, factor, implicit))
    return tuple(share_units(figures, folded))


# ── list markers ─────────────────────────────────────────────────────────────────────────────────

_MARKER_END = re.compile(r"[.、)）](?!\d)|步|[:：](?!\d)")
_LINE_START = re.compile(r"(?:^|\n)[ \t]*[-*•]?[ \t]*[(（]?(?:第|步骤[ ]?|step[ ]?)?$", re.IGNORECASE)
_INLINE_START = re.compile(
    r"(?:[。；;:：!！?？.\n，,)）][ \t]*[(（]?(?:第|步骤[ ]?|step[ ]?)?|[ ][(（])$", re.IGNORECASE
)


_GLUED = re.compile(r"(?P<marker>[2-9]|1\d)\.(?=\d)")
_COUNTED = frozenset({"minute", "day", "business_day", "trading_day"})


def _glued_marker(text: str, match: re.Match[str], previous: int) -> int:
    """Length of a marker that stands right before a figure (「4.30分钟」 after 1, 2 and 3), or 0. Only
    before spans of time, which are hardly ever written with decimals, and at an item's beginning."""
    glued = _GLUED.match(match["n"])
    if not glued or match["nm"] or not match["nu"] or previous < 2 or int(glued["marker"]) != previous + 1:
        return 0
    if unit(match["nu"])[0] not in _COUNTED or not _ITEM_START.search(
        text[max(0, match.start() - 8) : match.start()]
    ):
        return 0
    return glued.end()


_ITEM_START = re.compile(r"[。；;\n][ \t]*\Z")


def _list_marker(text: str, match: re.Match[str], previous: int) -> int:
    """The number of a list marker, or 0. Inside a line only one that continues the count from 1 is
    taken for a marker: 「限额是 5. 请…」 is none."""
    digits = match["n"]
    if not digits.isdigit() or len(digits) > 2 or match["nm"] or (match["nu"] and match["nu"] != "步"):
        return 0
    number = int(digits)
    before = text[max(0, match.start() - 12) : match.start()]
    step = before.endswith(("第", "步骤", "步骤 ")) or before.lower().endswith(("step ", "step"))
    closed = match["nu"] == "步" or _MARKER_END.match(text, match.end()) is not None
    if not closed and not step:
        return 0
    if not 1 <= number <= 20:
        return 0
    if number in {1, previous + 1} and _INLINE_START.search(before):
        return number
    at_start = _LINE_START.search(before) and (match.start() <= 12 or "\n" in before)
    return number if at_start else 0
