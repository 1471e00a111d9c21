"""The small language in which concepts list their words.

安全账户             as it stands
(转|汇|打)(钱|款|)    alternatives, an empty one too: 转钱, 转款, 转, 汇钱 …
让我…安全账户         these in this order inside one sentence, little between them
transfer*            a Latin word that begins so
safe account         Latin words at their borders, however many blanks; also safeaccount
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from inference.rules.folding import FILLER, fold

__all__ = ["MOST", "Part", "Slot", "Term", "TermError", "read_term"]

MOST = 20_000
"""Alternatives that one place of a term may have."""
MOST_TERMS = 2_000
"""Terms that a written one may stand for, by gaps inside its brackets."""
DEEPEST = 20
"""Brackets inside brackets."""
WRITTEN_OUT = 200
"""Alternatives up to which neighbouring brackets are written out; beyond, each is looked for by itself."""
_TOKEN = re.compile(r"[()|]|…|\.\.\.|[^()|….]+|\.")
_LATIN = re.compile(r"[a-z0-9]")
_STARS = re.compile(r"[*\s]+")
_MISMATCH = "every ( needs its ), and | stands inside them"


class TermError(ValueError):
    """A term that can't be read; says what to write instead."""


class Part(NamedTuple):
    """One run of characters to find."""

    text: str
    starts_word: bool
    """Must not go on to the left (begins with a Latin letter or digit)."""
    ends_word: bool


class Slot(NamedTuple):
    """One place of a term: any of its parts may stand there."""

    parts: tuple[Part, ...]
    adjacent: bool = False
    """Follows the place before it at once, rather than somewhere behind it."""
    optional: bool = False


class Term(NamedTuple):
    """Places in their order; mostly there is one, with one part."""

    slots: tuple[Slot, ...]


@lru_cache(maxsize=50_000)
def read_term(written: str) -> tuple[Term, ...]:
    """All terms that a written one stands for.

    Raises:
        TermError: brackets that don't match, nothing to find, or too many alternatives.
    """
    words = [w for w in _TOKEN.findall(written) if w]
    sequence, rest = _sequence(written, words, 0, 0)
    if rest < len(words):
        raise TermError(f"{written!r}: {_MISMATCH}")
    terms: dict[Term, None] = {}
    for number, segments in enumerate(_gapless(written, sequence)):
        if number >= MOST_TERMS:
            raise TermError(f"{written!r} stands for more than {MOST_TERMS} terms: fewer … inside brackets")
        slots = [slot for segment in segments for slot in _slots(written, segment)]
        if len(slots) == 1:
            slots = [slots[0]._replace(optional=False)]
        if slots and not all(slot.optional for slot in slots):
            terms[Term((slots[0]._replace(adjacent=False), *slots[1:]))] = None
    if not terms:
        raise TermError(f"{written!r} says nothing that could be found")
    return tuple(terms)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────

GAP = "…"
Group = tuple[str, ...]
"""Alternative texts; a gap among them is the one-character text `GAP`, inside a text too."""


def _sequence(written: str, words: Sequence[str], at: int, depth: int) -> tuple[list[Group], int]:
    """(groups one after the other from `at` on, where they end)."""
    groups: list[Group] = []
    while at < len(words):
        word = words[at]
        if word in (")", "|"):
            if not depth:
                raise TermError(f"{written!r}: {_MISMATCH}")
            break
        if word == "(":
            if depth >= DEEPEST:
                raise TermError(f"{written!r}: brackets stand inside each other over {DEEPEST} levels")
            alternatives: list[str] = []
            while True:
                inner, at = _sequence(written, words, at + 1, depth + 1)
                if at >= len(words):
                    raise TermError(f"{written!r}: {_MISMATCH}")
                alternatives += _written_out(written, inner)
                if words[at] == ")":
                    break
            groups.append(tuple(dict.fromkeys(alternatives)))
        elif word in (GAP, "..."):
            groups.append((GAP,))
        else:
            groups.append((fold(word),))
        at += 1
    return groups, at


def _written_out(written: str, groups: Sequence[Group]) -> list[str]:
    count = 1
    for group in groups:
        count *= len(group)
    if count > MOST:
        raise TermError(f"{written!r} stands for {count} words; {MOST} at most: split it with …")
    return ["".join(chosen) for chosen in product(*groups)]


def _gapless(written: str, groups: Sequence[Group]) -> Iterator[list[list[Group]]]:
    """Segments between the gaps, each a list of groups. A gap inside brackets makes terms of their own."""
    inside = [n for n, group in enumerate(groups) if group != (GAP,) and any(GAP in text for text in group)]
    if inside:
        n = inside[0]
        plain = tuple(text for text in groups[n] if GAP not in text)
        if plain:
            yield from _gapless(written, [*groups[:n], plain, *groups[n + 1 :]])
        for text in groups[n]:
            if GAP in text:
                pieces: list[Group] = []
                for piece in text.split(GAP):
                    pieces += [(piece,), (GAP,)]
                yield from _gapless(written, [*groups[:n], *pieces[:-1], *groups[n + 1 :]])
        return
    segments: list[list[Group]] = [[]]
    for group in groups:
        if group == (GAP,):
            segments.append([])
        else:
            segments[-1].append(group)
    yield [segment for segment in segments if any(text.strip() for group in segment for text in group)]


def _slots(written: str, segment: Sequence[Group]) -> list[Slot]:
    """The places of a run without gaps: one, or several side by side where one had too many alternatives."""
    runs: list[list[str]] = [[""]]
    for group in segment:
        if len(runs[-1]) * len(group) <= WRITTEN_OUT or len(group) == 1 or runs[-1] == [""]:
            runs[-1] = [text + more for text in runs[-1] for more in group]
        else:
            runs.append(list(group))
    slots = []
    for n, run in enumerate(runs):
        if len(run) > MOST:
            raise TermError(f"{written!r} stands for {len(run)} words; {MOST} at most: split it with …")
        found: dict[Part, None] = {}
        optional = False
        for text in run:
            if not text.strip():
                optional = True
                continue
            part = _part(text)
            if part is None:
                raise TermError(
                    f"{written!r}: {text!r} can't be found: emoji vanish in folding; leave it out"
                )
            if len(runs) > 1:
                # Beside a blank, or where the whole begins and ends, a word is a whole one; elsewhere letters
                # of the neighbouring place may follow at once.
                begins = n == 0 or text.startswith(" ") or all(t.endswith(" ") for t in runs[n - 1])
                ends = n == len(runs) - 1 or text.endswith(" ") or all(t.startswith(" ") for t in runs[n + 1])
                part = part._replace(
                    starts_word=part.starts_word and begins, ends_word=part.ends_word and ends
                )
            found[part] = None
            if len(runs) == 1 and len(joined := part.text.replace(" ", "")) >= 8 and " " in part.text:
                # "safe account" is also safeaccount, which is what letters pulled apart come out as.
                found[part._replace(text=joined)] = None
        if found:
            slots.append(Slot(tuple(found), adjacent=n > 0, optional=optional))
    return slots


def _part(text: str) -> Part | None:
    """What is looked for; None if there is nothing."""
    whole = _STARS.sub(" ", text).strip()
    if not whole or FILLER in whole:
        return None
    ends_word = not text.rstrip().endswith("*") and bool(_LATIN.match(whole[-1]))
    return Part(whole, bool(_LATIN.match(whole[0])), ends_word)
