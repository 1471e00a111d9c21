"""Whose figure it is: a passage limits 取款 to 5万 and 转账 to 20万, and the reply says 取款20万.

Only among subjects that exclude each other (transfers and withdrawals, debit and credit cards …), and only
where the passages give both their own figure.
"""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inference.guard.clauses import SENTENCE_END
from inference.guard.figure import Figure, compatible, sums_and_rates

__all__ = ["Owned", "find_wrong_subject", "owned"]

_GROUPS: tuple[tuple[str, ...], ...] = (
    (
        r"取款|取现|提现|取钱|支取|可取|[最至]多取|\bwithdraw\w*",
        r"转账|转帐|汇款|转出|可转(?!换)|[最至]多转|\btransfer\w*|\bremit\w*",
        r"消费|刷卡|\bspend\w*|\bpurchas\w*",
        r"存款限额|存入|存现|\bdeposits? limit",
    ),
    (r"借记卡|储蓄卡|\bdebit", r"信用卡|贷记卡|\bcredit card"),
    (r"活期|\bdemand\b|\bcurrent account", r"定期|整存整取|\bfixed\b|\btime deposit|\bterm deposit"),
    (r"境内|\bdomestic", r"境外|跨境|\boverseas|\babroad|\bcross-border"),
    (r"个人|\bpersonal\b", r"企业|对公|单位|\bcorporate\b|\bbusiness account"),
    (r"申购|认购|买入|\bsubscription", r"赎回|卖出|\bredemption|\bredeem"),
    (r"管理费|\bmanagement fee", r"托管费|\bcustod\w+", r"销售服务费|\bsales? fee", r"年费|\bannual fee", r"工本费|补卡|换卡|\breplacement"),
)  # fmt: skip
_NAMES = tuple((group, number) for group, subjects in enumerate(_GROUPS) for number, _ in enumerate(subjects))
# Cheap first: a place where no subject can begin is passed over at once.
_START = r"(?:(?=[取提支可最至转汇消刷存借储信贷活定整境跨个企对单申认买赎卖管托销年工补换])|(?=\b[a-z]))"
_SUBJECT = re.compile(
    f"{_START}(?:"
    + "|".join(f"(?P<s{at}>{_GROUPS[group][number]})" for at, (group, number) in enumerate(_NAMES))
    + ")",
    re.I,
)
_BEHIND = re.compile(r"[ ]?(?:(?:an?|per|each|every) [a-z]+ )?(?:的|for|on)[ ]?(?:[a-z]+ ){0,2}$", re.I)
_PIECE_END = re.compile(r"[，。；！？;!?\n（）()]|,(?!\d)|\.(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Owned:
    """A figure and, by group, the subjects that it is said of."""

    figure: Figure
    subjects: tuple[frozenset[int], ...]


def owned(text: str, figures: Sequence[Figure], *, closely: bool) -> tuple[Owned, ...]:
    """The figures of a text that can be some subject's; `closely`: only one of their own piece."""
    counted = sums_and_rates(figures)
    named = list(_SUBJECT.finditer(text))
    if not counted or not named:
        return ()
    found: list[Owned] = []
    free = 0
    for at, figure in enumerate(counted):
        until = counted[at + 1].start if at + 1 < len(counted) else len(text)
        behind = next(
            (
                m
                for m in named
                if figure.end <= m.start() < until and _BEHIND.fullmatch(text, figure.end, m.start())
            ),
            None,
        )
        begin = _begin(text, figure, _PIECE_END)
        own = [m for m in named if max(begin, free) <= m.start() < figure.start]
        if behind:
            own = [behind]
        elif not own and not closely:
            earlier = _begin(text, figure, SENTENCE_END)
            own = [m for m in named if earlier <= m.start() < figure.start]
        free = behind.end() if behind else figure.end
        found.append(Owned(figure, _by_group(own)))
    return tuple(found)


def find_wrong_subject(stated: Iterable[Owned], known: Sequence[Owned]) -> str:
    """The first figure of a reply that the passages state of another subject; empty if none is."""
    for item in stated:
        same = [other for other in known if compatible(item.figure, other.figure)]
        for group, subjects in enumerate(item.subjects):
            if len(subjects) != 1 or not same or any(not o.subjects[group] for o in same):
                continue
            if any(subjects & o.subjects[group] for o in same):
                continue
            if any(o.subjects[group] == subjects and o.figure.kind == same[0].figure.kind for o in known):
                return item.figure.text.strip()
    return ""


def _by_group(matches: Iterable[re.Match[str]]) -> tuple[frozenset[int], ...]:
    found: list[set[int]] = [set() for _ in _GROUPS]
    for match in matches:
        group, number = _NAMES[int((match.lastgroup or "s0")[1:])]
        found[group].add(number)
    return tuple(frozenset(subjects) for subjects in found)


def _begin(text: str, figure: Figure, ends: re.Pattern[str]) -> int:
    first = 0
    for match in ends.finditer(text, 0, figure.start):
        first = match.end()
    return first
