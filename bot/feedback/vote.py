"""A customer's 👍 or 👎 on an answer: the buttons' values, and what a turn wants done about a press."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from bot.types import InboundEvent, OutboundMessage, Votes

__all__ = ["Cast", "Verdict", "Vote", "answer_key", "is_vote", "offers", "pressed", "votes_under"]

Verdict = Literal["up", "down"]
Cast = Literal["new", "changed", "same", "unknown"]
"""What became of a press. `same`: nothing new; `unknown`: there is no such answer to vote on (any more)."""
_UP: Final = "vote:up:"
_DOWN: Final = "vote:down:"


@dataclass(frozen=True, slots=True)
class Vote:
    """One press. The answer is named by the event that it answered."""

    event_id: str
    verdict: Verdict
    thanks: OutboundMessage | None = None
    """What the customer is told of a first vote; None: nothing."""
    changed: OutboundMessage | None = None
    """What they are told when they change it."""


def votes_under(event: InboundEvent) -> Votes:
    """The buttons under the answer to `event`."""
    return Votes(_UP + event.event_id, _DOWN + event.event_id)


def answer_key(event: InboundEvent, answered: str) -> str:
    """The idempotency key of the answer to the event `answered`, of the same account as `event`
    (`bot.rails.base.reply` makes it)."""
    return f"{event.platform}|{event.account}|{answered}|0"


def is_vote(event: InboundEvent) -> bool:
    return event.kind == "button" and event.value.startswith((_UP, _DOWN))


def offers(message: OutboundMessage, vote: Vote) -> bool:
    """Whether this vote stands under the message. What was pressed is the client's word, no more."""
    value = (_UP if vote.verdict == "up" else _DOWN) + vote.event_id
    return any(isinstance(part, Votes) and value in (part.up, part.down) for part in message.parts)


def pressed(event: InboundEvent) -> tuple[str, Verdict]:
    """(id of the event whose answer is voted on, the verdict) of an event that `is_vote`."""
    if event.value.startswith(_UP):
        return event.value.removeprefix(_UP), "up"
    return event.value.removeprefix(_DOWN), "down"
