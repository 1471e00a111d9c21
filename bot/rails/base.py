"""The contract of a rail: `(handler, event, context) -> Outcome`.

A rail may answer by itself, or hand on to the next `handler` with a changed context; it decides
and returns data, and does nothing to the world but show drafts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Protocol

from bot.config.models import Config
from bot.ports import ShowDraft, no_draft
from bot.store import Outcome, Owner
from bot.types import Exchange, InboundEvent, Language, MessageKind, OutboundMessage, OutPart

__all__ = ["Context", "Handler", "Rail", "chain", "reply"]


@dataclass(frozen=True, slots=True)
class Context:
    """What a turn knows. Rails hand on copies (`dataclasses.replace`)."""

    config: Config
    text: str = ""
    """The customer's words, cleaned."""
    language: Language = "zh"
    history: tuple[Exchange, ...] = ()
    owner: Owner = field(default_factory=Owner)
    state: dict[str, Any] = field(default_factory=dict)
    known_language: str = ""
    """The conversation's language so far, where there is one."""
    show: ShowDraft = no_draft


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
