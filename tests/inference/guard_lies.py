"""Lies and honest rewordings made from the bank's own passages, for holding the guard to account.

Made with patterns of their own, not with the guard's: what the guard overlooks must not be overlooked
here too.
"""

# ruff: noqa: E501 (tables of examples read best one a line)
from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from bot.types import Passage

__all__ = ["lies", "rewordings"]

Change = Callable[[str, random.Random], str | None]

NUMBER = re.compile(r"(?<![A-Za-z0-9.,])\d[\d,]*(?:\.\d+)?(?![A-Za-z0-9])")
MARKER = re.compile(r"(?m)(?:^|(?<=[。；：;: ]))[ \t]*\d{1,2}[.、)）](?= |[^\d])")
PHONE = re.compile(r"\+86 000 95\d{3}|000-95\d{3}|(?<!\d)(?:96110|12378)(?!\d)")
ADDRESS = re.compile(r"https://[a-z./]+[a-z]|[a-z]+@[a-z.]+[a-z]")
SCALE = {"万": 10_000, "亿": 100_000_000}
ZH = "零一二三四五六七八九"


def lies(passages: list[Passage], seed: int) -> Iterator[tuple[Passage, str, str]]:
    """(passage, its text with one figure made false, how), without end."""
    rng = random.Random(seed)
    while True:
        passage = rng.choice(passages)
        change = rng.choice(CHANGES)
        lie = change(passage.text, rng)
        if lie is None or lie in passage.text or (change is _grade and _told_in_title(passage, lie)):
            continue
        if change in (_in_words, _currency, _grade) or not _says_nothing_new(passage, lie):
            yield passage, lie, change.__name__.strip("_")


def rewordings(passages: list[Passage], seed: int) -> Iterator[tuple[Passage, str, str]]:
    """(passage, the same said with other notation or in another order, how), without end."""
    rng = random.Random(seed)
    while True:
        passage = rng.choice(passages)
        reword = rng.choice(REWORDS_ZH if passage.language == "zh" else REWORDS_EN)
        text = reword(passage.text, rng)
        if text is not None and text != passage.text:
            yield passage, text, reword.__name__.strip("_")


def _numbers(text: str) -> list[tuple[float, str]]:
    """(value, unit as written) of all Arabic numbers."""
    found = []
    for match in NUMBER.finditer(text):
        scale = SCALE.get(text[match.end() : match.end() + 1], 1)
        at = match.end() + (scale > 1)
        unit = re.match(r"个?[\u4e00-\u9fff%‰]|[ -]?(?:business |working )?[a-z%]+|", text[at:])
        assert unit is not None
        found.append((float(match[0].replace(",", "")) * scale, unit[0].strip(" -")))
    return found


def _says_nothing_new(passage: Passage, lie: str) -> bool:
    """Whether every number of the lie stands in the passage (with whatever unit), so that it may be no lie."""
    truth = f"{passage.title}\n{passage.text}"
    if set(ADDRESS.findall(lie)) - set(ADDRESS.findall(truth)):
        return False
    return set(_numbers(lie)) <= set(_numbers(truth)) and set(PHONE.findall(lie)) <= set(PHONE.findall(truth))


def _told_in_title(passage: Passage, lie: str) -> bool:
    grade = re.compile(r"[RC][1-5]|I{1,3}(?=类)|Class I{1,3}\b")
    return set(grade.findall(lie)) <= set(grade.findall(f"{passage.title}\n{passage.text}"))


def _pick(pattern: re.Pattern[str], text: str, rng: random.Random) -> re.Match[str] | None:
    markers = {match.end() for match in MARKER.finditer(text)}
    choices = [match for match in pattern.finditer(text) if match.end() + 1 not in markers]
    return rng.choice(choices) if choices else None


def _put(text: str, match: re.Match[str], new: str) -> str:
    return text[: match.start()] + new + text[match.end() :]


def _another_number(text: str, value: float) -> bool:
    return all(abs(value - other) > 1e-9 for other, _ in _numbers(text))


# ── lies ─────────────────────────────────────────────────────────────────────────────────────────


def _digit(text: str, rng: random.Random) -> str | None:
    match = _pick(NUMBER, text, rng)
    if match is None:
        return None
    at = rng.choice([i for i, character in enumerate(match[0]) if character.isdigit()])
    new = match[0][:at] + rng.choice("123456789") + match[0][at + 1 :]
    after = text[match.end() :]
    scale = SCALE.get(after[:1], 1)
    value = float(new.replace(",", "")) * scale
    # 1 year is no lie where 12 months are meant.
    months = re.match("年| year", after) and not _another_number(text, value * 12)
    return _put(text, match, new) if _another_number(text, value) and not months else None


def _point(text: str, rng: random.Random) -> str | None:
    match = _pick(re.compile(r"(?<![\d.,])\d+\.\d+(?=%| percent)"), text, rng)
    if match is None:
        return None
    new = rng.choice([f"{float(match[0]) * 10:g}", f"{float(match[0]) / 10:g}"])
    return _put(text, match, new) if _another_number(text, float(new)) else None


