"""Delivering one message: through the reply window, with a code, or not at all and why."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import structlog

from adapters.base import Host, Notes
from adapters.common.steps import Step, in_steps
from adapters.wecom.api import WeComApi, WeComError, WeComRefused
from adapters.wecom.kf.chat import Chat
from adapters.wecom.kf.codes import MOVED_S, Codes
from adapters.wecom.kf.desk import BOTS, DESKS, ENDED, PERSON, Desk, refusal
from adapters.wecom.kf.encode import Call, encode, spoken
from adapters.wecom.kf.events import Reader
from adapters.wecom.kf.menus import keep_value
from adapters.wecom.kf.window import MESSAGES, Window
from adapters.wecom.media import kind_of, upload
from bot.errors import AttachmentRefused, RetryLater, SendError, SendRefused, UnknownAttachment
from bot.types import Conversation, FileOut, OutboundMessage

__all__ = ["Deliver"]

log = structlog.get_logger(__name__)

STATE_INVALID: Final = 95018
TOO_MANY: Final = 95001
CLOSED: Final = {
    95001: "WeCom took its 5 messages for the customer's last one",
    95002: "the customer wrote more than 48 hours ago",
    95013: "the conversation has ended",
    95000: "the customer-service account's id is wrong",
    95004: "the customer-service account doesn't exist any more",
    95017: "the app may not manage this account: turn its API on (微信客服 → 可调用接口的应用)",
    40096: "the customer's id is wrong, or was given to another app",
}
"""Codes that are final for a message, with what they mean."""
WRONG_PARAMETER: Final = 40058
NO_SUCH_MEDIA: Final = 40007
_REPEATED: Final = re.compile(r"msg_?id|duplicat|repeat", re.IGNORECASE)


class Deliver:
    """Sends for one account."""

    def __init__(
        self,
        host: Host,
        notes: Notes,
        api: WeComApi,
        reader: Reader,
        *,
        window: Window,
        codes: Codes,
        desk: Desk,
    ) -> None:
        self._host = host
        self._notes = notes
        self._api = api
        self._reader = reader
        self._window = window
        self._codes = codes
        self._desk = desk

    async def send(self, message: OutboundMessage) -> str:
        """The id of the last message it took.

        Raises:
            RetryLater, SendRefused, SendAmbiguous, SendError, StoreBusy
        """
        chat, key = Chat.of(message.conversation), message.idempotency_key
        if code := await self._codes.take_welcome(chat, message.in_reply_to):
            call = spoken(message, menus=True)
            if call is not None and (made := await self._with_code(code, call, _msgid(key, 0))):
                return made
        # As many ids as a message could ever need: which of them an earlier attempt used is counted.
        room = await self._window.room(chat, [_msgid(key, n) for n in range(MESSAGES)])
        plan = encode(message, room=room)
        if plan.hand_over is not None:
            return await self._hand_over(message, chat, plan.calls, plan.hand_over.department)
        state = await self._desk.state(chat)
        if state not in BOTS:
            return await self._outside(message, chat, state)
        if not plan.calls:
            if room:
                raise SendRefused("the message has nothing that can be shown")
            raise SendRefused(
                "the reply window is closed: WeChat takes 5 messages for each of the customer's, within "
                "48 hours; nothing can be sent until the customer writes again"
            )
        return await in_steps(self._notes, key, self._saying(message, chat, plan.calls))

    # ── hand-over ──

    async def _hand_over(
        self, message: OutboundMessage, chat: Chat, calls: Sequence[Call], department: str
    ) -> str:
        key = message.idempotency_key
        move = partial(self._move, chat, key, department)
        if calls or spoken(message, menus=False) is None:
            steps: list[Step] = [*self._saying(message, chat, calls), move]
            return await in_steps(self._notes, key, steps)
        # The window is closed: what there is to say goes with the code that the move gives.
        return await in_steps(self._notes, f"{key}#code", [move, partial(self._say_moved, message, chat)])

    async def _move(self, chat: Chat, key: str, department: str) -> str:
        state = await self._desk.state(chat, fresh=True)
        if state == ENDED:
            raise refusal(ENDED)
        if state not in DESKS:
            state, code = await self._desk.hand_over(chat, department)
            await self._codes.keep(chat, state, code, lasts_s=MOVED_S)
        await self._adopt(chat, f"moved:{_msgid(key, 0)}")
        return ""

    async def _say_moved(self, message: OutboundMessage, chat: Chat) -> str:
        call = spoken(message, menus=False)
        code = await self._codes.take(chat, await self._desk.state(chat, fresh=True))
        if call is None or not code:
            raise SendRefused("handed over, but WeCom gave no code for a last word to the customer")
        made = await self._with_code(code, call, _msgid(message.idempotency_key, 0))
        if not made:
            raise SendRefused("handed over, but WeCom refused the last word to the customer")
        return made

    async def _refusal(self, chat: Chat, state: int, msgid: str) -> SendRefused:
        """Why nothing can be sent; a desk that took it without a word is told of."""
        if state in DESKS:
            await self._adopt(chat, f"seen:{msgid}")
        return refusal(state)

    async def _adopt(self, chat: Chat, event_id: str) -> None:
        """Tell the core that the desk has it: WeCom tells of what people did, not of this."""
        if not await self._desk.has(chat):
            await self._host.accept(self._reader.system(chat, event_id, "desk_taken"))
            await self._desk.note(chat, taken=True)

    # ── outside the bot's states ──

    async def _outside(self, message: OutboundMessage, chat: Chat, state: int) -> str:
        """A last word where there is a code for one, but never over a person's; else it is refused."""
        msgid = _msgid(message.idempotency_key, 0)
        refused = await self._refusal(chat, state, msgid)
        call = None if state == PERSON else spoken(message, menus=state == ENDED)
        code = "" if call is None else await self._codes.take(chat, state)
        if call is not None and code and (made := await self._with_code(code, call, msgid)):
            return made
        raise refused

    async def _with_code(self, code: str, call: Call, msgid: str) -> str:
        """The id of what was sent; empty if the code wasn't taken (late, or used)."""
        await self._keep_values(call)
        body = {"code": code, "msgid": msgid, **call.payload}
        try:
            await self._api.call("POST", "kf/send_msg_on_event", json=body)
        except (WeComError, WeComRefused) as error:
            log.info("wecom.kf.code_refused", errcode=error.errcode)
            return ""
        return msgid

    # ── in the window ──

    def _saying(self, message: OutboundMessage, chat: Chat, calls: Sequence[Call]) -> list[Step]:
        return [
            partial(self._say, message.conversation, chat, call, _msgid(message.idempotency_key, number))
            for number, call in enumerate(calls)
        ]

    async def _say(self, conversation: Conversation, chat: Chat, call: Call, msgid: str) -> str:
        state = await self._desk.state(chat)
        if state not in BOTS:
            raise await self._refusal(chat, state, msgid)
        payload = await self._payload(conversation, call)
        again = await self._window.reserve(chat, msgid)
        try:
            await self._post(conversation, chat, call, payload, msgid)
        except (WeComError, WeComRefused) as error:
            if again and _is_repeat(error):
                log.info("wecom.kf.sent_before", errcode=error.errcode)
                return msgid
            await self._window.release(chat, msgid)
            raise await self._meaning(chat, error, msgid) from None
        except RetryLater:
            await self._window.release(chat, msgid)
            raise
        # What else may be raised leaves it open whether it was sent: its place stays taken, and the next
        # attempt has the same id.
        return msgid

    async def _post(
        self, conversation: Conversation, chat: Chat, call: Call, payload: dict[str, Any], msgid: str
    ) -> None:
        to = {"touser": chat.user, "open_kfid": chat.open_kfid, "msgid": msgid}
        try:
            await self._api.call("POST", "kf/send_msg", json={**to, **payload})
        except WeComRefused as error:
            if error.errcode != NO_SUCH_MEDIA or call.attachment is None:
                raise
            payload = await self._payload(conversation, call, afresh=True)
            await self._api.call("POST", "kf/send_msg", json={**to, **payload})

    async def _payload(
        self, conversation: Conversation, call: Call, *, afresh: bool = False
    ) -> dict[str, Any]:
        await self._keep_values(call)
        if call.attachment is None:
            return call.payload
        try:
            attachment = await self._host.attachment(conversation, call.attachment.ref)
            if isinstance(call.attachment, FileOut):
                attachment = replace(attachment, name=call.attachment.name)
            kind = kind_of(attachment)
        except (UnknownAttachment, AttachmentRefused) as error:
            raise SendRefused(f"the attachment can't be sent: {error}") from None
        media_id = await upload(self._api, self._notes, call.attachment.ref, attachment, kind, afresh=afresh)
        return {"msgtype": kind, kind: {"media_id": media_id}}

    async def _keep_values(self, call: Call) -> None:
        for value in call.values:
            await keep_value(self._notes, value)

    async def _meaning(self, chat: Chat, error: WeComError | WeComRefused, msgid: str) -> SendError:
        """What a refusal of `send_msg` comes to."""
        code = error.errcode
        self._desk.forget(chat)
        if code == TOO_MANY:
            await self._window.exhaust(chat)
        if code == STATE_INVALID:
            state = await self._desk.state(chat, fresh=True)
            if state in BOTS:
                return SendError(
                    f"WeCom says that the conversation's state forbids it ({code}), and that its state is "
                    f"{state}; is the corporation verified (企业认证)?"
                )
            return await self._refusal(chat, state, msgid)
        if code in CLOSED:
            return SendRefused(f"WeCom refuses ({code}): {CLOSED[code]}")
        return error


def _is_repeat(error: WeComError | WeComRefused) -> bool:
    """Whether WeCom refuses because it has a message of this id already. The documents promise an
    error and don't name its code; our ids are well-formed, so a complaint about one means that."""
    if isinstance(error, WeComRefused):
        return error.errcode == WRONG_PARAMETER
    return _REPEATED.search(error.errmsg) is not None


def _msgid(key: str, number: int) -> str:
    """Our own id for a message: 32 of `[0-9a-zA-Z_-]`, the same at every attempt."""
    return hashlib.sha256(f"{key}#{number}".encode()).hexdigest()[:32]
