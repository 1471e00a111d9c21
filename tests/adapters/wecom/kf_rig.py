"""A customer, WeCom and the adapter, over real sockets; the clock is ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from adapters.base import Attachment
from adapters.wecom.kf import KfAdapter, WeComKf
from bot.types import (
    Conversation,
    InboundEvent,
    OutboundMessage,
    OutPart,
    Text,
)
from tests.adapters.host import MemoryHost
from tests.conftest import eventually
from tests.emulators.qyapi import App, Qyapi
from tests.emulators.qyapi_kf import KFID, Kf

__all__ = ["CUSTOMER", "Rig", "Time", "rig_of"]

CUSTOMER = "wmcustomerAAAA"


class Time:
    """Seconds since the epoch, moved by hand."""

    def __init__(self, at: float = 1_790_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += seconds


class Rig:
    def __init__(self, qyapi: Qyapi, app: App, time: Time, **settings: Any) -> None:
        self.qyapi, self.app, self.time = qyapi, app, time
        self.kf = Kf(qyapi, app)
        self.host = MemoryHost(time)
        self.settings = WeComKf(
            **{
                "corp_id": qyapi.corp_id,
                "secret": app.secret,
                "token": app.token,
                "encoding_aes_key": app.encoding_aes_key,
                "api_base": qyapi.base_url,
                "account": "kf",
                "timeout_s": 0.5,
                **settings,
            }
        )
        self.base_url = ""
        self.adapter = self.new_adapter()

    def new_adapter(self) -> KfAdapter:
        """As after a crash: nothing is remembered but what the host keeps."""
        return KfAdapter(self.settings, clock=self.time, pause_s=0.02)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """By the routes of the adapter there is now: it is exchanged, as by a restart, in some tests."""
        route = next(
            route
            for route in self.adapter.routes()
            if (route.method, route.path) == (request.method, request.path)
        )
        answer: web.StreamResponse = await route.handler(request)
        return answer

    @property
    def notes(self) -> Any:
        return self.host.notes("wecom", "kf")

    def conversation(self, user: str = CUSTOMER) -> Conversation:
        return Conversation("wecom", "kf", f"{KFID}/{user}")

    def message(self, *parts: OutPart | str, key: str = "k1", **more: Any) -> OutboundMessage:
        whole = tuple(Text(part) if isinstance(part, str) else part for part in parts)
        more = {"kind": "answer", **more}
        return OutboundMessage(self.conversation(), whole, key, **more)

    async def send(self, *parts: OutPart | str, key: str = "k1", **more: Any) -> str:
        return (await self.adapter.send(self.message(*parts, key=key, **more))).message_id

    async def heard(self, number: int) -> InboundEvent:
        """The `number`-th event (from 1)."""
        return await self.host.event(number)

    async def until(self, condition: Callable[[], bool]) -> None:
        await eventually(condition, 5.0)

    async def quiet(self) -> None:
        """Until the pullers have nothing left."""
        await eventually(self._drained, 5.0)

    def _drained(self) -> bool:
        kept = self.notes.kept
        nudges = {k.partition(":")[2]: v[0] for k, v in kept.items() if k.startswith("nudge:")}
        done = all(kept.get(f"done:{kfid}", ("",))[0] == nudge for kfid, nudge in nudges.items())
        return done and not any(k.startswith("lease:") for k in kept)

    async def keep(self, name: str, mime: str, data: bytes) -> str:
        """An attachment of the bot's; its reference."""
        return await self.host.keep_attachment(self.conversation(), Attachment(name, mime, data))


@asynccontextmanager
async def rig_of(*, start: bool = True, **settings: Any) -> AsyncIterator[Rig]:
    time = Time()
    async with Qyapi(clock=time, patience=2.0) as qyapi:
        app = qyapi.add_app(agent_id=1000009, secret="kf-secret")
        rig = Rig(qyapi, app, time, **settings)
        rig.kf.add_account(servicers={"lisi": 0, "wangwu": 0})
        application = web.Application()
        application.router.add_route("*", "/webhooks/wecom/kf{_:.*}", rig.serve)
        runner = web.AppRunner(application, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        rig.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        app.callback_url = f"{rig.base_url}/webhooks/wecom/kf"
        if start:
            await rig.adapter.start(rig.host)
        try:
            yield rig
        finally:
            await rig.adapter.stop()
            await rig.adapter.close()
            await runner.cleanup()
