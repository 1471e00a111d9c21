"""What both modes share: how notes are called and how long they are kept."""

from __future__ import annotations

import hashlib
from typing import Final

__all__ = ["CARD_S", "KEPT_S", "short"]

CARD_S: Final = 7 * 24 * 3600.0
"""How long a card is remembered, so that a press on it can be shown."""
KEPT_S: Final = 3 * 24 * 3600.0
"""How long it is remembered which way a message goes."""


def short(key: str) -> str:
    """An idempotency key as a note's name takes it."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]
