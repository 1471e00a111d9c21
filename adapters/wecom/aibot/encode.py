"""From an `OutboundMessage` to what an AI bot shows: Markdown, one card, pictures and files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from adapters.base import Capabilities
from adapters.common.blocks import blocks
from adapters.wecom.aibot.cards import TemplateCard, buttons_card, fields_card
from adapters.wecom.aibot.markdown import pieces
from bot.locales import say
from bot.types import Buttons, Card, FileOut, ImageOut, Language, OutboundMessage, OutPart

__all__ = ["Answer", "encode", "encode_plain", "task_id", "with_parts"]


@dataclass(frozen=True, slots=True)
class Answer:
    texts: tuple[str, ...]
    """Markdown, in pieces that WeCom takes; at least one unless there is nothing to say."""
    card: TemplateCard | None = None
    pictures: tuple[ImageOut, ...] = ()
    files: tuple[FileOut, ...] = ()


def encode(message: OutboundMessage, capabilities: Capabilities) -> Answer:
    """Everything that the bot can show of the message. WeCom shows one card with an answer: the first
    that fits becomes it, the others are written out."""
    card: TemplateCard | None = None
    rest: list[OutPart] = []
    for part in message.parts:
        made = _card(part, message) if card is None else None
        if made is None:
            rest.append(part)
        else:
            card = made
    pictures, files, texts = [], [], []
    for block in blocks(with_parts(message, rest), _written(capabilities)):
        if isinstance(block.attachment, ImageOut):
            pictures.append(block.attachment)
        elif isinstance(block.attachment, FileOut):
            files.append(block.attachment)
        else:
            texts.append(block.plain(message.language))
    text = "\n\n".join(texts).strip()
    if not text and (card or pictures or files):
        # A bubble without a visible character would go on "thinking".
        text = _label(card, pictures, files, message.language)
    return Answer(tuple(pieces(text)), card, tuple(pictures), tuple(files))


def encode_plain(message: OutboundMessage) -> Answer:
    """Everything written out, for where WeCom takes Markdown only."""
    return Answer(
        tuple(pieces("\n\n".join(b.plain(message.language) for b in blocks(message, Capabilities()))))
    )


def task_id(message: OutboundMessage) -> str:
    """What a press on the message's card is told by: the same however often it is sent."""
    return "t" + hashlib.sha256(message.idempotency_key.encode()).hexdigest()[:40]


def with_parts(message: OutboundMessage, parts: list[OutPart]) -> OutboundMessage:
    """The same message with other parts."""
    return OutboundMessage(
        message.conversation,
        tuple(parts),
        message.idempotency_key,
        message.kind,
        message.in_reply_to,
        message.language,
    )


def _card(part: OutPart, message: OutboundMessage) -> TemplateCard | None:
    if isinstance(part, Buttons):
        title = part.prompt or say("wecom_aibot.choose", message.language)
        return buttons_card(title, part.choices, task_id(message))
    return fields_card(part, task_id(message)) if isinstance(part, Card) else None


def _written(capabilities: Capabilities) -> Capabilities:
    """Cards that don't fit, and their buttons, become text."""
    return replace(capabilities, cards=False, buttons=False)


def _label(
    card: TemplateCard | None, pictures: list[ImageOut], files: list[FileOut], language: Language
) -> str:
    if card is not None:
        return str(card["main_title"]["title"])
    if pictures:
        return pictures[0].alt.strip() or say("attachment.image", language)
    return files[0].name.strip() or say("attachment.file", language)
