"""`teller eval answers`: whole answers, as customers would get them, held against their passages."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
import unicodedata
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bot.answering import Answer, Answering
from bot.assembly import make_guard, own_worker
from bot.config import LiveConfig
from bot.ids import new_id
from bot.locales import LANGUAGES
from bot.metrics import Metrics
from bot.rails.normalise import detect_language
from bot.types import Language, Passage

if TYPE_CHECKING:
    from inference.retrieval.knowledge import Item

__all__ = ["Query", "evaluate_answers"]

_DIGITS = re.compile(r"[0-9]+")
_LIST_MARK = re.compile(r"(?m)^\s*[0-9]{1,2}[.、)]")
CONCURRENT = 8
"""Questions asked at once; answers are timed under that load."""


class Query(Protocol):
    """A question, and the id (or answer group) of the passage that answers it."""

    @property
    def query(self) -> str: ...
    @property
    def gold(self) -> str: ...
    @property
    def group(self) -> str: ...


async def evaluate_answers(
    live: LiveConfig, kb: Path | None, queries: Path | None, *, model: bool, limit: int
) -> dict[str, Any]:
    """Metrics over all queries; without `kb`, over held-out paraphrases of Teller's own knowledge.

    `answered`: share that got an answer rather than choices or "I don't know". Of the answered:
    `grounded`: share the guard finds grounded on what they cite; `unsupported_numbers`: answers with
    a figure that no cited passage has; `gold_cited@1`: share whose first citation is the right one.
    """
    from inference.evaluation.retrieval import read_faq, retriever_over, split_items
    from inference.retrieval.knowledge import load_knowledge
    from inference.retrieval.text import script

    cache = live.current.data_dir / "cache" / "embeddings"
    items: dict[Language, list[Item]] = {}
    queries_asked: list[Query] = []
    if kb is not None and queries is not None:
        entries, cases = read_faq(kb, queries)
        for entry in entries:
            items.setdefault(script(entry.passage.title or entry.passage.text), []).append(entry)
        queries_asked, cache = list(cases), cache.with_name("embeddings-eval")
    else:
        knowledge = load_knowledge(live.current.knowledge_path)
        for language in LANGUAGES:
            items[language], cases = split_items(knowledge, language)
            queries_asked += cases
    if limit:
        queries_asked.sort(key=lambda case: hashlib.sha256(case.query.encode()).digest())
        del queries_asked[limit:]
    async with AsyncExitStack() as stack:
        dense = live.config.retrieval.dense
        retriever = await asyncio.to_thread(retriever_over, items, cache=cache, dense=dense)
        worker = None
        if model and live.config.inference.enabled:
            worker = await stack.enter_async_context(own_worker(live, 300))
        answering = Answering(retriever, make_guard(), worker, Metrics(), new_id)
        return await _measure(answering, live, queries_asked)


async def _measure(answering: Answering, live: LiveConfig, queries: Sequence[Query]) -> dict[str, Any]:
    gate = asyncio.Semaphore(CONCURRENT)
    times: list[float] = []

    async def one(query: Query) -> Answer:
        async with gate:
            started = time.perf_counter()
            language = detect_language(query.query)
            answer = await answering.answer(query.query, language=language, config=live.config)
            times.append((time.perf_counter() - started) * 1000)
            return answer

    answers = await asyncio.gather(*(one(query) for query in queries))
    guard = make_guard()
    told = [(q, a) for q, a in zip(queries, answers, strict=True) if a.passages]
    verdicts = [guard.check(a.text, a.passages, question=q.query) for q, a in told]
    # A quotation is grounded by nature; only its figures could go wrong, in cutting it short.
    grounded = sum(v.ok or a.source == "verbatim" for (_, a), v in zip(told, verdicts, strict=True))
    return {
        "queries": len(queries),
        "answered": _share(len(told), len(queries)),
        "grounded": _share(grounded, len(told)),
        "unsupported_numbers": sum(
            v.reason.startswith("figure") or _foreign_digits(a)
            for (_, a), v in zip(told, verdicts, strict=True)
        ),
        "gold_cited@1": _share(sum(_right(q, a.passages[0]) for q, a in told), len(told)),
        "gold_cited@1_of_all": _share(sum(_right(q, a.passages[0]) for q, a in told), len(queries)),
        "generated": _share(sum(a.source == "generated" for _, a in told), len(told)),
        "guarded_to_verbatim": sum(bool(a.guard) for _, a in told),
        "p50_ms": round(_quantile(times, 0.5), 1),
        "p95_ms": round(_quantile(times, 0.95), 1),
    }


def _foreign_digits(answer: Answer) -> bool:
    """A plain look that shares nothing with the guard: a run of digits that no cited passage has."""
    held = {run for p in answer.passages for run in _digits(f"{p.title}\n{p.text}")}
    return bool(_digits(_LIST_MARK.sub("", answer.text)) - held)


def _digits(text: str) -> set[str]:
    return set(_DIGITS.findall(unicodedata.normalize("NFKC", text).replace(",", "")))


def _right(query: Query, passage: Passage) -> bool:
    return passage.id == query.gold or bool(query.group and passage.group == query.group)


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _quantile(values: Sequence[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0
