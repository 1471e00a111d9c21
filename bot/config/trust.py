"""`trust:` in `config/teller.yaml`: where the keys lie, and how long what is kept (docs/trust.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from bot.config.section import Positive, Section

__all__ = ["AUDIT_DAYS", "Retention", "Trust"]

AUDIT_DAYS = 3650
"""Transaction records are kept for at least ten years: 反洗钱法 (2024) art. 34."""


class Retention(Section):
    """Days after which each kind of data goes. What is under a legal hold stays."""

    raw_payloads: Positive = 30
    """What platforms sent, as it came."""
    inbox: Positive = 30
    """The contents of handled events and of finished messages; their ids stay as long as `history`, so
    that a late redelivery is still recognised."""
    history: Positive = 180
    """Transcripts, and with them the state of conversations in which nothing more was said."""
    attachments: Positive = 90
    vault: Positive = 30
    """Personal data in clear, that staff may have revealed to them."""
    tickets: Positive = 1095
    """Summaries of tickets to which nothing was added for so long; the rest of a ticket stays."""
    profiles: Positive = 1095
    """Profiles of customers who wrote nothing for so long."""
    audit: Annotated[int, Field(ge=AUDIT_DAYS)] = AUDIT_DAYS


class Trust(Section):
    keyring: Path | None = None
    """The keyring's file, relative to the file that says it; default: `keyring.json` in `data_dir`. The
    environment variable TELLER_KEYRING, holding the keyring itself, goes before both."""
    retention: Retention = Retention()
