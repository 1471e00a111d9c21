"""Growing answers. In a private chat by sendMessageDraft, a preview that the answer ends by itself; in
groups, and where the server refuses that, by a message that is edited until it is the answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

import structlog
from telegram import LinkPreviewOptions, ReplyParameters
from telegram.error import BadRequest, InvalidToken, RetryAfter, TelegramError

from adapters.base import Notes
from adapters.common.drafts import Drafts
from adapters.telegram.api import Api
from adapters.telegram.chats import Chats
from adapters.telegram.encoder import TEXT_LIMIT
from adapters.telegram.entities import cut
from adapters.telegram.events import replied_message
from adapters.telegram.limits import Limits
from adapters.telegram.refusals import translate
from bot.errors import SendRefused
from bot.types import Conversation, Draft

__all__ = ["NO_LINKS", "Previews", "reply_to", "thread_id"]

log = structlog.get_logger(__name__)

PRIVATE_EVERY_S = 1.0
GROUP_EVERY_S = 3.0
"""An edit counts against a group's 20 a minute."""
NO_LINKS = LinkPreviewOptions(is_disabled=True)
_MESSAGE, _NATIVE = "message:", "native:"


class Previews:
    """The previews of one account."""

    def __init__(
        self, api: Api, chats: Chats, limits: Limits, notes: Callable[[Conversation], Notes]
    ) -> None:
        self._api = api
        self._chats = chats
        self._limits = limits
        self._native = True
        self._private = Drafts(self._open, self._grow, notes, every_s=PRIVATE_EVERY_S, drop=self._drop)
        self._group = Drafts(self._open, self._grow, notes, every_s=GROUP_EVERY_S, drop=self._drop)

    def show(self, draft: Draft) -> None:
        self._drafts(draft.conversation).show(draft)

    async def finish(self, conversation: Conversation, key: str) -> int | None:
        """End a preview; the message whose place the answer takes, if there is one. Raises StoreBusy."""
        handle = await self._drafts(conversation).finish(conversation, key)
        if handle is None or not handle.startswith(_MESSAGE):
            return None
        return int(handle.removeprefix(_MESSAGE))

    async def close(self) -> None:
        await asyncio.gather(self._private.close(), self._group.close())

    def _drafts(self, conversation: Conversation) -> Drafts:
        return self._private if conversation.kind == "direct" else self._group

    async def _open(self, draft: Draft) -> str:
        if draft.conversation.kind == "direct" and self._native:
            try:
                await self._show_native(draft)
                return f"{_NATIVE}{draft_id(draft.idempotency_key)}"
            except InvalidToken:
                # An older Bot API server: 404 for the method.
                self._native = False
            except BadRequest as error:
                log.info("telegram.draft_refused", reason=type(error).__name__)
        chat = await self._chats.find(draft.conversation.chat)
        await self._limits.preview(chat)
        sent = await self._chats.call(
            chat,
            lambda here: self._api.send_message(
                here,
                cut(draft.text, TEXT_LIMIT),
                message_thread_id=thread_id(draft.conversation),
                link_preview_options=NO_LINKS,
                reply_parameters=reply_to(draft.conversation, draft.in_reply_to),
            ),
        )
        return f"{_MESSAGE}{sent.message_id}"

    async def _grow(self, draft: Draft, handle: str) -> None:
        if handle.startswith(_NATIVE):
            try:
                await self._show_native(draft)
            except (BadRequest, InvalidToken) as error:
                raise translate(error) from error
            return
        chat = await self._chats.find(draft.conversation.chat)
        await self._limits.preview(chat)
        message = int(handle.removeprefix(_MESSAGE))
        try:
            await self._chats.call(
                chat,
                lambda here: self._api.edit_message_text(
                    cut(draft.text, TEXT_LIMIT), here, message, link_preview_options=NO_LINKS
                ),
            )
        except BadRequest as error:
            if "not modified" not in str(error).lower():
                raise translate(error) from error

    async def _drop(self, draft: Draft, handle: str) -> None:
        """Take away a preview that came after its answer. (A native one goes by itself.)"""
        if handle.startswith(_NATIVE):
            return
        chat, message = await self._chats.find(draft.conversation.chat), int(handle.removeprefix(_MESSAGE))
        try:
            await self._chats.call(chat, lambda here: self._api.delete_message(here, message))
        except BadRequest as error:
            raise translate(error) from error

    async def _show_native(self, draft: Draft) -> None:
        """Raises BadRequest, InvalidToken: the server doesn't take such drafts; SendError."""
        chat = await self._chats.find(draft.conversation.chat)
        await self._limits.anywhere()
        try:
            await self._api.send_message_draft(
                chat,
                draft_id(draft.idempotency_key),
                cut(draft.text, TEXT_LIMIT),
                message_thread_id=thread_id(draft.conversation),
            )
        except (BadRequest, InvalidToken):
            raise
        except RetryAfter as error:
            # A preview's flood says nothing about messages: the chat isn't held for it.
            raise translate(error) from error
        except TelegramError as error:
            raise translate(error) from error


def draft_id(key: str) -> int:
    """A draft's number: the same for the same answer in every process, never 0."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) % 0x7FFFFFFF + 1


def thread_id(conversation: Conversation) -> int | None:
    """A topic's number; None in the General topic and where there are none. Raises SendRefused."""
    if not conversation.thread:
        return None
    try:
        return int(conversation.thread)
    except ValueError:
        raise SendRefused(f"{conversation.thread[:40]!r} isn't a topic's number") from None


def reply_to(conversation: Conversation, event_id: str) -> ReplyParameters | None:
    """In a group an answer is a reply to what it answers; elsewhere that goes without saying."""
    replied = replied_message(event_id) if conversation.kind == "group" else None
    return None if replied is None else ReplyParameters(replied, allow_sending_without_reply=True)
