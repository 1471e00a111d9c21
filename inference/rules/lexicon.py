"""Concepts: what a message speaks of, found by words, by sound, and across the border of two messages.

All words of all concepts are looked for in one pass (Aho-Corasick), whatever their number.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import itemgetter
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from inference.rules.folding import sound
from inference.rules.negation import APPARENT, NEGATIONS, REACH_LATIN, is_negated
from inference.rules.terms import Part, Slot, Term, read_term

__all__ = ["QUESTION", "Concept", "Found", "Lexicon"]

GAP_HAN, GAP_LATIN = 16, 48
"""Characters that may lie between the parts of a term."""
LEAST_SOUNDS = 3
"""Characters a word needs to be known by its sound: shorter ones have too many homophones."""
QUESTION = "?"
"""The concept of asking, which every lexicon has."""
ASKING = (
    "吗", "么", "呢", "什么", "怎么", "如何", "多少", "为何", "哪", "是否", "能不能", "可不可以",
    "是不是", "有没有", "咋", "啥", "what", "how", "why", "when", "where", "who", "which",
    "(can|could|should|may|will|would|do|does|did|is|are) (i|you|we|it|there|my|this|the)",
)  # fmt: skip
_LATIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_end_of = itemgetter(1)
_SENTENCE_END = re.compile(r"[!?\n。;]|\.(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing that can be spoken of, and the words for it."""

    name: str
    words: tuple[str, ...]
    exceptions: tuple[str, ...] = ()
    """Words that hold one of `words` and mean something else."""
    sounds: bool = False
    """Whether longer Chinese words are known by their sound too."""


Span = tuple[int, int]
"""Start and end in a folded text."""


class Found(NamedTuple):
    """What a text speaks of: concepts with all their places."""

    said: dict[str, list[Span]]
    denied: dict[str, list[Span]]
    """Places where a concept is negated; it may be in `said` as well."""
    excepted: set[str]
    """Concepts whose exceptions stand in the text."""


class Place(NamedTuple):
    """One place of a chain: any of its words may stand there."""

    number: int
    words: frozenset[int]
    """Numbers of their readers."""
    adjacent: bool
    optional: bool


class Chain(NamedTuple):
    """A term of several places. It is looked for in messages that hold a word for each of them."""

    concept: str
    places: tuple[Place, ...]
    excepts: bool
    """Whether it says where its concept isn't meant."""


Spots = dict[int, list[Span]]
"""For the number of a reader, everywhere its word stands: (start, end)."""


@dataclass(slots=True)
class _Wanted:
    """What one literal stands for."""

    part: Part
    concepts: list[str] = field(default_factory=list)
    exceptions: list[str] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    """For the first, second, … place of chains: those that it may stand in there, a bit for each chain."""
    negation: int = 0
    """1: negates; 2: only looks like it."""


class Reader(NamedTuple):
    """A `_Wanted` as it is read: plain, because it is read often."""

    starts_word: bool
    ends_word: bool
    number: int
    """Its number if it is part of chains, −1 otherwise."""
    concepts: tuple[str, ...]
    exceptions: tuple[str, ...]
    negation: int


