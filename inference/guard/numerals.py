"""Numbers written in words: 二十万, 贰拾万, 三点四五, 二零二六, twenty-four, two hundred thousand."""

from __future__ import annotations

from fractions import Fraction

__all__ = ["CHINESE", "CHINESE_FORMAL", "ENGLISH", "chinese_number", "english_number", "starts_with_scale"]

_DIGITS = {character: index for index, character in enumerate("零一二三四五六七八九")}
_DIGITS |= {"〇": 0, "两": 2}
_DIGITS |= {character: index for index, character in enumerate("零壹贰叁肆伍陆柒捌玖")}
_SCALES = {"十": 10, "百": 100, "千": 1_000, "拾": 10, "佰": 100, "仟": 1_000}
_GROUPS = {"万": 10_000, "亿": 100_000_000}

CHINESE = r"[零〇一二两三四五六七八九十百千万亿]+(?:点[零〇一二三四五六七八九]+(?![十百千万亿]))?"
"""A run of everyday numerals, with decimals."""
CHINESE_FORMAL = r"[壹贰叁肆伍陆柒捌玖拾佰仟万亿零]{2,}"
"""A run of the numerals used on cheques; two at least, since 陆 or 伍 alone are words or names."""

_ONE_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TEN_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = {word: value for value, word in enumerate(_ONE_WORDS.split())}
_TENS = {word: 10 * value for value, word in enumerate(_TEN_WORDS.split(), start=2)}
_ENGLISH_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_WORD = "|".join(sorted([*_ONES, *_TENS, *_ENGLISH_SCALES], key=len, reverse=True))
_DECIMALS = _ONE_WORDS.split()[:10]
_DECIMAL = "|".join(_DECIMALS)

ENGLISH = (
    rf"(?:(?:an?[ ](?=hundred|thousand|million|billion))?(?:{_WORD})(?:(?:[- ]|[ ]and[ ])(?:{_WORD}))*"
    rf"(?:[ ]point(?:[ ](?:{_DECIMAL}))+)?)\b"
)
"""A run of English number words, with decimals; begins at a word boundary."""


def starts_with_scale(run: str) -> bool:
    """Whether a run names a scale without saying how many (万一, 千万, 百元)."""
    return run[0] in "百千万亿佰仟"


def chinese_number(run: str) -> Fraction:
    """Value of a run matched by `CHINESE` or `CHINESE_FORMAL`."""
    whole, _, decimals = run.partition("点")
    value = Fraction(_chinese_whole(whole))
    for place, character in enumerate(decimals, start=1):
        value += Fraction(_DIGITS[character], 10**place)
    return value


def _chinese_whole(run: str) -> int:
    if len(run) > 1 and all(character in _DIGITS for character in run):
        return int("".join(str(_DIGITS[character]) for character in run))  # 二零二六
    total = section = 0
    digit: int | None = None
    previous = 1
    for character in run:
        if character in _DIGITS:
            digit = _DIGITS[character]
            previous = 10 if digit == 0 else previous
        elif character in _SCALES:
            previous = _SCALES[character]
            section += (1 if digit is None else digit) * previous
            digit = None
        else:
            previous = _GROUPS[character]
            section += digit or 0
            total = (
                (total + (section or (0 if total else 1))) * previous
                if previous > total
                else total + (section or 1) * previous
            )
            section, digit = 0, None
    if digit:
        # 三万五 and 两千五 leave out the last scale.
        section += digit * (previous // 10 if previous >= 100 else 1)
    return total + section


def english_number(words: str) -> Fraction:
    """Value of words matched by `ENGLISH`."""
    total = current = 0
    whole, _, decimals = words.lower().partition(" point ")
    fraction = sum(
        (Fraction(_DECIMALS.index(word), 10**place) for place, word in enumerate(decimals.split(), start=1)),
        Fraction(0),
    )
    for word in whole.replace("-", " ").split():
        if word == "and":
            continue
        if word in {"a", "an"}:
            current = 1
        elif word in _ONES:
            current += _ONES[word]
        elif word in _TENS:
            current += _TENS[word]
        elif word == "hundred":
            current = max(current, 1) * 100
        else:
            total += max(current, 1) * _ENGLISH_SCALES[word]
            current = 0
    return total + current + fraction
