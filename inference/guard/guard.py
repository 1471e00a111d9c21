"""The reply guard: what the generator wrote is shown only if the passages bear it out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bot.types import Language, Passage
from inference.generator.refusal import refuses
from inference.guard.binding import Use, find_misuse, uses
from inference.guard.bounds import Bound, bounds, find_reversed, find_turned
from inference.guard.clauses import sentences
from inference.guard.degenerate import find_degeneration
from inference.guard.disguise import undisguise
from inference.guard.figures import Figure, about, compatible, find_figures
from inference.guard.grounding import content_units, courtesies, language_of, support
from inference.guard.leaks import find_leak
from inference.guard.orders import find_order
from inference.guard.periods import Term, find_wrong_period, terms
from inference.guard.polarity import (
    Statement,
    affirms,
    find_charge,
    find_flip,
    find_wrong_verdict,
    statements,
)
from inference.guard.promises import find_promise
from inference.guard.streaming import safe_prefix
from inference.guard.subjects import Owned, find_wrong_subject, owned
from inference.guard.terms import Claims, claims, find_unborne
from inference.privacy.leaks import leaks, stated_in

__all__ = ["Finding", "ReplyGuard"]

_CLAUSE = re.compile(r"[，。；！？\n!?;]|,(?!\d)|\.(?=\s|$)")
_OWN = re.compile(
    r"[您你](?:刚才|刚刚|上面)?(?:说|提到?|问|写|输入|填写?)(?:到|及)?(?:的|是)"
    r"|\byou (?:mention|ask|wrote|said|enter|typ)\w*",
    re.IGNORECASE,
)

_TELLS_LANGUAGE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|(?:[A-Za-z][^A-Za-z]*){6}")
"""A code alone (E07, OUR) is asked about in any language: without 汉字 it takes six letters to tell."""
_ABOUT_BEFORE = re.compile(
    r"(?:大?约|大概|差不多|将?近|左右)(?:是|为|要|需要?)?$"
    r"|\b(?:about|around|roughly|approximately|some|nearly|close to)[ ]$",
    re.IGNORECASE,
)
_ABOUT_AFTER = re.compile(r"[ ]?(?:左右|上下|\bor so\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """The guard's verdict."""

    ok: bool
    reason: str = ""
    """`check: what failed`, where what failed is a figure or a term, never a whole message."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a text bears out, prepared once."""

    figures: tuple[Figure, ...]
    uses: tuple[Use, ...]
    units: frozenset[str]
    statements: tuple[Statement, ...]
    bounds: tuple[Bound, ...]
    claims: Claims
    terms: tuple[Term, ...]
    owned: tuple[Owned, ...]

    @classmethod
    def of(cls, title: str, text: str) -> Evidence:
        # A title asks (「能买房吗」); it states nothing that could be turned round.
        whole = f"{title}\n{text}"
        figures = find_figures(whole)
        return cls(
            figures,
            uses(text, find_figures(text), listed=True),
            content_units(whole),
            statements(text),
            bounds(whole, figures),
            claims(whole),
            terms(whole, figures, closely=False),
            owned(whole, figures, closely=False),
        )


