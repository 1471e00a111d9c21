"""From a question to a cited answer: search, then quote or write, then guard; or say "I don't know".

Nothing here depends on a platform or a store, so `teller ask` and the evaluation run exactly what
customers get.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import structlog

from bot.config.models import Answers, Config
from bot.errors import InferenceUnavailable
from bot.limits.load import Load
from bot.metrics import Metrics
from bot.ports import Generator, Guard, Ids, Reader, Retriever, ShowDraft, no_draft
from bot.types import Exchange, GenerateRequest, Language, Passage, SearchResult

__all__ = ["Answer", "Answering", "Source"]

log = structlog.get_logger(__name__)

Source = Literal["verbatim", "generated", "choices", "unknown"]

LONGEST_QUOTE = 600
"""Characters of a document passage quoted at most; entries are quoted whole."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What to tell the customer, and on what it stands."""

    source: Source
    language: Language
    text: str = ""
    passages: tuple[Passage, ...] = ()
    """What the answer stands on, most important first; empty for `choices` and `unknown`."""
    choices: tuple[Passage, ...] = ()
    """For `choices`: what the customer may have meant. Otherwise: what they may ask next."""
    confidence: float = 0.0
    intent: str = ""
    """Id of the entry or section that was recognised."""
    guard: str = ""
    """Why a generated reply was thrown away, if one was."""
    marks: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By passage id: start and end of the answer in its text, in code points, where that is clear."""
    notes: dict[str, float] = field(default_factory=dict)
    """Seconds spent, by step."""


class Answering:
    """Answers questions from the bank's knowledge."""

    def __init__(
        self,
        retriever: Retriever,
        guard: Guard,
        generator: Generator | None,
        metrics: Metrics,
        new_id: Ids,
        load: Load | None = None,
        reader: Reader | None = None,
    ) -> None:
        self.retriever = retriever
        self._guard = guard
        self._generator = generator
        self._metrics = metrics
        self._new_id = new_id
        self._load = load
        self._reader = reader

    @property
    def generating(self) -> bool:
        """Whether the model can write now."""
        return self._generator is not None and self._generator.ready

    def about(self, id: str, language: Language) -> Answer | None:
        """The answer behind a pressed choice: that passage, in the bank's words."""
        passage = self.retriever.passage(id, language)
        return None if passage is None else self._quote(passage, language, 1.0)

    async def answer(
        self,
        question: str,
        *,
        language: Language,
        config: Config,
        history: Sequence[Exchange] = (),
        show: ShowDraft = no_draft,
    ) -> Answer:
        """Answer one question. `show` is called with the guarded text so far while it is written."""
        started = time.perf_counter()
        result = await self.retriever.search(question, language=language, history=history)
        searched = time.perf_counter() - started
        self._metrics.retrieval_seconds.observe(searched)
        answer = self._weak(result, language, config)
        if answer is None:
            best = result.hits[0].passage
            if self._should_write(best, result, question, history, config.answers):
                answer = await self._write(question, result, language, config, history, show)
            else:
                answer = self._quote(best, language, result.confidence)
            answer = replace(answer, marks=self._marks(answer, question, history))
        answer.notes["retrieval"] = searched
        answer.notes["total"] = time.perf_counter() - started
        self._metrics.answers.labels(answer.source, language).inc()
        return answer

    # ── deciding ──

    def _weak(self, result: SearchResult, language: Language, config: Config) -> Answer | None:
        """Choices or "I don't know", if the search isn't sure enough."""
        settings = config.retrieval
        if result.hits and result.confidence >= settings.min_confidence:
            return None
        if result.hits and result.confidence >= settings.ask_confidence:
            choices = _distinct([hit.passage for hit in result.hits if hit.passage.kind == "entry"])[:3]
            if choices:
                return Answer("choices", language, choices=choices, confidence=result.confidence)
        return Answer("unknown", language, confidence=result.confidence)

    def _should_write(
        self,
        best: Passage,
        result: SearchResult,
        question: str,
        history: Sequence[Exchange],
        settings: Answers,
    ) -> bool:
        """Whether the model should write rather than the bank's own words be quoted.

        An entry's answer *is* the answer. A document section, or more about what was just said,
        has to be put into words for this question.
        """
        if not self.generating or settings.generate == "never":
            return False
        again = bool(history) and best.id in history[-1].passages and result.query != question
        if best.kind == "document" or again:
            return self._load is None or not self._load.sheds("generation")
        # The bank's own words would do: to say them in others is small talk.
        return settings.generate == "always" and (self._load is None or not self._load.sheds("small_talk"))

    def _marks(
        self, answer: Answer, question: str, history: Sequence[Exchange]
    ) -> Mapping[str, tuple[int, int]]:
        """Where in its passages the answer stands. An ornament: what goes wrong here fails no turn."""
        if self._reader is None:
            return {}
        earlier = history[-1].question if history else ""
        reply = answer.text if answer.source == "generated" else ""
        try:
            found = {
                passage.id: self._reader.mark(question, passage.text, earlier=earlier, reply=reply)
                for passage in answer.passages
            }
        except Exception as error:
            self._metrics.errors.labels("reading", type(error).__name__).inc()
            log.warning("answer.not_marked", exc_info=error)
            return {}
        return {id: mark for id, mark in found.items() if mark is not None}

    # ── the bank's own words ──

    def _quote(self, passage: Passage, language: Language, confidence: float, *, guard: str = "") -> Answer:
        return Answer(
            "verbatim",
            language,
            text=quote(passage),
            passages=(passage,),
            choices=self._related(passage, language),
            confidence=confidence,
            intent=passage.id,
            guard=guard,
        )

    def _related(self, passage: Passage, language: Language) -> tuple[Passage, ...]:
        found = (self.retriever.passage(id, language) for id in passage.related)
        return tuple(other for other in found if other is not None)[:3]

    # ── the model's words, guarded ──

    async def _write(
        self,
        question: str,
        result: SearchResult,
        language: Language,
        config: Config,
        history: Sequence[Exchange],
        show: ShowDraft,
    ) -> Answer:
        best = result.hits[0].passage
        passages = _grounds(result)
        request = GenerateRequest(
            id=self._new_id(),
            question=question,
            language=language,
            passages=passages,
            history=tuple(history[-2:]),
            max_tokens=config.inference.max_tokens,
            deadline=config.inference.deadline_s,
        )
        try:
            with nullcontext() if self._load is None else self._load.writing():
                text, reason = await self._stream(request, show)
        except InferenceUnavailable as error:
            log.warning("answer.model_unavailable", reason=str(error))
            self._metrics.errors.labels("generate", "InferenceUnavailable").inc()
            return self._quote(best, language, result.confidence)
        if reason:
            log.info("answer.guarded", reason=reason, passage=best.id)
            return self._quote(best, language, result.confidence, guard=reason)
        if self._guard.refuses(text, language):
            # The search was sure of the passage; a small model gives up too early more often than not.
            return self._quote(best, language, result.confidence, guard="refused: found nothing to say")
        return Answer(
            "generated",
            language,
            text=text,
            passages=passages,
            choices=self._related(best, language),
            confidence=result.confidence,
            intent=best.id,
        )

    async def _stream(self, request: GenerateRequest, show: ShowDraft) -> tuple[str, str]:
        """(whole text, why it must not be used). Shows only what the guard has passed."""
        assert self._generator is not None  # noqa: S101 (narrowing: _should_write has asked)
        started = time.perf_counter()
        text, shown = "", 0
        pieces = cast("AsyncGenerator[str, None]", self._generator.generate(request))
        async with aclosing(pieces):
            async for piece in pieces:
                if not text:
                    self._metrics.first_token_seconds.observe(time.perf_counter() - started)
                text += piece
                safe = self._guard.safe_prefix(text)
                if safe <= shown:
                    continue
                verdict = self._guard.check(text[:safe], request.passages, question=request.question)
                if not verdict.ok:
                    self._metrics.guard.labels("failed").inc()
                    return text, verdict.reason
                shown = safe
                if not self._guard.refuses(text, request.language):
                    await show(text[:safe])
        text = text.strip()
        verdict = self._guard.check(text, request.passages, question=request.question)
        self._metrics.guard.labels("passed" if verdict.ok else "failed").inc()
        return text, "" if verdict.ok else verdict.reason


def _grounds(result: SearchResult) -> tuple[Passage, ...]:
    """The passages to write from: the best, and the next where it is nearly as good."""
    best = result.hits[0]
    second = [
        hit.passage
        for hit in result.hits[1:2]
        if hit.score >= 0.9 * best.score and hit.passage.topic == best.passage.topic
    ]
    return (best.passage, *second)


def _distinct(passages: Sequence[Passage]) -> tuple[Passage, ...]:
    return tuple({passage.id: passage for passage in passages}.values())


def quote(passage: Passage) -> str:
    """A passage's own words; a long document section up to the last whole sentence that fits."""
    text = passage.text.strip()
    if passage.kind == "entry" or len(text) <= LONGEST_QUOTE:
        return text
    head = text[:LONGEST_QUOTE]
    end = max(head.rfind(mark) for mark in ("。", "！", "？", "\n", ". "))
    return head[: end + 1].rstrip() if end > 0 else head
