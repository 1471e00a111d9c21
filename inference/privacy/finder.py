"""Finding personal data: every finder proposes, and overlaps are settled."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from operator import attrgetter

from inference.privacy.addresses import find_chinese_addresses, find_english_addresses
from inference.privacy.codes import find_codes
from inference.privacy.fold import Folded, fold
from inference.privacy.names_en import find_latin_names
from inference.privacy.names_zh import find_chinese_names
from inference.privacy.numbers import find_numbers
from inference.privacy.span import Candidate, Span

__all__ = ["find"]

_start_of = attrgetter("start")
_HAN = re.compile("[\u4e00-\u9fff]{2}")
_DIGITS = re.compile("[0-9零一二三四五六七八九幺壹贰叁肆伍陆柒捌玖]")
_CAPITALS = re.compile("[A-Z]")
_MASKED = re.compile(r"\*\*+")


def find(text: str) -> tuple[Span, ...]:
    """The personal data in a raw text, in order, without overlaps. Positions are code points.

    Deterministic, and linear in the text's length but for bounded look-around.
    """
    folded = fold(text)
    kept: list[Candidate] = []
    for candidate in sorted(
        _propose(folded), key=lambda found: (found.rank, found.start - found.end, found.start)
    ):
        # What is kept stands apart and in order: only its neighbours can overlap with one more.
        at = bisect_left(kept, candidate.start, key=_start_of)
        before_it = at == 0 or kept[at - 1].end <= candidate.start
        if before_it and (at == len(kept) or candidate.end <= kept[at].start):
            kept.insert(at, candidate)
    return tuple(
        Span(*folded.raw(found.start, found.end, text), found.type)
        for found in kept
        if not _is_masked(folded.text, found)
    )


def _propose(folded: Folded) -> Iterator[Candidate]:
    text = folded.text
    han = _HAN.search(text) is not None
    if _DIGITS.search(text) or folded.low.count(" ") > 2:
        yield from find_numbers(folded)
    yield from find_codes(folded)
    if han:
        yield from find_chinese_addresses(folded)
        yield from find_chinese_names(folded)
    if _CAPITALS.search(text) or "name" in folded.low:
        yield from find_latin_names(folded)
        yield from find_english_addresses(folded)


def _is_masked(text: str, found: Candidate) -> bool:
    """Whether what was found is the rest of something masked before."""
    if _MASKED.search(text, found.start, found.end):
        return True
    return text[found.end : found.end + 1] == "*" or text[max(0, found.start - 1) : found.start] == "*"
