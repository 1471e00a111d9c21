"""Fit the fusion weights and the confidence:

    python -m inference.retrieval.fit --knowledge DIR --off-topic FILE --out fusion.json
        [--unseen-adapter FILE --unseen-topics a,b] [--banking77 FILE]

The weights must serve any knowledge base, rich in paraphrases or without, so each of these situations
is one set and counts the same: Teller's own knowledge in zh and en, with its known paraphrases and with
bare entries; and, with an adapter that was trained without them (`adapt --leave-out`), topics and a
domain that the encoder has never seen. Only the "tuning" paraphrases are searched for.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.types import Language, Passage
from inference.retrieval.adapter import AdaptedEncoder
from inference.retrieval.embedding import CachedEncoder
from inference.retrieval.fusion import Fusion, FusionFile, domain_logit, shape_of
from inference.retrieval.index import DENSE_SIGNALS, LEXICAL_SIGNALS, Index, Query
from inference.retrieval.knowledge import Item, Knowledge, load_knowledge
from inference.retrieval.logit import Choices, fit_choice, fit_probability
from inference.retrieval.splits import Part, part_of
from inference.retrieval.text import Analyser, script, strip_courtesies

__all__ = ["Situation", "main", "situations"]

_LANGUAGES: tuple[Language, ...] = ("zh", "en")
_SAMPLES, _KNOWN_SAMPLES = 8, 2
"""Of each BANKING77 label: searched for, and known."""


@dataclass(frozen=True, slots=True)
class Situation:
    """A knowledge base and questions to it, each with the position of the right item."""

    items: tuple[Item, ...]
    questions: tuple[str, ...]
    right: tuple[int, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Fit the retrieval fusion.")
    parser.add_argument("--knowledge", type=Path, required=True)
    parser.add_argument("--off-topic", type=Path, action="append", required=True, help="JSONL with text")
    parser.add_argument("--adapter", type=Path, help="instead of the shipped one")
    parser.add_argument("--unseen-adapter", type=Path)
    parser.add_argument("--unseen-topics", default="")
    parser.add_argument("--banking77", type=Path, help="JSONL with text and label")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    knowledge, analyser = load_knowledge(options.knowledge), Analyser()
    encoder = CachedEncoder(AdaptedEncoder(options.adapter), options.cache and options.cache / "shipped")
    own = list(situations(knowledge, {"tuning"}))
    sets = [choices_of(situation, analyser, encoder) for situation in own]
    if options.unseen_adapter:
        unseen = CachedEncoder(
            AdaptedEncoder(options.unseen_adapter), options.cache and options.cache / "unseen"
        )
        topics = frozenset(options.unseen_topics.split(","))
        foreign = list(situations(knowledge, {"tuning", "known"}, topics))
        foreign += [_banking77(options.banking77)] if options.banking77 else []
        sets += [choices_of(situation, analyser, unseen) for situation in foreign]
        unseen.save()
    off_topic = [text for path in options.off_topic for text in _texts(path) if part_of(text) != "test"]
    # Confidence is for the knowledge as it is served: every item with all that is known of it.
    served = list(zip(own[1::2], sets[1::2], strict=False))
    made_by = "python -m inference.retrieval.fit " + " ".join(_nameless(arguments or sys.argv[1:]))
    rich = _fit(sets, served, off_topic, analyser, encoder)
    lean_sets = [Choices(c.signals[:, :, : len(LEXICAL_SIGNALS)], c.right) for c in sets]
    lean_served = [(s, lean_sets[at]) for (s, _), at in zip(served, range(1, len(sets), 2), strict=False)]
    lean = _fit(lean_sets, lean_served, off_topic, analyser, None)
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(FusionFile(made_by, rich, lean))))
    encoder.save()


def situations(
    knowledge: Knowledge, searched: set[Part], topics: frozenset[str] = frozenset()
) -> Iterator[Situation]:
    """For each language: bare entries, then entries with their known paraphrases.

    With `topics`, only these. A paraphrase that is searched for is never in the index.
    """
    for language in _LANGUAGES:
        items = [
            item
            for item in knowledge.items(language)
            if not topics or (item.passage.topic in topics and item.passage.kind == "entry")
        ]
        asked = [
            (paraphrase, at)
            for at, item in enumerate(items)
            for number, paraphrase in enumerate(item.questions[1:])
            if part_of(paraphrase) in searched and (part_of(paraphrase) != "known" or number % 2)
        ]
        questions, right = tuple(text for text, _ in asked), tuple(at for _, at in asked)
        taken = set(questions)
        bare = tuple(replace(item, questions=item.questions[:1]) for item in items)
        full = tuple(
            replace(
                item,
                questions=(
                    item.questions[0],
                    *(p for p in item.questions[1:] if p not in taken and part_of(p) == "known"),
                ),
            )
            for item in items
        )
        yield Situation(bare, questions, right)
        yield Situation(full, questions, right)


def choices_of(situation: Situation, analyser: Analyser, encoder: CachedEncoder) -> Choices:
    index = Index(situation.items, analyser, encoder)
    queries = [Query.of(question, analyser, encoder) for question in situation.questions]
    signals = np.stack([index.signals(query) for query in queries]).astype(np.float64)
    return Choices(signals, np.array(situation.right))


def _fit(
    sets: Sequence[Choices],
    served: Sequence[tuple[Situation, Choices]],
    off_topic: Sequence[str],
    analyser: Analyser,
    encoder: CachedEncoder | None,
) -> Fusion:
    weights = fit_choice(sets)
    business = _Business(served, off_topic, analyser, encoder) if encoder is not None else None
    shapes: list[NDArray[Any]] = []
    outcomes: list[bool] = []

    def note(text: str, signals: NDArray[Any], right: int | None) -> None:
        relevance = signals @ weights
        shape = shape_of(relevance, signals)
        shapes.append(shape if business is None else np.append(shape, business.logit(text)))
        outcomes.append(right is not None and bool(relevance.argmax() == right))

    for situation, choices in served:
        for text, signals, right in zip(situation.questions, choices.signals, choices.right, strict=True):
            note(text, signals, int(right))
    inside = len(outcomes)
    for language, (situation, _) in zip(_LANGUAGES, served, strict=True):
        index = Index(situation.items, analyser, encoder)
        for text in (text for text in off_topic if script(text) == language):
            note(text, index.signals(Query.of(text, analyser, encoder)).astype(np.float64), None)
    importance = np.ones(len(outcomes))
    importance[inside:] = inside / 3 / max(len(outcomes) - inside, 1)  # one question in four is off topic
    confidence, bias = fit_probability(np.stack(shapes), np.array(outcomes), importance)
    names = (*LEXICAL_SIGNALS, *(DENSE_SIGNALS if encoder is not None else ()))
    domain = () if business is None else _rounded(business.weights)
    return Fusion(names, _rounded(weights), _rounded(confidence), round(bias, 4), domain)


class _Business:
    """Whether a question is a bank's business at all, read off its sentence vector.

    Off-topic texts teach both this and the confidence, so each is judged by a model that was fitted
    without it (two folds); the weights that ship are fitted on all.
    """

    def __init__(
        self,
        served: Sequence[tuple[Situation, Choices]],
        off_topic: Sequence[str],
        analyser: Analyser,
        encoder: CachedEncoder,
    ) -> None:
        known = [q for situation, _ in served for item in situation.items for q in item.questions]
        self._vectors = {text: encoder.query(strip_courtesies(analyser.fold(text))) for text in off_topic}
        for situation, _ in served:
            for text in situation.questions:
                self._vectors[text] = encoder.query(strip_courtesies(analyser.fold(text)))
        inside = encoder.encode([analyser.fold(q) for q in known], "query")
        folds = [[t for t in off_topic if _fold(t) != fold] for fold in (0, 1)]
        self._folds = [self._fit(inside, texts) for texts in folds]
        self.weights = self._fit(inside, off_topic)
        self._off_topic = frozenset(off_topic)

    def logit(self, text: str) -> float:
        weights = self._folds[_fold(text)] if text in self._off_topic else self.weights
        return domain_logit(weights, self._vectors[text])

    def _fit(self, inside: NDArray[Any], outside: Sequence[str]) -> NDArray[np.float64]:
        rows = np.concatenate([inside, np.stack([self._vectors[text] for text in outside])])
        outcomes = np.arange(len(rows)) < len(inside)
        importance = np.where(outcomes, len(outside) / len(inside), 1.0)
        weights, bias = fit_probability(rows.astype(np.float64), outcomes, importance, ridge=20.0)
        return np.append(weights, bias)


def _fold(text: str) -> int:
    return hashlib.blake2b(text.encode(), digest_size=1).digest()[0] % 2


def _banking77(path: Path) -> Situation:
    by_label: dict[str, list[str]] = {}
    for line in path.read_bytes().splitlines():
        row = msgspec.json.decode(line, type=dict[str, str])
        by_label.setdefault(row["label"], []).append(row["text"])
    items: list[Item] = []
    asked: list[tuple[str, int]] = []
    for at, (label, texts) in enumerate(sorted(by_label.items())):
        chosen = random.Random(label).sample(texts, _SAMPLES + _KNOWN_SAMPLES)
        name = label.replace("_", " ")
        passage = Passage(id=label, language="en", title=name, text="")
        items.append(Item(passage, (name, *chosen[:_KNOWN_SAMPLES])))
        asked += [(text, at) for text in chosen[_KNOWN_SAMPLES:]]
    return Situation(tuple(items), tuple(text for text, _ in asked), tuple(at for _, at in asked))


def _texts(path: Path) -> list[str]:
    rows = (msgspec.json.decode(line, type=dict[str, Any]) for line in path.read_bytes().splitlines())
    return [row["text"] for row in rows]


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)


def _nameless(arguments: Sequence[str]) -> list[str]:
    """Arguments with paths cut to their last part: a shipped file names no machine's folders."""
    return [Path(argument).name if "/" in argument else argument for argument in arguments]


if __name__ == "__main__":
    main()
