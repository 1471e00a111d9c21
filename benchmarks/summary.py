"""Summaries of 20 short articles: how many of their key facts are kept, against two baselines.

    python -m benchmarks.summary [--lexical]

Each article names five facts as they stand in its text. Every way has as many characters as the article's
first three sentences take. Settings were chosen on the even rows; the odd ones are held out.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from inference.reading.pieces import sentence_spans
from inference.retrieval.adapter import AdaptedEncoder
from inference.retrieval.embedding import CachedEncoder
from inference.retrieval.text import Analyser
from inference.summary import Summariser

DATA = Path(__file__).parent / "data" / "articles.jsonl"
SEEDS = 50

Article = Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lexical", action="store_true", help="leave the encoder out")
    options = parser.parse_args()
    articles = [json.loads(line) for line in DATA.read_text("utf-8").splitlines()]
    analyser = Analyser()
    analyser.load()
    ways = {"lead-3": lead, "random": at_random, "by words": by(Summariser(analyser))}
    if not options.lexical:
        ways["with vectors"] = by(Summariser(analyser, CachedEncoder(AdaptedEncoder())))
    report: dict[str, Any] = {}
    for name, way in ways.items():
        started = time.perf_counter()
        kept = [way(article, len(lead_of(article["text"]))) for article in articles]
        took = time.perf_counter() - started
        zh = [share for share, article in zip(kept, articles, strict=True) if article["lang"] == "zh"]
        en = [share for share, article in zip(kept, articles, strict=True) if article["lang"] == "en"]
        report[name] = {
            "all": mean(kept), "held out": mean(kept[1::2]), "zh": mean(zh), "en": mean(en),
            "ms an article": round(1000 * took / len(articles) / (SEEDS if name == "random" else 1), 1),
        }  # fmt: skip
    print(json.dumps(report, ensure_ascii=False, indent=1))


def coverage(summary: str, article: Article) -> float:
    """Share of the article's facts whose words are in the summary."""
    return mean([any(words in summary for words in fact) for fact in article["facts"]])


def lead_of(text: str) -> str:
    return text[: sentence_spans(text)[2][1]]


def lead(article: Article, _longest: int) -> float:
    return coverage(lead_of(article["text"]), article)


def at_random(article: Article, longest: int) -> float:
    """Sentences in random order, each taken if it fits; the mean of many draws."""
    shares = []
    for seed in range(SEEDS):
        spans = sentence_spans(article["text"])
        random.Random(seed).shuffle(spans)
        summary = ""
        for start, end in spans:
            if len(summary) + end - start + 1 <= longest:
                summary += " " + article["text"][start:end]
        shares.append(coverage(summary, article))
    return mean(shares)


def by(summariser: Summariser) -> Callable[[Article, int], float]:
    return lambda article, longest: coverage(summariser.summarise(article["text"], longest), article)


def mean(values: list[Any]) -> float:
    return round(float(np.mean(values)), 3)


if __name__ == "__main__":
    main()
