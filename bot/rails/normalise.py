"""Clean the text and tell its language; say politely, later on, what can't be read."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import get_args

import msgspec

from bot.locales import say
from bot.rails.base import Context, Handler, reply
from bot.store import Outcome
from bot.types import InboundEvent, Language, Text

SAY = "say:"
"""Values of buttons that stand for a typed message."""

EXCERPT = 200
"""Characters that later turns see of what couldn't be read."""

__all__ = ["SAY", "clean", "detect_language", "normalise", "unread"]

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}(?:'[a-z]+)?")
_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n{3,}")


def clean(text: str) -> str:
    """NFKC, without control, zero-width, bidi-override and unassigned characters.

    Full-width letters and digits become plain ones; emoji and right-to-left text stay.
    """
    text = unicodedata.normalize("NFKC", text).replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(
        c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    return _BLANK_LINES.sub("\n\n", _SPACES.sub(" ", kept)).strip()


def detect_language(text: str, known: str = "", locale: str = "") -> Language:
    """zh or en by what is written; where nothing is, by the conversation, then by the platform.

    A Chinese sentence with English terms is Chinese: one Han character weighs as one Latin word.
    """
    han, latin = len(_HAN.findall(text)), len(_LATIN_WORD.findall(text))
    if han or latin:
        return "zh" if han >= latin else "en"
    if known in get_args(Language):
        return "zh" if known == "zh" else "en"
    return "zh" if not locale or locale.lower().startswith("zh") else "en"


async def normalise(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
    """See the module. Works on a bounded prefix, so that 100 kB of anything costs little."""
    limit = context.config.limits.message_chars
    raw = event.text
    text = clean(raw[: limit * 2])
    language = detect_language(text, context.known_language, event.sender.locale)
    context = replace(context, text=text[:limit], language=language)
    if event.kind == "button" and event.value.startswith(SAY):
        # A suggestion stands for its words, and they for a message like any other.
        raw = event.value.removeprefix(SAY)
        said = msgspec.structs.replace(event, kind="message", parts=(Text(raw),))
        return await normalise(handler, said, context)
    if event.kind in ("button", "command", "join", "system"):
        return await handler(event, context)
    length = len(raw) + event.dropped if len(raw) > limit * 2 or event.dropped else len(text)
    if length > limit or event.dropped:
        context = replace(context, unread=say("too_long", language, length=length, limit=limit))
    elif not text or not any(c.isalnum() for c in text):
        context = replace(context, unread=_unreadable(event, text, language))
    return await handler(event, context)


async def unread(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
    """Where answers begin: says politely that a message can't be read. Not earlier, for its beginning may
    hold what calls for a warning or a person, and staff may own the conversation."""
    if not context.unread:
        return await handler(event, context)
    message = reply(event, context.language, Text(context.unread), kind="notice")
    return Outcome(messages=(message,), seen=context.text[:EXCERPT], language=context.language)


def _unreadable(event: InboundEvent, text: str, language: Language) -> str:
    for part in event.parts:
        if not isinstance(part, Text):
            tag = str(part.__struct_config__.tag)
            return say("attachment", language, what=say(f"attachment.{tag}", language))
    return say("symbols_only" if text else "empty", language)
