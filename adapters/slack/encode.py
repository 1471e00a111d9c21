"""From an `OutboundMessage` to what is posted: Slack's block kit, as plain data.

Text goes out as `rich_text`, whose text elements nothing parses: a masked card number or a product
code with asterisks stays what it is, and nobody is notified by an `<!channel>` in an answer.
Limits: https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from adapters.base import Capabilities
from adapters.common.blocks import Block, blocks, card_text, footnote, numbered, paragraphs
from adapters.common.split import split
from adapters.slack.text import escape
from bot.locales import say
from bot.types import Button, Card, Citation, FileOut, ImageOut, Language, OutboundMessage, Votes

__all__ = ["CAPABILITIES", "TEXT_LIMIT", "Call", "Post", "Upload", "encode", "preview"]

TEXT_LIMIT = 3000
"""Characters of one message. Slack advises 4000, and refuses `chat.update` above that."""
BLOCKS = 12_500
"""Bytes of one message's blocks: Slack refuses some 13,200 characters (`msg_blocks_too_long`), which is
documented nowhere (https://github.com/slackapi/bolt-js/issues/2509), so this counts the strictest way."""
BUTTONS = 6_000
"""Bytes of one block of buttons."""
FALLBACK = 3900
HEADER, FIELD, FIELDS, LABEL, VALUE, ACTIONS, CONTEXT = 150, 2000, 10, 75, 2000, 25, 2000
CARD_FIELDS = 40

CAPABILITIES = Capabilities(
    repeatable=True,
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
    text_unit="characters",
)

_URL = re.compile(r"https?://[^\s<>\"'|，。；！？、（）《》「」【】]{1,2000}")
_MARKS = re.compile(r"[*_~`]")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Post:
    """One message."""

    text: str
    """Never empty: what notifications and screen readers get, escaped."""
    body: str
    """The text among its blocks, as written; empty where there is none."""
    extras: tuple[Json, ...] = ()
    """The blocks under the text."""

    @property
    def blocks(self) -> list[Json]:
        return ([_rich(self.body)] if self.body else []) + list(self.extras)


@dataclass(frozen=True, slots=True)
class Upload:
    """One picture or file."""

    ref: str
    name: str
    """Empty: the name the attachment was kept under."""
    title: str
    is_image: bool = False


Call = Post | Upload


def encode(message: OutboundMessage) -> list[Call]:
    """What to send, in order; nothing where the message shows nothing."""
    calls: list[Call] = []
    for block in blocks(message, CAPABILITIES):
        match block:
            case Block(attachment=ImageOut() as image):
                calls.append(Upload(image.ref, "", image.alt, is_image=True))
            case Block(attachment=FileOut() as file):
                calls.append(Upload(file.ref, file.name, file.name))
            case Block(card=Card() as card):
                calls += _fitting(_card(card, message.language))
            case Block(hand_over=None):
                calls += _fitting(_texts(block, message.language))
    return calls


def preview(text: str) -> str:
    """As much of a growing text as its first message will hold."""
    pieces = split(text, TEXT_LIMIT)
    return pieces[0] if len(pieces) > 1 else text


def _fitting(posts: Sequence[Post]) -> list[Post]:
    """What is too much for one message goes on in the next, block by block."""
    made: list[Post] = []
    for post in posts:
        body, here = post.body, list[Json]()
        room = BLOCKS - (_size(_rich(body)) if body else 0)
        for block in post.extras:
            if room < _size(block) and (here or body):
                made.append(Post(post.text, body, tuple(here)))
                body, here, room = "", [], BLOCKS
            here.append(block)
            room -= _size(block)
        made.append(Post(post.text, body, tuple(here)))
    return made


def _size(block: Json) -> int:
    return len(msgspec.json.encode(block))


# ── a text, its sources and its buttons ──


def _texts(block: Block, language: Language) -> list[Post]:
    asked = _with_full_labels(block.prompt, block.buttons)
    text = block.text
    if not block.sources:
        text, asked = paragraphs(text, asked), ""
    extras = (
        *_context(block.sources, language),
        *_section(asked),
        *_actions(block.buttons),
        *_votes(block.votes),
    )
    pieces = split(text, TEXT_LIMIT)
    posts = [Post(_fallback(piece), piece) for piece in pieces]
    if not extras:
        return posts
    if not posts:
        shown = (
            footnote(block.sources, language)
            or asked
            or " / ".join(b.label for b in block.buttons)
            or "👍 👎"
        )
        return [Post(_fallback(shown), "", extras)]
    last = posts[-1]
    return [*posts[:-1], Post(last.text, last.body, extras)]


def _section(text: str) -> list[Json]:
    """A line between the sources and the buttons."""
    return [{"type": "section", "text": _plain(piece, TEXT_LIMIT)} for piece in split(text, TEXT_LIMIT)]


def _with_full_labels(text: str, buttons: Sequence[Button]) -> str:
    """Where a label doesn't fit on its button, the text tells all of them."""
    if all(len(button.label) <= LABEL and len(button.value) <= VALUE for button in buttons):
        return text
    return "\n\n".join(part for part in (text, numbered(buttons)) if part)


def _context(sources: Sequence[Citation], language: Language) -> list[Json]:
    if not sources:
        return []
    if not any(_is_web(source.uri) for source in sources):
        return [{"type": "context", "elements": [_plain(footnote(sources, language), CONTEXT)]}]
    titles = [
        f"<{escape(source.uri)}|{_label(source.title)}>" if _is_web(source.uri) else _label(source.title)
        for source in sources
    ]
    heading = say("sources", language) + ("：" if language == "zh" else ":")
    # Ten elements at most.
    elements = [_plain(heading, CONTEXT)] + [{"type": "mrkdwn", "text": title} for title in titles[:9]]
    return [{"type": "context", "elements": elements}]


def _actions(buttons: Sequence[Button]) -> list[Json]:
    fitting = [(n, button) for n, button in enumerate(buttons) if 0 < len(button.value) <= VALUE]
    elements = [
        {
            "type": "button",
            "action_id": f"teller-{number}",
            "text": _plain(button.label or "·", LABEL),
            "value": button.value,
        }
        for number, button in fitting
    ]
    made: list[Json] = []
    room = 0
    for element in elements:
        if room < _size(element) or len(made[-1]["elements"]) == ACTIONS:
            made.append({"type": "actions", "elements": []})
            room = BUTTONS
        made[-1]["elements"].append(element)
        room -= _size(element)
    return made


def _votes(votes: Votes | None) -> list[Json]:
    if votes is None or not all(0 < len(value) <= VALUE for value in (votes.up, votes.down)):
        return []
    elements = [
        {"type": "button", "action_id": f"teller-{name}", "text": _plain(label, LABEL), "value": value}
        for name, label, value in (("up", "👍", votes.up), ("down", "👎", votes.down))
    ]
    return [{"type": "actions", "elements": elements}]


# ── a card ──


def _card(card: Card, language: Language) -> list[Post]:
    longest = max((len(name) + len(value) for name, value in card.fields), default=0)
    if len(card.fields) > CARD_FIELDS or longest >= FIELD or len(card_text(card)) > TEXT_LIMIT:
        return _texts(Block(card_text(card), buttons=card.buttons), language)
    made: list[Json] = []
    if card.title:
        made.append({"type": "header", "text": _plain(card.title, HEADER)})
        if len(card.title) > HEADER:
            made.append(_rich(card.title))
    fields = [_field(name, value) for name, value in card.fields if name or value]
    made += [
        {"type": "section", "fields": fields[start : start + FIELDS]}
        for start in range(0, len(fields), FIELDS)
    ]
    if card.text or card.uri:
        made.append(_rich("\n".join(part for part in (card.text, card.uri) if part)))
    made += _actions(card.buttons)
    text = card_text(card) or " / ".join(button.label for button in card.buttons)
    return [Post(_fallback(text), "", tuple(made))] if made else []


def _field(name: str, value: str) -> Json:
    text = (f"*{escape(name)}*\n" if name else "") + escape(value)
    if _MARKS.search(name + value) or len(text) > FIELD:
        return _plain(f"{name}\n{value}".strip(), FIELD)
    return {"type": "mrkdwn", "text": text, "verbatim": True}


# ── text objects ──


def _rich(text: str) -> Json:
    """A text in which only web addresses are more than characters."""
    elements: list[Json] = []
    at = 0
    for match in _URL.finditer(text):
        url = match[0].rstrip(".,;:!?)")
        if match.start() > at:
            elements.append({"type": "text", "text": text[at : match.start()]})
        elements.append({"type": "link", "url": url})
        at = match.start() + len(url)
    if at < len(text):
        elements.append({"type": "text", "text": text[at:]})
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}


def _plain(text: str, limit: int) -> Json:
    return {"type": "plain_text", "text": _cut(text, limit) or " ", "emoji": False}


def _label(title: str) -> str:
    """A title inside mrkdwn, where marks would format: their full-width forms don't."""
    wide = str.maketrans("*_~`|", "＊＿～｀｜")
    return escape(_cut(title.strip(), LABEL)).translate(wide) or "·"


def _fallback(text: str) -> str:
    made = escape(text)
    while len(made) > FALLBACK:
        text = text[: len(text) * FALLBACK // len(made)]
        made = escape(text)
    return made or "…"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _is_web(uri: str) -> bool:
    return _URL.fullmatch(uri) is not None
