"""Answers over the long connection: into the bubble of the message they answer, or pushed beside it.

A bubble is opened by the first frame under the message's req_id, grows with each later one (the text is
always whole) and is closed by the one with `finish`. It lives for six minutes, and longer than a
connection: after a reconnect the same req_id goes on, and where WeCom refuses, the whole text is pushed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from adapters.base import Attachment, Capabilities, Host, Notes
from adapters.common.pace import Pace, Window
from adapters.common.steps import Step, in_steps
from adapters.wecom.aibot.cards import TemplateCard
from adapters.wecom.aibot.encode import encode
from adapters.wecom.aibot.frames import BubbleGone
from adapters.wecom.aibot.keys import CARD_S, KEPT_S, short
from adapters.wecom.aibot.link import Link
from adapters.wecom.aibot.markdown import pieces
from adapters.wecom.aibot.streams import LIFE_S, stream_id
from adapters.wecom.aibot.upload import upload
from bot.errors import AttachmentRefused, RetryLater, SendAmbiguous, SendError, UnknownAttachment
from bot.locales import say
from bot.types import Conversation, Draft, FileOut, ImageOut, Language, OutboundMessage

__all__ = ["Talk"]

log = structlog.get_logger(__name__)

ASKED_S: Final = 24 * 3600.0
"""A message can be answered under its req_id for a day."""
MEDIA_S: Final = 2.5 * 24 * 3600.0
"""How long a media id is used again; WeCom keeps it for three days."""
SHORT_S: Final = 5.0
"""A wait for a place that is sat out; a longer one gives the message back to the outbox."""
GONE: Final = "gone"
"""In the place of a claim on a bubble that takes nothing."""
CHATS: Final = 2000
"""Conversations whose unanswered messages are remembered, for `typing`."""

# 30 messages a minute and 1000 an hour in one conversation, answers and pushes together (101463). Whether
# a bubble's growth counts isn't said: it is counted, and kept off the last third, so that answers go out.
ALL: Final = (Window(30, 60.0), Window(1000, 3600.0))
GROWTH: Final = (Window(20, 60.0), Window(600, 3600.0))


class Talk:
    """The outgoing half of one account.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        host: Host,
        notes: Notes,
        account: str,
        capabilities: Capabilities,
        link: Link,
        clock: Callable[[], float],
    ) -> None:
        self._host = host
        self._notes = notes
        self._account = account
        self._capabilities = capabilities
        self._link = link
        self._clock = clock
        self._pace = Pace(*ALL, clock=clock)
        self._growth = Pace(*GROWTH, clock=clock)
        self._unanswered: OrderedDict[str, deque[str]] = OrderedDict()

    # ── what was asked ──

    async def asked(self, event_id: str, req_id: str) -> None:
        """Remember under which req_id a message came. Raises StoreBusy."""
        await self._notes.put(f"req:{stream_id(self._account, event_id)}", req_id, ttl_s=ASKED_S)

    def unanswered(self, chat: str, event_id: str) -> None:
        waiting = self._unanswered.setdefault(chat, deque(maxlen=8))
        waiting.append(stream_id(self._account, event_id))
        self._unanswered.move_to_end(chat)
        while len(self._unanswered) > CHATS:
            self._unanswered.popitem(last=False)

    # ── messages ──

    async def send(self, message: OutboundMessage) -> str:
        """Deliver it; the id of the bubble or of the last push.

        Raises:
            RetryLater, SendAmbiguous, SendRefused, SendError: as `Link.request`.
        """
        answer, to = encode(message, self._capabilities), message.conversation
        if not answer.texts:
            return ""
        steps: list[Step] = [partial(self._first, message, answer.texts[0])]
        steps += [partial(self._push_text, to, text) for text in answer.texts[1:]]
        if answer.card is not None:
            steps.append(partial(self._push_card, to, answer.card))
        files: list[ImageOut | FileOut] = [*answer.pictures, *answer.files]
        steps += [partial(self._push_file, to, file, message.language) for file in files]
        return await in_steps(self._notes, message.idempotency_key, steps)

    async def _first(self, message: OutboundMessage, text: str) -> str:
        """The first text: in the bubble if that is possible, else pushed."""
        if message.in_reply_to:
            sid = stream_id(self._account, message.in_reply_to)
            waiting = self._unanswered.get(message.conversation.chat)
            if waiting is not None and sid in waiting:
                waiting.remove(sid)
            if await self._finish(message, sid, text):
                return sid
        return await self._push_text(message.conversation, text)

    async def _finish(self, message: OutboundMessage, sid: str, text: str) -> bool:
        """Close the bubble with the text; False: it can't be, and isn't."""
        req_id, claim = await self._notes.get(f"req:{sid}"), short(message.idempotency_key)
        if req_id is None:
            return False
        # One message closes it. A claim that is found again is of an attempt that ended in doubt.
        again = not await self._notes.add(f"final:{sid}", claim, ttl_s=KEPT_S)
        if again and await self._notes.get(f"final:{sid}") != claim:
            return False
        opened = await self._notes.get(f"bubble:{sid}")
        if opened is not None and self._clock() - float(opened) > LIFE_S:
            return False
        try:
            await self._place(message.conversation)
            await self._respond(req_id, sid, text, finish=True)
        except BubbleGone as error:
            if again and error.over:
                # In doubt before, over now: the first attempt had closed it.
                return True
            # It wasn't this message that closed it. If the push that follows must be tried again, that
            # attempt must not believe so.
            await self._notes.put(f"final:{sid}", GONE, ttl_s=KEPT_S)
            return False
        except SendAmbiguous:
            raise
        except SendError:
            if not again:
                await self._notes.drop(f"final:{sid}")
            raise
        return True

    async def _respond(self, req_id: str, sid: str, text: str, *, finish: bool) -> None:
        stream = {"id": sid, "finish": finish, "content": text}
        await self._link.request("aibot_respond_msg", {"msgtype": "stream", "stream": stream}, req_id)

    async def _push_text(self, to: Conversation, text: str) -> str:
        return await self._push(to, "markdown", {"content": text})

    async def _push_card(self, to: Conversation, card: TemplateCard) -> str:
        kept = msgspec.json.encode(card).decode()
        await self._notes.put(f"card:{card['task_id']}", kept, ttl_s=CARD_S)
        return await self._push(to, "template_card", card)

    async def _push_file(self, to: Conversation, part: ImageOut | FileOut, language: Language) -> str:
        try:
            kind, media_id = await self._media(part.ref, await self._host.attachment(to, part.ref))
        except (UnknownAttachment, AttachmentRefused) as error:
            log.warning("wecom.file_not_sent", account=self._account, reason=str(error))
            picture = isinstance(part, ImageOut)
            what = part.alt if isinstance(part, ImageOut) else part.name
            text = say("shown.image" if picture else "shown.file", language, what=what)
            return await self._push_text(to, "\n\n".join(pieces(text)))
        return await self._push(to, kind, {"media_id": media_id})

    async def _media(self, ref: str, attachment: Attachment) -> tuple[str, str]:
        note = f"media:{short(ref)}"
        if noted := await self._notes.get(note):
            kind, _, media_id = noted.partition(" ")
            return kind, media_id
        kind, media_id = await upload(self._link, attachment)
        await self._notes.put(note, f"{kind} {media_id}", ttl_s=MEDIA_S)
        return kind, media_id

    async def _push(self, to: Conversation, msgtype: str, content: Any) -> str:
        await self._place(to)
        chat_type = 2 if to.kind == "group" else 1
        body = {"chatid": to.chat, "chat_type": chat_type, "msgtype": msgtype, msgtype: content}
        return (await self._link.request("aibot_send_msg", body)).req_id

    async def _place(self, to: Conversation) -> None:
        """A place in the conversation's 30 a minute."""
        while (wait := self._pace.take(to.chat)) > 0:
            if wait > SHORT_S:
                raise RetryLater("this conversation has had its messages for now (30 a minute)", wait)
            await asyncio.sleep(wait)

    # ── previews ──

    async def typing(self, conversation: Conversation) -> None:
        """Open the bubble of the message that has waited longest, so that it shows WeCom's dots."""
        waiting = self._unanswered.get(conversation.chat)
        if not waiting:
            return
        sid = waiting[0]
        req_id = await self._notes.get(f"req:{sid}")
        if req_id and await self._notes.get(f"bubble:{sid}") is None:
            await self._grow(conversation, req_id, sid, "" if conversation.kind == "direct" else "…")

    async def open_draft(self, draft: Draft) -> str:
        sid = stream_id(self._account, draft.in_reply_to)
        req_id = await self._notes.get(f"req:{sid}")
        if req_id is None or await self._notes.get(f"final:{sid}") is not None:
            raise SendError("no bubble can be opened for this draft")
        await self._grow(draft.conversation, req_id, sid, pieces(draft.text)[0])
        return f"{sid} {req_id}"

    async def grow_draft(self, draft: Draft, handle: str) -> None:
        sid, _, req_id = handle.partition(" ")
        await self._grow(draft.conversation, req_id, sid, pieces(draft.text)[0])

    async def _grow(self, conversation: Conversation, req_id: str, sid: str, text: str) -> None:
        wait = self._growth.take(conversation.chat) or self._pace.take(conversation.chat)
        if wait > 0:
            raise RetryLater("no more growth for now", wait)
        await self._notes.add(f"bubble:{sid}", str(self._clock()), ttl_s=KEPT_S)
        await self._respond(req_id, sid, text, finish=False)