def _scale(text: str, rng: random.Random) -> str | None:
    match = _pick(re.compile(r"(?<=\d)万|(?<=\d),000(?!\d)"), text, rng)
    if match is None:
        return None
    lie = _put(
        text, match, rng.choice(["", "亿"]) if match[0] == "万" else rng.choice(["", "0,000", ",000,000"])
    )
    old = {value for value, _ in _numbers(text)}
    return lie if any(value not in old for value, _ in _numbers(lie)) else None


UNITS = {
    "个工作日": ("天", "小时", "周"),
    "天": ("个工作日", "小时", "个月"),
    "小时": ("分钟", "天"),
    "分钟": ("小时", "天"),
    "个月": ("年", "天"),
    "年": ("个月", "天"),
    "%": ("元", "‰", "天", "个基点"),
    "元": ("美元", "%", "港元"),
    " business days": (" days", " hours", " weeks"),
    " days": (" business days", " months", " hours"),
    " hours": (" minutes", " days", " business days"),
    " minutes": (" hours", " days"),
    " months": (" years", " days"),
    " years": (" months", " days"),
}
UNIT = re.compile(
    r"(?<=\d)(?:个工作日|天|小时|分钟|个月|年(?![\d化])|%|元| business days| days| hours| minutes| months| years)"
)


def _unit(text: str, rng: random.Random) -> str | None:
    match = _pick(UNIT, text, rng)
    if match is None:
        return None
    number = list(NUMBER.finditer(text[: match.start()]))
    new = rng.choice(UNITS[match[0]])
    if not number or number[-1].end() != match.start():
        return None
    value, singular = number[-1][0], new.strip().rstrip("s")
    # The same number with the new unit may stand elsewhere, in whatever wording; 12 months are a year.
    words = f"{re.escape(value)}|一" if value == "1" else re.escape(value)
    says = re.search(rf"(?:{words})[ -]?(?:{re.escape(new.strip())}|{re.escape(singular)})", text)
    same_span = {match[0].strip(), new.strip()} in ({"个月", "年"}, {"months", "years"})
    if says or (same_span and re.search(r"\d[ ]?(?:个月|年|months|years)", _put(text, match, ""))):
        return None
    same = {
        "个基点": 1 / 100,
        "‰": 1 / 10,
        "个月": 1 / 12,
        "months": 1 / 12,
        "年": 12,
        "years": 12,
        "周": 7,
        "weeks": 7,
    }.get(new.strip(), 0)
    if same and not _another_number(text, float(value.replace(",", "")) * same):
        return None
    return _put(text, match, new)


def _currency(text: str, rng: random.Random) -> str | None:
    match = _pick(re.compile(r"\b(?:CNY|USD)(?= ?\d)"), text, rng)
    if match is None:
        return None
    new = "USD" if match[0] == "CNY" else "CNY"
    amount = re.match(r" ?[\d,.]*\d", text[match.end() :])
    assert amount is not None
    return None if f"{new}{amount[0]}" in text else _put(text, match, new)


def _phone(text: str, rng: random.Random) -> str | None:
    match = _pick(PHONE, text, rng)
    if match is None:
        return None
    digits = [i for i, character in enumerate(match[0]) if character.isdigit()]
    at = rng.choice(digits)
    new = match[0][:at] + rng.choice("0123456789") + match[0][at + 1 :]
    if rng.random() < 0.5:
        a, b = rng.choice(list(pairwise(digits)))
        swapped = list(match[0])
        swapped[a], swapped[b] = swapped[b], swapped[a]
        new = "".join(swapped)
    return None if new in text else _put(text, match, new)


def _address(text: str, rng: random.Random) -> str | None:
    match = _pick(ADDRESS, text, rng)
    if match is None:
        return None
    letters = [
        i for i, character in enumerate(match[0]) if (character.isalpha() and i >= 8) or character == "w"
    ]
    at = rng.choice(letters)
    kind = rng.randrange(4)
    new = match[0][:at] + rng.choice("abcdxyz0") + match[0][at + (kind != 1) :]
    if kind == 2:
        new = match[0].replace(".example", rng.choice([".com", ".example.cc", ".exampIe", "-bank.example"]))
    if kind == 3:
        new = match[0].replace("https://", "http://")
    return _put(text, match, new)


def _in_words(text: str, rng: random.Random) -> str | None:
    match = _pick(
        re.compile(
            r"(?<![\d.,万亿–~至到-])[2-9](?=个工作日|天|小时|分钟|个月|万元|%| (?:business )?days| hours| months| years)"
        ),
        text,
        rng,
    )
    if match is None:
        return None
    other = rng.choice([n for n in range(2, 10) if n != int(match[0])])
    zh = text[match.end()] not in " "
    word = (
        ZH[other].replace("二", "两")
        if zh
        else ["two", "three", "four", "five", "six", "seven", "eight", "nine"][other - 2]
    )
    if re.search(rf"(?<!\d){other}(?!\d)", text) or re.search(ZH[other] if zh else rf"\b{word}", text):
        return None
    scale = 10_000 if text[match.end()] == "万" else 1
    if not _another_number(text, other * scale):
        return None
    if text[match.end()] == "%":
        return text[: match.start()] + "百分之" + ZH[other] + text[match.end() + 1 :]
    return _put(text, match, word)


