"""Statements turned into their opposite: the passage says 不收费, the reply says 收费.

Lexical and cheap: a clause is its content with the negations taken out, and whether their number is
odd. A reply's clause that says almost the same as a passage's clause, but with the other polarity,
and that no passage supports with its own, has been turned round.
"""

# ruff: noqa: E501 (patterns and tables read best one a line)
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inference.guard.clauses import NEGATION, clauses, negations
from inference.guard.grounding import content_units

__all__ = ["Statement", "affirms", "find_charge", "find_flip", "find_wrong_verdict", "statements"]

SAME = 0.75
"""Share of a reply clause's content that a passage clause must hold to speak about the same thing."""
FEWEST = 2
"""Content units below which a clause says too little to be compared."""

_FREE_BY_THE_WAY = re.compile(r"不收费|\b(?:is |are |it's )?no charge\b", re.IGNORECASE)
_MODAL = re.compile("可以|能够|需要|必须|应当|[能会要须可]")
_PARTICLES = frozenset("的了吗呢啊呀吧您我你")
_SYNONYMS = (
    (re.compile(r"(?<![\d.,])0元"), "不收费"),
    (re.compile(r"\b(?:CNY|RMB) ?0(?![\d.,])", re.IGNORECASE), "no charge"),
    (re.compile(r"免费|免收费|不要钱|不花钱|不用(?:付)?钱"), "不收费"),
    (re.compile(r"无须|无需|不必|不用|用不着"), "不需要"),
    (re.compile(r"照常(?:进行)?(?=[，。；！？,;!?\s]|$)"), "不受影响"),
    (re.compile(r"收取(?:手续)?费用?|(?:要|需)付费|要钱"), "收费"),
    (re.compile(r"\bfree of charge\b|\bfor free\b|\bfree\b|\bwaived\b", re.IGNORECASE), "no charge"),
    (re.compile(r"\bfees?\b|\bcharged\b|\bcharges\b|\bcost\b|\bcosts\b", re.IGNORECASE), "charge"),
    (re.compile(r"\bunable to\b|\bcannot\b|\bcan't\b", re.IGNORECASE), "can not"),
)

_CHARGED = re.compile(
    r"(?:收取?|要付|须付|需付|支付|缴纳?|扣取?)[^，。；\n]{0,8}费|(?:有|要|需)[^，。；\n]{0,4}(?:手续费|工本费)"
    r"|\b(?:fees?|charges?) (?:applies|apply|is|are|will|must)\b|\bcharged\b|\byou (?:will |must )?pay a\b",
    re.IGNORECASE,
)
_FREE = re.compile(
    r"免费|不收(?:取)?[^，。；\n]{0,6}费|免收|\bfree\b|\bno (?:fee|charge)|\bwaived\b", re.IGNORECASE
)
_PRICED = re.compile(
    r"\d[^，。；\n]{0,6}元|元|收费|收取|手续费|费用|费率|\bCNY|\bUSD|\bfees?\b|\bcosts?\b|\bcharg\w+(?<!of charge)|[%‰]|[千万]分之|\bper mill",
    re.IGNORECASE,
)


_YES = r"可以|能(?!源)|yes\b|you can\b(?! ?not|['’]t)"
_CAN = re.compile(rf"\s*(?:{_YES})", re.IGNORECASE)
_AFFIRMS = re.compile(rf"\s*(?:是的|会的?，|支持|{_YES})", re.IGNORECASE)
_CAN_NOT = re.compile(
    r"\s*(?:(?:暂时|目前)?(?:不可以|不能|不行|无法)|no[,.]|(?:sorry, )?you (?:can ?not|can['’]t)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Statement:
    content: frozenset[str]
    negated: bool
    text: str


def statements(text: str) -> tuple[Statement, ...]:
    """The clauses of a text that say enough to be compared."""
    for pattern, replacement in _SYNONYMS:
        text = pattern.sub(replacement, text)
    found = [statement for clause in clauses(text) for statement in _readings(clause)]
    return tuple(statement for statement in found if statement is not None)


def _readings(clause: str) -> tuple[Statement | None, ...]:
    """What a clause states: all of it, and, where it says by the way that it is free, the rest of it."""
    rest = _FREE_BY_THE_WAY.sub("", clause)
    return (_statement(clause), _statement(rest)) if rest != clause else (_statement(clause),)


def _statement(clause: str) -> Statement | None:
    count = 0

    def drop(match: re.Match[str]) -> str:
        nonlocal count
        if match["apparent"]:
            return match[0]
        count += 1
        return ""

    content = content_units(_MODAL.sub("", NEGATION.sub(drop, clause)), _PARTICLES)
    return Statement(content, count % 2 == 1, clause.strip()) if len(content) >= FEWEST else None


def find_flip(reply: Sequence[Statement], evidence: Iterable[Statement]) -> str:
    """The first clause of the reply that the evidence states the other way round; empty if none."""
    known = tuple(evidence)
    for statement in reply:
        opposite = _likeness(statement, [other for other in known if other.negated != statement.negated])
        if opposite < SAME:
            continue
        same = _likeness(statement, [other for other in known if other.negated == statement.negated])
        if opposite > same + 0.1:
            return statement.text
    return ""


def affirms(sentence: str) -> bool:
    """Whether a sentence begins with a yes."""
    return _AFFIRMS.match(sentence) is not None


def find_wrong_verdict(reply: str, passages: Sequence[str]) -> str:
    """The beginning of a reply that says yes, you can, where every passage that gives a verdict begins with
    no, you can't; or the other way round."""
    for said, opposite in ((_CAN, _CAN_NOT), (_CAN_NOT, _CAN)):
        if (found := said.match(reply)) is None:
            continue
        if any(opposite.match(text) for text in passages) and not any(said.match(text) for text in passages):
            return found[0].strip()
    return ""


def find_charge(reply: str, passages: Sequence[str]) -> str:
    """A clause that speaks of a charge where the passages know only of none; empty if there is none."""
    if not _CHARGED.search(reply):
        return ""
    if not any(_FREE.search(text) for text in passages) or any(_PRICED.search(text) for text in passages):
        return ""
    for clause in clauses(reply):
        if _CHARGED.search(clause) and negations(clause) % 2 == 0:
            return clause.strip()
    return ""


def _likeness(statement: Statement, others: Iterable[Statement]) -> float:
    """Most of the statement's content that one of the others holds, 0–1. A clause four times as long
    says other things too, and isn't asked."""
    content, longest = statement.content, 4 * len(statement.content)
    shared = [len(content & other.content) for other in others if len(other.content) <= longest]
    return max(shared, default=0) / len(content)
