"""What follows (or precedes) a number: its unit, as a kind and a factor to that kind's base unit."""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["CURRENCIES", "CURRENCY_BEFORE", "MULTIPLIER", "UNIT", "currency", "multiplier", "unit"]

Unit = tuple[str, Fraction]

# Kinds. Base units: percent points, major currency units, minutes, days, business days, months.
_UNITS: tuple[tuple[str, str, Fraction], ...] = (
    (r"个?百分点|percentage[ -]points?\b|p\.?p\.?t?s?\b", "point", Fraction(1)),
    (r"[%]|per ?cents?\b|pct\b", "percent", Fraction(1)),
    (r"‰|per mille?\b", "percent", Fraction(1, 10)),
    (r"个?基点|个?bps?\b|basis[ -]points?", "bps", Fraction(1, 100)),
    (r"美元|美金|us[ ]?dollars?\b|usd\b|dollars?\b", "USD", Fraction(1)),
    (r"欧元|euros?\b|eur\b", "EUR", Fraction(1)),
    (r"港元|港币|hong kong dollars?\b|hkd\b", "HKD", Fraction(1)),
    (r"英镑|pounds?\b|gbp\b", "GBP", Fraction(1)),
    (r"日元|日圆|japanese yen\b|yen\b|jpy\b", "JPY", Fraction(1)),
    (r"澳元|澳币|aud\b", "AUD", Fraction(1)),
    (r"加元|加币|cad\b", "CAD", Fraction(1)),
    (r"新加坡元|新币|sgd\b", "SGD", Fraction(1)),
    (r"瑞郎|瑞士法郎|chf\b", "CHF", Fraction(1)),
    (r"韩元|krw\b", "KRW", Fraction(1)),
    (r"泰铢|thb\b", "THB", Fraction(1)),
    (r"人民币元?|块钱?|元|圆|yuan\b|renminbi\b|cny\b|rmb\b", "CNY", Fraction(1)),
    (r"角(?![度色落])|毛钱", "CNY", Fraction(1, 10)),
    (r"分钱|fen\b", "CNY", Fraction(1, 100)),
    (r"个?(?:工作|营业)[日天]|(?:business|working|banking)[ -]days?\b", "business_day", Fraction(1)),
    (r"个?(?:交易|开放)[日天]|trading[ -]days?\b", "trading_day", Fraction(1)),
    (r"个?自然[日天]|天|(?:calendar[ -])?days?\b", "day", Fraction(1)),
    (r"日(?!元|圆|期|常|历|月|利)", "day_or_date", Fraction(1)),
    (r"个?小时|个?钟头|hours?\b|hrs?\b|h\b", "minute", Fraction(60)),
    (r"分钟|minutes?\b|mins?\b", "minute", Fraction(1)),
    (r"秒钟?|seconds?\b|secs?\b", "minute", Fraction(1, 60)),
    (r"周岁|岁|years?[ -](?:old|of age)\b", "age", Fraction(1)),
    (r"个?季度|quarters?\b", "month", Fraction(3)),
    (r"个月|months?\b", "month", Fraction(1)),
    (r"周年|年(?![级])|years?\b|yrs?\b", "month", Fraction(12)),
    (
        r"周(?!边|转|到|全|[一二三四五六日末])|个?(?:星期|礼拜)(?![一二三四五六日天])|weeks?\b",
        "day",
        Fraction(7),
    ),
    (
        r"(?:个|次|张|份|笔|人|位|家|名|项|种|条|户|台|部|倍|期|步|枚|页|套|只|款|本|点|克|位数)",
        "number",
        Fraction(1),
    ),
    (
        r"(?:times|tries|attempts|instalments|installments|people|persons|cards|accounts)\b",
        "number",
        Fraction(1),
    ),
)
# In "over 70 GBP 2;" the code belongs to what follows.
_BEFORE_NUMBER = r"(?![ ]\d[\d,]*(?:\.\d+)?(?:[;)\n]|[,.](?!\d)))"
_CODE = re.compile(r"(usd|eur|hkd|gbp|jpy|aud|cad|sgd|chf|cny|rmb)\\b")
_UNITS = tuple(
    (_CODE.sub(lambda code: f"{code[0]}{_BEFORE_NUMBER}", pattern), kind, factor)
    for pattern, kind, factor in _UNITS
)
UNIT = "|".join(f"(?P<u{index}>{pattern})" for index, (pattern, _, _) in enumerate(_UNITS))
_UNIT = re.compile(UNIT, re.IGNORECASE)
UNIT = re.sub(r"\?P<u\d+>", "?:", UNIT)
"""Matches a unit right after a number (and optional space or hyphen)."""

_CURRENCIES = {
    "CNY": ("cny", "rmb", "人民币", "¥", "cn¥"),
    "USD": ("usd", "us$", "$"),
    "EUR": ("eur", "€"),
    "GBP": ("gbp", "£", "英镑"),
    "HKD": ("hkd", "hk$"),
    "JPY": ("jpy",),
    "AUD": ("aud", "a$"),
    "CAD": ("cad", "c$"),
    "SGD": ("sgd", "s$"),
    "CHF": ("chf",),
}
_CURRENCY = {name: code for code, names in _CURRENCIES.items() for name in names}
CURRENCIES = frozenset({"CNY", "USD", "EUR", "GBP", "HKD", "JPY", "AUD", "CAD", "SGD", "CHF", "KRW", "THB"})
CURRENCY_BEFORE = "|".join(
    (rf"(?<![a-z]){re.escape(name)}" if name[0].isascii() and name[0].isalpha() else re.escape(name))
    for name in sorted(_CURRENCY, key=len, reverse=True)
)

MULTIPLIER = (
    r"[十百千]?[万亿]|[百千](?![分米克瓦])|(?:k|w|mn|bn)(?![a-z])|hundred\b|thousand\b|million\b|billion\b"
)
_MULTIPLIERS = {
    "十": 10,
    "百": 100,
    "千": 1_000,
    "万": 10_000,
    "亿": 100_000_000,
    "k": 1_000,
    "w": 10_000,
    "mn": 1_000_000,
    "bn": 1_000_000_000,
    "hundred": 100,
    "thousand": 1_000,
    "million": 1_000_000,
    "billion": 1_000_000_000,
}


def multiplier(text: str) -> int:
    """Factor of a match of `MULTIPLIER` (百万 is a product)."""
    text = text.lower()
    if text in _MULTIPLIERS:
        return _MULTIPLIERS[text]
    product = 1
    for character in text:
        product *= _MULTIPLIERS[character]
    return product


def currency(text: str) -> str:
    """ISO 4217 code of a match of `CURRENCY_BEFORE`."""
    return _CURRENCY[text.lower().strip()]


def unit(text: str) -> Unit:
    """(kind, factor) of a match of `UNIT`. The characters after it played their part in matching it."""
    match = _UNIT.match(text)
    if match is None or match.lastgroup is None:
        raise ValueError(f"{text!r} is no unit")
    _, kind, factor = _UNITS[int(match.lastgroup[1:])]
    return kind, factor
