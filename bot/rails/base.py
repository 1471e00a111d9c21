"""The contract of a rail: `(handler, event, context) -> Outcome`.

A rail may answer by itself, or hand on to the next `handler` with a changed context; it decides
and returns data, and does nothing to the world but show drafts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from typing import Any, Protocol

from bot.config.disclaimers import Disclaimers
from bot.config.models import Config
from bot.config.staff import Staff
from bot.limits.admission import ADMITTED, Admission
from bot.ports import NoteTaker, ShowDraft, no_draft
from bot.store import Outcome, Owner
from bot.suitability.profile import Profile
from bot.types import Assessment, Exchange, InboundEvent, Language, MessageKind, OutboundMessage, OutPart

__all__ = ["Context", "Handler", "Rail", "chain", "reply"]


@dataclass(frozen=True, slots=True)
class Context:
    """What a turn knows. Rails hand on copies (`dataclasses.replace`)."""

    config: Config
    text: str = ""
    """The customer's words, cleaned; behind the privacy rail with personal data masked."""
    spoken: str = ""
    """The words as they were, cleaned only. For the risk rules alone, which neither keep nor show them."""
    kinds: frozenset[str] = frozenset()
    """Kinds of personal data in the message."""
    unread: str = ""
    """What the customer is told of a message that can't be read: too long, or without words."""
    language: Language = "zh"
    history: tuple[Exchange, ...] = ()
    owner: Owner = field(default_factory=Owner)
    state: dict[str, Any] = field(default_factory=dict)
    known_language: str = ""
    """The conversation's language so far, where there is one."""
    show: ShowDraft = no_draft
    staff: Staff = field(default_factory=Staff)
    """Who works here, and where departments are told of tickets."""
    disclaimers: Disclaimers = field(default_factory=Disclaimers)
    """What must stand under answers."""
    now: datetime | None = None
    """When the turn began; None (in tests) stands for when the event was received."""
    admission: Admission = ADMITTED
    """Whether the event may be answered; privacy and risk handle it either way."""
    risk: Assessment | None = None
    """What the rules said of the message."""
    profile: Profile | None = None
    """What the bank knows of the customer, where it does."""
    notes: NoteTaker | None = None
    """Who sums the conversation up for staff."""


Handler = Callable[[InboundEvent, Context], Awaitable[Outcome]]


class Rail(Protocol):
    async def __call__(self, handler: Handler, event: InboundEvent, context: Context) -> Outcome: ...


def chain(rails: Sequence[Rail], last: Handler) -> Handler:
    """One handler that sends an event through `rails`, in order, and then to `last`."""

    def wrap(inner: Handler, rail: Rail) -> Handler:
        async def handle(event: InboundEvent, context: Context) -> Outcome:
            return await rail(inner, event, context)

        return handle

    return reduce(wrap, reversed(rails), last)


def reply(
    event: InboundEvent,
    language: Language,
    *parts: OutPart,
    kind: MessageKind = "answer",
    number: int = 0,
) -> OutboundMessage:
    """A reply to `event`. Its idempotency key follows from the event, so a turn that runs twice
    makes the same message; `number` tells apart several replies to one event."""
    return OutboundMessage(
        conversation=event.conversation,
        parts=parts,
        idempotency_key=f"{event.platform}|{event.account}|{event.event_id}|{number}",
        kind=kind,
        in_reply_to=event.event_id,
        language=language,
    )
