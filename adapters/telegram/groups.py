"""Text as it was meant: whether a group's message is for the bot, the mention taken out, a command apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from telegram import Message, MessageEntity

from adapters.telegram.api import Me
from adapters.telegram.entities import utf16_slice

__all__ = ["Words", "words_of"]

_COMMAND = re.compile(r"/([A-Za-z][A-Za-z0-9_]{0,31})(?:@(\w{3,32}))?(?:\s+|$)(.*)", re.S)
_AFTER_MENTION = " \t\r\n,，:：、"


@dataclass(frozen=True, slots=True)
class Words:
    """A message's text or caption."""

    text: str = ""
    """Without the mention of the bot; of a command, its arguments."""
    command: str = ""
    """With its slash, in small letters, without a bot's name."""
    for_bot: bool = False
    """It mentions the bot, replies to it, or is a command that may be meant for it."""
    for_other: bool = False
    """It is another bot's command."""


def words_of(message: Message, me: Me) -> Words:
    """What the sender wrote, and to whom."""
    raw = message.text or message.caption or ""
    entities = message.entities or message.caption_entities
    mentions = [e for e in entities if _mentions(raw, e, me)]
    text = raw
    if mentions:
        text = utf16_slice(raw, [(e.offset, e.length) for e in mentions])
        text = text.lstrip(_AFTER_MENTION) if mentions[0].offset == 0 else text
    text = text.strip()
    for_bot = bool(mentions) or _replies_to(message, me)
    if found := _COMMAND.fullmatch(text):
        name, other, arguments = found.groups()
        if other and other.lower() != me.username.lower():
            return Words(text, for_other=True)
        return Words(arguments.strip(), f"/{name.lower()}", for_bot=True)
    return Words(text, for_bot=for_bot)


def _mentions(text: str, entity: MessageEntity, me: Me) -> bool:
    if entity.type == MessageEntity.TEXT_MENTION:
        return entity.user is not None and entity.user.id == me.id
    if entity.type != MessageEntity.MENTION:
        return False
    return _of(text, entity).lower() == f"@{me.username.lower()}"


def _of(text: str, entity: MessageEntity) -> str:
    units: Sequence[int] = text.encode("utf-16-le")[entity.offset * 2 : (entity.offset + entity.length) * 2]
    return bytes(units).decode("utf-16-le", "replace")


def _replies_to(message: Message, me: Me) -> bool:
    """Whether it replies to the bot. In a topic every message counts as a reply to the service message
    that opened it, which may be the bot's own: that one doesn't count."""
    replied = message.reply_to_message
    if replied is None or replied.from_user is None or replied.forum_topic_created is not None:
        return False
    return replied.from_user.id == me.id
