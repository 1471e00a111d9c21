"""From an `OutboundMessage` to the calls that show it on Telegram. Pure: tests pin what it makes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from telegram import InlineKeyboardMarkup, MessageEntity

from adapters.base import Capabilities
from adapters.common.blocks import Block, blocks, card_text, footnote
from adapters.common.split import measure
from adapters.telegram.buttons import keyboard, long_values, vote_buttons
from adapters.telegram.entities import Rich, Span, paragraphs, pieces
from bot.locales import say
from bot.types import Button, Buttons, Card, Citation, FileOut, ImageOut, Language, OutboundMessage, Votes

__all__ = ["CAPABILITIES", "TEXT_LIMIT", "Call", "FileCall", "TextCall", "encode", "notes_needed"]

TEXT_LIMIT = 4096
"""UTF-16 units after entity parsing (core.telegram.org/bots/api#sendmessage)."""
CAPTION_LIMIT = 1024
PHOTO_TYPES = frozenset({"image/png", "image/jpeg", "image/webp"})
"""What is shown as a picture; any other goes as a document."""

CAPABILITIES = Capabilities(
    streaming=True,
    editing=True,
    buttons=True,
    votes=True,
    cards=True,
    images=True,
    files=True,
    typing=True,
    threads=True,
    proactive=True,
    text_limit=TEXT_LIMIT,
    text_unit="utf16",
)


@dataclass(frozen=True, slots=True)
class TextCall:
    """sendMessage, or editMessageText where a preview stands."""

    text: str
    entities: tuple[MessageEntity, ...] = ()
    keyboard: InlineKeyboardMarkup | None = None


@dataclass(frozen=True, slots=True)
class FileCall:
    """sendPhoto or sendDocument."""

    ref: str
    name: str
    """Empty: the kept attachment's own."""
    photo: bool
    caption: str = ""
    fallback: str = ""
    """Said in its place when the attachment isn't kept any more."""


Call = TextCall | FileCall


def encode(message: OutboundMessage) -> list[Call]:
    """The calls, in order. None where there is nothing to show."""
    calls: list[Call] = []
    for block in blocks(message, CAPABILITIES):
        if block.attachment is not None:
            calls += _attachment(block.attachment, message.language)
        elif block.card is not None:
            calls += _texts(_card(block.card), block.card.buttons, message.language)
        elif block.hand_over is None:
            calls += _texts(_text(block, message.language), block.buttons, message.language, block.votes)
    return calls


def notes_needed(message: OutboundMessage) -> dict[str, str]:
    """Notes, by key, without which some of the message's buttons wouldn't work."""
    needed: dict[str, str] = {}
    for part in message.parts:
        if isinstance(part, Buttons):
            needed |= long_values(part.choices)
        elif isinstance(part, Card):
            needed |= long_values(part.buttons)
        elif isinstance(part, Votes):
            needed |= long_values(vote_buttons(part))
    return needed


def _texts(
    rich: Rich, buttons: tuple[Button, ...], language: Language, votes: Votes | None = None
) -> list[Call]:
    """The text in as many messages as it takes; the keyboard is under the last."""
    if (buttons or votes) and not rich.text.strip():
        rich = Rich(say("telegram.choose", language))
    calls = [TextCall(piece.text, piece.entities()) for piece in pieces(rich, TEXT_LIMIT)]
    if calls:
        calls[-1] = replace(calls[-1], keyboard=keyboard(buttons, votes))
    return list(calls)


def _text(block: Block, language: Language) -> Rich:
    return paragraphs(
        Rich(block.text.strip()), _footnote(block.sources, language), Rich(block.prompt.strip())
    )


def _footnote(sources: tuple[Citation, ...], language: Language) -> Rich:
    """The sources' line, each title a link where the source has an address."""
    line, spans, at = footnote(sources, language), [], 0
    for source in sources:
        found = line.find(source.title, at)
        if found < 0:
            # A second section of a document that is named already.
            continue
        at = found + len(source.title)
        if source.title.strip() and source.uri.startswith(("https://", "http://")):
            spans.append(Span("text_link", found, at, source.uri))
    return Rich(line, tuple(spans))


def _card(card: Card) -> Rich:
    text = card_text(card)
    title = len(card.title.rstrip()) if text.startswith(card.title) and card.title.strip() else 0
    return Rich(text, (Span("bold", 0, title),) if title else ())


def _attachment(part: ImageOut | FileOut, language: Language) -> list[Call]:
    if isinstance(part, FileOut):
        return [
            FileCall(part.ref, part.name, photo=False, fallback=say("shown.file", language, what=part.name))
        ]
    photo, alt = part.mime in PHOTO_TYPES, part.alt.strip()
    fallback = say("shown.image", language, what=alt)
    if measure(alt, "utf16") <= CAPTION_LIMIT:
        return [FileCall(part.ref, "", photo, alt, fallback)]
    return [FileCall(part.ref, "", photo, "", fallback), *_texts(Rich(alt), (), language)]
