"""Sums of money in a folded text: 20万, 五十万块, 3.5w, $12,000, 转了50000, "ten thousand dollars"."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["find_amounts"]

_CURRENCIES = (
    ("USD", r"美元|美金|美刀|刀|usd|us\$|dollars?|bucks"),
    ("HKD", r"港币|港元|港纸|hkd|hk\$"),
    ("EUR", r"欧元|eur|euros?|€"),
    ("GBP", r"英镑|gbp|pounds?|quid|£"),
    ("JPY", r"日元|日圆|jpy|yen"),
    ("AUD", r"澳元|澳币|aud"),
    ("CAD", r"加元|加币|cad"),
    ("CNY", r"人民币|元|块钱|块|圆|rmb|cny|yuan|¥"),
)
_ANY = "|".join(pattern for _, pattern in _CURRENCIES) + r"|\$"
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_HAN = r"[零一二两三四五六七八九十百千万亿几半]{1,12}"
_SCALE = r"百万|千万|十万|百亿|千亿|万|亿|千|百|w|k|grand|million|thousand|mn|m"
_MONEY = re.compile(
    rf"(?P<before>us\$|hk\$|[$¥€£]|(?:usd|rmb|cny|hkd|eur|gbp)(?= ?\d))? ?"
    rf"(?P<number>{_NUMBER}|(?<![一-龥])?{_HAN})\s?(?P<more>多|来|余)?"
    rf"(?P<scale>{_SCALE})?(?![a-z])(?P<more2>多|来|余)?\s?(?P<after>{_ANY})?"
)
_WORDS = re.compile(
    r"\b(?P<n>a|an|one|two|three|four|five|six|seven|eight|nine|ten|fifteen|twenty|thirty|forty|fifty|sixty|eighty|"
    r"ninety|half a|\d+(?:\.\d+)?)[ -](?:(?P<h>hundred)[ -])?(?P<s>thousand|million|grand|hundred)\b\s?"
    rf"(?P<c>{_ANY})?"
)
_VERB = re.compile(
    r"(?:转|汇|(?<!拨)打|付|取|存|充|投|借|贷|提|给|刷|买|亏|骗|收|交|缴|send|sent|transfer\w*|wire\w*|pay|paid|withdr\w+|deposit\w*|"
    r"invest\w*|lost|of|for|move\w*)[^,.;!?。\d]{0,8}$"
)
_NOT_MONEY = re.compile(
    r"\s?(?:人|个|位|次|年|月|号|日|天|岁|度|公里|米|平|股|份|字|条|笔|倍|%|点|级|分钟|小时|[:/-]\d)"
)
_SCALES = {
    "百": 100, "千": 1000, "k": 1000, "thousand": 1000, "grand": 1000,
    "万": 10_000, "w": 10_000, "十万": 100_000,
    "百万": 1_000_000, "million": 1_000_000, "mn": 1_000_000,
    "m": 1_000_000, "千万": 10_000_000, "亿": 100_000_000,
    "百亿": 10**10, "千亿": 10**11,
}  # fmt: skip
_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"两": 2, "几": 3}
_ENGLISH = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "eighty": 80,
    "ninety": 90, "half a": 0.5,
}  # fmt: skip
_COULD_BE = re.compile(r"\d|[一二两三四五六七八九十几半百千][十百千万亿块]|thousand|million|hundred|grand")
MOST = 10**15


def find_amounts(folded: str) -> Mapping[str, int]:
    """The largest sum in each currency (ISO 4217), in minor units (fen, cents). Without a currency: CNY in
    a Chinese text, USD after a dollar sign or in an English one."""
    found: dict[str, int] = {}
    if not _COULD_BE.search(folded):
        return found
    chinese = not folded.isascii()
    for match in _MONEY.finditer(folded):
        value = _value(match)
        if value is None:
            continue
        named = match["before"] or match["after"]
        if not named and not _plausible(folded, match, value):
            continue
        _keep(found, named, value, chinese or match["scale"] == "w")
    if not chinese:
        for match in _WORDS.finditer(folded):
            number = _ENGLISH.get(match["n"]) or float(match["n"])
            value = (
                number
                * (100 if match["h"] else 1)
                * {"hundred": 100}.get(match["s"], _SCALES.get(match["s"], 1))
            )
            _keep(found, match["c"], value, chinese)
    return found


def _keep(found: dict[str, int], named: str | None, value: float, chinese: bool) -> None:
    currency = _currency(named, chinese)
    found[currency] = max(found.get(currency, 0), min(MOST, round(value * 100)))


def _plausible(folded: str, match: re.Match[str], value: float) -> bool:
    """Whether a number without a currency is money: it has a scale, or follows a verb of paying."""
    end = match.end()
    if _NOT_MONEY.match(folded, end):
        return False
    scaled = match["scale"] in ("万", "w", "亿", "百万", "千万", "十万", "k") or "万" in match["number"]
    if scaled:
        return True
    return value >= 500 and _VERB.search(folded, max(0, match.start() - 24), match.start()) is not None


def _value(match: re.Match[str]) -> float | None:
    written = match["number"]
    scale = _SCALES.get(match["scale"] or "", 1)
    if written[0].isdigit():
        if len(written) > 15:
            return None
        return float(written.replace(",", "")) * scale
    if len(written) == 1 and scale == 1 and not match["after"]:
        return None
    number = _chinese(written)
    return None if number is None else number * scale


def _chinese(run: str) -> float | None:
    """The number that a run of 汉字 digits writes; None if it writes none."""
    total, section, digit = 0.0, 0.0, 0.0
    last = 1.0
    for character in run:
        if character == "半":
            digit = 0.5
        elif character in _DIGITS:
            digit = _DIGITS[character]
        elif character in "十百千":
            last = {"十": 10, "百": 100, "千": 1000}[character]
            section += (digit or 1) * last
            digit = 0
        else:
            last = {"万": 10_000, "亿": 100_000_000}[character]
            total += (section + digit or 1) * last
            section = digit = 0
    # 三万五: thirty-five thousand.
    tail = digit * last / 10 if last >= 100 and digit and not section else digit
    value = total + section + tail
    return value if value else None


def _currency(named: str | None, chinese: bool) -> str:
    if not named:
        return "CNY" if chinese else "USD"
    if named == "$":
        return "USD"
    for code, pattern in _CURRENCIES:
        if re.fullmatch(pattern, named):
            return code
    return "CNY"
