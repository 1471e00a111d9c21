"""The `complaints` section: whether and when a complaint goes straight to its department."""

from __future__ import annotations

from bot.config.section import Section, Share

__all__ = ["Complaints"]


class Complaints(Section):
    route: bool = True
    """Whether a complaint opens a ticket by itself. If not, it is answered like anything else."""
    at_least: Share = 0.75
    """Probability of being a complaint from which it does."""
