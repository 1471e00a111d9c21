"""A self-built WeCom app 自建应用: members write to it, and it answers.

callback ─► verify, decrypt, parse ─► accept ─► empty 200      (nothing is answered in the 200:
message/send ◄── pace ◄── encode ◄── outbox                      WeCom waits 5 s for it at most)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

import aiohttp
import msgspec
import structlog
from aiohttp import web

from adapters.base import Attachment, Finding, Health, Host
from adapters.common.body import BodyRefused, read_body
from adapters.wecom.api import WeComApi
from adapters.wecom.app.checks import check_app
from adapters.wecom.app.encoder import capabilities
from adapters.wecom.app.events import Ignored, Malformed, Wrong, to_event
from adapters.wecom.app.sending import Sending
from adapters.wecom.app.settings import WeComApp
from adapters.wecom.callback import (
    XML_LIMIT,
    CallbackRefused,
    answer_url_check,
    make_crypto,
    open_xml,
    query_of,
)
from adapters.wecom.media import fetch
from adapters.wecom.xml import XmlError, read_xml
from bot.errors import QueueFull, RetryLater, SendError, StoreBusy
from bot.types import Conversation, Delivery, Draft, InboundEvent, Language, OutboundMessage, Text

__all__ = ["WeComAppAdapter"]

log = structlog.get_logger(__name__)

PATH = "/webhooks/wecom/app"


class WeComAppAdapter:
    """One app.

    Args:
        clock: seconds since the epoch.
    """

    name = "wecom"

    def __init__(self, settings: WeComApp, *, clock: Callable[[], float] = time.time) -> None:
        self.account = settings.account
        self.capabilities = capabilities(cards=settings.cards)
        self._settings = settings
        self._clock = clock
        self._crypto = make_crypto(
            settings.account, settings.token, settings.encoding_aes_key, settings.corp_id, clock
        )
        self._host: Host | None = None
        self._receiving = False
        self._session: aiohttp.ClientSession | None = None
        self._api: WeComApi | None = None
        self._sending: Sending | None = None
        self._updates: set[asyncio.Task[None]] = set()

    @property
    def accounts(self) -> Collection[str]:
        return (self.account,)

    def routes(self) -> list[web.RouteDef]:
        paths = [f"{PATH}/{self.account}"]
        if self.account == "default" or self._settings.bare_path:
            paths.append(PATH)
        return [
            route
            for path in paths
            for route in (
                web.get(path, self._check_address, allow_head=False),
                web.post(path, self._receive),
            )
        ]

    async def start(self, host: Host, *, receive: bool = True) -> None:
        self._session = self._session or aiohttp.ClientSession()
        self._host = host
        self._api = self._make_api(host, self._open_session)
        self._sending = Sending(self._settings, self._api, host, self.capabilities, self._clock)
        self._receiving = receive

    async def stop(self) -> None:
        self._receiving = False
        if self._updates:
            await asyncio.wait(self._updates, timeout=self._settings.timeout_s)

    async def close(self) -> None:
        for task in self._updates:
            task.cancel()
        await asyncio.gather(*self._updates, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def health(self) -> Health:
        if self._api is None:
            return Health(False, "not started")
        return Health(not self._api.trouble, self._api.trouble)

    async def check(self, public_url: str) -> list[Finding]:
        url = f"{public_url.rstrip('/')}{PATH}/{self.account}" if public_url else ""
        async with aiohttp.ClientSession() as session:
            api = self._make_api(None, lambda: session)
            return await check_app(api, self._crypto, self._settings.agent_id, url)

    # ── in ──

    async def _check_address(self, request: web.Request) -> web.Response:
        try:
            return answer_url_check(self._crypto, request)
        except CallbackRefused as error:
            return self._refuse(error.status, error.reason, str(error))

    async def _receive(self, request: web.Request) -> web.Response:
        if self._host is None or not self._receiving:
            return web.Response(status=503, text="not receiving")
        try:
            body = await read_body(request, XML_LIMIT)
        except BodyRefused as error:
            return self._refuse(error.status, error.reason, str(error))
        return await self.receive(query_of(request), body)

    async def receive(self, query: Mapping[str, str], body: bytes) -> web.Response:
        """What answers a callback: 200 once it is stored (or known, or of no interest), 4xx when it isn't
        WeCom's or makes no sense, 503 when it should come again."""
        host = self._host
        if host is None:
            return web.Response(status=503, text="not started")
        try:
            plain = open_xml(self._crypto, query, body)
            fields = read_xml(plain)
            event = to_event(
                fields,
                account=self.account,
                agent_id=self._settings.agent_id,
                received_at=datetime.fromtimestamp(self._clock(), UTC),
                correlation_id=host.new_id(),
            )
        except CallbackRefused as error:
            return self._refuse(error.status, error.reason, str(error))
        except (XmlError, Malformed) as error:
            return self._refuse(400, "malformed", str(error))
        except Wrong as error:
            return self._refuse(403, "wrong_receiver", str(error))
        try:
            if isinstance(event, InboundEvent):
                event = await self._completed(host, event, fields)
            if isinstance(event, Ignored):
                host.refused(self.name, event.reason)
                return web.Response()
            if await host.accept(event, plain):
                self._after(event, fields)
        except (StoreBusy, QueueFull) as error:
            return web.Response(status=503, text=str(error), headers={"Retry-After": "1"})
        return web.Response()

    async def _completed(
        self, host: Host, event: InboundEvent, fields: Mapping[str, str]
    ) -> InboundEvent | Ignored:
        """With what only the notes know: a pressed button's label, and who was greeted lately."""
        notes = host.notes(self.name, self.account)
        if event.kind == "join":
            note = f"joined:{event.sender.id.lower()}"
            greeted = not await notes.add(note, event.event_id, ttl_s=self._settings.greet_every_s)
            # The same opening, delivered again, isn't another one.
            again = greeted and await notes.get(note) != event.event_id
            return Ignored("join_again") if again else event
        if event.kind == "button" and (kept := await notes.get(f"card:{fields.get('TaskId', '')[:128]}")):
            label = msgspec.json.decode(kept, type=dict[str, str]).get(event.value, "")
            return msgspec.structs.replace(event, parts=(Text(label),) if label else ())
        return event

    def _after(self, event: InboundEvent, fields: Mapping[str, str]) -> None:
        """Show on the card which button was pressed; only a courtesy, so nobody waits for it."""
        api, code = self._api, fields.get("ResponseCode", "")
        if api is not None and event.kind == "button" and code and event.text:
            task = asyncio.create_task(self._mark_pressed(api, event.sender.id, code, event.text))
            self._updates.add(task)
            task.add_done_callback(self._updates.discard)

    async def _mark_pressed(self, api: WeComApi, user: str, code: str, label: str) -> None:
        body = {
            "userids": [user],
            "agentid": self._settings.agent_id,
            "response_code": code,
            "button": {"replace_name": f"✓ {label}"},
        }
        try:
            await api.call("POST", "message/update_template_card", json=body, repeatable=True)
        except (SendError, StoreBusy) as error:
            log.info("wecom.card_not_updated", account=self.account, reason=type(error).__name__)

    def _refuse(self, status: int, reason: str, why: str) -> web.Response:
        if self._host is not None:
            self._host.refused(self.name, reason)
        log.info("wecom.callback_refused", account=self.account, reason=reason, detail=why)
        return web.Response(status=status, text=why)

    # ── out ──

    async def send(self, message: OutboundMessage) -> Delivery:
        if self._sending is None:
            raise RetryLater("the app isn't started; call start() first", 1.0)
        return Delivery(await self._sending.send(message))

    async def fetch(self, conversation: Conversation, ref: str) -> Attachment:
        if self._api is None:
            raise SendError("the app isn't started; call start() first")
        return await fetch(self._api, ref, limit=self._settings.attachment_bytes)

    async def draft(self, draft: Draft) -> None:
        """A sent message can't be changed: the answer comes when it is whole."""

    async def typing(self, conversation: Conversation, language: Language) -> None:
        """There is no typing state here."""

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            raise SendError("the app is closed")
        return self._session

    def _make_api(self, host: Host | None, session: Callable[[], aiohttp.ClientSession]) -> WeComApi:
        return WeComApi(
            api_base=self._settings.api_base,
            corp_id=self._settings.corp_id,
            secret=self._settings.secret,
            notes=host.notes(self.name, self.account) if host is not None else None,
            session=session,
            clock=self._clock,
            timeout_s=self._settings.timeout_s,
        )
