"""How a reply begins that says: the passages don't have this. One wording, so that it can be told from an
answer."""

from __future__ import annotations

from bot.types import Language

__all__ = ["REFUSALS", "refuses"]

REFUSALS: dict[Language, str] = {"zh": "很抱歉，资料里没有", "en": "Sorry, the notes don't"}
"""Also what the examples in `prompt` say."""


def refuses(reply: str, language: Language) -> bool:
    return reply.lstrip().startswith(REFUSALS[language])
