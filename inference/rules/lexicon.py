"""Concepts: what a message speaks of, found by words, by sound, and across the border of two messages.

All words of all concepts are looked for in one pass (Aho-Corasick), whatever their number.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ahocorasick_rs import AhoCorasick

from inference.rules.folding import sound
from inference.rules.terms import Part, Term, read_term

__all__ = ["NEGATIONS", "Concept", "Hit", "Lexicon"]

GAP_HAN, GAP_LATIN = 16, 48
"""Characters that may lie between the parts of a term."""
LEAST_SOUNDS = 3
"""Characters a word needs to be known by its sound: shorter ones have too many homophones."""
REACH_HAN, REACH_LATIN = 7, 26
"""How far a negation reaches, in characters of its own clause."""

NEGATIONS = (
    "没", "没有", "不", "未", "别", "勿", "莫", "拒绝", "从未", "并未", "绝不", "从没", "还没", "并没", "无需", "不是", "并非",
    "不会", "不要", "不想", "没给", "唔", "冇",
    "not", "never", "no", "without", "refuse*", "refusing", "cannot", "don't", "didn't", "doesn't", "haven't",
    "hasn't", "hadn't", "won't", "wouldn't", "wasn't", "isn't", "aren't", "can't", "couldn't", "shouldn't",
    "dont", "didnt", "havent", "wont", "neither", "nor", "declined",
)  # fmt: skip
_APPARENT = (
    "不小心", "不得不", "不知道", "不晓得", "不清楚", "不确定", "是不是", "要不要", "能不能", "会不会", "可不可以",
    "可不可", "有没有", "行不行", "好不好", "不只", "不但", "不仅", "不光", "没想到", "没办法", "没事", "不然", "不久", "不断",
    "不停", "不管", "不过", "不明", "不懂", "差不多", "了不起", "没注意", "没多想", "没忍住", "该不该", "不该", "不应该",
    "用不用", "不对劲", "没反应过来", "不敢相信", "不好意思", "不就", "不住", "不行", "不想活", "别的", "别人", "特别", "级别", "个别", "没问题",
    "没细想", "没仔细", "不见了", "睡不着", "不给", "不转", "不打钱", "不汇", "不配合", "不听", "不交", "不还", "不按",
    "信不信", "再不", "不用的", "不常用", "不再用", "不要了", "用不着", "受不了", "不服", "不满", "不甘心", "撑不", "扛不", "熬不",
    "活不", "不解决", "不处理", "不赔", "不退", "不回复", "不答复", "不解冻", "不理我", "不给个说法", "不下去", "不用了",
    "要不", "不愿意透露", "来不及", "忍不住", "不由", "不知", "没怀疑", "没核实", "没防备", "没看清", "没在意",
    "not only", "no idea", "don't know", "dont know", "not sure", "can't believe", "didn't realise", "didn't realize",
    "didn't know", "didn't think", "no longer", "cannot believe", "no matter", "why not", "if not", "or not", "no problem",
    "if you don't", "if you do not", "unless",
)  # fmt: skip
"""What holds a negation's letters and negates nothing that follows."""
_CLAUSE_END = re.compile(r"[,;:!?\n。…]|\.(?=\s|$)|、|但|却|可是|就|否则|不然|只好|只能|\bbut\b|\bthough\b|\bhowever\b")
_SENTENCE_END = re.compile(r"[!?\n。;]|\.(?=\s|$)")
_THREAT = re.compile(r".{0,10}?(?:就|否则|的话|不然|要|\b(?:or|will|would|unless)\b)")


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing that can be spoken of, and the words for it."""

    name: str
    words: tuple[str, ...]
    exceptions: tuple[str, ...] = ()
    """Words that hold one of `words` and mean something else."""
    sounds: bool = False
    """Whether longer Chinese words are known by their sound too."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A concept found: `start` and `end` in the folded text (or, by sound, -1)."""

    concept: str
    start: int
    end: int
    negated: bool = False


@dataclass(slots=True)
class _Wanted:
    """What one literal stands for."""

    part: Part
    concepts: list[str] = field(default_factory=list)
    exceptions: list[str] = field(default_factory=list)
    terms: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    """Terms of several parts that end with this one: (concept, all parts' numbers)."""
    negation: int = 0
    """1: negates; 2: only looks like it."""


