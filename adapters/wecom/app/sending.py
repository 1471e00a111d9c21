"""Sending an app's messages: paced, each once, and what WeCom says of the addressee."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import structlog

from adapters.base import Attachment, Capabilities, Host, Notes
from adapters.common.pace import Pace, Window
from adapters.common.steps import Step, in_steps
from adapters.wecom.api import WeComApi, WeComRefused
from adapters.wecom.app.encoder import Payload, encode, text_payloads
from adapters.wecom.app.settings import WeComApp
from adapters.wecom.media import kind_of, upload
from bot.errors import AttachmentRefused, RetryLater, SendRefused, UnknownAttachment
from bot.locales import say
from bot.types import FileOut, ImageOut, Language, OutboundMessage

__all__ = ["Sending"]

log = structlog.get_logger(__name__)

PER_MEMBER: Final = (Window(30, 60.0), Window(1000, 3600.0))
"""What an app may send one member. WeCom drops the rest without a word (发送应用消息, 频率限制)."""
REPEATED_S: Final = 1800
"""WeCom doesn't show the same JSON twice within so many seconds, if asked (its own default)."""
CARD_S: Final = 72 * 3600.0
"""How long a card can be changed after it was sent."""
UNKNOWN_MEDIA: Final = 40007


class Sending:
    """One app's sends.

    Args:
        can: what of cards and buttons is shown.
        clock: seconds since the epoch.
    """

    def __init__(
        self, settings: WeComApp, api: WeComApi, host: Host, can: Capabilities, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._api = api
        self._host = host
        self._can = can
        self._notes: Notes = host.notes("wecom", settings.account)
        self._pace = Pace(*PER_MEMBER, clock=clock)

    async def send(self, message: OutboundMessage) -> str:
        """Deliver it; the id of the last message made.

        Raises:
            RetryLater, SendRefused, SendAmbiguous, SendError, StoreBusy
        """
        chat = message.conversation.chat
        # `a|b` and `@all` address others than the one customer this is for.
        if not chat or "|" in chat or chat.lower() == "@all":
            raise SendRefused("the conversation isn't one member's; only single members are written to")
        payloads = encode(message, self._can)
        if not payloads:
            raise SendRefused("the message has nothing to show")
        steps = [self._step(message, number, payload) for number, payload in enumerate(payloads)]
        return await in_steps(self._notes, message.idempotency_key, steps)

    def _step(self, message: OutboundMessage, number: int, payload: Payload) -> Step:
        chat, key = message.conversation.chat, f"{message.idempotency_key}#{number}"

        async def step() -> str:
            if payload.attachment is None:
                return await self._deliver(chat, key, payload)
            try:
                return await self._deliver(chat, key, await self._uploaded(message, payload.attachment))
            except WeComRefused as error:
                if error.errcode != UNKNOWN_MEDIA:
                    raise
            # Noted when it was uploaded, and gone since.
            return await self._deliver(
                chat, key, await self._uploaded(message, payload.attachment, afresh=True)
            )

        return step

    async def _deliver(self, chat: str, key: str, payload: Payload) -> str:
        # A place first: nothing of this part has gone out when there is none. What went out before it is
        # noted, and isn't sent again.
        if (wait := await self._pace.take_shared(chat.lower(), self._notes)) > 0:
            raise RetryLater("WeCom's limit for one member: 30 a minute, 1000 an hour", wait)
        body = {
            "touser": chat,
            "msgtype": payload.msgtype,
            "agentid": self._settings.agent_id,
            payload.msgtype: payload.body,
        }
        if await self._first_of_its_kind(body, key):
            body |= {"enable_duplicate_check": 1, "duplicate_check_interval": REPEATED_S}
        if payload.labels:
            await self._keep_labels(payload)
        answer = await self._api.call("POST", "message/send", json=body)
        _check_addressee(answer, chat)
        return str(answer.get("msgid", ""))

    async def _first_of_its_kind(self, body: Mapping[str, Any], key: str) -> bool:
        """Whether WeCom may be asked not to show this again.

        That makes a repeated attempt harmless. But a customer who asks twice gets the same answer twice,
        and WeCom would swallow the second: so the check is left out where another message of ours was
        the same.
        """
        digest = hashlib.sha256(msgspec.json.encode(body)).hexdigest()[:40]
        note, owner = f"same:{digest}", hashlib.sha256(key.encode()).hexdigest()[:40]
        if await self._notes.add(note, owner, ttl_s=REPEATED_S):
            return True
        return await self._notes.get(note) == owner

    async def _keep_labels(self, payload: Payload) -> None:
        labels = msgspec.json.encode(payload.labels).decode()
        await self._notes.put(f"card:{payload.body['task_id']}", labels, ttl_s=CARD_S)

    async def _uploaded(
        self, message: OutboundMessage, part: ImageOut | FileOut, *, afresh: bool = False
    ) -> Payload:
        """The attachment, uploaded; or the text that stands for what WeCom won't take."""
        try:
            kept = await self._host.attachment(message.conversation, part.ref)
            # A file stays one, with its name, even if it could be shown as a picture.
            kind = kind_of(kept) if isinstance(part, ImageOut) else kind_of(kept, image_limit=0)
        except UnknownAttachment:
            raise SendRefused("the attachment isn't kept any more") from None
        except AttachmentRefused as error:
            log.warning("wecom.attachment_not_taken", account=self._settings.account, reason=str(error))
            return text_payloads(_described(part, message.language))[0]
        name = part.name if isinstance(part, FileOut) else kept.name
        attachment = Attachment(name, part.mime, kept.data)
        media_id = await upload(self._api, self._notes, part.ref, attachment, kind, afresh=afresh)
        return Payload(kind, {"media_id": media_id})


def _described(part: ImageOut | FileOut, language: Language) -> str:
    if isinstance(part, ImageOut):
        return say("shown.image", language, what=part.alt)
    return say("shown.file", language, what=part.name)


def _check_addressee(answer: Mapping[str, Any], chat: str) -> None:
    """WeCom can report success and name the one addressee as not reached.

    Raises:
        SendRefused
    """
    for name, why in (
        (
            "invaliduser",
            "the member isn't in the app's visible range (可见范围) or left; see the admin console",
        ),
        ("unlicenseduser", "the member has no licence (基础接口许可) for this app; assign one"),
    ):
        if chat.lower() in str(answer.get(name) or "").lower().split("|"):
            raise SendRefused(f"WeCom took the message but not its addressee: {why}")
