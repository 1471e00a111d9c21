"""A piece of feedback together with the exchange that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot.types import Language

__all__ = ["Citations", "Item", "Kind", "Status"]

Kind = Literal["vote", "correction", "resolution"]
"""A customer's 👍 or 👎; what staff say the answer should have been; what staff answered in a ticket."""
Status = Literal["new", "approved", "rejected"]
Citations = tuple[tuple[str, str], ...]
"""Passages' ids and the parts of their texts that an answer showed, on one line, "…" where they were cut."""


@dataclass(frozen=True, slots=True)
class Item:
    """As it stands in the store. Times are epoch seconds; what isn't kept any more is empty."""

    id: int
    kind: Kind
    verdict: Literal["up", "down", ""]
    """Of a vote."""
    status: Status
    whose: str
    """A customer's subject, or a staff id."""
    at: float
    conversation: str
    event_id: str
    """Of the question."""
    asked_at: float
    question: str
    reply: str
    """What the bot answered."""
    text: str
    """What a correction or resolution says in its place."""
    passages: tuple[str, ...]
    cited: Citations
    language: Language
    appended: tuple[str, ...] = ()
    """Paragraphs that code put under the reply."""
    reviewed_by: str = ""
    reviewed_at: float | None = None

    @property
    def usable(self) -> bool:
        """Whether the exchange can still be read."""
        return bool(self.question.strip() and (self.reply if self.kind == "vote" else self.text).strip())
