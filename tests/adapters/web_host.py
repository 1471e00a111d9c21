"""The web chat, served over a host in memory on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from adapters.web import Localized, WebAdapter, WebSettings
from bot.types import Conversation, MessageKind, OutboundMessage, OutPart, Text
from tests.adapters.host import MemoryHost

SETTINGS = WebSettings(
    bank_name=Localized("澜湾银行", "Lanwan Bank"),
    greeting=Localized("您好，请问有什么可以帮您？", "Hello. How can we help you today?"),
    suggestions=(
        Localized("手机银行转账限额是多少？", "What is the transfer limit in the app?"),
        Localized("银行卡丢了怎么办？", "I lost my card. What should I do?"),
        Localized("附近网点几点开门？", "When do branches open?"),
        Localized("有人自称公检法让我转账", "Someone from “the police” asks me for a transfer"),
        Localized("怎么提前还房贷？", "How do I repay my mortgage early?"),
        Localized("定期存款利率是多少？", "What do fixed-term deposits pay?"),
    ),
)


def message(
    conversation: Conversation,
    key: str,
    *parts: OutPart | str,
    kind: MessageKind = "answer",
) -> OutboundMessage:
    made = tuple(Text(part) if isinstance(part, str) else part for part in parts)
    return OutboundMessage(conversation, made, key, kind)


@dataclass(frozen=True, slots=True)
class Served:
    adapter: WebAdapter
    host: MemoryHost
    url: str

    async def say(self, message: OutboundMessage, *, by_staff: bool = False) -> int:
        """Release a message and have it sent."""
        n = self.host.release(message, by_staff=by_staff)
        await self.adapter.send(message)
        return n


@asynccontextmanager
async def serve(adapter: WebAdapter, host: MemoryHost, port: int = 0) -> AsyncIterator[Served]:
    """The adapter on 127.0.0.1 until the block ends."""
    app = web.Application()
    app.add_routes(adapter.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    await adapter.start(host)
    bound = runner.addresses[0][1]
    try:
        yield Served(adapter, host, f"http://127.0.0.1:{bound}")
    finally:
        await adapter.stop()
        await runner.cleanup()