class ReplyGuard:
    """Holds a reply against its passages. Safe to share between threads.

    A figure of the *question* is no evidence: 「我能转30万吗」 doesn't make 30万 a limit. It may only be
    said back as the customer's own, in a clause that says so (「您提到的30万元」, "the 300,000 you
    mentioned").
    """

    def __init__(
        self,
        *,
        grounded: float = 0.45,
        sentence_grounded: float = 0.25,
        fewest_units: int = 6,
        cached_passages: int = 4096,
    ) -> None:
        """
        Args:
            grounded: least share of the reply's content that the passages must hold.
            sentence_grounded: the same for each sentence.
            fewest_units: content units below which a share says nothing and isn't asked for.
            cached_passages: passages whose evidence is kept.
        """
        self._grounded = grounded
        self._sentence_grounded = sentence_grounded
        self._fewest_units = fewest_units
        self._evidence = lru_cache(maxsize=cached_passages)(Evidence.of)

    def check(self, reply: str, passages: Sequence[Passage], *, question: str = "") -> Finding:
        """Whether `reply`, or a prefix of it cut at `safe_prefix`, may be shown."""
        if not reply.strip():
            return Finding(False, "empty: the reply has no text")
        evidence = [self._evidence(passage.title, passage.text) for passage in passages]
        for name, found in self._checks(reply, evidence, passages, question):
            if found:
                return Finding(False, f"{name}: {found}")
        return Finding(True)

    def safe_prefix(self, partial: str) -> int:
        """Leading characters of a growing reply that may be checked and, if they pass, shown."""
        return safe_prefix(partial)

    def refuses(self, reply: str, language: Language) -> bool:
        """Whether a reply says that the passages don't have what was asked, as the generator has learned
        to."""
        return refuses(reply, language)

    def _checks(
        self, reply: str, evidence: Sequence[Evidence], passages: Sequence[Passage], question: str
    ) -> Iterable[tuple[str, str]]:
        """(check, what failed) one by one, the cheap ones first; empty where nothing did."""
        yield "degenerate", find_degeneration(reply)
        yield "language", _wrong_language(reply, passages, question)
        plain = undisguise(reply)
        yield "promise", find_promise(reply) or (find_promise(plain) if plain != reply else "")
        yield "order", find_order(plain)
        yield "leak", find_leak(reply, (passage.text for passage in passages))
        yield "personal", _personal(reply, passages)
        yield "term", find_unborne(reply, (item.claims for item in evidence))
        figures = find_figures(reply)
        yield "figure", _unsupported_figure(reply, figures, evidence, question)
        yield "misuse", find_misuse(uses(reply, figures), [use for item in evidence for use in item.uses])
        yield (
            "misuse",
            find_wrong_period(
                terms(reply, figures, closely=True),
                [term for item in evidence for term in item.terms],
                [f"{passage.title}\n{passage.text}" for passage in passages],
            ),
        )
        yield (
            "misuse",
            find_wrong_subject(
                owned(reply, figures, closely=True), [o for item in evidence for o in item.owned]
            ),
        )
        yield "turned", find_reversed(figures, reply)
        yield "turned", find_turned(bounds(reply, figures), [b for item in evidence for b in item.bounds])
        yield "flip", find_flip(statements(reply), (s for item in evidence for s in item.statements))
        texts = [passage.text for passage in passages]
        yield "flip", find_charge(reply, texts)
        yield "flip", find_wrong_verdict(reply, texts)
        yield "grounding", self._ungrounded(reply, evidence, question)

    def _ungrounded(self, reply: str, evidence: Sequence[Evidence], question: str) -> str:
        held = frozenset().union(*(item.units for item in evidence))
        asked = content_units(question)
        said = [(sentence, content_units(sentence)) for sentence in sentences(reply)]
        for sentence, units in said:
            own = units & asked - held
            # To say yes to what only the question speaks of is an answer that no passage gives.
            if affirms(sentence) and len(own) >= max(2, len(units & held)):
                return f"a verdict on what the passages don't speak of: {', '.join(sorted(own))}"
        parts = [support(units, held, asked | courtesies()) for _, units in said]
        for supported, counted in parts:
            if counted >= self._fewest_units and supported < self._sentence_grounded * counted:
                return f"a sentence has {supported} of {counted} content units in the passages"
        supported, counted = sum(part[0] for part in parts), sum(part[1] for part in parts)
        if counted >= self._fewest_units and supported < self._grounded * counted:
            return f"{supported} of {counted} content units are in the passages"
        return ""


def _personal(reply: str, passages: Sequence[Passage]) -> str:
    """What kind of personal data a reply holds that no passage states."""
    found = leaks(reply, stated_in(f"{passage.title}\n{passage.text}" for passage in passages))
    return f"a {found[0].type.lower().replace('_', ' ')} that no passage states" if found else ""


def _wrong_language(reply: str, passages: Sequence[Passage], question: str) -> str:
    asked = (language_of(question) if _TELLS_LANGUAGE.search(question) else None) or (
        passages[0].language if passages else None
    )
    answered = language_of(reply)
    if asked is None or answered is None or asked == answered:
        return ""
    return f"{answered} where {asked} was asked"


def _unsupported_figure(
    reply: str, figures: Sequence[Figure], evidence: Sequence[Evidence], question: str
) -> str:
    stated = [figure for figure in figures if not figure.implicit]
    known = [figure for item in evidence for figure in item.figures]
    missing = [figure for figure in stated if not any(compatible(figure, other) for other in known)]
    if not missing:
        return ""
    asked = find_figures(question)
    for figure in missing:
        if _says_about(reply, figure) and any(about(figure, other) for other in known):
            continue
        quoted = _says_customers_own(reply, figure.start) and any(
            compatible(figure, other) for other in asked
        )
        if not quoted:
            return f"{figure.text.strip()} ({figure.kind}) isn't in the passages"
    return ""


def _says_about(reply: str, figure: Figure) -> bool:
    return bool(
        _ABOUT_BEFORE.search(reply[max(0, figure.start - 16) : figure.start])
        or _ABOUT_AFTER.match(reply, figure.end)
    )


def _says_customers_own(reply: str, position: int) -> bool:
    """Whether the clause before `position` says that what follows is what the customer wrote."""
    clause = _CLAUSE.split(reply[:position])[-1] + _CLAUSE.split(reply[position:])[0]
    return _OWN.search(clause) is not None
