"""The AI bot by callback: WeCom posts what customers write, and comes again for the answer.

A message is stored and answered at once with an empty bubble, which WeCom then refreshes by asking for
it (`streams`). What doesn't fit in the bubble, comes too late for it or answers a pressed button goes by
`response_url`, of which each message brings one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import msgspec
import structlog
from aiohttp import web

from adapters.base import Attachment, Capabilities, Finding, Health, Host, Notes
from adapters.common.body import BodyRefused, read_body
from adapters.common.drafts import Drafts
from adapters.wecom.aibot.cards import TemplateCard, pressed
from adapters.wecom.aibot.clock import skew_of
from adapters.wecom.aibot.files import fetch, picture_item
from adapters.wecom.aibot.incoming import Incoming, Malformed, Reader
from adapters.wecom.aibot.markdown import CONTENT_LIMIT, pieces
from adapters.wecom.aibot.replies import Replies
from adapters.wecom.aibot.response_url import ResponseUrls
from adapters.wecom.aibot.settings import WeComAibot
from adapters.wecom.aibot.streams import Shown, Streams, stream_id
from adapters.wecom.callback import (
    CallbackRefused,
    answer_url_check,
    check_callback,
    make_crypto,
    open_json,
    query_of,
    seal_json,
)
from adapters.wecom.checks import check_clock
from bot.errors import QueueFull, SendError, StoreBusy, UnknownAttachment
from bot.locales import say
from bot.types import Conversation, Delivery, Draft, InboundEvent, Language, OutboundMessage

__all__ = ["PATH", "CallbackBot"]

log = structlog.get_logger(__name__)

PATH: Final = "/webhooks/wecom/aibot"
DRAFT_EVERY_S: Final = 0.5
"""WeCom comes about once a second; the notes are written no more often than twice."""


class CallbackBot:
    """One AI bot in callback mode.

    Args:
        clock: seconds since the epoch.
        untaken_s: how long a finished answer waits for WeCom to come for it.
    """

    name = "wecom"
    capabilities = Capabilities(
        streaming=True,
        buttons=True,
        cards=True,
        images=True,
        typing=True,
        text_limit=CONTENT_LIMIT,
        text_unit="utf8",
        reply_window=3600.0,
    )

    def __init__(
        self,
        settings: WeComAibot,
        *,
        clock: Callable[[], float] = time.time,
        untaken_s: float = 10.0,
        look_s: float = 1.0,
    ) -> None:
        self.account = settings.account
        self._settings = settings
        self._clock = clock
        self._untaken_s = untaken_s
        self._look_s = look_s
        self._crypto = make_crypto(settings.account, settings.token, settings.encoding_aes_key, "", clock)
        self._drafts = Drafts(self._open_draft, self._grow_draft, self._notes, every_s=DRAFT_EVERY_S)
        self._session: aiohttp.ClientSession | None = None
        self._host: Host | None = None
        self._replies: Replies | None = None
        self._receiving = False

    @property
    def accounts(self) -> Collection[str]:
        return (self.account,)

    def routes(self) -> list[web.RouteDef]:
        bare = self._settings.bare_path or self.account == "default"
        paths = [f"{PATH}/{self.account}", *([PATH] if bare else [])]
        return [
            route
            for path in paths
            for route in (web.get(path, self._check_url), web.post(path, self._receive))
        ]

    async def start(self, host: Host, *, receive: bool = True) -> None:
        self._host = host
        self._receiving = receive
        self._reader = Reader(
            self.name,
            self.account,
            bot_name=self._settings.bot_name,
            new_id=host.new_id,
            clock=lambda: datetime.fromtimestamp(self._clock(), UTC),
        )
        self._own_notes = notes = host.notes(self.name, self.account)
        self._urls = ResponseUrls(notes, self._clock)
        self._streams = Streams(
            notes,
            later=say("wecom_aibot.later", self._settings.language),
            clock=self._clock,
            untaken_s=self._untaken_s,
            look_s=self._look_s,
        )
        self._replies = Replies(
            host, notes, self.account, self.capabilities, self._streams, self._urls, self._http
        )

    async def stop(self) -> None:
        """New messages are turned away; WeCom still comes for answers that are under way."""
        self._receiving = False

    async def close(self) -> None:
        await self._drafts.close()
        self._host = None
        if self._session is not None:
            await self._session.close()

    async def health(self) -> Health:
        return Health(True)

    async def check(self, public_url: str) -> list[Finding]:
        findings = []
        if public_url:
            where = f"{public_url.rstrip('/')}{PATH}/{self.account}"
            findings += await check_callback(where, self._crypto)
        else:
            findings.append(Finding("callback", False, "set public_url, so that WeCom's way in can be tried"))
        skew = await skew_of(self._http(), self._settings.api_base, self._clock)
        return [*findings, check_clock(skew)]

    # ── in ──

    async def _check_url(self, request: web.Request) -> web.Response:
        try:
            return answer_url_check(self._crypto, request)
        except CallbackRefused as refused:
            return self._refuse(refused)

    async def _receive(self, request: web.Request) -> web.Response:
        host, query = self._host, query_of(request)
        if host is None:
            return web.Response(status=503)
        try:
            plain = open_json(self._crypto, query, await read_body(request))
            reply = await self._answer(host, self._reader.read(plain), plain)
        except CallbackRefused as refused:
            return self._refuse(refused)
        except Malformed:
            host.refused(self.name, "malformed")
            return web.Response(status=400)
        except BodyRefused as refused:
            host.refused(self.name, refused.reason)
            return web.Response(status=refused.status)
        except (StoreBusy, QueueFull):
            return web.Response(status=503, headers={"Retry-After": "1"})
        if reply is None:
            return web.Response()
        sealed = seal_json(self._crypto, msgspec.json.encode(reply), query.get("nonce", ""))
        return web.Response(body=sealed, content_type="application/json")

    async def _answer(self, host: Host, incoming: Incoming, raw: bytes) -> Mapping[str, Any] | None:
        """What to say at once; None for nothing. Raises StoreBusy, QueueFull: nothing was taken."""
        event = incoming.event
        if incoming.kind == "poll":
            return await self._shown(host, incoming.stream_id)
        if incoming.kind == "entered":
            return _text(self._settings.welcome) if self._settings.welcome else None
        if event is None:
            host.refused(self.name, "own_message" if incoming.kind == "own" else "unknown_type")
            log.info("wecom.ignored", account=self.account, kind=incoming.what or incoming.kind)
            return None
        if not self._receiving:
            raise StoreBusy("this process doesn't receive (any more)")
        sid = stream_id(self.account, event.event_id)
        if incoming.kind == "pressed":
            await self._accept(host, event, incoming, raw, sid)
            return await self._pressed(incoming.task_id, event.value)
        # Before it is accepted, so that the answer, however quick, finds its bubble.
        opened = await self._streams.open(sid, waiting=_waiting(event.conversation))
        if not await self._accept(host, event, incoming, raw, sid) and opened:
            # Answered long ago: nothing will come for a new bubble.
            await self._streams.forget(sid)
            return None
        return await self._shown(host, sid)

    async def _accept(
        self, host: Host, event: InboundEvent, incoming: Incoming, raw: bytes, sid: str
    ) -> bool:
        await self._urls.remember(event.conversation.chat, sid, incoming.response_url)
        return await host.accept(event, raw)

    async def _shown(self, host: Host, sid: str) -> dict[str, Any]:
        shown = await self._streams.poll(sid)
        stream: dict[str, Any] = {"id": sid, "finish": shown.finish, "content": shown.text}
        if shown.pictures:
            stream["msg_item"] = await self._items(host, shown)
        if shown.card is None:
            return {"msgtype": "stream", "stream": stream}
        return {"msgtype": "stream_with_template_card", "stream": stream, "template_card": shown.card}

    async def _items(self, host: Host, shown: Shown) -> list[dict[str, Any]]:
        items = []
        for kept in shown.pictures:
            conversation, ref = msgspec.json.decode(kept, type=tuple[Conversation, str])
            try:
                picture = await host.attachment(conversation, ref)
                items.append(picture_item(picture.data))
            except UnknownAttachment:
                log.warning("wecom.picture_gone", account=self.account)
        return items

    async def _pressed(self, task_id: str, key: str) -> dict[str, Any] | None:
        """The card again, with a tick on the pressed button."""
        kept = await self._own_notes.get(f"card:{task_id}") if 0 < len(task_id) <= 128 else None
        card = pressed(msgspec.json.decode(kept, type=TemplateCard), key) if kept else None
        if card is None:
            return None
        return {"response_type": "update_template_card", "template_card": card}

    def _refuse(self, refused: CallbackRefused) -> web.Response:
        if self._host is not None:
            self._host.refused(self.name, refused.reason)
        return web.Response(status=refused.status)

    # ── out ──

    async def send(self, message: OutboundMessage) -> Delivery:
        if self._replies is None:
            raise SendError("the adapter isn't started")
        await self._drafts.finish(message.conversation, message.idempotency_key)
        return Delivery(await self._replies.send(message))

    async def fetch(self, conversation: Conversation, ref: str) -> Attachment:
        return await fetch(self._http(), ref, self._crypto.key)

    async def draft(self, draft: Draft) -> None:
        if self._host is not None:
            self._drafts.show(draft)

    async def typing(self, conversation: Conversation, language: Language) -> None:
        """The empty bubble says so already."""

    async def _open_draft(self, draft: Draft) -> str:
        sid = stream_id(self.account, draft.in_reply_to)
        if not await self._streams.is_open(sid):
            raise SendError("no bubble waits for this draft")
        await self._grow_draft(draft, sid)
        return sid

    async def _grow_draft(self, draft: Draft, handle: str) -> None:
        await self._streams.grow(handle, pieces(draft.text)[0])

    # ── parts ──

    def _notes(self, conversation: Conversation) -> Notes:
        return self._own_notes

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._settings.timeout_s)
            self._session = aiohttp.ClientSession(timeout=timeout)
        return self._session


def _waiting(conversation: Conversation) -> str:
    """An empty bubble shows dots of WeCom's own, in a direct chat only."""
    return "" if conversation.kind == "direct" else "…"


def _text(text: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": text}}
