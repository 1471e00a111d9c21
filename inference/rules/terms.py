"""The small language in which concepts list their words.

安全账户             as it stands
(转|汇|打)(钱|款|)    alternatives, an empty one too: 转钱, 转款, 转, 汇钱 …
让我…安全账户         these in this order inside one sentence, little between them
transfer*            a Latin word that begins so
safe account         Latin words at their borders, however many blanks; also safeaccount
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product

from inference.rules.folding import fold

__all__ = ["MOST", "Part", "Term", "TermError", "read_term"]

MOST = 4000
"""Alternatives that one term may stand for."""
_GROUP = re.compile(r"\(([^()]*)\)")
_GAP = re.compile(r"\s*(?:…|\.\.\.)\s*")
_LATIN = re.compile(r"[a-z0-9]")


class TermError(ValueError):
    """A term that can't be read; says what to write instead."""


@dataclass(frozen=True, slots=True)
class Part:
    """One run of characters to find."""

    text: str
    starts_word: bool
    """Must not go on to the left (begins with a Latin letter or digit)."""
    ends_word: bool


@dataclass(frozen=True, slots=True)
class Term:
    """Parts in their order; mostly there is one."""

    parts: tuple[Part, ...]


def read_term(written: str) -> list[Term]:
    """All terms that a written one stands for.

    Raises:
        TermError: brackets that don't match, nothing to find, or too many alternatives.
    """
    if "((" in written.replace(" ", ""):
        raise TermError(f"{written!r}: brackets inside brackets; write the alternatives out")
    pieces = _GROUP.split(written)
    if any(mark in piece for piece in pieces[::2] for mark in "()|"):
        raise TermError(f"{written!r}: every ( needs its ), and | stands inside them")
    choices = [[piece] if n % 2 == 0 else piece.split("|") for n, piece in enumerate(pieces)]
    count = 1
    for alternatives in choices:
        count *= len(alternatives)
    if count > MOST:
        raise TermError(f"{written!r} stands for {count} words; {MOST} at most: split it with …")
    terms = dict.fromkeys(_plain("".join(chosen)) for chosen in product(*choices))
    found = [term for term in terms if term is not None]
    for term in list(found):
        found += _despaced(term)
    if not found:
        raise TermError(f"{written!r} says nothing that could be found")
    return list(dict.fromkeys(found))


def _plain(text: str) -> Term | None:
    parts = []
    for piece in _GAP.split(text):
        if not piece.strip():
            continue
        open_end = piece.rstrip().endswith("*")
        folded = re.sub(r"\s+", " ", fold(piece.replace("*", " ")).strip())
        if not any(character.isalnum() for character in folded):
            return None
        parts.append(
            Part(
                folded,
                starts_word=bool(_LATIN.match(folded[0])),
                ends_word=not open_end and bool(_LATIN.match(folded[-1])),
            )
        )
    return Term(tuple(parts)) if parts else None


def _despaced(term: Term) -> list[Term]:
    """ "safe account" also as safeaccount, which is what letters pulled apart come out as."""
    if len(term.parts) != 1 or " " not in term.parts[0].text:
        return []
    part = term.parts[0]
    joined = part.text.replace(" ", "")
    return [Term((Part(joined, part.starts_word, part.ends_word),))] if len(joined) >= 8 else []
