"""A customer's message, from the page's JSON to an `InboundEvent`."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from aiohttp import web

from adapters.base import Host
from adapters.common import body as common
from adapters.web.lines import event_id
from adapters.web.refusals import Refusal
from adapters.web.settings import WebSettings
from adapters.web.strings import size
from bot.errors import UnknownAttachment
from bot.types import Conversation, File, Image, InboundEvent, Language, Part, Sender, Text, Voice

__all__ = ["Posted", "read_body", "read_posted", "to_event"]

ID_LIMIT: Final = 64
BUTTON_LIMIT: Final = 500
READ_SECONDS: Final = 60.0
_ID: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{ID_LIMIT}}}")


class PressedButton(msgspec.Struct, frozen=True):
    value: str
    label: str = ""


class Posted(msgspec.Struct, frozen=True):
    """The body of POST /api/messages. `id` is the page's own and stays the same when it retries."""

    id: str = ""
    text: str = ""
    button: PressedButton | None = None
    attachments: tuple[str, ...] = ()
    language: Language = "zh"


async def read_body(request: web.Request, limit: int) -> bytes:
    """The body, read no further than `limit` bytes.

    Raises:
        Refusal: 413 above the limit, 408 when it trickles.
    """
    try:
        return await common.read_body(request, limit)
    except common.BodyRefused as error:
        if error.status == 413:
            raise Refusal(413, "body_too_large", limit=size(limit)) from None
        raise Refusal(408, "too_slow") from None


async def read_posted(request: web.Request, settings: WebSettings) -> tuple[Posted, bytes]:
    """The message a page posted, and its raw bytes.

    Raises:
        Refusal: 400, 408, 413 or 415, naming what is wrong.
    """
    if request.content_type != "application/json":
        # Also the wall against other sites' forms, which can't send this type without asking first.
        raise Refusal(415, "not_json")
    raw = await read_body(request, settings.body_limit_bytes)
    try:
        posted = msgspec.json.decode(raw, type=Posted)
    except msgspec.ValidationError as error:
        field = re.search(r"`\$\.?([^`]*)`", str(error))
        raise Refusal(400, "bad_field", field=(field and field[1]) or "body") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refusal(400, "bad_json") from None
    _require_sound(posted, settings)
    return posted, raw


def _require_sound(posted: Posted, settings: WebSettings) -> None:
    if not _ID.fullmatch(posted.id):
        raise Refusal(400, "bad_id", limit=ID_LIMIT)
    if len(posted.attachments) > settings.attachments_per_message:
        raise Refusal(400, "too_many_attachments", limit=settings.attachments_per_message)
    if posted.button is not None:
        if not 0 < len(posted.button.value) <= BUTTON_LIMIT or len(posted.button.label) > BUTTON_LIMIT:
            raise Refusal(400, "bad_field", field="button")
    elif not posted.text.strip() and not posted.attachments:
        raise Refusal(400, "empty")


async def to_event(posted: Posted, conversation: Conversation, host: Host) -> InboundEvent:
    """The event of a message. Its text is the core's to judge, however long it is.

    Raises:
        Refusal: 400 for an attachment that isn't this conversation's.
        StoreBusy: an attachment could not be looked up.
    """
    parts: list[Part] = []
    button = posted.button
    text = _clean(button.label or button.value) if button else _clean(posted.text)
    if text.strip():
        parts.append(Text(text))
    for ref in posted.attachments:
        parts.append(await _attached(ref, conversation, host))
    now = host.now()
    return InboundEvent(
        event_id=event_id(conversation.chat, posted.id),
        conversation=conversation,
        sender=Sender(id=conversation.chat, locale=posted.language),
        kind="button" if button else "message",
        parts=tuple(parts),
        occurred_at=now,
        received_at=now,
        correlation_id=host.new_id(),
        value=_clean(button.value) if button else "",
    )


async def _attached(ref: str, conversation: Conversation, host: Host) -> Part:
    try:
        kept = await host.attachment(conversation, ref)
    except UnknownAttachment:
        raise Refusal(400, "unknown_attachment") from None
    if kept.mime.startswith("image/"):
        return Image(ref, mime=kept.mime, size=len(kept.data), name=kept.name)
    if kept.mime.startswith("audio/"):
        return Voice(ref, mime=kept.mime, size=len(kept.data))
    return File(ref, mime=kept.mime, size=len(kept.data), name=kept.name)


def _clean(text: str) -> str:
    # PostgreSQL can't store NUL in text, and nobody means it.
    return text.replace("\x00", "")