class Lexicon:
    """All concepts, ready to be looked for.

    Raises:
        TermError: a word that can't be read.
    """

    def __init__(self, concepts: Iterable[Concept]) -> None:
        self._wanted: dict[Part, _Wanted] = {}
        self._numbers: dict[Part, int] = {}
        self._places: dict[Slot, Place] = {}
        self._chains: list[Chain] = []
        self._excepted: set[str] = set()
        """Concepts that have exceptions."""
        sounds: dict[str, set[str]] = defaultdict(set)
        self.names: list[str] = []
        for concept in concepts:
            self.names.append(concept.name)
            if concept.exceptions:
                self._excepted.add(concept.name)
            for written in concept.words:
                for term in read_term(written):
                    self._add(concept.name, term)
                    for heard in _sounds_of(term) if concept.sounds else ():
                        sounds[heard].add(concept.name)
            for written in concept.exceptions:
                for term in read_term(written):
                    for part in term.slots[0].parts if len(term.slots) == 1 else ():
                        self._want(part).exceptions.append(concept.name)
                    if len(term.slots) > 1:
                        self._add(concept.name, term, excepts=True)
        for written in ASKING:
            for term in read_term(written):
                self._add(QUESTION, term)
        for kind, words in ((1, NEGATIONS), (2, APPARENT)):
            for word in words:
                for term in read_term(word):
                    for part in term.slots[0].parts:
                        self._want(part).negation = kind
        # Parts with equal text but other borders are one literal with several readers.
        texts: dict[str, list[Reader]] = defaultdict(list)
        self._bits: list[tuple[tuple[int, int], ...]] = [()] * len(self._numbers)
        for part, wanted in self._wanted.items():
            number = self._numbers.get(part, -1)
            if number >= 0:
                self._bits[number] = tuple(wanted.places.items())
            texts[part.text].append(
                Reader(
                    part.starts_word,
                    part.ends_word,
                    number,
                    tuple(wanted.concepts),
                    tuple(wanted.exceptions),
                    wanted.negation,
                )
            )
        longest = max((len(chain.places) for chain in self._chains), default=0)
        self._free = [0] * longest
        """For each place the chains that need nothing there."""
        for n, chain in enumerate(self._chains):
            for at in range(longest):
                if at >= len(chain.places) or chain.places[at].optional:
                    self._free[at] |= 1 << n
        self._literals = list(texts)
        self._readers = list(texts.values())
        self._finder = AhoCorasick(self._literals) if self._literals else None
        heard_words = list(sounds)
        self._heard_for: list[frozenset[str]] = [frozenset(sounds[heard]) for heard in heard_words]
        self._hearer = AhoCorasick(heard_words) if heard_words else None

    @property
    def size(self) -> int:
        """Number of different literals."""
        return len(self._literals)

    def _want(self, part: Part) -> _Wanted:
        wanted = self._wanted.get(part)
        if wanted is None:
            wanted = self._wanted[part] = _Wanted(part)
        return wanted

    def _add(self, concept: str, term: Term, *, excepts: bool = False) -> None:
        if len(term.slots) == 1:
            for part in term.slots[0].parts:
                names = self._want(part).concepts
                if concept not in names:
                    names.append(concept)
            return
        bit = 1 << len(self._chains)
        for at, slot in enumerate(term.slots):
            for part in slot.parts:
                places = self._want(part).places
                places[at] = places.get(at, 0) | bit
        self._chains.append(Chain(concept, tuple(self._place(slot) for slot in term.slots), excepts))

    def _place(self, slot: Slot) -> Place:
        place = self._places.get(slot)
        if place is None:
            words = frozenset(self._numbers.setdefault(part, len(self._numbers)) for part in slot.parts)
            place = Place(len(self._places), words, slot.adjacent, slot.optional)
            self._places[slot] = place
        return place

    # ── finding ──

    def find(self, folded: str, after: int = 0) -> Found:
        """All concepts of a folded text that end behind `after` (what stands before is an earlier
        message that a word may have begun in)."""
        found = Found({}, {}, set())
        if self._finder is None or not folded:
            return found
        seen: list[tuple[int, int, tuple[str, ...]]] = []
        exceptions_of: dict[str, list[Span]] = {}
        apparent: list[Span] = []
        negations: list[Span] = []
        spots: Spots = {}
        length, readers = len(folded), self._readers
        for literal, start, end in self._finder.find_matches_as_indexes(folded, overlapping=True):
            for starts_word, ends_word, number, concepts, exceptions, negation in readers[literal]:
                if starts_word and start and folded[start - 1] in _LATIN:
                    continue
                if ends_word and end < length and folded[end] in _LATIN:
                    continue
                if number >= 0:
                    if number in spots:
                        spots[number].append((start, end))
                    else:
                        spots[number] = [(start, end)]
                if concepts:
                    seen.append((start, end, concepts))
                for name in exceptions:
                    exceptions_of.setdefault(name, []).append((start, end))
                if negation == 1:
                    negations.append((start, end))
                elif negation:
                    apparent.append((start, end))
        if spots:
            # Where nothing is negated, one place is as good as several.
            self._follow(spots, folded, seen, exceptions_of, once=not negations and not after)
        if negations and apparent:
            apart = _Covered(apparent)
            negations = [n for n in negations if not apart.holds(*n)]
        negations.sort(key=_end_of)
        found.excepted.update(exceptions_of)
        covered = {name: _Covered(spans) for name, spans in exceptions_of.items()}
        for start, end, names in seen:
            late = end > after
            into = (
                found.denied if late and negations and _denies(folded, start, end, negations) else found.said
            )
            for name in names:
                if name == QUESTION:
                    found.said[name] = [(start, end)]
                elif late and not (name in covered and covered[name].holds(start, end)):
                    if name in into:
                        into[name].append((start, end))
                    else:
                        into[name] = [(start, end)]
        return found

    def _follow(
        self,
        spots: Spots,
        folded: str,
        seen: list[tuple[int, int, tuple[str, ...]]],
        exceptions_of: dict[str, list[Span]],
        *,
        once: bool,
    ) -> None:
        """Add the chains whose places are all in the text, near each other and in their order.

        Args:
            once: whether a concept that has been found needn't be looked for any more.
        """
        present = self._free.copy()
        for number in spots:
            for at, chains in self._bits[number]:
                present[at] |= chains
        complete = present[0] if present else 0
        for chains in present:
            complete &= chains
        where: dict[int, list[Span]] = {}
        words = frozenset(spots)
        named = {name for _, _, names in seen for name in names}
        known = named - self._excepted if once else set()
        while complete:
            lowest = complete & -complete
            complete ^= lowest
            concept, places, excepts = self._chains[lowest.bit_length() - 1]
            if excepts and concept not in named:
                continue
            if excepts:
                if spans := _chained(folded, spots, words, places, where, longest=True):
                    exceptions_of.setdefault(concept, []).extend(spans)
            elif concept not in known:
                found = _chained(folded, spots, words, places, where)
                if found:
                    seen += [(*span, (concept,)) for span in found]
                    named.add(concept)
                    if once and concept not in self._excepted:
                        known.add(concept)

    def hear(self, folded: str, excluded: Collection[str] = ()) -> set[str]:
        """Concepts of a folded text by its sound alone, but for `excluded` (what `find` says)."""
        if self._hearer is None:
            return set()
        heard: set[str] = set()
        for number in self._hearer.find_matches_as_indexes(sound(folded), overlapping=True):
            heard |= self._heard_for[number[0]]
        return heard.difference(excluded)


