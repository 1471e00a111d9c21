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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from inference.guard.numerals import chinese_number, english_number, starts_with_scale
from inference.guard.patterns import MONTHS, SCAN, fold_figures
from inference.guard.units import CURRENCIES, currency, multiplier, unit

__all__ = ["Figure", "compatible", "find_figures"]

Value = Fraction | str | tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Figure:
    kind: str
    """percent, an ISO 4217 currency, amount (万 or thousands without currency), number, minute, day,
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


Groups = Mapping[str, str]
"""The named groups of a match that took part in it."""
Found = tuple[str, Value] | None
"""Kind and value; None where it is no figure after all."""


def find_figures(text: str) -> tuple[Figure, ...]:
    """All figures of a text in order; `start` and `end` are positions in `text` itself."""
    folded = fold_figures(text)
    figures: list[Figure] = []
    markers = 0
    for match in SCAN.finditer(folded):
        name = match.lastgroup or ""
        groups = {key: value for key, value in match.groupdict().items() if value is not None}
        if name == "number":
            marker = _list_marker(folded, match, markers)
            if marker:
                markers = marker
                continue
        found = _READERS[name](groups, folded, match)
        if found is None:
            continue
        kind, value = found
        written = groups.get("nu") or groups.get("wu") or groups.get("eu")
        bare = name in {"number", "words", "english"} and not written
        factor = unit(written)[1] if written else Fraction(1)
        implicit = name == "implicit"
        figures.append(Figure(kind, value, match.start(), match.end(), match[0], bare, factor, implicit))
    return tuple(_share_units(figures, folded))


# ── list markers ─────────────────────────────────────────────────────────────────────────────────

_MARKER_END = re.compile(r"[.、)）](?!\d)|步|[:：](?!\d)")
_LINE_START = re.compile(r"(?:^|\n)[ \t]*[-*•]?[ \t]*[(（]?(?:第|步骤[ ]?|step[ ]?)?$", re.IGNORECASE)
_INLINE_START = re.compile(r"(?:[。；;:：!！?？.\n，,)）][ \t]*|[ ])[(（]?(?:第|步骤[ ]?|step[ ]?)?$", re.IGNORECASE)


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


# ── reading one match ────────────────────────────────────────────────────────────────────────────


def _number(text: str) -> Fraction:
    return Fraction(text.replace(",", "")) if text[0].isdigit() else chinese_number(text)


def _read_email(groups: Groups, text: str, match: re.Match[str]) -> Found:
    return "email", groups["email"].lower()


def _read_url(groups: Groups, text: str, match: re.Match[str]) -> Found:
    host, slash, path = re.sub(r"^(?=www\.)", "", groups["url"]).partition("://")[-1].partition("/")
    scheme = groups["url"].lower().partition("://")[0] if "://" in groups["url"] else ""
    if not scheme:
        host, slash, path = groups["url"].partition("/")
    address = (host.lower() + slash + path).rstrip("/")
    return "url", f"{scheme}://{address}" if scheme else address


def _read_date(groups: Groups, text: str, match: re.Match[str]) -> Found:
    def part(letter: str) -> int:
        written = next((groups[f"{letter}{n}"] for n in range(1, 7) if f"{letter}{n}" in groups), "")
        if not written:
            return 0
        if written[0].isdigit():
            return int(written)
        named = MONTHS.get(written.lower().rstrip("."))
        return named if named else int(chinese_number(written))

    return "date", (part("y"), part("m"), part("d"))


def _read_phone(groups: Groups, text: str, match: re.Match[str]) -> Found:
    return "phone", re.sub(r"[^\d+]", "", groups["phone"])


def _read_time(groups: Groups, text: str, match: re.Match[str]) -> Found:
    def part(letter: str) -> str:
        return next((groups[f"{letter}{n}"] for n in range(1, 6) if f"{letter}{n}" in groups), "")

    if "zero" in groups:
        return "time", Fraction(0)
    if "noon" in groups:
        return "time", Fraction(720)
    hour, minute = _number(part("th")), part("tm")
    minutes = Fraction(30) if part("thalf") else _number(minute) if minute else Fraction(0)
    period, suffix = part("tp"), part("ta").lower()
    later = period in {"下午", "晚上", "晚间", "傍晚", "夜间", "午后", "晚"} or (period == "中午" and hour < 6)
    if (later or suffix.startswith("p")) and hour < 12:
        hour += 12
    elif hour == 12 and (suffix.startswith("a") or period in {"凌晨", "夜间", "晚上", "晚"}):
        hour = Fraction(0)
    said = period or suffix or ":" in match[0] or hour > 12
    # 24:00 is 0:00; 40:00 is nothing, and equal to nothing.
    return ("time" if said else "halftime"), (Fraction(0) if hour == 24 else hour) * 60 + minutes


def _read_class(groups: Groups, text: str, match: re.Match[str]) -> Found:
    digit = re.search(r"iii|ii|i|ⅲ|ⅱ|ⅰ|[123一二三]", re.sub("class", "", groups["class"].lower()))
    order = {"iii": 3, "ⅲ": 3, "3": 3, "三": 3, "ii": 2, "ⅱ": 2, "2": 2, "二": 2}
    return "code", f"CLASS{order.get(digit[0], 1) if digit else 1}"


def _read_fraction(groups: Groups, text: str, match: re.Match[str]) -> Found:
    if "onehalf" in groups:
        return "percent", Fraction(50)
    if "all" in groups:
        return "percent", Fraction(100)
    if "cheng" in groups:
        return "percent", _number(groups["cheng"]) * 10 + (5 if "chenghalf" in groups else 0)
    below = {"百": Fraction(100), "千": Fraction(1000), "万": Fraction(10_000)}.get(groups["fd"])
    above = Fraction(100) if groups["fn"] == "百" else _number(groups["fn"])
    return "percent", above / (below or chinese_number(groups["fd"]) or Fraction(1)) * 100


def _read_half(groups: Groups, text: str, match: re.Match[str]) -> Found:
    if "hy" in groups:
        return "month", (_number(groups["hy"]) + Fraction(1, 2)) * 12
    if text[max(0, match.start() - 1) : match.start()] in {"上", "下", "前", "后"}:
        return None
    kind, factor = unit(groups.get("hue") or _measure(groups["hu2"]))
    whole = _number(groups["hn"]) if "hn" in groups else Fraction(0)
    return kind, (whole + Fraction(1, 2)) * factor


def _measure(word: str) -> str:
    return {"月": "个月"}.get(word, word)


def _read_money(groups: Groups, text: str, match: re.Match[str]) -> Found:
    scale = groups.get("mm", "")
    factor = 1_000_000 if scale.lower() == "m" else multiplier(scale) if scale else 1
    return currency(groups["cur"]), _number(groups["mn"]) * factor


def _read_ordinal(groups: Groups, text: str, match: re.Match[str]) -> Found:
    return "monthday", Fraction(groups.get("on") or groups["oh"])


def _read_code(groups: Groups, text: str, match: re.Match[str]) -> Found:
    return "code", match[0].upper()


def _read_always(groups: Groups, text: str, match: re.Match[str]) -> Found:
    return "minute", Fraction(24 * 60)


def _read_number(groups: Groups, text: str, match: re.Match[str]) -> Found:
    value = _number(groups["n"])
    if "nm" in groups:
        value *= multiplier(groups["nm"])
    if "nu" in groups:
        kind, factor = unit(groups["nu"])
        return kind, value * factor
    return ("amount" if "nm" in groups else "number"), value


_STRUCTURE = re.compile(r"个?(?:步骤|方法|方式|办法|选择|途径|渠道|原因|条件|部分|方面|要点|阶段|选项|问题|情况|地方)")
_HOLIDAY = re.compile("假期|长假|黄金周|国庆")


def _read_words(groups: Groups, text: str, match: re.Match[str]) -> Found:
    run, unit_text = groups["w"], groups.get("wu", "")
    before = text[max(0, match.start() - 1) : match.start()]
    if before in {"双", "十"} or (run == "十一" and _HOLIDAY.match(text, match.end())):
        return None
    value = chinese_number(run)
    if not unit_text:
        if before == "第":
            return None
        if len(run) >= 3 and not re.search("[十百千万亿点]", run):
            return "number", value
        scaled = len(run) > 1 and not starts_with_scale(run) and re.search("[十百千万亿点拾佰仟]", run)
        return ("amount" if re.search("[万亿]", run) else "number", value) if scaled else None
    kind, factor = unit(unit_text)
    if before == "第" and (kind == "number" or value <= 2):
        return None  # 第三个 and 第二天 (the next day); but 第九个月 is a figure
    if starts_with_scale(run) and (kind not in CURRENCIES or before in {"数", "几", "上", "成", "近"}):
        return None
    if value == 1 and (kind == "number" or unit_text == "块" or before in set("同某任每这那另哪当")):
        return None
    if kind == "number" and (run == "二" or unit_text in {"种", "步", "点", "项", "条", "款", "位"} and value < 10):
        return None
    if kind == "number" and value < 10 and _STRUCTURE.match(text, match.end()):
        return None
    return kind, value * factor


def _read_english(groups: Groups, text: str, match: re.Match[str]) -> Found:
    if "twice" in groups:
        return "number", Fraction(2 if groups["twice"].lower() == "twice" else 3)
    value = english_number(groups["e"])
    if "eu" not in groups:
        return ("amount" if value >= 1000 else "number", value) if value > 10 else None
    kind, factor = unit(groups["eu"])
    return None if value == 1 and kind == "number" else (kind, value * factor)


_IMPLICIT = {
    "天": "day", "日": "day", "day": "day", "周": "week", "星期": "week", "week": "week", "月": "month",
    "month": "month", "年": "year", "year": "year", "季度": "quarter", "quarter": "quarter",
    "小时": "hour", "hour": "hour", "分钟": "minute", "minute": "minute", "工作日": "business day",
    "business day": "business day", "working day": "business day", "交易日": "trading day", "daily": "day",
    "monthly": "month", "yearly": "year", "hourly": "hour", "weekly": "week", "quarterly": "quarter",
}  # fmt: skip


def _read_implicit(groups: Groups, text: str, match: re.Match[str]) -> Found:
    word = groups.get("iz") or groups.get("ie") or groups.get("ia") or match[0][0]
    return unit(_IMPLICIT.get(word.lower(), "year"))


def _read_other(groups: Groups, text: str, match: re.Match[str]) -> Found:
    return "code", match[0]


_READERS: dict[str, Callable[[Groups, str, re.Match[str]], Found]] = {
    "email": _read_email,
    "url": _read_url,
    "date": _read_date,
    "phone": _read_phone,
    "always": _read_always,
    "time": _read_time,
    "class": _read_class,
    "fraction": _read_fraction,
    "half": _read_half,
    "money": _read_money,
    "ordinal": _read_ordinal,
    "code": _read_code,
    "swift": _read_code,
    "number": _read_number,
    "words": _read_words,
    "english": _read_english,
    "implicit": _read_implicit,
    "other": _read_other,
}

# ── figures that share a unit ────────────────────────────────────────────────────────────────────

_CONNECTOR = re.compile(r"[ \t]?-?[ \t]?(?:-|~|/|,|、|至|到|或者?|和|与|及|to|or|and|,[ ]?or|,[ ]?and)[ \t]?", re.IGNORECASE)
_LATE = re.compile("下午|晚上|晚间|傍晚|夜间|午后|晚")
_LARGE = re.compile("[万亿]")


def _share_units(figures: list[Figure], text: str) -> list[Figure]:
    """3到10个工作日, "3, 6 or 12 months", "CNY 50 to 260", 20-50万, 下午2点到5点: both ends have the unit."""
    result = list(figures)
    for index in range(len(result) - 2, -1, -1):
        left, right = result[index], result[index + 1]
        if left.bare and not right.bare and right.kind not in {"phone", "url", "email", "code", "date"}:
            if _CONNECTOR.fullmatch(text[left.end : right.start]):
                result[index] = _with_unit_of(left, right)
        elif left.bare and right.bare and left.kind == "number" and right.kind == "amount":
            if _CONNECTOR.fullmatch(text[left.end : right.start]):
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
    assert isinstance(value, Fraction)
    if right.kind in {"time", "halftime"}:
        return replace(left, kind="halftime", value=value * 60, bare=False)
    if left.kind == "number" and right.kind != "number":
        scale = _LARGE.search(right.text)
        if scale and not _LARGE.search(left.text):
            value *= multiplier(scale[0])
        elif not scale:
            value *= right.factor
    return replace(left, kind=right.kind, value=value, bare=right.bare)


# ── comparing ────────────────────────────────────────────────────────────────────────────────────


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
        return isinstance(stated.value, Fraction) and isinstance(evidence.value, Fraction) and (
            stated.value % 720 == evidence.value % 720
        )
    if theirs == "date":
        return _within_date(stated, _date(evidence))
    if {mine, theirs} == {"age", "month"}:
        return _years(stated) == _years(evidence)
    if {mine, theirs} == {"phone", "number"}:
        return _digits(stated) == _digits(evidence)
    return (mine, theirs) in _LIKE and stated.value == evidence.value


_LIKE = frozenset(
    pair
    for one, other in [
        ("amount", "CNY"),
        ("amount", "number"),
        ("number", "age"),
        ("day_or_date", "day"),
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
    assert isinstance(figure.value, Fraction)
    return figure.value * 12 if figure.kind == "age" else figure.value


def _digits(figure: Figure) -> str:
    return str(figure.value)
