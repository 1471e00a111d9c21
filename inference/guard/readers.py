"""What one match of the figure pattern means: its kind and value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from inference.guard.figure import Value
from inference.guard.numerals import ENGLISH, chinese_number, english_number, starts_with_scale
from inference.guard.patterns import MONTHS
from inference.guard.units import CURRENCIES, currency, multiplier, unit

__all__ = ["READERS", "Found", "Groups"]

Groups = Mapping[str, str]
"""The named groups of a match that took part in it."""
Found = tuple[str, Value] | None
"""Kind and value; None where it is no figure after all."""


def _spelled(word: str) -> Fraction | None:
    """A number in digits or as an English word; None if it is neither."""
    if word.isdigit():
        return Fraction(word)
    return english_number(word) if re.fullmatch(ENGLISH, word, re.IGNORECASE) else None


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
    if "past" in groups:
        hours = _spelled(groups["th6"])
        past = (
            30
            if groups["past"].lower().startswith("half")
            else -15
            if groups["past"].lower().endswith("to")
            else 15
        )
        return None if hours is None else ("halftime", hours * 60 + past)
    hour, minute = _number(part("th")), part("tm")
    minutes = Fraction(30) if part("thalf") else _number(minute) if minute else Fraction(0)
    period, suffix = part("tp"), part("ta").lower()
    later = period in {"下午", "晚上", "晚间", "傍晚", "夜间", "午后", "晚"} or (
        period == "中午" and hour < 6
    )
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
    if "zhe" in groups:
        digits = [_number(digit) for digit in groups["zhe"]] if "." not in groups["zhe"] else []
        written = digits[0] + digits[1] / 10 if len(digits) == 2 else _number(groups["zhe"])
        return "percent", written * 10
    if "cheng" in groups:
        return "percent", _number(groups["cheng"]) * 10 + (5 if "chenghalf" in groups else 0)
    below = {"百": Fraction(100), "千": Fraction(1000), "万": Fraction(10_000)}.get(groups["fd"])
    above = Fraction(100) if groups["fn"] == "百" else _number(groups["fn"])
    return "percent", above / (below or chinese_number(groups["fd"]) or Fraction(1)) * 100


def _read_half(groups: Groups, text: str, match: re.Match[str]) -> Found:
    if "hp" in groups:
        part = (
            Fraction(1, 2)
            if groups["hp"].lower() == "half"
            else Fraction(3 if groups["hp"].lower().startswith("three") else 1, 4)
        )
        kind, factor = unit(groups["hpu"]) if "hpu" in groups else ("amount", Fraction(1))
        return kind, part * multiplier(groups["hm"]) * factor
    if "hs" in groups:
        kind, factor = unit(groups["hsu"]) if "hsu" in groups else ("amount", Fraction(1))
        return kind, Fraction(multiplier(groups["hs"]), 2) * factor
    if "he" in groups:
        whole_units = _spelled(groups["he"])
        scale = multiplier(groups["hem"]) if "hem" in groups else 1
        kind, factor = ("amount" if scale > 1 else "number", Fraction(1))
        if "heu" in groups:
            kind, factor = unit(groups["heu"])
        return None if whole_units is None else (kind, (whole_units + Fraction(1, 2)) * scale * factor)
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


_STRUCTURE = re.compile(
    r"个?(?:步骤|方法|方式|办法|选择|途径|渠道|原因|条件|部分|方面|要点|阶段|选项|问题|情况|地方)"
)
_WEEKDAY = re.compile(r"(?<![每一两二三四五六七八九十几数\d])(?:周|星期|礼拜)[一二三四五六]个\Z")
"""周六个人业务 is about 个人业务 on a Saturday; 每周六个人 is six."""
_HOLIDAY = re.compile("假期|长假|黄金周|国庆")


def _read_words(groups: Groups, text: str, match: re.Match[str]) -> Found:
    run, unit_text = groups["w"], groups.get("wu", "")
    before = text[max(0, match.start() - 1) : match.start()]
    if (
        unit_text == "个"
        and text.startswith("人", match.end())
        and _WEEKDAY.search(text[max(0, match.end() - 6) : match.end()])
    ):
        return None
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
    if before == "第" and (kind == "number" or (value <= 2 and unit_text in {"天", "日"})):
        return None  # 第三个, and 第二天 for the next day; but 第二个月 is a figure
    if starts_with_scale(run) and (kind not in CURRENCIES or before in {"数", "几", "上", "成", "近"}):
        return None
    if value == 1 and (
        kind == "number" or unit_text in {"块", "分钱", "毛钱"} or before in set("同某任每这那另哪当")
    ):
        return None
    if kind == "number" and (
        run == "二" or (unit_text in {"种", "步", "点", "项", "条", "款", "位"} and value < 10)
    ):
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


READERS: dict[str, Callable[[Groups, str, re.Match[str]], Found]] = {
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
