"""What a ticket is: plain data, from the decision to open one to its history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from bot.types import Conversation, Language

__all__ = [
    "DEPARTMENTS",
    "OPEN",
    "SEVERITIES",
    "Change",
    "ChangeKind",
    "Committed",
    "Department",
    "Severity",
    "Status",
    "Ticket",
    "TicketDraft",
    "more_severe",
]

Severity = Literal["P1", "P2", "P3", "P4"]
Status = Literal["open", "claimed", "resolved", "closed"]
Department = Literal[
    "branch",
    "cards",
    "collections",
    "compliance",
    "consumer_protection",
    "contact_center",
    "corporate",
    "ebank_it",
    "fraud_risk",
    "loans",
    "payments_ops",
    "pr",
    "privacy",
    "retail",
    "wealth",
]
ChangeKind = Literal[
    "opened", "added", "raised", "claimed", "replied", "noted", "transferred", "resolved", "closed"
]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
DEPARTMENTS: tuple[Department, ...] = get_args(Department)
OPEN: tuple[Status, ...] = ("open", "claimed")
"""Statuses in which a case is still worked on, and more can be added to it."""


def more_severe(one: Severity, other: Severity) -> Severity:
    return min(one, other)


@dataclass(frozen=True, slots=True)
class TicketDraft:
    """A turn's wish for a person. The store gives it a number, or adds it to the case that is open."""

    cause: str
    """Key of the event that caused it and a number; the same cause is taken once."""
    conversation: Conversation
    subject: str
    """Whose case it is: the conversation's key, in a group with the sender's id."""
    department: Department
    reason: str
    """A key under `tickets.reason.` of the locales, or words for staff. Never the customer's words."""
    severity: Severity
    at: float
    """When it was decided. Epoch seconds, like all times here."""
    due: float
    """When staff must have answered at the latest."""
    day: str
    """The bank's local day, `YYYY-MM-DD`: part of the number."""
    summary: str = ""
    """The last exchanges, masked."""
    complaint_due: float | None = None
    opens: float | None = None
    """When the department opens; None if somebody is there now."""
    joins: bool = False
    """Goes to whichever case of the subject is open, of any department."""
    tell: bool = True
    """Whether the customer is told. Not where staff speak already."""
    promise: bool = True
    """Whether somebody learns of it (a channel, or a desk of the platform's own)."""
    before: str = ""
    """Text for the customer that comes first in the same message: a warning, say."""
    in_reply_to: str = ""
    language: Language = "zh"
    utc_offset_s: int = 28800
    """The bank's local time, as seconds east of UTC on that day."""
    hotline: str = ""
    channel: Conversation | None = None
    """Where staff of the department are told."""
    staff_language: Language = "zh"
    rules: tuple[str, ...] = ()
    """Ids of the risk rules that fired."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A case, as it stands."""

    number: str
    conversation: Conversation
    subject: str
    department: Department
    reason: str
    severity: Severity
    status: Status
    opened_at: float
    due: float
    complaint_due: float | None = None
    owner: str = ""
    """Id of the staff member who claimed it."""
    summary: str = ""
    updated_at: float = 0.0

    def overdue(self, now: float) -> bool:
        return self.status == "open" and self.due < now


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a ticket's history."""

    at: float
    kind: ChangeKind
    by: str
    """Staff id; empty for Teller itself."""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a draft."""

    ticket: Ticket
    outcome: Literal["opened", "added", "raised", "repeated"]
    """`repeated`: this cause was taken before, and nothing was done."""
    posted: bool
    """Whether the department has a channel."""
