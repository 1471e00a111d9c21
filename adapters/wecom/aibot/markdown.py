"""Plain text as the Markdown that an AI bot's answers are shown as, so that it reads as it was written.

Only what would format is escaped: a lone asterisk doesn't, and every backslash too many would be seen
where a client doesn't know escapes. Lists and links are left: they read the same.
"""

from __future__ import annotations

import re
from typing import Final

from adapters.common.split import measure, split

__all__ = ["CONTENT_LIMIT", "escape", "pieces"]

CONTENT_LIMIT: Final = 20480
"""Bytes of UTF-8 in one answer, streamed, by response_url or pushed.
Source: developer.work.weixin.qq.com/document/path/101031 and …/101138."""

_PARAGRAPHS: Final = re.compile(r"(\n[ \t]*\n)")
_BLOCK: Final = re.compile(r"^([ \t]*)(#{1,6}(?=[ \t]|$)|>|(?:```|~~~)|(?:[-=*_][ \t]*){3,}$|\|)", re.M)
_INDENT: Final = re.compile(r"^(?: {4,}|\t+)", re.M)
_LINK: Final = re.compile(r"\[(?=[^\[\]\n]*\][(\[])")
_TAG: Final = re.compile(r"<(?=[A-Za-z/!?@])")
_ENTITY: Final = re.compile(r"&(?=#?\w{1,31};)")
_ESCAPED: Final = re.compile(r"\\(?=[!-/:-@\[-`{-~])")
_STARS: Final = re.compile(r"\*+")
_TICKS: Final = re.compile(r"`+")
_WAVES: Final = re.compile(r"~~+")
_LINES: Final = re.compile(r"(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)")
"""Underscores inside a word, as in file_name, never format."""


def escape(text: str) -> str:
    """`text` with a backslash before whatever would format."""
    return "".join(
        part if number % 2 else _paragraph(part) for number, part in enumerate(_PARAGRAPHS.split(text))
    )


def _paragraph(text: str) -> str:
    """Emphasis never reaches across paragraphs, so one that has no pair in its own is left."""
    text = _ESCAPED.sub(r"\\\\", text)
    for pattern in (_LINK, _TAG, _ENTITY):
        text = pattern.sub(lambda found: "\\" + found[0], text)
    for pattern in (_STARS, _TICKS, _WAVES, _LINES):
        if len(pattern.findall(text)) > 1:
            text = pattern.sub(lambda found: "".join("\\" + c for c in found[0]), text)
    text = _BLOCK.sub(r"\1\\\2", text)
    # Four blanks would make it code.
    return _INDENT.sub(lambda found: "\u3000" * (len(found[0].expandtabs(4)) // 4), text)


def pieces(text: str, limit: int = CONTENT_LIMIT) -> list[str]:
    """`text` escaped, in pieces of at most `limit` bytes."""
    whole = escape(text.strip())
    if measure(whole, "utf8") <= limit:
        return [whole] if whole else []
    # What is cut is the text, never its escapes, which at most double it.
    for share in (0.9, 0.75, 0.49):
        made = [escape(piece) for piece in split(text, int(limit * share), "utf8")]
        if all(measure(piece, "utf8") <= limit for piece in made):
            break
    return made
