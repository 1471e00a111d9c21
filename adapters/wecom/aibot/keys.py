"""Names that both modes share: which event a draft belongs to, and how notes are called."""

from __future__ import annotations

import hashlib
from typing import Final

from bot.types import Draft

__all__ = ["CARD_S", "KEPT_S", "event_of", "short"]

CARD_S: Final = 7 * 24 * 3600.0
"""How long a card is remembered, so that a press on it can be shown."""
KEPT_S: Final = 3 * 24 * 3600.0
"""How long it is remembered which way a message goes."""


def event_of(draft: Draft) -> str:
    """The event that a draft answers: the third of the four parts of its idempotency key."""
    return draft.idempotency_key.split("|", 2)[-1].rpartition("|")[0]


def short(key: str) -> str:
    """An idempotency key as a note's name takes it."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]
