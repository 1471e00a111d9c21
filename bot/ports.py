"""What the core asks of the rooms it doesn't import. The composition root supplies each.

Adapters implement the protocols of `adapters.base`; these are the inference side and the ambient
things (clock, ids) that tests replace.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from bot.types import Assessment, Exchange, GenerateRequest, Language, Passage, SearchResult

__all__ = [
    "Attention",
    "Clock",
    "ComplaintFound",
    "ComplaintRouter",
    "Generator",
    "Guard",
    "Ids",
    "Masked",
    "Masker",
    "NoteTaker",
    "Noted",
    "Reader",
    "Retriever",
    "RiskRules",
    "ShowDraft",
    "Verdict",
    "no_draft",
]

Clock = Callable[[], datetime]
"""Now, timezone-aware UTC."""
Ids = Callable[[], str]
"""A fresh unique id, sortable by time."""


ShowDraft = Callable[[str], Awaitable[None]]
"""Shows a customer the text so far of an answer that is being written."""


async def no_draft(_text: str) -> None:
    """For askers who don't stream."""


class Retriever(Protocol):
    """Finds the passages that answer a question. Lives in the turn's own process: it needs no
    torch, and it must answer when the worker can't."""

    @property
    def version(self) -> str:
        """Hash of the knowledge now served."""
        ...

    async def search(
        self,
        question: str,
        *,
        language: Language,
        history: Sequence[Exchange] = (),
        limit: int = 5,
    ) -> SearchResult:
        """Search in `language`; a follow-up is resolved against `history` (oldest first)."""
        ...

    def passage(self, id: str, language: Language) -> Passage | None:
        """The passage with that id, in that language or else in the other one."""
        ...


class Generator(Protocol):
    """Writes a grounded answer. May be absent, dead or slow at any time."""

    @property
    def ready(self) -> bool: ...

    def generate(self, request: GenerateRequest) -> AsyncIterator[str]:
        """Text pieces as they are made; closing the iterator cancels the work.

        Raises:
            InferenceUnavailable: not ready, overloaded, or past the deadline.
        """
        ...


class Verdict(Protocol):
    """The guard's finding on a reply."""

    @property
    def ok(self) -> bool: ...

    @property
    def reason(self) -> str:
        """Which check failed and on what (a figure or a term, never a whole message)."""
        ...


class Guard(Protocol):
    """Holds a generated reply against the passages it was to be grounded on."""

    def check(self, reply: str, passages: Sequence[Passage], *, question: str = "") -> Verdict:
        """Whether a reply, or a growing reply cut at `safe_prefix`, may be shown."""
        ...

    def safe_prefix(self, partial: str) -> int:
        """How many leading characters of a growing reply can be checked and shown: the tail that
        may still become part of a number, address or word is held back."""
        ...

    def refuses(self, reply: str, language: Language) -> bool:
        """Whether a reply says that the passages don't have what was asked."""
        ...


class Reader(Protocol):
    """Finds where in a passage the answer stands. Takes about a millisecond, and needs no model."""

    def mark(self, question: str, text: str, *, earlier: str = "", reply: str = "") -> tuple[int, int] | None:
        """Start and end of the answer in `text`, in code points; None where it isn't clear.

        Args:
            earlier: the customer's question before, which a follow-up leans on.
            reply: what the model wrote from `text`; then the words that this stands on are looked for.
        """
        ...


class Noted(Protocol):
    """What a person should know of a conversation: pieces of what was said; empty where there is nothing."""

    @property
    def first(self) -> str:
        """The customer's first real question."""
        ...

    @property
    def last(self) -> str:
        """The last one, where it is another."""
        ...

    @property
    def figures(self) -> tuple[str, ...]:
        """Sums, rates, dates and periods that the customer named, as written."""
        ...

    @property
    def answered(self) -> tuple[str, ...]:
        """Titles of the passages that were shown."""
        ...

    @property
    def open(self) -> str:
        """What was asked last and not answered."""
        ...

    @property
    def upset(self) -> bool:
        """Whether strongly negative words are there."""
        ...


class NoteTaker(Protocol):
    """Takes notes of a conversation for staff. Deterministic; words nothing of its own."""

    def take(self, history: Sequence[Exchange], text: str, language: Language) -> Noted:
        """Args:
        history: oldest first, masked.
        text: what the customer says now, masked.
        language: the staff's.
        """
        ...


class Masked(Protocol):
    """A text without its personal data."""

    @property
    def text(self) -> str: ...

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of personal data that were in it (BANK_CARD, PHONE, OTP …)."""
        ...

    def pieces(self, raw: str) -> tuple[tuple[str, str, str], ...]:
        """(kind, value, what stands in its place) of each piece that was masked in `raw`."""
        ...


class Masker(Protocol):
    """Finds and masks personal data. Deterministic, without any model, and safe to run twice."""

    def mask(self, text: str) -> Masked: ...

    def scrub(self, text: str) -> Masked:
        """Take out only what may never be kept: one-time codes, PINs, CVVs, passwords."""
        ...


class RiskRules(Protocol):
    """The deterministic risk rules. They run in the turn's own process and need no model."""

    @property
    def version(self) -> str:
        """Hash of the rule set in force."""
        ...

    def assess(
        self,
        text: str,
        *,
        facts: Mapping[str, Any],
        pasted: Iterable[str],
        memory: Mapping[str, Any],
        now: datetime,
        kept: str | None = None,
    ) -> Assessment:
        """What a message calls for.

        Args:
            facts: what is known beside its words (`inference.rules.facts`).
            pasted: kinds of personal data in it.
            memory: the conversation's last `Assessment.memory`.
            kept: the text as its end may be remembered, personal data masked; by default `text`.
        """
        ...

    def says(self, template: str, language: Language, **values: str) -> str:
        """What the customer is told."""
        ...


class Attention(Protocol):
    """A classifier that may raise what the rules let pass; it never lowers anything."""

    async def raise_for(self, text: str, found: Assessment) -> Assessment: ...


class ComplaintFound(Protocol):
    """What a message was found to be."""

    @property
    def is_complaint(self) -> float:
        """Probability."""
        ...

    @property
    def named(self) -> bool:
        """Whether it says what it is about, beside being displeased."""
        ...

    @property
    def department(self) -> str:
        """A `bot.tickets.ticket.Department`."""
        ...

    @property
    def severity(self) -> str:
        """P1 to P4."""
        ...

    @property
    def reasons(self) -> tuple[str, ...]:
        """Names of what was found in it, never the customer's words."""
        ...


class ComplaintRouter(Protocol):
    """Tells complaints from what isn't one, and whose they are."""

    async def route(self, text: str) -> ComplaintFound:
        """Args:
        text: the customer's words, masked.
        """
        ...
