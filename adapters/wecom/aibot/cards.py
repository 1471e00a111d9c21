"""WeCom's template cards: buttons to press, and cards with fields.

What doesn't fit a card is not cut off: there is no card then, and the encoder writes it out.

Source: 模板卡片类型 (developer.work.weixin.qq.com/document/path/101032).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any, Final

from bot.types import Button, Card

__all__ = ["TemplateCard", "buttons_card", "fields_card", "pressed"]

TemplateCard = dict[str, Any]

BUTTONS: Final = 6
FIELDS: Final = 6
KEY_BYTES: Final = 1024
# Widths in half characters: a client shows this much, and "…" for the rest.
TITLE: Final = 52
LABEL: Final = 20
KEYNAME: Final = 10
VALUE: Final = 52
TEXT: Final = 224


def buttons_card(title: str, buttons: Sequence[Button], task_id: str) -> TemplateCard | None:
    """A card with a title and buttons; None if it wouldn't show all of them whole."""
    if not _visible(title, TITLE) or not _fit(buttons):
        return None
    return {
        "card_type": "button_interaction",
        "main_title": {"title": title},
        "button_list": [{"text": b.label, "style": 1, "key": b.value} for b in buttons],
        "task_id": task_id,
    }


def fields_card(card: Card, task_id: str) -> TemplateCard | None:
    """A card as it is; None if it wouldn't show all of it whole."""
    whole = (
        _visible(card.title, TITLE)
        and _width(card.text) <= TEXT
        and len(card.fields) <= FIELDS
        and all(_visible(name, KEYNAME) and _width(value) <= VALUE for name, value in card.fields)
        and (not card.uri or card.uri.startswith(("https://", "http://")))
    )
    # A notice must lead somewhere, and a card with buttons must have some.
    if not whole or not (card.uri or card.buttons) or (card.buttons and not _fit(card.buttons)):
        return None
    made: TemplateCard = {
        "card_type": "button_interaction" if card.buttons else "text_notice",
        "main_title": {"title": card.title},
        "task_id": task_id,
    }
    if card.text:
        made["sub_title_text"] = card.text
    if card.fields:
        made["horizontal_content_list"] = [{"keyname": name, "value": value} for name, value in card.fields]
    if card.uri:
        made["card_action"] = {"type": 1, "url": card.uri}
    if card.buttons:
        made["button_list"] = [{"text": b.label, "style": 1, "key": b.value} for b in card.buttons]
    return made


def pressed(card: TemplateCard, key: str) -> TemplateCard | None:
    """The card after `key` was pressed, with a tick on it; None if it has no such button."""
    if key not in (button["key"] for button in card.get("button_list", ())):
        return None
    listed = [
        {**button, "text": f"✓ {button['text']}"} if button["key"] == key else button
        for button in card["button_list"]
    ]
    return {**card, "button_list": listed}


def _fit(buttons: Sequence[Button]) -> bool:
    return (
        0 < len(buttons) <= BUTTONS
        and len({b.value for b in buttons}) == len(buttons)
        and all(_visible(b.label, LABEL) for b in buttons)
        and all(0 < len(b.value.encode()) <= KEY_BYTES for b in buttons)
    )


def _visible(text: str, most: int) -> bool:
    """Whether there is something to see, and all of it is seen."""
    return bool(text.strip()) and _width(text) <= most


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
