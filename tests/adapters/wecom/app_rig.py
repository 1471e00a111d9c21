"""An app adapter between the emulated WeCom and a host in memory, on a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from aiohttp import web

from adapters.wecom.app import WeComApp, WeComAppAdapter
from bot.types import Conversation, Language, MessageKind, OutboundMessage, OutPart
from tests.adapters.host import MemoryHost, MemoryNotes
from tests.emulators.qyapi import App, Qyapi

__all__ = ["Clock", "Rig", "app_rig", "serve", "settings_for"]

START = 1_785_500_000.0
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


class Clock:
    """Seconds since the epoch."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Rig:
    qyapi: Qyapi
    app: App
    adapter: WeComAppAdapter
    host: MemoryHost
    clock: Clock
    url: str
    """Of the server that the adapter's routes are on."""

    def __post_init__(self) -> None:
        self._numbers = count(1)

    @property
    def notes(self) -> MemoryNotes:
        return self.host.notes("wecom", self.adapter.account)

    def message(
        self,
        *parts: OutPart,
        chat: str = "zhangsan",
        key: str = "",
        kind: MessageKind = "answer",
        language: Language = "zh",
    ) -> OutboundMessage:
        return OutboundMessage(
            conversation=Conversation("wecom", self.adapter.account, chat),
            parts=parts,
            idempotency_key=key or f"wecom|app|e{next(self._numbers)}|0",
            kind=kind,
            language=language,
        )

    async def send(self, *parts: OutPart, **how: Any) -> str:
        return (await self.adapter.send(self.message(*parts, **how))).message_id


def settings_for(app: App, qyapi: Qyapi, **changes: Any) -> WeComApp:
    given = {
        "corp_id": qyapi.corp_id,
        "agent_id": app.agent_id,
        "secret": app.secret,
        "token": app.token,
        "encoding_aes_key": app.encoding_aes_key,
        "account": "app",
        "api_base": qyapi.base_url,
        **changes,
    }
    return WeComApp(**given)


@asynccontextmanager
async def serve(*adapters: WeComAppAdapter) -> AsyncIterator[str]:
    """One server with the routes of all of them."""
    server = web.Application(client_max_size=8 << 20)
    for adapter in adapters:
        server.router.add_routes(adapter.routes())
    runner = web.AppRunner(server, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@asynccontextmanager
async def app_rig(*, patience: float = 5.0, **changes: Any) -> AsyncIterator[Rig]:
    clock = Clock()
    async with Qyapi(clock=clock, patience=patience) as qyapi:
        app = qyapi.add_app()
        adapter = WeComAppAdapter(settings_for(app, qyapi, **changes), clock=clock)
        host = MemoryHost(clock)
        async with serve(adapter) as url:
            app.callback_url = f"{url}/webhooks/wecom/app/{adapter.account}"
            await adapter.start(host)
            yield Rig(qyapi, app, adapter, host, clock, url)
            await adapter.stop()
            await adapter.close()
