"""By when a figure counts: 5元 a month isn't 5元 a day, and a yearly 1.75% isn't a monthly one.

Each figure of a reply that is tied to a period (每天5元, 5元/月, "1.75% per year") is held against the periods
that the passages tie the same figure to. Where they tie it to none, a period must at least be spoken of
somewhere; that a rate counts by the year goes without saying.
"""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inference.guard.clauses import PIECE_END, SENTENCE_END
from inference.guard.figure import RATES, Figure, compatible, sums_and_rates

__all__ = ["Term", "find_wrong_period", "terms"]

_UNITS = {
    "天": "day", "日": "day", "周": "week", "星期": "week", "礼拜": "week", "月": "month", "季": "quarter", "年": "year",
    "day": "day", "dai": "day", "week": "week", "month": "month", "quarter": "quarter", "year": "year", "annu": "year",
    "p.a.": "year",
}  # fmt: skip
_ZH = "天|日|周|星期|礼拜|月|季|年"
_EN = "(?:calendar |business |working )?(?:day|week|month|quarter|year|annum)"
_NOT_ONCE = r"(?![期以之内后前定起到存龄])"
_FOLLOWS = re.compile(
    rf"[ ]?(?:/|每|一|1)[ ]?个?(?:自然|工作|交易)?(?P<z>{_ZH}){_NOT_ONCE}"
    rf"|[ ]?(?:/ ?|(?:(?:for )?(?:each|every|per)|an?) )(?P<e>{_EN})\b|[ ](?P<a>dai|week|month|quarter|year)ly\b|[ ](?P<b>annu)ally\b|[ ](?P<p>p\.a\.)",
    re.I,
)
"""Right behind a figure."""
_BEFORE = re.compile(
    rf"[每按][ ]?一?个?(?:自然|工作|交易)?(?P<z>{_ZH})(?!\d{{1,2}}[ ]?[日号月]|[前后初末]|[一二三四五六日]至)|[单当](?P<s>日|月|年)"
    r"|(?P<r>[年月日])(?:化|利率|费|息|限额|累计|累计限额|收益率|手续费|管理费|租)"
    rf"|\b(?:each|every|per) (?P<e>{_EN})\b|\b(?P<a>dai|week|month|quarter|year)ly\b|\b(?P<b>annu)al(?:ly|i[sz]ed)?\b",
    re.I,
)
"""Anywhere before it in its piece."""
_ONCE = re.compile(
    r"(?:一|1)个?(?P<z>天|日|周|星期|月|季|年)(?:内|里)?(?:总共|一共|累计|合计)?[最至]?[多少高低]?(?:可以|可|能|要|需|得|就|才|只|都|会)*[转取收付交存汇扣支买花]?(?:取|账|出|款)?(?:是|为|要|约)?$"
)
"""Right before it: 一天最多转."""
_SPOKEN = re.compile(
    rf"(?:\d|[一二两三四五六七八九十半每按单当])[ ]?个?(?:自然|工作|交易)?(?P<z>{_ZH})|(?P<r>[年月日])(?:化|利率|费|息|限额|供|报|结|均)"
    rf"|\b(?P<e>{_EN})s?\b|\b(?P<a>dai|week|month|quarter|year)ly\b|\b(?P<b>annu)al",
    re.I,
)
"""Any word of a period."""


@dataclass(frozen=True, slots=True)
class Term:
    """A figure and the periods that it is tied to."""

    figure: Figure
    bound: frozenset[str]
    """By its own words; in a passage also by those of its sentence."""
    spoken: frozenset[str]
    """All that its sentence speaks of."""


def terms(text: str, figures: Sequence[Figure], *, closely: bool) -> tuple[Term, ...]:
    """The figures of a text that may count by a period; `closely`: only by words beside them."""
    found: list[Term] = []
    counted = sums_and_rates(figures)
    for at, figure in enumerate(counted):
        after = _FOLLOWS.match(text, figure.end)
        first, last = _around(text, figure, PIECE_END)
        begin = max(first, counted[at - 1].end) if at else first
        if after:
            bound = _units([after])
        elif closely:
            # The words right behind the figure before it are that figure's.
            if at and (taken := _FOLLOWS.match(text, counted[at - 1].end)):
                begin = max(begin, taken.end())
            near = list(_BEFORE.finditer(text, begin, figure.start))[-1:]
            once = _ONCE.search(text[begin : figure.start])
            bound = _units([once]) if once else _units(near)
        else:
            bound = _units([*_BEFORE.finditer(text, first, last)])
            if once := _ONCE.search(text[begin : figure.start]):
                bound |= _units([once])
        spoken: frozenset[str] = frozenset()
        if not closely:
            start, end = _around(text, figure, SENTENCE_END)
            spoken = bound or _units(_SPOKEN.finditer(text, start, end))
            bound = bound or _units(_BEFORE.finditer(text, start, end))
        if bound or not closely:
            found.append(Term(figure, bound, spoken))
    return tuple(found)


def find_wrong_period(stated: Iterable[Term], known: Sequence[Term], passages: Sequence[str]) -> str:
    """The first figure of a reply that is tied to another period than in the passages; empty if none is."""
    for term in stated:
        same = [other for other in known if compatible(term.figure, other.figure)]
        if not same or any(term.bound & (other.bound | other.spoken) for other in same):
            continue
        if any(not other.bound for other in same):
            yearly = term.bound == {"year"} and term.figure.kind in RATES
            if yearly or any(term.bound & _units(_SPOKEN.finditer(text)) for text in passages):
                continue
        return f"{term.figure.text.strip()} by the {min(term.bound)}"
    return ""


def _units(matches: Iterable[re.Match[str]]) -> frozenset[str]:
    found = set()
    for match in matches:
        word = (match[match.lastgroup or 0] or "").lower()
        found.add(_UNITS.get(word) or _UNITS["year" if word.endswith("annum") else word.rpartition(" ")[2]])
    return frozenset(found)


def _around(text: str, figure: Figure, ends: re.Pattern[str]) -> tuple[int, int]:
    """Where the part of a text that a figure stands in begins and ends."""
    first = 0
    for match in ends.finditer(text, 0, figure.start):
        first = match.end()
    after = ends.search(text, figure.end)
    return first, after.start() if after else len(text)
