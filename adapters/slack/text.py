"""Slack's text, both ways.

In: entities and `<…>` references become what a person reads. Out: what isn't meant as markup can't
act as markup. Source: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re

__all__ = ["escape", "formats", "literal_markdown", "mentions", "unescape"]

_REFERENCE = re.compile(r"<([^<>]{1,4000})>")
_MARKDOWN = re.compile(r"[\\*_~`\[\]]")
_LINE_MARKS = re.compile(r"^[ \t]*(?:[#>|+-]|=+|\d{1,9}[.)])|^(?: {4}|\t)", re.MULTILINE)


def mentions(text: str, user: str) -> bool:
    """Whether the raw text names this user."""
    return bool(user) and re.search(rf"<@{re.escape(user)}[>|]", text) is not None


def unescape(text: str, bot_user: str = "") -> str:
    """Raw incoming text as its writer saw it, without the mention of the bot itself.

    A link whose label differs from its address shows both: what a link hides is what matters in a
    message that somebody asks a bank about.
    """

    def shown(match: re.Match[str]) -> str:
        body, _, label = match[1].partition("|")
        kind, rest = body[:1], body[1:]
        if kind == "@":
            return "" if rest == bot_user else f"@{label or rest}"
        if kind == "#":
            return f"#{label or rest}"
        if kind == "!":
            return label or f"@{rest}"
        address = body.removeprefix("mailto:").removeprefix("tel:")
        bare = re.sub(r"^https?://", "", address).rstrip("/")
        if not label or label.rstrip("/") in (address.rstrip("/"), bare):
            return address
        return f"{label} ({address})"

    text = _REFERENCE.sub(shown, text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def escape(text: str) -> str:
    """Text in which nothing names a person, a channel or a link: `&`, `<` and `>` as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def literal_markdown(text: str) -> str:
    """The text for `markdown_text`, where it must not act as Markdown.

    May be applied piece by piece to a growing text. Marks that only count at a line's start stay:
    they can't be told from the middle of a line in a piece (see `formats`).
    """
    return _MARKDOWN.sub(r"\\\g<0>", escape(text)).replace("\n", "  \n")


def formats(text: str) -> bool:
    """Whether Markdown might show this text otherwise than it is written, escaped or not."""
    return bool(_MARKDOWN.search(text) or _LINE_MARKS.search(text))