class Lexicon:
    """All concepts, ready to be looked for.

    Raises:
        TermError: a word that can't be read.
    """

    def __init__(self, concepts: Iterable[Concept]) -> None:
        self._wanted: list[_Wanted] = []
        self._numbers: dict[Part, int] = {}
        sounds: dict[str, set[str]] = defaultdict(set)
        self.names: list[str] = []
        for concept in concepts:
            self.names.append(concept.name)
            for written in concept.words:
                for term in read_term(written):
                    self._add(concept.name, term)
                    if concept.sounds:
                        for heard in _sound_of(term):
                            sounds[heard].add(concept.name)
            for written in concept.exceptions:
                for term in read_term(written):
                    for part in term.parts[:1]:
                        self._want(part).exceptions.append(concept.name)
        for kind, words in ((1, NEGATIONS), (2, _APPARENT)):
            for word in words:
                for term in read_term(word):
                    self._want(term.parts[0]).negation = kind
        # Parts with equal text but other borders are one literal with several readers.
        texts: dict[str, list[_Wanted]] = defaultdict(list)
        for wanted in self._wanted:
            texts[wanted.part.text].append(wanted)
        self._literals = list(texts)
        self._readers = list(texts.values())
        self._finder = AhoCorasick(self._literals) if self._literals else None
        self._heard = list(sounds)
        self._heard_for: list[frozenset[str]] = [frozenset(sounds[heard]) for heard in self._heard]
        self._hearer = AhoCorasick(self._heard) if self._heard else None

    @property
    def size(self) -> int:
        """Number of different literals."""
        return len(self._literals)

    def _want(self, part: Part) -> _Wanted:
        number = self._numbers.get(part)
        if number is None:
            number = self._numbers[part] = len(self._wanted)
            self._wanted.append(_Wanted(part))
        return self._wanted[number]

    def _add(self, concept: str, term: Term) -> None:
        if len(term.parts) == 1:
            names = self._want(term.parts[0]).concepts
            if concept not in names:
                names.append(concept)
            return
        for part in term.parts:
            self._want(part)
        numbers = tuple(self._numbers[part] for part in term.parts)
        self._wanted[numbers[-1]].terms.append((concept, numbers))

    # ── finding ──

    def find(self, folded: str, after: int = 0) -> list[Hit]:
        """All concepts of a folded text that end behind `after` (what stands before is an earlier
        message that a word may have begun in)."""
        if self._finder is None or not folded:
            return []
        seen: list[tuple[str, int, int]] = []
        excluded: list[tuple[str, int, int]] = []
        apparent: list[tuple[int, int]] = []
        negations: list[tuple[int, int]] = []
        places: dict[int, list[tuple[int, int]]] = {}
        closing: dict[int, _Wanted] = {}
        length, numbers = len(folded), self._numbers
        for literal, start, end in self._finder.find_matches_as_indexes(folded, overlapping=True):
            for wanted in self._readers[literal]:
                part = wanted.part
                if part.starts_word and start and _is_latin(folded[start - 1]):
                    continue
                if part.ends_word and end < length and _is_latin(folded[end]):
                    continue
                places.setdefault(numbers[part], []).append((start, end))
                for name in wanted.concepts:
                    seen.append((name, start, end))
                for name in wanted.exceptions:
                    excluded.append((name, start, end))
                if wanted.terms:
                    closing[numbers[part]] = wanted
                if wanted.negation == 1:
                    negations.append((start, end))
                elif wanted.negation == 2:
                    apparent.append((start, end))
        for wanted in closing.values():
            for name, parts in wanted.terms:
                if all(number in places for number in parts):
                    seen += [(name, s, e) for s, e in _chains(folded, [places[n] for n in parts])]
        negations = [n for n in negations if not any(a[0] <= n[0] and n[1] <= a[1] for a in apparent)]
        hits = []
        for name, start, end in dict.fromkeys(seen):
            if end <= after:
                continue
            if excluded and any(n == name and s <= start and end <= e for n, s, e in excluded):
                continue
            hits.append(Hit(name, start, end, bool(negations) and _negated(folded, start, end, negations)))
        return hits

    def hear(self, folded: str) -> set[str]:
        """Concepts of a folded text by its sound alone."""
        if self._hearer is None:
            return set()
        heard: set[str] = set()
        for number in self._hearer.find_matches_as_indexes(sound(folded), overlapping=True):
            heard |= self._heard_for[number[0]]
        return heard


def _is_latin(character: str) -> bool:
    return "a" <= character <= "z" or "0" <= character <= "9"


def _sound_of(term: Term) -> list[str]:
    """How a term of one part sounds, if it is long enough to be known by that."""
    text = term.parts[0].text
    if len(term.parts) > 1 or len(text) < LEAST_SOUNDS or not all("\u3400" <= c <= "\u9fff" for c in text):
        return []
    return [sound(text)]


def _chains(folded: str, places: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Where parts follow each other closely enough, inside one sentence: (start, end) of the whole."""
    found = []
    for start, end in places[0]:
        reached: int | None = end
        for candidates in places[1:]:
            reached = None if reached is None else _next(folded, reached, candidates)
        if reached is not None:
            found.append((start, reached))
    return found


def _next(folded: str, end: int, candidates: Sequence[tuple[int, int]]) -> int | None:
    for start, stop in candidates:
        between = folded[end:start]
        if start < end:
            continue
        reach = GAP_LATIN if between.isascii() and between.strip() else GAP_HAN
        if len(between) <= reach and not _SENTENCE_END.search(between):
            return stop
    return None


def _negated(folded: str, start: int, end: int, negations: Sequence[tuple[int, int]]) -> bool:
    """Whether a negation before a hit, in its clause and near it, reaches it; 不…就… is a threat."""
    for begin, stop in negations:
        if stop > start:
            continue  # inside the hit: the concept itself is what is not (不还钱)
        between = folded[stop:start]
        reach = REACH_LATIN if between.isascii() and between.strip() else REACH_HAN
        if len(between) > reach or _CLAUSE_END.search(between):
            continue
        if folded[begin:stop] in ("不", "别") and _THREAT.match(folded, end):
            continue
        return True
    return False
