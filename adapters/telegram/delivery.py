"""Sends messages: the calls an encoder made, one after another, at Telegram's pace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from telegram import InputFile, Message, ReplyParameters
from telegram.error import BadRequest, TelegramError

from adapters.base import Attachment, Host
from adapters.common.steps import Step, in_steps
from adapters.telegram.api import Api
from adapters.telegram.buttons import KEPT_S
from adapters.telegram.chats import Chats
from adapters.telegram.encoder import TEXT_LIMIT, Call, FileCall, TextCall, encode, notes_needed
from adapters.telegram.entities import cut
from adapters.telegram.events import PLATFORM
from adapters.telegram.limits import Limits
from adapters.telegram.previews import NO_LINKS, Previews, reply_to, thread_id
from adapters.telegram.refusals import said, translate
from bot.errors import SendRefused, UnknownAttachment
from bot.types import Delivery, OutboundMessage

__all__ = ["Deliverer"]

log = structlog.get_logger(__name__)

PHOTO_LIMIT = 10_000_000
FILE_LIMIT = 50_000_000
"""Bytes the Bot API takes (core.telegram.org/bots/api#sending-files)."""


class Deliverer:
    """Delivers the messages of one account."""

    def __init__(self, api: Api, host: Host, chats: Chats, limits: Limits, previews: Previews) -> None:
        self._api = api
        self._host = host
        self._chats = chats
        self._limits = limits
        self._previews = previews

    async def deliver(self, message: OutboundMessage) -> Delivery:
        """Send it, in the place of its preview if there was one.

        Raises:
            RetryLater, SendRefused, SendAmbiguous, SendError, StoreBusy
        """
        calls = encode(message)
        notes = self._host.notes(PLATFORM, message.conversation.account)
        for key, value in notes_needed(message).items():
            await notes.put(key, value, ttl_s=KEPT_S)
        preview = None
        if message.kind == "answer":
            preview = await self._previews.finish(message.conversation, message.idempotency_key)
        if preview is not None and not (calls and isinstance(calls[0], TextCall)):
            await self._forget(message, preview)
            preview = None
        steps: list[Step] = [
            partial(self._step, message, call, number, preview if number == 0 else None)
            for number, call in enumerate(calls)
        ]
        return Delivery(await in_steps(notes, message.idempotency_key, steps) if steps else "")

    async def _step(self, message: OutboundMessage, call: Call, number: int, preview: int | None) -> str:
        chat = await self._chats.find(message.conversation.chat)
        attachment = await self._attachment(message, call) if isinstance(call, FileCall) else None
        await self._limits.place(chat, patient=number > 0)
        try:
            if isinstance(call, TextCall):
                return await self._text(message, call, chat, number, preview)
            if attachment is None:
                return await self._text(message, TextCall(cut(call.fallback, TEXT_LIMIT)), chat, number, None)
            return await self._file(message, call, attachment, chat, number)
        except BadRequest as error:
            raise translate(error) from error

    # ── texts ──

    async def _text(
        self, message: OutboundMessage, call: TextCall, chat: int, number: int, preview: int | None
    ) -> str:
        if preview is not None:
            if await self._replaced(call, chat, preview):
                return str(preview)
            await self._forget(message, preview)
        try:
            return await self._said(message, call, chat, number)
        except BadRequest as error:
            if not (call.entities and "entit" in str(error).lower()):
                raise
            # Better plain than not at all.
            log.warning("telegram.formatting_refused", reason=said(error))
            return await self._said(message, TextCall(call.text, (), call.keyboard), chat, number)

    async def _said(self, message: OutboundMessage, call: TextCall, chat: int, number: int) -> str:
        sent = await self._chats.call(
            chat,
            lambda here: self._api.send_message(
                here,
                call.text,
                entities=call.entities or None,
                reply_markup=call.keyboard,
                link_preview_options=NO_LINKS,
                message_thread_id=thread_id(message.conversation),
                reply_parameters=_reply(message, number),
            ),
        )
        return str(sent.message_id)

    async def _replaced(self, call: TextCall, chat: int, preview: int) -> bool:
        """Whether the answer now stands where its preview stood; False if that can't be edited."""
        try:
            await self._chats.call(
                chat,
                lambda here: self._api.edit_message_text(
                    call.text,
                    here,
                    preview,
                    entities=call.entities or None,
                    reply_markup=call.keyboard,
                    link_preview_options=NO_LINKS,
                ),
            )
        except BadRequest as error:
            # Said again after a crash it is the same text: that is success.
            return "not modified" in str(error).lower()
        return True

    async def _forget(self, message: OutboundMessage, preview: int) -> None:
        """Take away a preview that the answer can't be put into."""
        chat = await self._chats.find(message.conversation.chat)
        try:
            await self._api.delete_message(chat, preview)
        except TelegramError as error:
            log.info("telegram.preview_kept", reason=type(error).__name__)

    # ── files ──

    async def _attachment(self, message: OutboundMessage, call: FileCall) -> Attachment | None:
        try:
            found = await self._host.attachment(message.conversation, call.ref)
        except UnknownAttachment:
            log.warning("telegram.attachment_gone", ref=call.ref)
            return None
        if len(found.data) > FILE_LIMIT:
            raise SendRefused(f"the file has {len(found.data)} bytes; Telegram takes {FILE_LIMIT}")
        return found

    async def _file(
        self, message: OutboundMessage, call: FileCall, attachment: Attachment, chat: int, number: int
    ) -> str:
        file = InputFile(attachment.data, call.name or attachment.name or "file")
        where: dict[str, Any] = {
            "caption": call.caption or None,
            "message_thread_id": thread_id(message.conversation),
            "reply_parameters": _reply(message, number),
        }
        document = partial(self._api.send_document, document=file, **where)
        if not call.photo or len(attachment.data) > PHOTO_LIMIT:
            return await self._sent(chat, document)
        try:
            return await self._sent(chat, partial(self._api.send_photo, photo=file, **where))
        except BadRequest as error:
            if not any(word in str(error).lower() for word in ("photo", "image")):
                raise
            log.info("telegram.photo_as_document", reason=said(error))
            return await self._sent(chat, document)

    async def _sent(self, chat: int, action: Callable[[int], Awaitable[Message]]) -> str:
        return str((await self._chats.call(chat, action)).message_id)


def _reply(message: OutboundMessage, number: int) -> ReplyParameters | None:
    """Of several parts the first is the reply."""
    return reply_to(message.conversation, message.in_reply_to) if number == 0 else None
