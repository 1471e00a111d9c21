"""Events at chosen times from chosen senders."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

from bot.config import Config
from bot.config.limits import Limits
from bot.types import Conversation, ConversationKind, EventKind, InboundEvent, Sender, Text
from tests.make import NOON

__all__ = ["config", "said"]

_numbers = count(1)


def said(
    text: str = "转账多久能到账",
    at: float = 0,
    *,
    by: str = "wang",
    chat: str = "",
    platform: str = "fake",
    account: str = "test",
    kind: EventKind = "message",
    where: ConversationKind = "direct",
    id: str = "",
    received: float | None = None,
) -> InboundEvent:
    """`by` says `text`, `at` seconds after noon."""
    return InboundEvent(
        event_id=id or f"l{next(_numbers)}",
        conversation=Conversation(platform, account, chat or by, kind=where),
        sender=Sender(by),
        kind=kind,
        parts=(Text(text),) if text else (),
        occurred_at=NOON + timedelta(seconds=at),
        received_at=NOON + timedelta(seconds=at if received is None else received),
        correlation_id="c",
    )


def config(**limits: Any) -> Config:
    return Config(limits=Limits.model_validate(limits))
