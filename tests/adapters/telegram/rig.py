"""A bot of Teller's on an emulated Bot API, with an honest host."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import aiohttp
from aiohttp import web

from adapters.telegram import TelegramAdapter, TelegramSettings
from adapters.telegram.limits import Limits
from bot.types import Conversation, Draft, InboundEvent, Language, MessageKind, OutboundMessage, OutPart, Text
from tests.adapters.host import MemoryHost
from tests.emulators.telegram import TOKEN, TelegramEmulator
from tests.emulators.telegram_world import Chat

_numbers = count(1)


class Rig:
    """`adapter` on `api`, with `host`; `site` is where webhooks are served, if they are."""

    def __init__(self, api: TelegramEmulator, host: MemoryHost, adapter: TelegramAdapter, site: str) -> None:
        self.api, self.host, self.adapter, self.site = api, host, adapter, site
        self.notes = host.notes("telegram", adapter.account)

    async def event(self, number: int) -> InboundEvent:
        return await self.host.event(number)

    async def post(self, body: bytes, path: str = "/webhooks/telegram", **headers: str) -> int:
        """Post to the webhook by hand; the answer's status."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession() as http,
            http.post(self.site + path, data=io.BytesIO(body), headers=sent) as answer,
        ):
            await answer.read()
            return answer.status


def settings(api: TelegramEmulator, **changed: Any) -> TelegramSettings:
    quick: dict[str, Any] = {"timeout_s": 1.0, "poll_s": 2, "silence_s": 60.0}
    return TelegramSettings(**{"token": TOKEN, "base_url": api.base_url, **quick, **changed})


@asynccontextmanager
async def rig(
    *,
    receiving: bool = True,
    limits: Limits | None = None,
    host: MemoryHost | None = None,
    api: TelegramEmulator | None = None,
    clock: Callable[[], float] | None = None,
    **changed: Any,
) -> AsyncIterator[Rig]:
    """A started bot; settings can be changed by name."""
    api, host = api or TelegramEmulator(), host or MemoryHost()
    application = web.Application()
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    async with api:
        clocks = {"clock": clock} if clock else {}
        # A webhook's address is known only when its server is up: routes are looked up late.
        made: list[TelegramAdapter] = []

        async def late(request: web.Request) -> web.StreamResponse:
            for route in made[0].routes():
                if route.path == request.path:
                    return await route.handler(request)
            raise web.HTTPNotFound

        application.router.add_post("/{tail:.*}", late)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        site = f"http://127.0.0.1:{runner.addresses[0][1]}"
        if changed.get("receive") == "webhook":
            changed.setdefault("public_url", site)
        adapter = TelegramAdapter(settings(api, **changed), limits=limits, pause_s=0.01, **clocks)
        made.append(adapter)
        try:
            await adapter.start(host, receive=receiving)
            yield Rig(api, host, adapter, site)
        finally:
            await adapter.close()
            await runner.cleanup()


def here(chat: Chat, *, thread: int | None = None, account: str = "default") -> Conversation:
    """The conversation of a chat."""
    kind = "direct" if chat.type == "private" else "group"
    return Conversation("telegram", account, str(chat.id), str(thread or ""), kind)  # type: ignore[arg-type]


def reply(
    chat: Chat,
    *parts: OutPart | str,
    key: str = "",
    kind: MessageKind = "answer",
    to: str = "",
    thread: int | None = None,
    language: Language = "zh",
) -> OutboundMessage:
    whole = tuple(Text(part) if isinstance(part, str) else part for part in parts)
    key = key or f"key-{next(_numbers)}"
    return OutboundMessage(here(chat, thread=thread), whole, key, kind, to, language)


def fast(speed: float) -> Callable[[], float]:
    """A clock that runs `speed` times as fast, for both sides' limits."""
    start = time.time()
    return lambda: start + (time.time() - start) * speed


def draft(chat: Chat, text: str, sequence: int, *, key: str, to: str = "") -> Draft:
    return Draft(here(chat), key, text, sequence, to)


async def until_unwell(bot: Rig, word: str) -> None:
    """Wait until the adapter's health isn't ok and says `word`."""
    for _ in range(500):
        health = await bot.adapter.health()
        if not health.ok and word in health.detail:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{word!r} was never said: {await bot.adapter.health()}")
