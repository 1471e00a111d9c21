"""Values that tests build on."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count

from bot.types import (
    Conversation,
    EventKind,
    InboundEvent,
    MessageKind,
    OutboundMessage,
    Part,
    Sender,
    Text,
)

_numbers = count(1)
NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
T0 = NOON.timestamp()


def conversation(chat: str = "wang", platform: str = "fake") -> Conversation:
    return Conversation(platform, "test", chat)


def event(
    text: str = "你好",
    *,
    chat: str = "wang",
    id: str = "",
    kind: EventKind = "message",
    value: str = "",
    parts: tuple[Part, ...] = (),
    locale: str = "",
    platform: str = "fake",
) -> InboundEvent:
    return InboundEvent(
        event_id=id or f"e{next(_numbers)}",
        conversation=conversation(chat, platform),
        sender=Sender(chat, locale=locale),
        kind=kind,
        parts=((Text(text),) if text else ()) + parts,
        occurred_at=NOON,
        received_at=NOON,
        correlation_id="c",
        value=value,
    )


def message(
    text: str = "好", *, chat: str = "wang", key: str = "", kind: MessageKind = "answer"
) -> OutboundMessage:
    return OutboundMessage(conversation(chat), (Text(text),), key or f"k{next(_numbers)}", kind)
