"""Receiving by webhook: the secret first, then the body, then the store, then 200."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from telegram import WebhookInfo
from telegram.error import BadRequest, InvalidToken, TelegramError

from adapters.base import Health
from adapters.common.body import BodyRefused, read_body
from adapters.telegram.api import ALLOWED_UPDATES, Api
from adapters.telegram.events import Malformed
from adapters.telegram.refusals import UNAUTHORIZED, said
from adapters.telegram.settings import TelegramSettings
from bot.errors import QueueFull, SendError, StoreBusy

__all__ = ["SECRET_HEADER", "Webhook", "webhook_trouble"]

log = structlog.get_logger(__name__)

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
WATCH_S = 60.0
RECENT_S = 600.0
"""A delivery failure that is older is no trouble of now."""
FIRST_PAUSE_S = 2.0


class Webhook:
    """The webhook of one bot: its route, its registration and its watch.

    Args:
        clock: seconds since the epoch.
        watch_s: between two looks at how Telegram fares with it.
        first_pause_s: before a registration that failed is tried again; later ones grow.
    """

    def __init__(
        self,
        settings: TelegramSettings,
        *,
        clock: Callable[[], float] = time.time,
        watch_s: float = WATCH_S,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._settings = settings
        self._secret = settings.secret.encode()
        self._clock = clock
        self._watch_s = watch_s
        self._first_pause_s = first_pause_s
        self._take: Callable[[bytes], Awaitable[None]] | None = None
        self._refused: Callable[[str], None] = lambda reason: None
        self._watcher: asyncio.Task[None] | None = None
        self._trouble = ""

    def start(
        self, api: Api, take: Callable[[bytes], Awaitable[None]], refused: Callable[[str], None]
    ) -> None:
        """Take requests, and register in the background.

        Args:
            take: stores one raw update.
            refused: counts what is turned away, by reason.
        """
        self._take = take
        self._refused = refused
        if self._watcher is None and self._settings.webhook_url():
            self._trouble = "the webhook isn't registered yet"
            self._watcher = asyncio.create_task(self._watch(api), name="telegram webhook")

    async def stop(self) -> None:
        """Answer 503 from now on, so that Telegram keeps what it has. The registration stays."""
        self._take = None
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)

    def health(self) -> Health:
        if self._take is None:
            return Health(False, "the webhook is stopped")
        return Health(not self._trouble, self._trouble or "webhook")

    # ── a request ──

    async def receive(self, request: web.Request) -> web.Response:
        given = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._secret):
            self._refused("bad_signature")
            return web.Response(status=403, text=f"{SECRET_HEADER} is missing or wrong")
        try:
            body = await read_body(request)
        except BodyRefused as error:
            self._refused(error.reason)
            return web.Response(status=error.status, text=str(error))
        return await self.handle(body)

    async def handle(self, body: bytes) -> web.Response:
        """Take a body that came with the right secret."""
        if self._take is None:
            return _later("Teller isn't receiving")
        try:
            await self._take(body)
        except Malformed as error:
            return web.Response(status=400, text=str(error))
        except (StoreBusy, QueueFull, SendError) as error:
            return _later(type(error).__name__)
        return web.Response(text="ok")

    # ── its registration ──

    async def _watch(self, api: Api) -> None:
        """Register it, however long that takes; then ask now and again whether it works."""
        pause = self._first_pause_s
        while not await self._asked(self._register(api)):
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._watch_s)
        while True:
            await asyncio.sleep(self._watch_s)
            await self._asked(self._look(api))

    async def _register(self, api: Api) -> None:
        await api.set_webhook(
            self._settings.webhook_url(),
            allowed_updates=ALLOWED_UPDATES,
            secret_token=self._settings.secret,
            max_connections=self._settings.webhook_connections,
        )
        self._trouble = ""
        log.info("telegram.webhook_registered", path=self._settings.paths[0])

    async def _look(self, api: Api) -> None:
        info = await api.get_webhook_info()
        self._trouble = webhook_trouble(info, self._settings.webhook_url(), self._clock())

    async def _asked(self, work: Awaitable[None]) -> bool:
        try:
            await work
        except InvalidToken:
            self._trouble = UNAUTHORIZED
        except BadRequest as error:
            self._trouble = (
                f"Telegram refuses the webhook (it takes public https addresses only): {said(error)}"
            )
        except TelegramError as error:
            self._trouble = f"Telegram can't be asked about the webhook: {said(error)}"
        else:
            return True
        log.warning("telegram.webhook_failed", reason=self._trouble)
        return False


def webhook_trouble(info: WebhookInfo, url: str, now: float) -> str:
    """What is wrong with a webhook by Telegram's own account; empty if nothing is."""
    if info.url != url:
        other = f"points to {info.url}" if info.url else "isn't set"
        return f"the webhook {other}: another deployment may use this bot; restart this one to take it back"
    failed_at = info.last_error_date.timestamp() if info.last_error_date else 0.0
    if info.pending_update_count and now - failed_at < RECENT_S:
        return (
            f"{info.pending_update_count} updates wait; Telegram's last delivery failed: "
            f"{info.last_error_message}"
        )
    return ""


def _later(reason: str) -> web.Response:
    return web.Response(status=503, text=reason, headers={"Retry-After": "1"})
