"""Replies side by side: the base as it was, steered, and tuned, on questions that nothing was fitted on.

    python -m benchmarks.replies [--count 50] [--gate FILE] [--only base,steered,tuned] [--out FILE]

Without --gate: held-out paraphrases of Teller's own knowledge, each with the passage that the search finds. With it:
the turns of written dialogues. `passed` is the share of replies that the guard leaves as they are. With --out every
reply is written down, one question a line, for reading. Last line: one JSON object.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from bot.types import GenerateRequest, Language
from inference.evaluation.dialogues import evaluate_dialogues
from inference.evaluation.retrieval import retriever_over, split_items
from inference.generator.identity import BASE
from inference.generator.model import LanguageModel, load
from inference.generator.offline import write_replies
from inference.generator.options import TUNED, EngineOptions, Steering
from inference.guard import ReplyGuard
from inference.retrieval.knowledge import load_knowledge
from inference.training.dialogues import read_dialogues

ROOT = Path(__file__).parents[1]
CACHE = ROOT / "data" / "cache"
WAYS: dict[str, tuple[str, Steering | None]] = {
    "base": ("", TUNED),  # greedy, nothing added
    "steered": ("", None),
    "tuned": ("shipped", None),
}


def asked(count: int) -> list[GenerateRequest]:
    """Held-out questions, each with the best two passages of its language."""
    import asyncio

    knowledge = load_knowledge(ROOT / "config" / "knowledge")
    languages: tuple[Language, ...] = ("zh", "en")
    items, cases = {}, []
    for language in languages:
        items[language], found = split_items(knowledge, language)
        cases += [(case.query, language) for case in found]
    cases.sort(key=lambda case: hashlib.sha256(case[0].encode()).digest())
    retriever = retriever_over(items, cache=CACHE / "embeddings")

    async def requests() -> list[GenerateRequest]:
        made = []
        for number, (query, language) in enumerate(cases[:count]):
            result = await retriever.search(query, language=language, history=())
            passages = tuple(hit.passage for hit in result.hits[:1])
            made.append(
                GenerateRequest(
                    id=f"q{number}",
                    question=query,
                    language=language,
                    passages=passages,
                    history=(),
                    max_tokens=120,
                    deadline=100_000.0,
                )
            )
        return made

    return asyncio.run(requests())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--gate", type=Path)
    parser.add_argument("--adapter", default="shipped", help="of `tuned`: a run's folder of weights")
    parser.add_argument("--only", default=",".join(WAYS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report: dict[str, Any] = {}
    requests = asked(options.count) if options.gate is None else []
    lines: list[dict[str, Any]] = [
        {"question": r.question, "title": p.title, "verbatim": p.text} for r in requests for p in r.passages
    ]
    guard = ReplyGuard()
    for name in options.only.split(","):
        adapter, steering = WAYS[name]
        model: LanguageModel = load(BASE, cache=CACHE / "models", adapter=options.adapter if adapter else "")
        engine = EngineOptions(queue=4096, steering=steering)
        if options.gate is not None:
            dialogues = read_dialogues(options.gate)[: options.count or None]
            report[name] = evaluate_dialogues(model, dialogues, engine)
            print(name, json.dumps(report[name], ensure_ascii=False), flush=True)
            continue
        replies = write_replies(model, requests, engine)
        verdicts = [
            guard.check(reply, request.passages, question=request.question)
            for reply, request in zip(replies, requests, strict=True)
        ]
        for line, reply, verdict in zip(lines, replies, verdicts, strict=True):
            line[name] = reply
            line[f"{name}_guard"] = verdict.reason
        report[name] = {
            "passed": round(sum(v.ok for v in verdicts) / len(verdicts), 4),
            "characters": round(sum(map(len, replies)) / len(replies), 1),
        }
        print(name, json.dumps(report[name]), flush=True)
    if options.out is not None:
        with options.out.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    print(json.dumps(report, ensure_ascii=False))


if __name__ == "__main__":
    main()