def _denies(folded: str, start: int, end: int, negations: Sequence[Span]) -> bool:
    """Whether one of the negations, in the order of their ends, reaches a span."""
    first = bisect_left(negations, start - REACH_LATIN, key=_end_of)
    last = bisect_right(negations, start, key=_end_of)
    return first < last and is_negated(folded, start, end, negations[first:last])


class _Covered:
    """Whether a span lies inside one of many."""

    __slots__ = ("_reach", "_starts")

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(spans)
        self._starts = [start for start, _ in ordered]
        self._reach = list(accumulate((end for _, end in ordered), max))
        """How far any of those that begin here or before goes."""

    def holds(self, start: int, end: int) -> bool:
        before = bisect_right(self._starts, start)
        return before > 0 and self._reach[before - 1] >= end


def _sounds_of(term: Term) -> list[str]:
    """How the words of a term of one place sound, where they are long enough to be known by that."""
    if len(term.slots) > 1:
        return []
    texts = [part.text for part in term.slots[0].parts]
    return [sound(t) for t in texts if len(t) >= LEAST_SOUNDS and all("\u3400" <= c <= "\u9fff" for c in t)]


def _chained(
    folded: str,
    spots: Spots,
    words: frozenset[int],
    places: Sequence[Place],
    where: dict[int, list[Span]],
    *,
    longest: bool = False,
) -> list[Span]:
    """Where places follow each other closely enough, inside one sentence: (start, end) of the whole.

    Args:
        words: the numbers in `spots`.
        where: where the words of places stand that were asked for before; added to.
        longest: of words that begin at the same character, take the longest for the last place.
    """
    standing = []
    for place in places:
        stands = where.get(place.number)
        if stands is None:
            stands = []
            for number in place.words & words:
                stands += spots[number]
            if len(stands) > 1:
                stands.sort()
            where[place.number] = stands
        standing.append(stands)
    first = standing[0]
    if not first:
        return []
    soonest = min(end for _, end in first)
    for at in range(1, len(places)):
        if not places[at].optional and standing[at][-1][0] < soonest:
            return []
    found = []
    for start, end in first:
        reached: int | None = end
        for at in range(1, len(places)):
            following = _next(folded, reached, standing[at], places[at].adjacent)
            if following is None and places[at].optional:
                continue
            reached = following
            if reached is None:
                break
        if reached is not None:
            found.append((start, reached))
    if longest:
        last = standing[-1]
        found = [(start, _longest(last, end)) for start, end in found]
    return found


def _longest(candidates: Sequence[Span], end: int) -> int:
    """The end of the longest candidate that begins where one that ends at `end` does."""
    starts = {start for start, stop in candidates if stop == end}
    return max((stop for start, stop in candidates if start in starts), default=end)


def _next(folded: str, end: int | None, candidates: Sequence[Span], adjacent: bool) -> int | None:
    """The end of the first candidate that follows what ended at `end` closely enough."""
    if end is None:
        return None
    # Only those within reach are looked at: a long text of few words would take seconds otherwise.
    for at in range(bisect_left(candidates, (end, 0)), len(candidates)):
        start, stop = candidates[at]
        if start - end > (1 if adjacent else GAP_LATIN):
            return None
        between = folded[end:start]
        if adjacent:
            if between in ("", " "):
                return stop
            continue
        reach = GAP_LATIN if between.isascii() and between.strip() else GAP_HAN
        if len(between) <= reach and not _SENTENCE_END.search(between):
            return stop
    return None
