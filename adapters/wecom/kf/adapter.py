"""微信客服 as an adapter: the callback, the pulling, and sending."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Final

import aiohttp
import msgspec
import structlog
from aiohttp import web

from adapters.base import Attachment, Finding, Health, Host, Notes
from adapters.common.body import BodyRefused, read_body
from adapters.wecom import media
from adapters.wecom.api import WeComApi
from adapters.wecom.callback import (
    XML_LIMIT,
    CallbackRefused,
    answer_url_check,
    make_crypto,
    open_xml,
    query_of,
)
from adapters.wecom.kf.chat import is_id
from adapters.wecom.kf.check import check
from adapters.wecom.kf.codes import Codes
from adapters.wecom.kf.deliver import Deliver
from adapters.wecom.kf.desk import Desk
from adapters.wecom.kf.encode import CAPABILITIES
from adapters.wecom.kf.events import Reader
from adapters.wecom.kf.intake import Intake
from adapters.wecom.kf.nudge import Nudge, read_nudge
from adapters.wecom.kf.pull import FIRST_PAUSE_S, Puller, note_nudge
from adapters.wecom.kf.settings import WeComKf
from adapters.wecom.kf.window import Window
from adapters.wecom.xml import XmlError
from bot.errors import SendError, StoreBusy
from bot.types import Conversation, Delivery, Draft, Language, OutboundMessage

__all__ = ["KfAdapter"]

log = structlog.get_logger(__name__)

PATH: Final = "/webhooks/wecom/kf"
STOPPING_S: Final = 10.0
"""What is being accepted gets so long to end."""


class _Parts:
    """What is built once there is a host."""

    def __init__(self, settings: WeComKf, host: Host, api: WeComApi, clock: Callable[[], float]) -> None:
        self.host = host
        self.api = api
        self.notes: Notes = host.notes("wecom", settings.account)
        self.owner = host.new_id()
        reader = Reader(settings.account, host.now, host.new_id)
        window, codes = Window(self.notes, clock), Codes(self.notes)
        desk = Desk(api, self.notes, settings.servicers, settings.departments, clock)
        self.intake = Intake(host, self.notes, reader, window=window, codes=codes, desk=desk, clock=clock)
        self.deliver = Deliver(host, self.notes, api, reader, window=window, codes=codes, desk=desk)


class KfAdapter:
    """One app's customer-service accounts.

    Args:
        clock: seconds since the epoch.
        pause_s: before the first retry of a failed pull.
    """

    name = "wecom"
    capabilities = CAPABILITIES

    def __init__(
        self,
        settings: WeComKf,
        *,
        clock: Callable[[], float] = time.time,
        pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self.account = settings.account
        self._settings = settings
        self._clock = clock
        self._pause_s = pause_s
        self._crypto = make_crypto(
            settings.account, settings.token, settings.encoding_aes_key, settings.corp_id, clock
        )
        self._session: aiohttp.ClientSession | None = None
        self._parts: _Parts | None = None
        self._receiving = False
        self._pullers: dict[str, Puller] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._listing = asyncio.Lock()

    @property
    def accounts(self) -> Collection[str]:
        return (self.account,)

    def routes(self) -> list[web.RouteDef]:
        bare = self._settings.bare_path
        bare = self.account in ("default", "kf") if bare is None else bare
        paths = [f"{PATH}/{self.account}", *([PATH] if bare else [])]
        return [
            route
            for path in paths
            for route in (web.get(path, self._check_url), web.post(path, self._nudged))
        ]

    async def start(self, host: Host, *, receive: bool = True) -> None:
        self._parts = _Parts(self._settings, host, self._api(host.notes("wecom", self.account)), self._clock)
        if receive:
            self._receiving = True
            self._spawn(self._begin(self._parts))

    async def stop(self) -> None:
        self._receiving = False
        for puller in self._pullers.values():
            puller.stop()
        await self._ended(STOPPING_S)
        self._pullers.clear()

    async def close(self) -> None:
        await self._ended(0.0)
        if self._session is not None:
            await self._session.close()
            self._session = None

    # ── in ──

    async def _check_url(self, request: web.Request) -> web.Response:
        try:
            return answer_url_check(self._crypto, request)
        except CallbackRefused as error:
            return self._refuse(error.status, error.reason, str(error))

    async def _nudged(self, request: web.Request) -> web.Response:
        try:
            body = await read_body(request, XML_LIMIT)
        except BodyRefused as error:
            return self._refuse(error.status, error.reason, str(error))
        return await self.receive(query_of(request), body)

    async def receive(self, query: dict[str, str], body: bytes) -> web.Response:
        """The answer to a callback: 200 once its nudge is durable."""
        try:
            nudge = read_nudge(open_xml(self._crypto, query, body))
        except CallbackRefused as error:
            return self._refuse(error.status, error.reason, str(error))
        except XmlError as error:
            return self._refuse(400, "malformed", str(error))
        parts = self._parts
        if parts is None or not self._receiving:
            return web.Response(status=503, text="not receiving")
        if nudge is None or not self._serves(nudge.open_kfid):
            parts.host.refused("wecom", "unknown_type" if nudge is None else "unknown_account")
            return web.Response()
        try:
            await self._note(parts, nudge)
        except StoreBusy as error:
            return web.Response(status=503, text=str(error), headers={"Retry-After": "1"})
        return web.Response()

    async def _note(self, parts: _Parts, nudge: Nudge) -> None:
        targets = [nudge.open_kfid] if nudge.open_kfid else list(self._pullers)
        for open_kfid in targets:
            await note_nudge(parts.notes, open_kfid, nudge.token, self._clock(), parts.host.new_id())
            if open_kfid not in self._pullers:
                # One at a time, or of two new accounts the list would keep one.
                async with self._listing:
                    known = sorted({*await _known(parts.notes), open_kfid})
                    await parts.notes.put("accounts", msgspec.json.encode(known).decode())
            # Noted is enough: if a stop came meanwhile, the next start pulls.
            if self._receiving:
                self._puller(parts, open_kfid).wake()

    def _serves(self, open_kfid: str) -> bool:
        return not open_kfid or not self._settings.open_kfids or open_kfid in self._settings.open_kfids

    def _refuse(self, status: int, reason: str, message: str) -> web.Response:
        if self._parts is not None:
            self._parts.host.refused("wecom", reason)
        return web.Response(status=status, text=message)

    # ── pulling ──

    async def _begin(self, parts: _Parts) -> None:
        """Pull every account we know of: what came while nobody listened, or was noted and not pulled."""
        known = list(self._settings.open_kfids)
        while not known and self._receiving:
            try:
                known = await _known(parts.notes)
                break
            except StoreBusy:
                await asyncio.sleep(self._pause_s)
        for open_kfid in known:
            if self._receiving:
                self._puller(parts, open_kfid)

    def _puller(self, parts: _Parts, open_kfid: str) -> Puller:
        puller = self._pullers.get(open_kfid)
        if puller is None:
            puller = self._pullers[open_kfid] = Puller(
                open_kfid,
                api=parts.api,
                notes=parts.notes,
                take=parts.intake.take,
                clock=self._clock,
                owner=parts.owner,
                max_age_s=self._settings.first_run_max_age_s,
                every_s=self._settings.poll_every_s,
                pause_s=self._pause_s,
            )
            self._spawn(puller.run())
        return puller

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name=f"wecom-kf-{self.account}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ended(self, patience: float) -> None:
        tasks = set(self._tasks)
        if tasks and patience:
            await asyncio.wait(tasks, timeout=patience)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ── out ──

    async def send(self, message: OutboundMessage) -> Delivery:
        return Delivery(await self._started().deliver.send(message))

    async def fetch(self, conversation: Conversation, ref: str) -> Attachment:
        return await media.fetch(self._started().api, ref)

    async def draft(self, draft: Draft) -> None:
        """A message once sent can't be changed here: each is a finished one."""

    async def typing(self, conversation: Conversation, language: Language) -> None:
        """There is no typing state on this wire."""

    # ── about it ──

    async def health(self) -> Health:
        if self._parts is None:
            return Health(False, "not started")
        troubles = [f"{p.open_kfid}: {p.trouble}" for p in self._pullers.values() if p.trouble]
        if troubles:
            return Health(False, "no messages can be pulled: " + "; ".join(troubles))
        lost = self._parts.intake.undelivered
        return Health(True, f"{lost} messages weren't delivered by WeCom since the start" if lost else "")

    async def check(self, public_url: str) -> list[Finding]:
        api = self._api(None)
        url = f"{public_url.rstrip('/')}{PATH}/{self.account}" if public_url else ""
        had = self._session is not None
        try:
            return await check(self._settings, api, self._crypto, url)
        finally:
            if not had and self._parts is None:
                await self.close()

    def _started(self) -> _Parts:
        if self._parts is None:
            raise SendError("the adapter isn't started")
        return self._parts

    def _api(self, notes: Notes | None) -> WeComApi:
        settings = self._settings
        return WeComApi(
            api_base=settings.api_base,
            corp_id=settings.corp_id,
            secret=settings.secret,
            notes=notes,
            session=self._http,
            clock=self._clock,
            timeout_s=settings.timeout_s,
        )

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session


async def _known(notes: Notes) -> list[str]:
    kept = await notes.get("accounts")
    with suppress(msgspec.MsgspecError):
        return [id_ for id_ in msgspec.json.decode(kept or "[]", type=list[str]) if is_id(id_)]
    return []
