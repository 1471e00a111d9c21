"""`python -m benchmarks.guard [--against FOLDER]`: what a check costs, for a reply of about 150 tokens.

FOLDER holds another version's modules of `inference/guard`; both are timed in turns in one run, so that
their ratio means something on a noisy machine.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from bot.types import Language, Passage
from inference.retrieval.knowledge import load_knowledge

KNOWLEDGE = Path(__file__).parents[1] / "config" / "knowledge"
ROUNDS = 60
CHARACTERS = {"zh": 220, "en": 600}
"""About 150 tokens."""


def guard_in(folder: Path | None) -> Any:
    """A `ReplyGuard` of this tree, or of another version's folder."""
    kept = {name: module for name, module in sys.modules.items() if name.startswith("inference.guard")}
    for name in kept:
        del sys.modules[name]
    if folder is not None:
        spec = importlib.util.spec_from_file_location(
            "inference.guard", folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["inference.guard"] = module
        spec.loader.exec_module(module)
    guard = importlib.import_module("inference.guard").ReplyGuard()
    for name in [name for name in sys.modules if name.startswith("inference.guard")]:
        del sys.modules[name]
    sys.modules.update(kept)
    return guard


def replies() -> list[tuple[str, list[Passage], str]]:
    knowledge = load_knowledge(KNOWLEDGE)
    found = []
    languages: tuple[Language, ...] = ("zh", "en")
    for language in languages:
        passages = [item.passage for item in knowledge.items(language)]
        longest = sorted(passages, key=lambda passage: -len(passage.text))[:24]
        found += [
            (p.text[: CHARACTERS[language]], [p, q], p.title)
            for p, q in zip(longest[::2], longest[1::2], strict=True)
        ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    guards = {"now": guard_in(None)} | ({"before": guard_in(options.against)} if options.against else {})
    asked = replies()
    taken: dict[str, list[float]] = {name: [] for name in guards}
    for guard in guards.values():
        for reply, passages, question in asked:
            guard.check(reply, passages, question=question)
    for _ in range(ROUNDS):
        for reply, passages, question in asked:
            for name, guard in guards.items():
                start = time.perf_counter()
                guard.check(reply, passages, question=question)
                taken[name].append(time.perf_counter() - start)
    p50 = {name: statistics.median(times) * 1000 for name, times in taken.items()}
    result = {f"check_p50_ms_{name}": round(value, 3) for name, value in p50.items()}
    if "before" in p50:
        result["ratio"] = round(p50["now"] / p50["before"], 2)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
