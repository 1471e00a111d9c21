"""The adapter between an emulated Slack and a host in memory."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal

from aiohttp import web

from adapters.slack import SlackAdapter, SlackSettings, SlackWorkspace
from bot.types import (
    Conversation,
    ConversationKind,
    Draft,
    MessageKind,
    OutboundMessage,
    OutPart,
    Text,
)
from tests.adapters.host import MemoryHost
from tests.emulators.slack import SlackEmulator

MAIN = "main"
"""The workspace's name in the settings."""


class Clock:
    """Runs with the real one, and can be moved."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


@dataclass
class Bench:
    slack: SlackEmulator
    adapter: SlackAdapter
    host: MemoryHost
    clock: Clock
    url: str
    """Where the adapter's routes are."""


def settings(slack: SlackEmulator, mode: Literal["socket", "http"] = "socket") -> SlackSettings:
    return SlackSettings(
        workspaces=(SlackWorkspace(MAIN, slack.team.token),),
        signing_secret=slack.signing_secret,
        app_token=slack.api.app_token if mode == "socket" else "",
        base_url=slack.base_url,
        timeout_s=5.0,
    )


@asynccontextmanager
async def bench(
    mode: Literal["socket", "http"] = "socket",
    *,
    change: Callable[[SlackSettings], SlackSettings] = lambda made: made,
    before: Callable[[SlackEmulator], None] = lambda slack: None,
) -> AsyncIterator[Bench]:
    clock = Clock()
    host = MemoryHost(clock)
    async with SlackEmulator(clock=clock) as slack:
        before(slack)
        made = change(settings(slack, mode))
        adapter = SlackAdapter(made, clock=clock, look_every_s=0.05, ping_s=0.4, jitter=lambda: 0.05)
        app = web.Application()
        app.add_routes(adapter.routes())
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        if mode == "http":
            slack.events_url = f"{url}/webhooks/slack/events"
        try:
            await adapter.start(host)
            if mode == "socket" and made.app_token == slack.api.app_token and slack.sockets.says_hello:
                await slack.until(lambda: bool(slack.sockets.open))
            yield Bench(slack, adapter, host, clock, url)
        finally:
            await slack.delivered()
            await adapter.close()
            await runner.cleanup()


def place(channel: str = "D1", thread: str = "", account: str = MAIN) -> Conversation:
    kind: ConversationKind = "direct" if channel.startswith("D") else "group"
    return Conversation("slack", account, channel, thread, kind)


def message(
    conversation: Conversation,
    *parts: OutPart | str,
    key: str = "k1",
    kind: MessageKind = "answer",
    in_reply_to: str = "",
) -> OutboundMessage:
    made = tuple(Text(part) if isinstance(part, str) else part for part in parts)
    return OutboundMessage(conversation, made, key, kind, in_reply_to)


def draft(conversation: Conversation, text: str, sequence: int, *, key: str = "k1") -> Draft:
    return Draft(conversation, key, text, sequence)


__all__ = ["MAIN", "Bench", "Clock", "bench", "draft", "message", "place", "replace", "settings"]
