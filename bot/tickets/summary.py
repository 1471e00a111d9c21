"""The last exchanges in a few lines, for staff. What comes in is masked already."""

from __future__ import annotations

from collections.abc import Sequence

from bot.locales import say
from bot.types import Exchange, Language

__all__ = ["summarise"]

EXCHANGES = 3
"""Earlier exchanges that are shown."""
QUESTION, ANSWER = 200, 100
"""Characters that are shown of each."""


def summarise(history: Sequence[Exchange], text: str, language: Language) -> str:
    """Lines of who said what, oldest first, ending with `text`.

    Args:
        language: of the staff.
    """
    customer, teller = say("tickets.said.customer", language), say("tickets.said.teller", language)
    lines = []
    for exchange in history[-EXCHANGES:]:
        lines.append(customer + _cut(exchange.question, QUESTION))
        if exchange.answer:
            lines.append(teller + _cut(exchange.answer, ANSWER))
    if text:
        lines.append(customer + _cut(text, QUESTION * 2))
    return "\n".join(lines)


def _cut(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
