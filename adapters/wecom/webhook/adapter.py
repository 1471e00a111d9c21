"""A group's webhook 群机器人: digests and alarms for staff. Nothing comes in this way."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import aiohttp
import structlog
from aiohttp import web

from adapters.base import Attachment, Finding, Health, Host
from adapters.common.pace import Pace, Window
from adapters.common.steps import Step, in_steps
from adapters.wecom.checks import check_clock
from adapters.wecom.errcodes import WeComError, WeComRefused
from adapters.wecom.media import UPLOAD_S, form, kind_of
from adapters.wecom.webhook.encoder import CAPABILITIES, Post, encode, text_posts
from adapters.wecom.webhook.settings import WeComGroup
from adapters.wecom.wire import Request, Wire
from bot.errors import AttachmentRefused, RetryLater, SendError, SendRefused, UnknownAttachment
from bot.locales import say
from bot.types import Conversation, Delivery, Draft, FileOut, ImageOut, Language, OutboundMessage

__all__ = ["WeComGroupAdapter"]

log = structlog.get_logger(__name__)

PER_KEY: Final = Window(20, 60.0)
"""Messages that one webhook takes (群机器人配置说明, 消息发送频率限制)."""
IMAGE_LIMIT: Final = 2 << 20
"""Bytes of a picture before it is encoded."""
EMPTY_TEXT: Final = 44004


class WeComGroupAdapter:
    """One group.

    Args:
        clock: seconds since the epoch.
    """

    name = "wecom"
    capabilities = CAPABILITIES

    def __init__(self, settings: WeComGroup, *, clock: Callable[[], float] = time.time) -> None:
        self.account = settings.account
        self._settings = settings
        self._clock = clock
        self._pace = Pace(PER_KEY, clock=clock)
        self._host: Host | None = None
        self._session: aiohttp.ClientSession | None = None
        self._wire = Wire(settings.webhook_base, self._open_session, clock)
        self._trouble = ""

    @property
    def accounts(self) -> Collection[str]:
        return (self.account,)

    def routes(self) -> list[web.RouteDef]:
        return []

    async def start(self, host: Host, *, receive: bool = True) -> None:
        self._session = self._session or aiohttp.ClientSession()
        self._host = host

    async def stop(self) -> None:
        """Nothing is received."""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def health(self) -> Health:
        if self._host is None:
            return Health(False, "not started")
        return Health(not self._trouble, self._trouble)

    async def check(self, public_url: str) -> list[Finding]:
        """Whether the key is right, without a word in the group: WeCom looks at the key before it finds
        an empty text empty."""
        async with aiohttp.ClientSession() as session:
            wire = Wire(self._settings.webhook_base, lambda: session, self._clock)
            return [await self._check_key(wire), check_clock(wire.skew_s)]

    async def send(self, message: OutboundMessage) -> Delivery:
        host = self._host
        if host is None:
            raise RetryLater("the group isn't started; call start() first", 1.0)
        posts = encode(message)
        if not posts:
            raise SendRefused("the message has nothing to show")
        key = message.idempotency_key
        steps = [self._step(host, message, post) for post in posts]
        await in_steps(host.notes(self.name, self.account), key, steps)
        # WeCom gives these messages no id.
        return Delivery(key)

    async def fetch(self, conversation: Conversation, ref: str) -> Attachment:
        raise UnknownAttachment("a group's webhook receives nothing")

    async def draft(self, draft: Draft) -> None:
        """A post can't be changed."""

    async def typing(self, conversation: Conversation, language: Language) -> None:
        """There is no typing state here."""

    # ── one post ──

    def _step(self, host: Host, message: OutboundMessage, post: Post) -> Step:
        async def step() -> str:
            wait = await self._pace.take_shared("webhook", host.notes(self.name, self.account))
            if wait > 0:
                raise RetryLater("WeCom's limit for one webhook: 20 a minute", wait)
            ready = post if post.attachment is None else await self._attached(host, message, post.attachment)
            await self._ask("send", {}, json={"msgtype": ready.msgtype, ready.msgtype: ready.body})
            return ""

        return step

    async def _attached(self, host: Host, message: OutboundMessage, part: ImageOut | FileOut) -> Post:
        """The post with the picture or file in it; or the text that stands for what WeCom won't take."""
        try:
            kept = await host.attachment(message.conversation, part.ref)
            kind = kind_of(kept, image_limit=IMAGE_LIMIT)
        except UnknownAttachment:
            raise SendRefused("the attachment isn't kept any more") from None
        except AttachmentRefused as error:
            log.warning("wecom.attachment_not_taken", account=self.account, reason=str(error))
            what = part.alt if isinstance(part, ImageOut) else part.name
            key = "shown.image" if isinstance(part, ImageOut) else "shown.file"
            return text_posts(say(key, message.language, what=what))[0]
        if kind == "image" and isinstance(part, ImageOut):
            picture = base64.b64encode(kept.data).decode()
            # The checksum that WeCom asks for; nothing rests on its being hard to forge.
            return Post("image", {"base64": picture, "md5": hashlib.md5(kept.data).hexdigest()})  # noqa: S324
        name = part.name if isinstance(part, FileOut) else kept.name
        file = Attachment(name, part.mime, kept.data)
        answer = await self._ask("upload_media", {"type": "file"}, file=file)
        return Post("file", {"media_id": str(answer.get("media_id", ""))})

    async def _ask(
        self, what: str, params: Mapping[str, str], *, json: Any = None, file: Attachment | None = None
    ) -> dict[str, Any]:
        request = Request(
            "POST",
            f"webhook/{what}",
            {**params, "key": self._settings.key},
            json=json,
            form=None if file is None else form(file),
            repeatable=file is not None,
            timeout_s=self._settings.timeout_s if file is None else UPLOAD_S,
        )
        try:
            answer = await self._wire.ask(request)
        except WeComRefused as error:
            if error.errcode in (93000, 93004, 93008):
                self._trouble = str(error)
            raise
        self._trouble = ""
        return answer

    async def _check_key(self, wire: Wire) -> Finding:
        empty = {"msgtype": "text", "text": {"content": ""}}
        params = {"key": self._settings.key}
        try:
            await wire.ask(Request("POST", "webhook/send", params, json=empty, repeatable=True))
        except (WeComRefused, WeComError) as error:
            if error.errcode == EMPTY_TEXT:
                return Finding("webhook", True, "WeCom knows the key (asked with an empty text, not shown)")
            return Finding("webhook", False, str(error))
        except SendError as error:
            return Finding("webhook", False, str(error))
        return Finding("webhook", True, "WeCom knows the key")

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise SendError("the group's webhook is closed")
        return self._session
