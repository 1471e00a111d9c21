"""The parts of a counter, each made as the configuration says.

Imports of `inference` stand inside: a process loads only what its roles need.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from bot.config import LiveConfig
from bot.limits.meter import Meter
from bot.metrics import Metrics
from bot.ports import (
    Attention,
    Clock,
    ComplaintRouter,
    Guard,
    Masker,
    NoteTaker,
    Reader,
    Retriever,
    RiskRules,
)
from bot.safeguards import Safeguards
from bot.suitability.shelf import Counter, LiveCounter
from bot.tickets.request import asks_for_person
from bot.types import InboundEvent, Language

if TYPE_CHECKING:
    from inference.client import WorkerSupervisor
    from inference.remote import RemoteGenerator
    from inference.retrieval.retriever import KnowledgeRetriever
    from inference.rules.live import LiveRules

log = structlog.get_logger(__name__)

__all__ = [
    "current_of",
    "generator_model",
    "make_attention",
    "make_complaints",
    "make_guard",
    "make_masker",
    "make_notes",
    "make_reader",
    "make_remote",
    "make_retriever",
    "make_rules",
    "make_safeguards",
    "make_wealth",
    "make_worker",
    "own_worker",
]


def make_retriever(live: LiveConfig) -> KnowledgeRetriever:
    """The retriever over the configured knowledge; not loaded yet."""
    from inference.retrieval.retriever import KnowledgeRetriever

    return KnowledgeRetriever(
        live.current.knowledge_path,
        cache=live.current.data_dir / "cache" / "embeddings",
        dense=live.config.retrieval.dense,
    )


def make_reader() -> Reader:
    """Words alone: embedding questions and clauses would slow the turn (docs/reading.md)."""
    from inference.reading import SpanReader
    from inference.retrieval.text import Analyser

    return SpanReader(Analyser())


def make_notes(retriever: Retriever) -> NoteTaker:
    """What staff read at the head of a ticket."""
    from inference.summary import ConversationNotes

    def title(id: str, language: Language) -> str:
        passage = retriever.passage(id, language)
        return passage.title if passage is not None else ""

    return ConversationNotes(title, asks_for_person)


def make_guard() -> Guard:
    from inference.guard import ReplyGuard

    return ReplyGuard()


def make_masker() -> Masker:
    from inference.privacy.masker import TextMasker

    return TextMasker()


def make_rules(live: LiveConfig) -> LiveRules:
    """The risk rules of the configured folder. Raises ConfigError: without them no counter opens."""
    from inference.rules.live import LiveRules

    return LiveRules(live.current.rules_path, jurisdiction=live.config.bank.jurisdiction)


def make_attention(live: LiveConfig) -> Attention:
    """The risk classifier, being loaded if it is wanted now."""
    from inference.rules.attention import RiskAttention

    attention = RiskAttention()
    if live.config.risk.attention:
        attention.warm()
    return attention


def make_complaints(retriever: Retriever) -> ComplaintRouter:
    """Complaints to departments, by words, and by the retriever's embeddings where there are any."""
    from inference.complaints import Complaints, ComplaintsByMeaning

    return ComplaintsByMeaning(Complaints.load(), getattr(retriever, "embed", None))


def make_wealth(live: LiveConfig) -> LiveCounter | None:
    """Questionnaire and products, where suitability is on. Raises ConfigError."""
    return LiveCounter(live) if live.config.suitability.enabled else None


def current_of(wealth: LiveCounter | None) -> Callable[[], Counter] | None:
    return None if wealth is None else lambda: wealth.current


def make_safeguards(
    live: LiveConfig, metrics: Metrics, clock: Clock, rules: RiskRules, retriever: Retriever
) -> Safeguards:
    def is_staff(event: InboundEvent) -> bool:
        staff = live.current.staff
        return staff.by_account(event.platform, event.account, event.sender.id) is not None

    return Safeguards(
        make_masker(),
        rules,
        Meter(metrics, is_staff),
        metrics,
        clock,
        make_attention(live),
        make_complaints(retriever),
    )


def make_worker(live: LiveConfig) -> WorkerSupervisor | RemoteGenerator:
    """The supervisor of an inference worker, or a model elsewhere; not started yet."""
    if live.config.inference.remote.url:
        return make_remote(live)
    from inference.client import WorkerSupervisor
    from inference.generator.options import EngineOptions, WorkerOptions

    settings = live.config.inference
    return WorkerSupervisor(
        WorkerOptions(
            model=generator_model(live),
            adapter=_adapter(live),
            cache=str(live.current.data_dir / "cache" / "models"),
            dtype=settings.dtype,
            threads=settings.threads or 0,
            engine=EngineOptions(rows=settings.max_batch, queue=settings.max_waiting),
        )
    )


def generator_model(live: LiveConfig) -> str:
    """`inference.model` as the loader takes it."""
    from inference.generator.identity import BASE

    given = live.config.inference.model
    folder = live.current.resolve(Path(given))
    return BASE if given == "packaged" else str(folder) if folder.is_dir() else given


def _adapter(live: LiveConfig) -> str:
    """What the worker is to merge into its model."""
    from inference.generator.identity import adapter_in_use

    given, model = live.config.inference.adapter, generator_model(live)
    if given != "auto":
        return "" if given == "none" else str(live.current.resolve(Path(given)))
    promoted = live.current.data_dir / "models" / "generator" / "adapter"
    found = adapter_in_use(promoted, model)
    if promoted.is_dir() and found != str(promoted):
        log.warning("generator.adapter_of_another_base", adapter=str(promoted), model=model)
    return found


def make_remote(live: LiveConfig) -> RemoteGenerator:
    """The model on the configured server."""
    from inference.remote import RemoteGenerator, RemoteOptions

    settings = live.config.inference.remote
    return RemoteGenerator(
        RemoteOptions(
            url=settings.url,
            model=settings.model,
            connect=settings.connect_s,
            first_token=settings.first_token_s,
            max_concurrent=settings.max_concurrent,
            queue=live.config.inference.max_waiting,
            retries=settings.retries,
            temperature=settings.temperature,
        ),
        settings.api_key.get_secret_value() if settings.api_key is not None else "",
    )


@asynccontextmanager
async def own_worker(live: LiveConfig, patience: float) -> AsyncIterator[WorkerSupervisor | RemoteGenerator]:
    """A worker of the caller's own, ready. Raises InferenceUnavailable after `patience` seconds."""
    worker = make_worker(live)
    worker.start()
    try:
        await worker.wait_ready(patience)
        yield worker
    finally:
        await worker.stop()
