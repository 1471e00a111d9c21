"""What reading one payload comes to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.types import Conversation, ConversationKind, EventKind, InboundEvent, Part, Sender

__all__ = ["NAME", "Reading", "Seat", "kind_of"]

NAME = "slack"


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a payload arrived: what reading it needs to know besides."""

    account: str
    """The workspace, by the operator's name for it."""
    bot_user: str
    """`U…` of our own bot; empty while the token hasn't been looked at."""
    bot_id: str
    """`B…` of our own bot."""
    received_at: datetime
    correlation_id: str

    def event(
        self,
        event_id: str,
        conversation: Conversation,
        sender: Sender,
        kind: EventKind,
        occurred_at: datetime,
        *,
        parts: tuple[Part, ...] = (),
        value: str = "",
        in_reply_to: str = "",
    ) -> InboundEvent:
        return InboundEvent(
            event_id=event_id,
            conversation=conversation,
            sender=sender,
            kind=kind,
            parts=parts,
            occurred_at=occurred_at,
            received_at=self.received_at,
            correlation_id=self.correlation_id,
            value=value,
            in_reply_to=in_reply_to,
            raw_ref=self.correlation_id,
        )

    def conversation(self, chat: str, thread: str = "", kind: ConversationKind | None = None) -> Conversation:
        return Conversation(NAME, self.account, chat, thread, kind or kind_of(chat))


@dataclass(frozen=True, slots=True)
class Reading:
    """Events to accept; or why there are none."""

    events: tuple[InboundEvent, ...] = ()
    ignored: str = ""
    """A short fixed word; empty where there are events or others may want the payload."""
    only_if_taking_part: bool = False
    """A message in a channel's thread that names nobody: ours only where we take part."""
    response_url: str = ""
    """Where this interaction can be answered for half an hour, five times."""
    team: str = ""
    """The sender's team, which a stream outside a direct message must name."""
    others: bool = False
    """Nothing of Teller's own: a modal, a shortcut, a workflow step."""


def kind_of(chat: str) -> ConversationKind:
    """Channel ids of direct messages begin with D."""
    return "direct" if chat.startswith("D") else "group"
