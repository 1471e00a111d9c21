"""What a message holds, as parts. A file's `ref` is Telegram's file_id: good for this bot, for good."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from telegram import Message, PhotoSize

from adapters.telegram.api import seconds
from bot.types import File, Image, Location, Part, Sticker, Text, Voice

__all__ = ["attachments", "described", "is_written", "slim"]

_READ: Final = frozenset(
    [
        *("message_id", "date", "edit_date", "chat", "from", "sender_chat", "message_thread_id"),
        *("is_topic_message", "migrate_to_chat_id", "migrate_from_chat_id", "new_chat_members"),
        *("text", "entities", "caption", "caption_entities", "photo", "animation", "document", "video"),
        *("video_note", "voice", "audio", "sticker", "dice", "venue", "location", "contact", "reply_markup"),
    ]
)
_WRITTEN: Final = frozenset(
    [
        *("text", "photo", "animation", "document", "video", "video_note", "voice", "audio", "sticker"),
        *("dice", "venue", "location", "contact", "poll", "story", "game", "paid_media", "checklist"),
    ]
)
"""What somebody wrote or sent; a message with none of it tells of something that happened in the chat."""


def slim(message: object) -> object:
    """A raw message without what isn't read here: the library refuses a whole message over one part of
    it that its version of the Bot API shapes otherwise, and that mustn't cost a customer an answer."""
    if not isinstance(message, dict):
        return message
    kept = {name: value for name, value in message.items() if name in _READ}
    if "from" in kept:
        kept["from"] = described(kept["from"])
    reply = message.get("reply_to_message")
    if isinstance(reply, dict):
        kept["reply_to_message"] = {k: reply[k] for k in ("message_id", "date", "chat") if k in reply}
        if "from" in reply:
            kept["reply_to_message"]["from"] = described(reply["from"])
        if "forum_topic_created" in reply:
            kept["reply_to_message"]["forum_topic_created"] = {"name": "", "icon_color": 0}
    return kept


def described(user: object) -> object:
    """A raw user with what the library insists on and other servers than Telegram's leave out."""
    return {"is_bot": False, "first_name": "", **user} if isinstance(user, dict) else user


def is_written(message: Mapping[str, Any]) -> bool:
    """Whether somebody wrote this raw message, and it doesn't just tell of something that happened."""
    return not _WRITTEN.isdisjoint(message)


def attachments(message: Message) -> list[Part]:
    """All but the text. Of a photo's sizes the largest."""
    made: list[Part] = []
    if message.photo:
        best = max(message.photo, key=_area)
        made.append(Image(best.file_id, "image/jpeg", best.file_size or 0))
    if animation := message.animation:
        # An animation comes as a document too, for old clients.
        made.append(_file(animation.file_id, animation.mime_type, animation.file_size, animation.file_name))
    elif document := message.document:
        made.append(_file(document.file_id, document.mime_type, document.file_size, document.file_name))
    if video := message.video:
        made.append(_file(video.file_id, video.mime_type or "video/mp4", video.file_size, video.file_name))
    if note := message.video_note:
        made.append(_file(note.file_id, "video/mp4", note.file_size, ""))
    if voice := message.voice:
        kind = voice.mime_type or "audio/ogg"
        made.append(Voice(voice.file_id, kind, voice.file_size or 0, seconds(voice.duration)))
    if audio := message.audio:
        kind = audio.mime_type or "audio/mpeg"
        made.append(Voice(audio.file_id, kind, audio.file_size or 0, seconds(audio.duration)))
    if sticker := message.sticker:
        made.append(Sticker(sticker.file_id, sticker.emoji or ""))
    if dice := message.dice:
        made.append(Sticker("", dice.emoji))
    made += _places(message) + _contact(message)
    return made


def _places(message: Message) -> list[Part]:
    if venue := message.venue:
        label = " · ".join(word for word in (venue.title, venue.address) if word)
        return [Location(venue.location.latitude, venue.location.longitude, label)]
    if place := message.location:
        return [Location(place.latitude, place.longitude)]
    return []


def _contact(message: Message) -> list[Part]:
    """As good as text."""
    if contact := message.contact:
        words = (contact.first_name, contact.last_name, contact.phone_number)
        return [Text(" ".join(word for word in words if word))]
    return []


def _file(ref: str, mime: str | None, size: int | None, name: str | None) -> File:
    return File(ref, mime or "", size or 0, name or "")


def _area(photo: PhotoSize) -> int:
    return photo.width * photo.height