def _grade(text: str, rng: random.Random) -> str | None:
    match = _pick(
        re.compile(r"(?<![A-Za-z])[RC][1-5](?!\d)|(?<![I])I{1,3}(?=类)|(?<=Class )I{1,3}\b"), text, rng
    )
    if match is None:
        return None
    others = ["I", "II", "III"] if match[0][0] == "I" else [match[0][0] + digit for digit in "12345"]
    unsaid = [o for o in others if not re.search(rf"(?<!I){o}类|Class {o}\b|(?<![A-Za-z]){o}(?!\d)", text)]
    return _put(text, match, rng.choice(unsaid)) if unsaid else None


CHANGES: tuple[Change, ...] = (_digit, _point, _scale, _unit, _currency, _phone, _address, _in_words, _grade)


# ── rewordings ───────────────────────────────────────────────────────────────────────────────────


def _zh_numeral(number: int) -> str:
    if number < 10:
        return "两" if number == 2 else ZH[number]
    tens, ones = divmod(number, 10)
    return ("" if tens == 1 else ZH[tens]) + "十" + (ZH[ones] if ones else "")


def _all(pattern: str, text: str, replace: Callable[[re.Match[str]], str]) -> str | None:
    new = re.sub(pattern, replace, text)
    return new if new != text else None


def _zh_words(text: str, rng: random.Random) -> str | None:
    return _all(
        r"(?<![\d.,:年月×-])[1-9]\d?(?=个工作日|天|小时|分钟|个月|万元|年内)",
        text,
        lambda m: _zh_numeral(int(m[0])),
    )


def _zh_percent(text: str, rng: random.Random) -> str | None:
    def spoken(match: re.Match[str]) -> str:
        whole, _, decimals = match[1].partition(".")
        if len(whole) > 1:
            return match[0]
        return "百分之" + ZH[int(whole)] + ("点" + "".join(ZH[int(d)] for d in decimals) if decimals else "")

    return _all(r"(?<![\d.,-])(\d(?:\.\d+)?)%", text, spoken)


def _zh_money(text: str, rng: random.Random) -> str | None:
    form = rng.choice(["{:,}元", "人民币{}元", "￥{:,}", "CNY {:,}", "{}元"])
    return _all(r"(?<![\d.,-])(\d+)万元", text, lambda m: form.format(int(m[1]) * 10_000))


def _zh_myriads(text: str, rng: random.Random) -> str | None:
    return _all(r"(?<![\d.,-])(\d+)0000?元", text, lambda m: f"{int(m[0][:-1]) / 10_000:g}万元")


def _zh_fullwidth(text: str, rng: random.Random) -> str | None:
    return None if "http" in text else _all(r"\d", text, lambda m: chr(ord(m[0]) + 0xFEE0))


def _zh_reorder(text: str, rng: random.Random) -> str | None:
    parts = [part for part in re.findall(r"[^。！\n]+[。！]", text) if not MARKER.search(part)]
    rng.shuffle(parts)
    return "".join(parts[:3]) or None


def _en_words(text: str, rng: random.Random) -> str | None:
    words = ["two", "three", "four", "five", "six", "seven", "eight", "nine"]
    return _all(
        r"(?<![\d.,:-])[2-9](?= (?:business |calendar )?(?:day|hour|minute|month|year|time)s\b)",
        text,
        lambda m: words[int(m[0]) - 2],
    )


def _en_percent(text: str, rng: random.Random) -> str | None:
    form = rng.choice([" percent", " per cent", " %"])
    return _all(r"(?<=\d)%", text, lambda m: form)


def _en_money(text: str, rng: random.Random) -> str | None:
    form = rng.choice(["{} yuan", "RMB {}", "CNY{}", "¥{}"])
    return _all(
        r"(?<![A-Z] )CNY (\d[\d,]*\d(?:\.\d+)?|\d)(?![\d,]| ?(?:-|to |and |or |million|\.))",
        text,
        lambda m: form.format(m[1]),
    )


def _en_thousands(text: str, rng: random.Random) -> str | None:
    form = rng.choice(["{}k", "{} thousand", "{}000"])
    return _all(r"(?<=CNY )(\d{1,3}),000(?![,\d])", text, lambda m: form.format(m[1]))


def _en_reorder(text: str, rng: random.Random) -> str | None:
    if MARKER.search(text):
        return None
    parts = re.findall(r"[^.!\n]+(?:\.\S[^.!\n]*)*[.!](?=\s|$)", text)
    rng.shuffle(parts)
    return " ".join(part.strip() for part in parts[:3]) or None


REWORDS_ZH: tuple[Change, ...] = (_zh_words, _zh_percent, _zh_money, _zh_myriads, _zh_fullwidth, _zh_reorder)
REWORDS_EN: tuple[Change, ...] = (_en_words, _en_percent, _en_money, _en_thousands, _en_reorder)
