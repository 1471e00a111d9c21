"""Figures put to the wrong use: a passage says 3个月0.85%，1年1.15%, the reply says 1年0.85%.

Every figure of such a reply occurs in the passage; what doesn't is the pair. So a figure's label, what else
its piece of a sentence says, is compared with the labels under which the passages state that figure and
under which they state others of its kind. Lexical and lenient: only a label that clearly belongs to
another figure counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inference.guard.clauses import PIECE_END
from inference.guard.figure import Figure, compatible
from inference.guard.grounding import content_units

__all__ = ["Use", "find_misuse", "uses"]

MARGIN = 2
"""By how much another figure's label must fit better. A shared word counts 1, a shared figure 2."""

SHORT = 2
"""Words, at most, of a piece of a list that leaves out what the one before it named. Another figure
must label it: in 「小箱300元，中箱600元」 the words do, and with the neighbour's the two would look
alike."""

_KINDS = frozenset(
    {"percent", "CNY", "USD", "HKD", "amount", "business_day", "day", "month", "minute", "time", "phone"}
)


@dataclass(frozen=True, slots=True)
class Use:
    """A figure and its label."""

    figure: Figure
    words: frozenset[str]
    figures: frozenset[tuple[str, object]]


def uses(text: str, figures: Sequence[Figure], *, listed: bool = False) -> tuple[Use, ...]:
    """All labelled figures of a text; `figures` are the text's own.

    Args:
        listed: a short piece right behind another shares its words, as in a list; for passages.
    """
    ends = [match.end() for match in PIECE_END.finditer(text)] + [len(text)]
    found: list[Use] = []
    start = 0
    noun: frozenset[str] = frozenset()
    for end in ends:
        inside = [figure for figure in figures if start <= figure.start < end and not figure.implicit]
        if inside:
            words = content_units(text[start:end])
            label = len({figure.kind for figure in inside}) > 1
            if listed and label and len(words) <= SHORT and text[start - 1 : start] in {"，", ",", "、"}:
                words |= noun  # 「3年期票面利率1.93%，5年期2.00%」 says the noun once
            else:
                noun = words
            found += [
                Use(figure, words, frozenset((o.kind, o.value) for o in inside if o is not figure))
                for figure in inside
                if figure.kind in _KINDS
            ]
        elif text[start:end].strip():
            noun = frozenset()
        start = end
    return tuple(found)


def find_misuse(stated: Iterable[Use], known: Sequence[Use]) -> str:
    """The first figure whose label is another figure's; empty if none is."""
    for use in stated:
        right = wrong = 0
        for other in known:
            if other.figure.kind != use.figure.kind:
                continue
            if (other.figure.kind, other.figure.value) in use.figures:
                continue  # the words may be that figure's, which stands beside it
            fit = len(use.words & other.words) + 2 * len(use.figures & other.figures)
            if compatible(use.figure, other.figure):
                right = max(right, fit)
            else:
                wrong = max(wrong, fit)
        if wrong >= right + MARGIN:
            return use.figure.text.strip()
    return ""
