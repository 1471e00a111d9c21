"""Choices rail: a bare number, or a button's own words, stands for a choice that was just offered.

Some platforms have no buttons and show numbered choices instead; and people type "2" under buttons too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from bot.rails.base import Context, Handler
from bot.rails.normalise import clean
from bot.store import Outcome
from bot.types import Button, Buttons, Card, InboundEvent, OutboundMessage, Text

__all__ = ["choices"]

LONGEST = 80
"""Characters of a message that can still be a choice."""
_DIGITS = "一二三四五六七八九"
_NUMBER = re.compile(
    rf"(?:选择?|第|option|no\.?|number|#)?\s*([1-9{_DIGITS}])\s*(?:个|项|条|号)?\s*[.、。)）]?", re.I
)


async def choices(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
    offered: list[list[str]] = context.state.get("choices", [])
    if offered and event.kind == "message" and not context.owner.id:
        chosen = _chosen(event.text, offered)
        if chosen is not None:
            label, value = chosen
            event = msgspec.structs.replace(event, kind="button", value=value, parts=(Text(label),))
    outcome = await handler(event, context)
    now_offered = _offered(outcome.messages)
    if not outcome.messages or now_offered == offered:
        return outcome
    state = context.state if outcome.state is None else outcome.state
    return replace(outcome, state={**state, "choices": now_offered})


def _chosen(text: str, offered: Sequence[Sequence[str]]) -> Sequence[str] | None:
    """The (label, value) that a message names by its number or its words."""
    if len(text) > LONGEST:
        return None
    said = clean(text)
    for choice in offered:
        if said == clean(choice[0]):
            return choice
    match = _NUMBER.fullmatch(said)
    if match is None:
        return None
    number = int(match[1]) if match[1].isdigit() else _DIGITS.index(match[1]) + 1
    return offered[number - 1] if number <= len(offered) else None


def _offered(messages: Sequence[OutboundMessage]) -> list[list[str]]:
    """The choices of the last message that has any, as they were numbered."""
    found: list[list[str]] = []
    for message in messages:
        buttons: list[Button] = []
        for part in message.parts:
            if isinstance(part, Buttons):
                buttons += part.choices
            elif isinstance(part, Card):
                buttons += part.buttons
        if buttons:
            found = [[button.label, button.value] for button in buttons]
    return found
