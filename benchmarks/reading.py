"""What finding an answer in its passage costs a turn:

    python -m benchmarks.reading [--knowledge DIR] [--dense]

Each entry's own questions are asked of its passage: a passage seen for the first time, seen before, and a
long document made of 200 passages. With --dense, sentence vectors too, once with the clauses' vectors
cached and once without. How good it is, `python -m inference.training.reading` reports.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inference.reading import SpanReader
from inference.retrieval.adapter import AdaptedEncoder
from inference.retrieval.embedding import CachedEncoder
from inference.retrieval.knowledge import load_knowledge
from inference.retrieval.text import Analyser

ASKED = 400
DENSE = 40


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--knowledge", type=Path, default=Path("config/knowledge"))
    parser.add_argument("--dense", action="store_true")
    options = parser.parse_args()
    knowledge, analyser = load_knowledge(options.knowledge), Analyser()
    analyser.load()
    report: dict[str, Any] = {}
    for language in ("zh", "en"):
        items = knowledge.items(language)
        asked = [(item.questions[-1], item.passage.text) for item in items if item.questions][:ASKED]
        reader = SpanReader(analyser)
        report[f"{language}, first time, ms"] = spread(asked, reader.mark)
        report[f"{language}, seen before, ms"] = spread(asked, reader.mark)
        marks = [reader.mark(question, text) for question, text in asked]
        report[f"{language}, marked"] = round(float(np.mean([mark is not None for mark in marks])), 3)
        document = "\n".join(text for _, text in asked[:200])
        report[f"{language}, 200 passages ({len(document)} characters), ms"] = spread(
            [(question, document) for question, _ in asked[:10]], reader.mark
        )
        if options.dense:
            dense = SpanReader(analyser, CachedEncoder(AdaptedEncoder()))
            report[f"{language}, vectors, first time, ms"] = spread(asked[:DENSE], dense.mark)
            report[f"{language}, vectors, cached, ms"] = spread(asked[:DENSE], dense.mark)
    print(json.dumps(report, ensure_ascii=False, indent=1))


def spread(asked: Sequence[tuple[str, str]], mark: Callable[[str, str], object]) -> dict[str, float]:
    took = []
    for question, text in asked:
        started = time.perf_counter()
        mark(question, text)
        took.append(1000 * (time.perf_counter() - started))
    middle, late = np.percentile(took, [50, 95])
    return {"median": round(float(middle), 2), "p95": round(float(late), 2)}


if __name__ == "__main__":
    main()
