"""`teller eval answers`: whole answers, as customers would get them, held against their passages."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bot.answering import Answer, Answering
from bot.app import make_guard, make_worker
from bot.config import LiveConfig
from bot.errors import ConfigError, Problem
from bot.ids import new_id
from bot.metrics import Metrics
from bot.rails.normalise import detect_language
from bot.types import Passage

__all__ = ["Query", "evaluate_answers"]

CONCURRENT = 8
"""Questions asked at once; answers are timed under that load."""


@dataclass(frozen=True, slots=True)
class Query:
    text: str
    gold: str
    group: str = ""


async def evaluate_answers(
    live: LiveConfig, kb: Path | None, queries: Path | None, *, model: bool, limit: int
) -> dict[str, Any]:
    """Metrics over all queries; without `kb`, over held-out paraphrases of Teller's own knowledge.

    `answered`: share that got an answer rather than choices or "I don't know". Of the answered:
    `grounded`: share the guard finds grounded on what they cite; `unsupported_numbers`: answers with
    a figure that no cited passage has; `gold_cited@1`: share whose first citation is the right one.
    """
    from inference.evaluation.retrieval import held_out_queries, open_kb
    from inference.retrieval.retriever import KnowledgeRetriever

    async with AsyncExitStack() as stack:
        cache = live.current.data_dir / "cache" / "embeddings"
        folder = live.current.knowledge_path
        if kb is not None and queries is not None:
            temporary = stack.enter_context(tempfile.TemporaryDirectory())
            folder, asked = open_kb(kb, Path(temporary)), _read(queries)
            cache = cache.with_name("embeddings-eval")
        else:
            asked = [Query(text, gold) for text, gold in held_out_queries(folder)]
        if limit:
            asked = sorted(asked, key=lambda q: hashlib.sha256(q.text.encode()).digest())[:limit]
        retriever = KnowledgeRetriever(folder, cache=cache, dense=live.config.retrieval.dense)
        stack.callback(retriever.close)
        await retriever.load()
        worker = None
        if model and live.config.inference.enabled:
            worker = make_worker(live)
            worker.start()
            stack.push_async_callback(worker.stop)
            await worker.wait_ready(300)
        answering = Answering(retriever, make_guard(), worker, Metrics(), new_id)
        return await _measure(answering, live, asked)


def _read(path: Path) -> list[Query]:
    queries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
            queries.append(Query(row["query"], str(row["gold_doc"]), str(row.get("gold_answer_group") or "")))
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
            message = f"each line is an object with query and gold_doc: {error}"
            raise ConfigError([Problem(str(path), number, message)]) from None
    return queries


async def _measure(answering: Answering, live: LiveConfig, queries: Sequence[Query]) -> dict[str, Any]:
    gate = asyncio.Semaphore(CONCURRENT)
    times: list[float] = []

    async def one(query: Query) -> Answer:
        async with gate:
            started = time.perf_counter()
            language = detect_language(query.text)
            answer = await answering.answer(query.text, language=language, config=live.config)
            times.append((time.perf_counter() - started) * 1000)
            return answer

    answers = await asyncio.gather(*(one(query) for query in queries))
    guard = make_guard()
    told = [(q, a) for q, a in zip(queries, answers, strict=True) if a.passages]
    verdicts = [guard.check(a.text, a.passages, question=q.text) for q, a in told]
    # A quotation is grounded by nature; only its figures could go wrong, in cutting it short.
    grounded = sum(v.ok or a.source == "verbatim" for (_, a), v in zip(told, verdicts, strict=True))
    return {
        "queries": len(queries),
        "answered": _share(len(told), len(queries)),
        "grounded": _share(grounded, len(told)),
        "unsupported_numbers": sum(v.reason.startswith("figure") for v in verdicts),
        "gold_cited@1": _share(sum(_right(q, a.passages[0]) for q, a in told), len(told)),
        "gold_cited@1_of_all": _share(sum(_right(q, a.passages[0]) for q, a in told), len(queries)),
        "generated": _share(sum(a.source == "generated" for _, a in told), len(told)),
        "guarded_to_verbatim": sum(bool(a.guard) for _, a in told),
        "p50_ms": round(_quantile(times, 0.5), 1),
        "p95_ms": round(_quantile(times, 0.95), 1),
    }


def _right(query: Query, passage: Passage) -> bool:
    return passage.id == query.gold or bool(query.group and passage.group == query.group)


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _quantile(values: Sequence[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0
