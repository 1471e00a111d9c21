"""Slack: one app in one or several workspaces, by HTTP or Socket Mode."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import web

from adapters.base import Attachment, Finding, Health, Host, Notes
from adapters.common.drafts import Drafts
from adapters.common.pace import Pace, Window
from adapters.slack.api import answer, code_of, web_client
from adapters.slack.check import check_app
from adapters.slack.delivery import Deliveries
from adapters.slack.encode import CAPABILITIES
from adapters.slack.files import fetch_file
from adapters.slack.intake import Intake
from adapters.slack.people import People
from adapters.slack.posting import Posting
from adapters.slack.reading import NAME
from adapters.slack.settings import SlackSettings
from adapters.slack.socket import SocketMode
from adapters.slack.streams import Streams
from adapters.slack.threads import Threads
from adapters.slack.webhook import Webhook
from adapters.slack.workspace import Workspace
from bot.errors import SendError, SendRefused
from bot.locales import say
from bot.types import Conversation, Delivery, Draft, Language, OutboundMessage

__all__ = ["SlackAdapter"]

POSTS = Window(1, 1.05)
"""Slack takes about one message a second and channel; a little more than that, for the way there."""
STATUS = Window(1, 15.0)
"""A status stays for two minutes, or until we answer: once in a while is enough."""
DRAFT_EVERY_S = 1.0
FIRST_LOOK_S = 5.0


class SlackAdapter:
    """One Slack app.

    Args:
        clock: seconds since the epoch.
        look_every_s: seconds between two looks at a token that didn't work.
        ping_s: seconds between two pings on the socket.
        jitter: a factor for the pauses before reconnecting.
    """

    name = NAME
    capabilities = CAPABILITIES

    def __init__(
        self,
        settings: SlackSettings,
        *,
        clock: Callable[[], float] = time.time,
        look_every_s: float = 30.0,
        ping_s: float = 10.0,
        jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2),
    ) -> None:
        self.account = settings.account
        self._settings = settings
        self._clock = clock
        self._look_every_s = look_every_s
        self._ping_s = ping_s
        self._jitter = jitter
        self._pace = Pace(POSTS, clock=clock)
        self._statuses = Pace(STATUS, clock=clock)
        self._no_status: set[str] = set()
        self._host: Host | None = None
        self._intake: Intake | None = None
        self._receiving = False
        self._looked = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None
        self._workspaces: dict[str, Workspace] = {}
        self._drafts: Drafts | None = None
        self._deliveries: Deliveries | None = None
        self._socket: SocketMode | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._webhook = Webhook(settings.signing_secret, clock, self._door)

    @property
    def accounts(self) -> Collection[str]:
        return [workspace.name for workspace in self._settings.workspaces]

    def routes(self) -> list[web.RouteDef]:
        if not self._settings.signing_secret:
            return []
        routes = [web.post(path, self._webhook.receive) for path in self._settings.paths]
        return routes + [web.get(path, self._webhook.probe) for path in self._settings.paths]

    def _door(self) -> tuple[Host, Intake] | None:
        if not self._receiving or self._host is None or self._intake is None:
            return None
        return self._host, self._intake

    # ── life ──

    async def start(self, host: Host, *, receive: bool = True) -> None:
        if self._session is None:
            self._build(host)
            # Who our bot is tells its own messages from others'; but a slow Slack must not stop us.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._looked.wait(), FIRST_LOOK_S)
        if receive and not self._receiving:
            self._receiving = True
            if self._socket is not None:
                self._socket.start()

    def _build(self, host: Host) -> None:
        settings, clock = self._settings, self._clock
        self._host = host
        session = self._session = aiohttp.ClientSession(timeout=_timeout(settings))
        self._workspaces = {
            workspace.name: Workspace(workspace, settings, session, host.notes(NAME, workspace.name))
            for workspace in settings.workspaces
        }
        client = web_client(None, settings.base_url, session)
        people, threads, posting = People(clock), Threads(self._notes), Posting(clock)
        streams = Streams(posting, threads, self._pace, self._workspace, clock)
        self._drafts = Drafts(
            streams.open, streams.grow, self._notes, every_s=DRAFT_EVERY_S, drop=streams.drop
        )
        self._deliveries = Deliveries(
            host,
            session,
            settings.base_url,
            posting,
            streams,
            self._drafts,
            threads,
            self._pace,
        )
        self._intake = Intake(host, self._workspaces, client, people, threads)
        if settings.app_token:
            take, token = self._take, settings.app_token
            self._socket = SocketMode(
                client, token, session, take, clock, ping_s=self._ping_s, jitter=self._jitter
            )
        self._tasks = [asyncio.create_task(people.run()), asyncio.create_task(self._look_at_tokens())]

    async def stop(self) -> None:
        self._receiving = False
        if self._socket is not None:
            await self._socket.stop()

    async def close(self) -> None:
        await self.stop()
        if self._drafts is not None:
            await self._drafts.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _look_at_tokens(self) -> None:
        """Until each works: a token that doesn't is an operator's to mend, without a restart of ours."""
        while True:
            unwell = [workspace for workspace in self._workspaces.values() if workspace.problem]
            await asyncio.gather(*(workspace.identify() for workspace in unwell))
            self._looked.set()
            await asyncio.sleep(self._look_every_s)

    # ── in ──

    @property
    def bolt(self) -> Any:
        """The Bolt app, for listeners to what Teller itself doesn't handle (modals, shortcuts)."""
        return None if self._intake is None else self._intake.bolt

    async def _take(self, payload: dict[str, Any], raw: bytes) -> bool:
        door = self._door()
        return door is not None and await door[1].take(payload, raw) != "later"

    # ── out ──

    async def send(self, message: OutboundMessage) -> Delivery:
        if self._deliveries is None:
            raise SendError("the Slack adapter isn't started")
        return await self._deliveries.send(message)

    async def fetch(self, conversation: Conversation, ref: str) -> Attachment:
        if self._session is None:
            raise SendError("the Slack adapter isn't started")
        settings, workspace = self._settings, self._workspace(conversation)
        return await fetch_file(workspace, self._session, settings.base_url, ref, settings.file_limit)

    async def draft(self, draft: Draft) -> None:
        if self._drafts is not None and draft.conversation.account in self._workspaces:
            self._drafts.show(draft)

    async def typing(self, conversation: Conversation, language: Language) -> None:
        """The status line of an assistant's thread; elsewhere Slack has none for bots."""
        workspace = self._workspaces.get(conversation.account)
        if workspace is None or not conversation.thread or workspace.name in self._no_status:
            return
        if self._statuses.take(conversation.key) > 0:
            return
        with suppress(SendError):
            try:
                await answer(
                    workspace.client.assistant_threads_setStatus(
                        channel_id=conversation.chat,
                        thread_ts=conversation.thread,
                        status=say("slack.status", language),
                    )
                )
            except SendError as error:
                if code_of(error) in ("missing_scope", "unknown_method", "not_allowed_token_type"):
                    self._no_status.add(workspace.name)
                raise

    # ── how it is ──

    async def health(self) -> Health:
        troubles = [f"{w.name}: {w.problem}" for w in self._workspaces.values() if w.problem]
        told = Health(True)
        if self._receiving and self._socket is not None:
            told = self._socket.health()
            if not told.ok:
                troubles.append(told.detail)
        return Health(False, "; ".join(troubles)) if troubles else told

    async def check(self, public_url: str) -> list[Finding]:
        async with aiohttp.ClientSession(timeout=_timeout(self._settings)) as session:
            return await check_app(self._settings, self._clock, session, public_url)

    # ── helpers ──

    def _workspace(self, conversation: Conversation) -> Workspace:
        try:
            return self._workspaces[conversation.account]
        except KeyError:
            raise SendRefused(
                f"no Slack workspace {conversation.account!r} is configured: put its bot_token in"
            ) from None

    def _notes(self, conversation: Conversation) -> Notes:
        return self._workspace(conversation).notes


def _timeout(settings: SlackSettings) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=settings.timeout_s, connect=settings.timeout_s / 2)
