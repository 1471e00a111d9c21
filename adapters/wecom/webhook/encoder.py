"""From an `OutboundMessage` to the messages that a group's webhook takes.

Source: 群机器人配置说明 (developer.work.weixin.qq.com/document/path/91770).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.base import Capabilities
from adapters.common.blocks import blocks
from adapters.common.split import split
from adapters.wecom.texts import TEXT_LIMIT, clean
from bot.types import Card, FileOut, ImageOut, OutboundMessage

__all__ = ["CAPABILITIES", "Post", "encode", "text_posts"]

MARKDOWN_LIMIT: Final = 4096
"""Bytes of UTF-8."""
HEADLINE: Final = 128
"""Bytes of a news article's title."""
SUMMARY: Final = 512
"""Bytes of its description."""
CAPABILITIES: Final = Capabilities(
    cards=True,
    images=True,
    files=True,
    proactive=True,
    text_limit=TEXT_LIMIT,
    text_unit="utf8",
)

_NO_FORMAT: Final = "\u200b"
"""A space without width. WeCom's markdown has no escapes: this breaks up what would format."""
_FORMATS: Final = re.compile(r"\*(?=\*)|`|\](?=\()|<(?=/?font|@)")
_LINE_FORMATS: Final = re.compile(r"^(\s*)([>#])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Post:
    """One `webhook/send`."""

    msgtype: str
    body: Mapping[str, Any]
    """What goes under the name of its type."""
    attachment: ImageOut | FileOut | None = None
    """What is then the body."""


def encode(message: OutboundMessage) -> list[Post]:
    """The posts to make, in order; the same for the same message."""
    posts: list[Post] = []
    for block in blocks(message, CAPABILITIES):
        if block.attachment is not None:
            kind = "image" if isinstance(block.attachment, ImageOut) else "file"
            posts.append(Post(kind, {}, block.attachment))
        elif block.card is not None:
            posts += _card(block.card)
        else:
            posts += text_posts(block.plain(message.language))
    return posts


def text_posts(text: str) -> list[Post]:
    return [Post("text", {"content": piece}) for piece in split(clean(text), TEXT_LIMIT, "utf8")]


def _card(card: Card) -> list[Post]:
    linked = card.uri.startswith(("https://", "http://"))
    if linked and not card.fields and _fits(card):
        article = {"title": clean(card.title), "url": card.uri}
        if card.text:
            article["description"] = clean(card.text)
        return [Post("news", {"articles": [article]})]
    title = f"**{literal(card.title)}**" if card.title else ""
    fields = "\n".join(f"> {literal(name)}：{literal(value)}" for name, value in card.fields)
    if linked:
        shown = card.uri.replace("(", "%28").replace(")", "%29")
        link = f"[{literal(card.uri)}]({shown})"
    else:
        link = literal(card.uri)
    paragraphs = (title, fields, literal(card.text), link)
    content = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    return [Post("markdown", {"content": piece}) for piece in split(content, MARKDOWN_LIMIT, "utf8")]


def _fits(card: Card) -> bool:
    return 0 < len(card.title.encode()) <= HEADLINE and len(card.text.encode()) <= SUMMARY


def literal(text: str) -> str:
    """Markdown that shows the text as it is, mentions (`<@…>`) included."""
    broken = _FORMATS.sub(lambda found: found.group() + _NO_FORMAT, clean(text))
    return _LINE_FORMATS.sub(rf"\1{_NO_FORMAT}\2", broken)
