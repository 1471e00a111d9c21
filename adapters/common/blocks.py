"""From an `OutboundMessage` to the blocks that a platform shows: here everything degrades.

A block is a text with its sources and buttons, a card, a picture or a file. What the platform lacks
has become text: a card its lines, buttons numbered choices (the core understands a bare number as
the choice), a picture its description.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from adapters.base import Capabilities
from bot.locales import say
from bot.types import (
    Button,
    Buttons,
    Card,
    Citation,
    FileOut,
    HandOver,
    ImageOut,
    Language,
    OutboundMessage,
    Sources,
    Text,
    Votes,
)

__all__ = ["Block", "blocks", "card_text", "footnote", "numbered", "paragraphs"]


@dataclass(frozen=True, slots=True)
class Block:
    """One thing to show. Either a text with its sources and buttons, or exactly one of the rest."""

    text: str = ""
    sources: tuple[Citation, ...] = ()
    prompt: str = ""
    """What the buttons ask; it stands right above them, under the sources."""
    buttons: tuple[Button, ...] = ()
    """Empty where the platform has none: they are numbered choices in `prompt` then."""
    votes: Votes | None = None
    card: Card | None = None
    attachment: ImageOut | FileOut | None = None
    hand_over: HandOver | None = None

    def plain(self, language: Language) -> str:
        """The text, its sources as a footnote, and the prompt."""
        return paragraphs(self.text, footnote(self.sources, language), self.prompt)


def blocks(message: OutboundMessage, capabilities: Capabilities) -> list[Block]:
    """What to show, in order. Neighbouring texts, sources, buttons and votes share one block."""
    made: list[Block] = []
    open_text = False
    offered = 0

    def text(block: Block) -> None:
        nonlocal open_text
        # What comes after a prompt must not slip in above it.
        if not open_text or (block.text and made[-1].prompt):
            made.append(Block())
            open_text = True
        last = made[-1]
        made[-1] = replace(
            last,
            text=paragraphs(last.text, block.text),
            sources=last.sources + block.sources,
            prompt=paragraphs(last.prompt, block.prompt),
            buttons=last.buttons + block.buttons,
            votes=block.votes or last.votes,
        )

    def choices(prompt: str, buttons: Sequence[Button]) -> None:
        if not buttons:
            text(Block(prompt))
        elif capabilities.buttons:
            text(Block(prompt=prompt, buttons=tuple(buttons)))
        else:
            text(Block(prompt=paragraphs(prompt, numbers(buttons), gap="\n")))

    def numbers(buttons: Sequence[Button]) -> str:
        nonlocal offered
        offered += len(buttons)
        return numbered(buttons, first=offered - len(buttons) + 1)

    def alone(block: Block) -> None:
        nonlocal open_text
        made.append(block)
        open_text = False

    for part in message.parts:
        match part:
            case Text():
                text(Block(part.text))
            case Sources():
                text(Block(sources=part.citations))
            case Buttons():
                choices(part.prompt, part.choices)
            case Card() if capabilities.cards and capabilities.buttons:
                alone(Block(card=part))
            case Card() if capabilities.cards:
                alone(Block(card=msgspec.structs.replace(part, buttons=())))
                choices("", part.buttons)
            case Card() if capabilities.buttons:
                text(Block(card_text(part), buttons=part.buttons))
            case Card():
                text(Block(paragraphs(card_text(part), numbers(part.buttons), gap="\n")))
            case ImageOut() if capabilities.images:
                alone(Block(attachment=part))
            case FileOut() if capabilities.files:
                alone(Block(attachment=part))
            case ImageOut():
                text(Block(say("shown.image", message.language, what=part.alt).rstrip()))
            case FileOut():
                text(Block(say("shown.file", message.language, what=part.name)))
            case Votes() if capabilities.votes:
                text(Block(votes=part))
            case HandOver():
                alone(Block(hand_over=part))
    return [block for block in made if block != Block()]


def numbered(choices: Sequence[Button], *, first: int = 1) -> str:
    """Buttons as lines that a customer answers by number, which runs through a whole message."""
    return "\n".join(f"{number}. {button.label}" for number, button in enumerate(choices, first))


def card_text(card: Card) -> str:
    """A card's title, fields, text and link as lines, without its buttons."""
    fields = [f"{name}：{value}" if _wide(name) else f"{name}: {value}" for name, value in card.fields]
    return "\n".join(line for line in (card.title, *fields, card.text, card.uri) if line)


def footnote(sources: Sequence[Citation], language: Language) -> str:
    """The line under an answer that names what it stands on; empty without sources."""
    if not sources:
        return ""
    # Two sections of one document are one source to a reader.
    titles = list(dict.fromkeys(f"《{s.title}》" if language == "zh" else s.title for s in sources))
    colon, comma = ("：", "") if language == "zh" else (": ", "; ")
    return say("sources", language) + colon + comma.join(titles)


def _wide(text: str) -> bool:
    return any("\u2e80" <= c <= "\u9fff" for c in text)


def paragraphs(*texts: str, gap: str = "\n\n") -> str:
    return gap.join(text for text in texts if text.strip())
