"""The `risk` section: warnings, confirmations and what the rules are read from."""

from __future__ import annotations

from pathlib import Path

from bot.config.section import Positive, Section

__all__ = ["Risk"]


class Risk(Section):
    path: Path = Path("rules")
    """Folder with the rules, relative to the file that says it."""
    confirm_minutes: Positive = 30
    """How long a confirmation that was asked for can be given."""
    attention: bool = True
    """Whether the risk classifier may raise what the rules made of a message (it never lowers it)."""
