"""Why a file isn't taken."""

from __future__ import annotations

from typing import Literal

from bot.errors import AttachmentRefused

__all__ = ["Reason", "Unsafe"]

Reason = Literal["empty", "too_large", "too_many", "name", "program", "active", "virus", "picture", "archive"]
"""In a word, for metrics and for the customer's text `upload.<reason>`."""


class Unsafe(AttachmentRefused):
    """A file that isn't taken; the message says why, for staff."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
