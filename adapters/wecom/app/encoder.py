"""From an `OutboundMessage` to the messages that an app sends: what WeCom can't show has become text.

Source: 发送应用消息 (developer.work.weixin.qq.com/document/path/90236). The lengths of cards are advice
there: what is longer is shown cut off, so it is put into a text instead.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from adapters.base import Capabilities
from adapters.common.blocks import Block, blocks, card_text, numbered, paragraphs
from adapters.common.split import split
from adapters.wecom.texts import TEXT_LIMIT, clean
from bot.locales import say
from bot.types import Button, Card, FileOut, ImageOut, Language, OutboundMessage

__all__ = ["Payload", "capabilities", "encode", "text_payloads"]

BUTTONS: Final = 6
KEY_BYTES: Final = 1024
FIELDS: Final = 6

# In columns: a 汉字 takes two, a Latin letter one. WeCom counts its advice in 字.
LABEL: Final = 20
TITLE: Final = 72
PROSE: Final = 320
FIELD_NAME: Final = 10
FIELD_VALUE: Final = 60


@dataclass(frozen=True, slots=True)
class Payload:
    """One `message/send`, less its addressee."""

    msgtype: str
    body: Mapping[str, Any]
    """What goes under the name of its type."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """A card's buttons: key to label."""
    attachment: ImageOut | FileOut | None = None
    """To be uploaded; its media id is then the body."""


def capabilities(*, cards: bool) -> Capabilities:
    return Capabilities(
        repeatable=True,
        buttons=cards,
        cards=cards,
        images=True,
        files=True,
        proactive=True,
        text_limit=TEXT_LIMIT,
        text_unit="utf8",
    )


def encode(message: OutboundMessage, can: Capabilities) -> list[Payload]:
    """The messages to send, in order; the same for the same message."""
    payloads: list[Payload] = []
    first = 1  # a customer may also answer with a choice's number: those run through the whole message
    for number, block in enumerate(blocks(message, can)):
        task_id = _task_id(message.idempotency_key, number)
        if block.attachment is not None:
            kind = "image" if isinstance(block.attachment, ImageOut) else "file"
            payloads.append(Payload(kind, {}, attachment=block.attachment))
        elif block.card is not None:
            payloads += _card(block.card, task_id, message.language, first)
            first += len(block.card.buttons)
        else:
            payloads += _text(block, task_id, message.language, first)
            first += len(block.buttons)
    return payloads


def text_payloads(text: str) -> list[Payload]:
    return [Payload("text", {"content": piece}) for piece in split(clean(text), TEXT_LIMIT, "utf8")]


def _text(block: Block, task_id: str, language: Language, first: int) -> list[Payload]:
    if not block.buttons:
        return text_payloads(block.plain(language))
    if not _pressable(block.buttons):
        choices = paragraphs(block.prompt, numbered(block.buttons, first=first), gap="\n")
        return text_payloads(replace(block, prompt=choices, buttons=()).plain(language))
    # The question that the buttons answer stands on their card, if it fits.
    title = block.prompt if _columns(block.prompt) <= TITLE and "\n" not in block.prompt else ""
    above = replace(block, prompt="" if title else block.prompt, buttons=()).plain(language)
    card = _with_buttons({"title": title or say("wecom.choose", language)}, block.buttons, task_id, first)
    return [*text_payloads(above), card]


def _card(card: Card, task_id: str, language: Language, first: int) -> list[Payload]:
    buttons = card.buttons if _pressable(card.buttons) else ()
    linked = card.uri.startswith(("https://", "http://")) and len(card.uri.encode()) <= TEXT_LIMIT
    shown = _face(card)
    if shown is None or (card.uri and not linked) or (card.buttons and not buttons):
        # As text, with the buttons on a card of their own where they can be pressed.
        block = Block(card_text(card), buttons=card.buttons)
        return _text(block, task_id, language, first)
    if linked:
        shown["card_action"] = {"type": 1, "url": card.uri}
    if buttons and len(card.fields) + (len(buttons) if _numbered(buttons) else 0) <= FIELDS:
        fields = shown.pop("horizontal_content_list", [])
        return [_with_buttons(shown.pop("main_title"), buttons, task_id, first, fields, shown)]
    if linked and not buttons:
        return [Payload("template_card", {"card_type": "text_notice", **shown})]
    return _text(Block(card_text(card), buttons=buttons), task_id, language, first)


def _face(card: Card) -> dict[str, Any] | None:
    """What a template card shows of it; None if it doesn't fit."""
    fits = (
        card.title
        and _columns(card.title) <= TITLE
        and _columns(card.text) <= PROSE
        and len(card.fields) <= FIELDS
        and all(_columns(n) <= FIELD_NAME and _columns(v) <= FIELD_VALUE for n, v in card.fields)
        and all(name and value for name, value in card.fields)
    )
    if not fits:
        return None
    shown: dict[str, Any] = {"main_title": {"title": clean(card.title)}}
    if card.text:
        shown["sub_title_text"] = clean(card.text)
    if card.fields:
        shown["horizontal_content_list"] = [
            {"keyname": clean(name), "value": clean(value)} for name, value in card.fields
        ]
    return shown


def _with_buttons(
    title: Mapping[str, str],
    buttons: Sequence[Button],
    task_id: str,
    first: int,
    fields: Sequence[Mapping[str, str]] = (),
    more: Mapping[str, Any] | None = None,
) -> Payload:
    """A card with buttons. Where a label is too long for one, the card lists the labels by number and the
    buttons bear the numbers."""
    labels = [clean(button.label) for button in buttons]
    listed = list(fields)
    faces = labels
    if _numbered(buttons):
        listed += [{"keyname": str(n), "value": label} for n, label in enumerate(labels, first)]
        faces = [str(n) for n in range(first, first + len(labels))]
    body = {
        "card_type": "button_interaction",
        "main_title": dict(title),
        **(more or {}),
        **({"horizontal_content_list": listed} if listed else {}),
        "task_id": task_id,
        "button_list": [
            {"text": face, "style": 1, "key": button.value}
            for face, button in zip(faces, buttons, strict=True)
        ],
    }
    return Payload("template_card", body, {b.value: label for b, label in zip(buttons, labels, strict=True)})


def _pressable(buttons: Sequence[Button]) -> bool:
    """Whether WeCom can show and report all of them."""
    values = [button.value for button in buttons]
    return (
        0 < len(buttons) <= BUTTONS
        and len(set(values)) == len(values)
        and all(value.isprintable() and 0 < len(value.encode()) <= KEY_BYTES for value in values)
        and all(0 < _columns(clean(button.label)) <= FIELD_VALUE for button in buttons)
    )


def _numbered(buttons: Sequence[Button]) -> bool:
    return any(_columns(button.label) > LABEL for button in buttons)


def _task_id(key: str, number: int) -> str:
    """Unique in the app, of letters, digits and -, and the same when a message is sent again."""
    return f"{hashlib.sha256(key.encode()).hexdigest()[:40]}-{number}"


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WFA" else 1 for c in text)
