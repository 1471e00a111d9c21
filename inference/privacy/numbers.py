"""Numbers of people among all numbers: cards, resident numbers, mobile phones, accounts, codes.

A number may be broken up ("6222 0212 …", "138-0013-8000") or written in 汉字, so neighbouring groups
of digits form a chain, and every run of groups in it is tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from inference.privacy.checks import born, card_prefix, id_check, luhn
from inference.privacy.fold import Folded
from inference.privacy.labels import Label, label, said_after, unit_after
from inference.privacy.span import Candidate, Kind

__all__ = ["find_numbers"]

_HAN = "零一二三四五六七八九幺壹贰叁肆伍陆柒捌玖"
_VALUES = {ord(c): v for c, v in zip(_HAN, "0123456789" + "1" + "123456789", strict=True)}
_GROUP = re.compile(rf"[0-9]+(?:[xX](?![A-Za-z0-9]))?|[{_HAN}]+")
_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "oh"]
_SPELT = re.compile(rf"\b(?:{'|'.join(_WORDS)})(?:[ ,\-]{{1,2}}(?:{'|'.join(_WORDS)}))+\b")
_STRICT = re.compile(r"[ \-._·()|]{0,3}|[ ]?[\u2600-\u27bf\U0001f000-\U0001faff][ ]?")
_LOOSE = re.compile(r"[ \-._·()|,、/~*+:#&=]{1,3}(?<!\*\*)")
_LETTER_BEFORE = re.compile(r"[a-z]+$")
_GLUED = frozenset(
    [
        "tel",
        "phone",
        "mobile",
        "cell",
        "card",
        "cardno",
        "visa",
        "amex",
        "no",
        "is",
        "to",
        "id",
        "cvv",
        "cvc",
        "pin",
        "otp",
        "code",
        "qq",
        "sfz",
        "wo",
        "shouji",
        "kahao",
        "hao",
    ]
)
_LONGEST_GLUED = max(map(len, _GLUED)) + 1
"""Letters that are looked at before a number; a longer word is none of these."""
_PUBLIC = re.compile(r"95\d{3}|96110|96\d{3}|12\d{3}|100\d\d|11\d")
_LONGEST = 20

_RANK_SURE, _RANK_LABELLED, _RANK_WEAK = 10, 20, 40


class _Group(NamedTuple):
    start: int
    end: int
    digits: str
    """Arabic digits; the last may be X."""
    before: str
    """What stands between this group and the one before; only where they are of one chain."""
    loose: bool
    """Joined to the one before only if a label says what the number is."""


def find_numbers(folded: Folded) -> Iterator[Candidate]:
    """Propose the numbers of people in a text."""
    for chain in _chains(folded.text):
        yield from _search(folded, chain)
    if "e" in folded.low or "o" in folded.low:
        for spelt in _SPELT.finditer(folded.low):
            yield from _spelt(folded, spelt)


def _chains(text: str) -> Iterator[list[_Group]]:
    chain: list[_Group] = []
    for match in _GROUP.finditer(text):
        start, end = match.span()
        run = match[0]
        digits = run.upper() if run[0] <= "9" else run.translate(_VALUES)
        if chain:
            between = text[chain[-1].end : start]
            if len(between) <= 3 and (_STRICT.fullmatch(between) or _LOOSE.fullmatch(between)):
                chain.append(_Group(start, end, digits, between, not _STRICT.fullmatch(between)))
                continue
            yield chain
        chain = [_Group(start, end, digits, "", False)]
    if chain:
        yield chain


def _search(folded: Folded, chain: list[_Group]) -> Iterator[Candidate]:
    at = 0
    while at < len(chain):
        taken = _first_at(folded, chain, at)
        if taken is None:
            at += 1
        else:
            yield taken[0]
            at = taken[1]


def _first_at(folded: Folded, chain: list[_Group], at: int) -> tuple[Candidate, int] | None:
    """The best number that begins with group `at`, and the group after it."""
    low = folded.low
    start = chain[at].start
    if start and low[start - 1].isascii() and low[start - 1].isalpha():
        word = _LETTER_BEFORE.search(low, max(0, start - _LONGEST_GLUED), start)
        if word is None or word[0] not in _GLUED:
            return None
    named: Label | None = None
    ends = _ends(chain, at)
    for stop, digits, loose in ends:
        if len(digits) < 3:
            continue
        end = chain[stop].end
        if end < len(low) and low[end].isascii() and low[end].isalpha() and not digits.endswith("X"):
            continue
        if _decimal_follows(chain, stop):
            continue
        if named is None:
            named = label(low, start)
        if loose and not named.name:
            continue
        kind, rank = _classify(folded, digits, chain[at : stop + 1], named, start, end)
        if kind:
            first = start
            if kind == "PHONE":
                first = _with_plus(low, start)
            return Candidate(first, end, kind, rank), stop + 1
    return None


def _ends(chain: list[_Group], at: int) -> list[tuple[int, str, bool]]:
    """Runs of groups from `at` on: the group alone if it is long, then the longest run first."""
    runs: list[tuple[int, str, bool]] = []
    digits, loose = "", False
    for stop in range(at, len(chain)):
        group = chain[stop]
        if stop > at:
            if digits.endswith("X"):
                break
            loose = loose or group.loose
        digits += group.digits
        if len(digits) > _LONGEST:
            break
        runs.append((stop, digits, loose))
    if runs and len(runs[0][1]) >= 11:
        return [runs[0], *reversed(runs[1:])]
    return runs[::-1]


def _decimal_follows(chain: list[_Group], stop: int) -> bool:
    if stop + 1 >= len(chain):
        return False
    following = chain[stop + 1]
    if following.before == ".":
        return len(following.digits) <= 2
    return following.before == "," and len(following.digits) == 3 and len(chain[stop].digits) <= 3


def _with_plus(low: str, start: int) -> int:
    return start - 1 if start and low[start - 1] == "+" else start


def _classify(
    folded: Folded, digits: str, groups: list[_Group], named: Label, start: int, end: int
) -> tuple[Kind | None, int]:
    low = folded.low
    n = len(digits)
    name = named.name
    after = said_after(low, end)
    if name == "other" or after == "other":
        return None, 0
    if unit_after(low, start, end) and not (named.near and name in {"card", "id", "phone"}):
        return None, 0
    if digits.endswith("X") and n != 18:
        return None, 0
    if n == 18:
        year = born(digits)
        if year and (id_check(digits) or name == "id" or 1920 <= year <= 2012):
            return "ID_CARD", _RANK_SURE
        if digits.endswith("X"):
            return ("ID_CARD", _RANK_LABELLED) if name == "id" else (None, 0)
        if name == "id" and named.near:
            return "ID_CARD", _RANK_LABELLED
    if n == 15 and name == "id" and born(digits):
        return "ID_CARD", _RANK_SURE
    if n in {16, 17, 19} and name == "id" and named.near and not luhn(digits):
        return "ID_CARD", _RANK_LABELLED  # one digit too many or too few
    if (n == 11 or (n in {13, 15} and digits.startswith(("86", "0086")))) and _mobile(digits[-11:]):
        if [len(group.digits) for group in groups] == [1, 3, 3, 4]:
            return None, 0  # an American number
        if len(groups) > 1 and not _phone_groups(groups) and name not in {"phone", "qq"}:
            return None, 0
        return "PHONE", _RANK_SURE
    if n >= 12 and _is_amount(groups) and not (named.near and name in {"card", "account"}):
        return None, 0
    card = _card(digits, groups, named)
    if card:
        return card
    return _labelled(low, digits, groups, named, after)


def _mobile(digits: str) -> bool:
    return digits[0] == "1" and digits[1] >= "3"


def _phone_groups(groups: list[_Group]) -> bool:
    """Whether a phone's groups look like a phone's, not like an amount or a date."""
    lengths = [len(group.digits) for group in groups]
    if lengths[1:] and lengths[0] <= 3 and set(lengths[1:]) == {3} and len(lengths) >= 4:
        return False
    return not (lengths[0] == 4 and all(length <= 2 for length in lengths[1:3]) and len(lengths) > 2)


def _is_amount(groups: list[_Group]) -> bool:
    """Whether a number is set out as a sum is: 4,111,111,111,111,111 or 4111111111111111.00."""
    lengths = [len(group.digits) for group in groups]
    marks = [group.before for group in groups[1:]]
    if marks and marks[-1] == "." and lengths[-1] <= 2:
        lengths, marks = lengths[:-1], marks[:-1]
        if not marks:
            return True
    mark = marks[0] if marks else ""
    return mark in {",", ".", "'"} and set(marks) == {mark} and lengths[0] <= 3 and set(lengths[1:]) == {3}


def _card(digits: str, groups: list[_Group], named: Label) -> tuple[Kind, int] | None:
    n = len(digits)
    if not 12 <= n <= 19 or digits.startswith("000"):
        return None
    about_card = named.name in {"card", "account", "cvv"}
    likely = card_prefix(digits) and luhn(digits)
    if likely and (n >= 15 or about_card):
        return "BANK_CARD", _RANK_SURE
    if named.name == "card" and n >= 13:
        return "BANK_CARD", _RANK_LABELLED
    fours = [len(group.digits) for group in groups]
    if n in {16, 19} and card_prefix(digits) and fours[:4] == [4, 4, 4, 4] and digits[:2] in {"62", "43"}:
        return "BANK_CARD", _RANK_LABELLED  # mistyped, but set out as cards are
    if named.name == "account" and card_prefix(digits) and digits.startswith("62") and n in {16, 19}:
        return "BANK_CARD", _RANK_LABELLED
    return None


def _labelled(
    low: str, digits: str, groups: list[_Group], named: Label, after: str
) -> tuple[Kind | None, int]:
    n = len(digits)
    name = named.name
    none: tuple[Kind | None, int] = (None, 0)
    if _PUBLIC.fullmatch(digits):
        return none
    if after == "otp" and 4 <= n <= 8:
        return "OTP", _RANK_LABELLED
    if after == "pin" and 4 <= n <= 8:
        return "PIN", _RANK_LABELLED
    if not named.near:
        return none
    if len(groups) > 1 and any("." in group.before for group in groups[1:]) and n < 8:
        return none
    if name == "otp" and 4 <= n <= 8:
        return "OTP", _RANK_LABELLED
    if name in {"pin", "password"} and 4 <= n <= 8:
        return ("PIN" if name == "pin" or n == 6 else "PASSWORD"), _RANK_LABELLED
    if name == "cvv" and 3 <= n <= 4:
        return "CVV", _RANK_LABELLED
    if name == "qq" and 5 <= n <= 11:
        return "QQ", _RANK_LABELLED
    if name == "account" and 8 <= n <= 20:
        return "ACCOUNT", _RANK_LABELLED
    if name == "permit" and 8 <= n <= 10:
        return "PERMIT", _RANK_LABELLED
    if name == "passport" and 7 <= n <= 9:
        return "PASSPORT", _RANK_LABELLED
    if name == "phone" and n in {10, 11} and digits[0] == "0":
        return "PHONE", _RANK_WEAK
    if name == "phone" and n in {7, 8} and digits[0] in "2345678":
        return "PHONE", _RANK_WEAK
    return none


def _spelt(folded: Folded, match: re.Match[str]) -> Iterator[Candidate]:
    """English words for digits: "one three eight zero …"."""
    words = re.findall("[a-z]+", match[0])
    digits = "".join(str(_WORDS.index(word) % 10) for word in words)
    if len(digits) < 4:
        return
    start, end = match.span()
    group = _Group(start, end, digits, "", False)
    kind, rank = _classify(folded, digits, [group], label(folded.low, start), start, end)
    if kind:
        yield Candidate(start, end, kind, rank)
