"""Telegram: one bot. Parses and sends in the files beside this one; here they are put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

import structlog
from aiohttp import web
from telegram.constants import ChatAction
from telegram.error import InvalidToken, TelegramError

from adapters.base import Attachment, Finding, Health, Host
from adapters.telegram.api import Api, Me, connect
from adapters.telegram.background import Background
from adapters.telegram.chats import Chats
from adapters.telegram.check import check
from adapters.telegram.delivery import Deliverer
from adapters.telegram.encoder import CAPABILITIES
from adapters.telegram.events import PLATFORM
from adapters.telegram.files import fetch
from adapters.telegram.intake import Intake
from adapters.telegram.limits import Limits
from adapters.telegram.menu import put_menus
from adapters.telegram.polling import Poller
from adapters.telegram.previews import Previews, thread_id
from adapters.telegram.refusals import UNAUTHORIZED, said, translate
from adapters.telegram.settings import TelegramSettings
from adapters.telegram.webhook import Webhook
from bot.errors import SendError, StoreBusy
from bot.types import Conversation, Delivery, Draft, Language, OutboundMessage

__all__ = ["TelegramAdapter"]

log = structlog.get_logger(__name__)

TYPING_S = 5.0
MENU_TRIES = 5


@dataclass(frozen=True, slots=True)
class _Running:
    """What exists between `start` and `close`."""

    host: Host
    api: Api
    chats: Chats
    previews: Previews
    deliverer: Deliverer
    intake: Intake


class TelegramAdapter:
    """One bot.

    Args:
        clock: seconds since the epoch.
        limits: the pace towards Telegram.
        pause_s: before the first retry of what fails in the background.
    """

    name = PLATFORM
    capabilities = CAPABILITIES

    def __init__(
        self,
        settings: TelegramSettings,
        *,
        clock: Callable[[], float] = time.time,
        limits: Limits | None = None,
        pause_s: float = 1.0,
    ) -> None:
        self.account = settings.account
        self._settings = settings
        self._clock = clock
        self._limits = limits or Limits(clock)
        self._pause_s = pause_s
        self._background = Background()
        self._running: _Running | None = None
        self._me: Me | None = None
        self._asking = asyncio.Lock()
        self._token_refused = False
        self._receiving = False
        self._menu: asyncio.Task[None] | None = None
        self._webhook = Webhook(settings, clock=clock, first_pause_s=pause_s)
        self._poller = Poller(settings, self._open, self._take, first_pause_s=pause_s)

    @property
    def accounts(self) -> Collection[str]:
        return (self.account,)

    def routes(self) -> list[web.RouteDef]:
        if self._settings.receive != "webhook":
            return []
        return [web.post(path, self._webhook.receive) for path in self._settings.paths]

    # ── its life ──

    async def start(self, host: Host, *, receive: bool = True) -> None:
        running = self._running or await self._prepare(host)
        self._running = running
        if not receive or self._receiving:
            return
        self._receiving = True
        if self._settings.receive == "webhook":
            refused = lambda reason: host.refused(PLATFORM, reason)  # noqa: E731
            self._webhook.start(running.api, running.intake.take, refused)
        else:
            self._poller.start()
        self._menu = asyncio.create_task(self._put_menus(running.api), name="telegram menu")

    async def _prepare(self, host: Host) -> _Running:
        api = await asyncio.to_thread(connect, self._settings)
        chats = Chats(host.notes(PLATFORM, self.account), self._limits)
        previews = Previews(api, chats, self._limits, lambda c: host.notes(PLATFORM, c.account))
        return _Running(
            host,
            api,
            chats,
            previews,
            Deliverer(api, host, chats, self._limits, previews),
            Intake(self._settings, host, api, chats, self._background, self._identify),
        )

    async def stop(self) -> None:
        self._receiving = False
        menu, self._menu = self._menu, None
        if menu is not None:
            menu.cancel()
            await asyncio.gather(menu, return_exceptions=True)
        await asyncio.gather(self._webhook.stop(), self._poller.stop())

    async def close(self) -> None:
        await self.stop()
        running, self._running = self._running, None
        if running is not None:
            await running.previews.close()
            await self._background.settle(TYPING_S)
            await running.api.end()

    # ── in ──

    def _open(self) -> Api:
        return connect(self._settings, pool=2)

    async def _take(self, raw: bytes) -> None:
        await self._now_running().intake.take(raw)

    async def _identify(self) -> Me:
        """The bot itself, asked once. Raises SendError while Telegram can't be asked."""
        async with self._asking:
            if self._me is None:
                try:
                    me = await self._now_running().api.me()
                except TelegramError as error:
                    self._note_token(error)
                    raise SendError(f"the bot can't ask who it is: {said(error)}") from error
                self._token_refused = False
                self._me = me
            return self._me

    async def _put_menus(self, api: Api) -> None:
        for attempt in range(MENU_TRIES):
            try:
                count = await put_menus(api, self._settings)
            except TelegramError as error:
                log.warning("telegram.menu_not_set", reason=said(error))
                await asyncio.sleep(self._pause_s * 2**attempt)
            else:
                log.info("telegram.menus_set", count=count)
                return

    # ── out ──

    async def send(self, message: OutboundMessage) -> Delivery:
        try:
            delivery = await self._now_running().deliverer.deliver(message)
        except SendError as error:
            self._note_token(error.__cause__)
            raise
        self._token_refused = False
        return delivery

    async def draft(self, draft: Draft) -> None:
        if self._running is not None:
            self._running.previews.show(draft)

    async def typing(self, conversation: Conversation, language: Language) -> None:
        if self._running is not None and not self._limits.busy():
            self._background.spawn(self._typed(self._running, conversation))

    async def _typed(self, running: _Running, conversation: Conversation) -> None:
        with suppress(TelegramError, SendError, StoreBusy, TimeoutError):
            async with asyncio.timeout(TYPING_S):
                chat = await running.chats.find(conversation.chat)
                thread = thread_id(conversation)
                await running.api.send_chat_action(chat, ChatAction.TYPING, message_thread_id=thread)

    async def fetch(self, conversation: Conversation, ref: str) -> Attachment:
        try:
            return await fetch(self._now_running().api, ref, self._settings.fetch_limit_bytes)
        except TelegramError as error:
            raise translate(error) from error

    # ── how it is ──

    async def health(self) -> Health:
        if self._token_refused:
            return Health(False, UNAUTHORIZED)
        if not self._receiving:
            return Health(True, "sending only")
        return self._webhook.health() if self._settings.receive == "webhook" else self._poller.health()

    async def check(self, public_url: str) -> list[Finding]:
        return await check(self._settings, public_url, self._clock)

    def _note_token(self, error: BaseException | None) -> None:
        if isinstance(error, InvalidToken):
            self._token_refused = True

    def _now_running(self) -> _Running:
        if self._running is None:
            raise SendError("Telegram isn't started (or is closed)")
        return self._running
