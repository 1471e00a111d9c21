"""What a message holds, as parts. A file's `ref` is Telegram's file_id: good for this bot, for good."""

from __future__ import annotations

from telegram import Message, PhotoSize

from adapters.telegram.api import seconds
from bot.types import File, Image, Location, Part, Sticker, Text, Voice

__all__ = ["attachments", "is_service"]


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
    made += _places(message) + _told(message)
    return made


def is_service(message: Message) -> bool:
    """Whether it only tells of something that happened in the chat: nobody wrote it."""
    written = message.text or message.effective_attachment or message.game
    bought = message.invoice or message.successful_payment or message.refunded_payment
    return not written or bool(bought)


def _places(message: Message) -> list[Part]:
    if venue := message.venue:
        label = " · ".join(word for word in (venue.title, venue.address) if word)
        return [Location(venue.location.latitude, venue.location.longitude, label)]
    if place := message.location:
        return [Location(place.latitude, place.longitude)]
    return []


def _told(message: Message) -> list[Part]:
    """What is as good as text."""
    if contact := message.contact:
        words = (contact.first_name, contact.last_name, contact.phone_number)
        return [Text(" ".join(word for word in words if word))]
    if poll := message.poll:
        return [Text(poll.question)]
    return []


def _file(ref: str, mime: str | None, size: int | None, name: str | None) -> File:
    return File(ref, mime or "", size or 0, name or "")


def _area(photo: PhotoSize) -> int:
    return photo.width * photo.height
