"""The `feedback` section: whether customers are asked what they thought of an answer."""

from __future__ import annotations

from bot.config.section import Section

__all__ = ["Feedback"]


class Feedback(Section):
    votes: bool = True
    """Whether 👍 and 👎 stand under answers from the knowledge, where the platform can show them."""
