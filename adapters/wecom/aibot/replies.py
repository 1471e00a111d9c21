"""Answers in callback mode: into the bubble that waits for them, and by response_url what can't go there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import aiohttp
import msgspec

from adapters.base import Capabilities, Host, Notes
from adapters.common.steps import in_steps
from adapters.wecom.aibot.encode import Answer, encode, encode_plain, with_parts
from adapters.wecom.aibot.files import is_picture
from adapters.wecom.aibot.keys import CARD_S, KEPT_S, short
from adapters.wecom.aibot.response_url import ResponseUrls, post
from adapters.wecom.aibot.streams import Piece, Streams, stream_id
from bot.errors import SendAmbiguous, SendError, SendRefused, UnknownAttachment
from bot.locales import say
from bot.types import Conversation, ImageOut, OutboundMessage, OutPart, Text

__all__ = ["Replies", "picture_ref"]

_USED_UP = (
    "WeCom takes one message for each of the customer's, within an hour, and all are used. To write to "
    "customers at any time, give the bot a long connection (bot_id and secret)"
)


class Replies:
    """The outgoing half of one account.

    Args:
        session: gives the HTTP session, which its owner closes.
    """

    def __init__(
        self,
        host: Host,
        notes: Notes,
        account: str,
        capabilities: Capabilities,
        streams: Streams,
        urls: ResponseUrls,
        session: Callable[[], aiohttp.ClientSession],
    ) -> None:
        self._host = host
        self._notes = notes
        self._account = account
        self._capabilities = capabilities
        self._streams = streams
        self._urls = urls
        self._session = session

    async def send(self, message: OutboundMessage) -> str:
        """Deliver it; the id of the bubble, or of the message whose response_url was used.

        Raises:
            SendRefused: there is no way left to this customer.
            SendError, RetryLater, SendAmbiguous: as `post`.
        """
        message, key = await self._with_pictures(message), message.idempotency_key
        answer = encode(message, self._capabilities)
        if not answer.texts:
            return ""
        sid = await self._bubble(message)
        # Noted, so that an attempt that failed half-way goes on where it was.
        way = await self._notes.get(f"way:{short(key)}")
        if way is None:
            way = "bubble" if sid and await self._in_bubble(message, answer, sid) else "url"
            if way == "url" or len(answer.texts) > 1:
                await self._notes.put(f"way:{short(key)}", way, ttl_s=KEPT_S)
        rest = answer.texts[1:] if way == "bubble" else encode_plain(message).texts
        own = stream_id(self._account, message.in_reply_to)
        steps = [partial(self._by_url, message.conversation.chat, own, text) for text in rest]
        return (await in_steps(self._notes, key, steps) if steps else "") or sid

    async def _bubble(self, message: OutboundMessage) -> str:
        """The bubble that waits for this message; empty if none does."""
        if message.in_reply_to:
            return stream_id(self._account, message.in_reply_to)
        # A person's words answer no event: they go into the bubble that has waited longest.
        for sid in await self._urls.ids(message.conversation.chat):
            if await self._streams.is_open(sid):
                return sid
        return ""

    async def _in_bubble(self, message: OutboundMessage, answer: Answer, sid: str) -> bool:
        """Show the first text with the card and the pictures; False: that isn't possible there."""
        if answer.card is not None:
            card = msgspec.json.encode(answer.card).decode()
            await self._notes.put(f"card:{answer.card['task_id']}", card, ttl_s=CARD_S)
        pictures = tuple(picture_ref(message.conversation, picture.ref) for picture in answer.pictures)
        piece = Piece(message.idempotency_key, answer.texts[0], pictures, answer.card)
        return await self._streams.deliver(sid, piece)

    async def _with_pictures(self, message: OutboundMessage) -> OutboundMessage:
        """The message with the pictures that WeCom shows; the others are described."""
        parts: list[OutPart] = []
        for part in message.parts:
            if isinstance(part, ImageOut) and not await self._is_shown(message.conversation, part):
                parts.append(Text(say("shown.image", message.language, what=part.alt)))
            else:
                parts.append(part)
        return with_parts(message, parts)

    async def _is_shown(self, conversation: Conversation, picture: ImageOut) -> bool:
        try:
            return is_picture(await self._host.attachment(conversation, picture.ref))
        except UnknownAttachment:
            return False

    async def _by_url(self, chat: str, own: str, text: str) -> str:
        taken = await self._urls.take(chat, own)
        if taken is None:
            raise SendRefused(_USED_UP)
        url, id = taken
        try:
            await post(self._session(), url, {"msgtype": "markdown", "markdown": {"content": text}})
        except (SendAmbiguous, SendRefused):
            raise
        except SendError:
            await self._urls.give_back(id)
            raise
        return id


def picture_ref(conversation: Conversation, ref: str) -> str:
    """An attachment as a bubble remembers it: a poll names no conversation."""
    return msgspec.json.encode((conversation, ref)).decode()
