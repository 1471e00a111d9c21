"""A conversation in a few lines, for staff. What comes in is masked already."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bot.locales import say
from bot.ports import Noted, NoteTaker
from bot.types import Exchange, Language

__all__ = ["summarise"]

log = structlog.get_logger(__name__)

EXCHANGES = 3
"""Earlier exchanges that are shown."""
QUESTION, ANSWER = 200, 100
"""Characters that are shown of each."""
NOTE = 120
"""Characters of a note's line."""


def summarise(
    history: Sequence[Exchange], text: str, language: Language, notes: NoteTaker | None = None
) -> str:
    """Notes of what it is about, where there is a conversation; then lines of who said what, oldest first,
    ending with `text`.

    Args:
        language: of the staff.
    """
    customer, teller = say("tickets.said.customer", language), say("tickets.said.teller", language)
    lines = _headed(notes, history, text, language) if notes is not None and history else []
    for exchange in history[-EXCHANGES:]:
        lines.append(customer + _cut(exchange.question, QUESTION))
        if exchange.answer:
            lines.append(teller + _cut(exchange.answer, ANSWER))
    if text:
        lines.append(customer + _cut(text, QUESTION * 2))
    return "\n".join(lines)


def _headed(notes: NoteTaker, history: Sequence[Exchange], text: str, language: Language) -> list[str]:
    try:
        noted = _noted(notes.take(history, text, language), language)
    except Exception as error:  # whatever it is: a ticket is opened without notes rather than not at all
        log.warning("ticket.no_notes", reason=type(error).__name__)
        return []
    return [*noted, ""] if noted else []


def _noted(found: Noted, language: Language) -> list[str]:
    """Up to six lines; what is open isn't said twice."""
    between = "、" if language == "zh" else ", "
    titles = between.join(f"《{title}》" if language == "zh" else f'"{title}"' for title in found.answered)
    said = {
        "first": found.first if found.first != found.open else "",
        "last": found.last if found.last != found.open else "",
        "figures": between.join(found.figures),
        "answered": titles,
        "open": found.open,
    }
    lines = [
        say(f"tickets.note.{key}", language, words=_cut(words, NOTE)) for key, words in said.items() if words
    ]
    return [*lines, say("tickets.note.upset", language)] if found.upset else lines


def _cut(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
