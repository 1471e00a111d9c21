"""Receiving by getUpdates.

The offset moves on only when everything before it is stored, so whatever happens between is delivered
again. A poll can die without a word (a connection that never answers): a watchdog ends it and begins
another with fresh connections, never beside the old one.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from adapters.base import Health
from adapters.telegram.api import Api, seconds
from adapters.telegram.events import Malformed
from adapters.telegram.refusals import UNAUTHORIZED, said
from adapters.telegram.settings import TelegramSettings
from bot.errors import QueueFull, SendError, StoreBusy

__all__ = ["Poller"]

log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
STORE_PAUSE_S = 0.25
LONGEST_STORE_PAUSE_S = 10.0
HASTY_S = 0.25
"""A long poll that found nothing and came back sooner was none."""
STOP_S = 10.0
"""How long a stop waits for what is being stored."""
WEBHOOK_SET = (
    "a webhook is set, so nothing can be polled: remove it (open https://api.telegram.org/bot<token>/"
    "deleteWebhook) or set receive: webhook"
)
TWO_POLLERS = (
    "another process polls with this bot's token: stop it, or give each its own bot (one bot, one receiver)"
)


class Poller:
    """Polls for one bot.

    Args:
        open: makes a client with fresh connections (blocking; run in a thread).
        take: stores one raw update.
        clock: seconds; only differences count.
    """

    def __init__(
        self,
        settings: TelegramSettings,
        open: Callable[[], Api],
        take: Callable[[bytes], Awaitable[None]],
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._settings = settings
        self._open = open
        self._take = take
        self._clock = clock
        self._jitter = jitter
        self._first_pause_s = first_pause_s
        self._silence_s = settings.longest_silence_s
        self._offset: int | None = None
        self._runner: asyncio.Task[None] | None = None
        self._stored = asyncio.Event()
        self._stored.set()
        self._stopping = False
        self._failures = 0
        self._trouble = ""
        self._store_trouble = ""
        self._completed = self._watched = clock()
        self._first = True
        self.restarts = 0

    def start(self) -> None:
        if self._runner is None:
            self._stopping = False
            self._first = True
            self._completed = self._watched = self._clock()
            self._runner = asyncio.create_task(self._supervise(), name="telegram poll")

    async def stop(self) -> None:
        """Poll no more; let what is being stored be stored."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self._stopping = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stored.wait(), STOP_S)
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)

    def health(self) -> Health:
        if self._runner is None:
            return Health(False, "polling is stopped")
        if self._store_trouble:
            return Health(False, f"updates wait because they can't be stored: {self._store_trouble}")
        quiet = self._clock() - self._completed
        again = f"; restarted {self.restarts} times" if self.restarts else ""
        if self._trouble and (
            self._failures > 1 or self._trouble in (WEBHOOK_SET, TWO_POLLERS, UNAUTHORIZED)
        ):
            return Health(False, self._trouble + again)
        if quiet > self._silence_s:
            return Health(False, f"no poll has completed for {quiet:.0f} s{again}")
        return Health(True, f"polling{again}")

    # ── the watchdog ──

    async def _supervise(self) -> None:
        while True:
            poll = asyncio.create_task(self._poll(), name="telegram getUpdates")
            try:
                while not poll.done() and not self._silent():
                    await asyncio.wait({poll}, timeout=min(1.0, self._silence_s / 4))
            finally:
                poll.cancel()
                ended = await asyncio.gather(poll, return_exceptions=True)
            if isinstance(ended[0], Exception):
                log.error("telegram.poll_crashed", exc_info=ended[0])
                await self._pause()
            else:
                log.warning("telegram.poll_silent", seconds=self._silence_s)
            self.restarts += 1
            self._watched = self._clock()

    def _silent(self) -> bool:
        """Whether a poll should have completed long ago. While updates are being stored none can."""
        waiting = self._stored.is_set()
        return waiting and self._clock() - max(self._completed, self._watched) > self._silence_s

    # ── one poll after another ──

    async def _poll(self) -> None:
        api = await asyncio.to_thread(self._open)
        try:
            while not self._stopping:
                updates = await self._ask(api)
                if updates:
                    await self._store(updates)
        finally:
            await api.end()

    async def _ask(self, api: Api) -> list[dict[str, Any]]:
        """The next updates; none after a failure, when it is time to try again."""
        # The first is short, so that it is soon known whether polling works.
        wait = 0 if self._first or self._failures else self._settings.poll_s
        began = self._clock()
        try:
            found = await api.updates(self._offset, wait_s=wait, timeout_s=self._settings.timeout_s)
        except Conflict as error:
            webhook = "webhook" in str(error).lower()
            await self._failed(WEBHOOK_SET if webhook else TWO_POLLERS)
        except InvalidToken:
            await self._failed(UNAUTHORIZED)
        except RetryAfter as error:
            await self._failed("Telegram asks for patience", at_least=seconds(error.retry_after))
        except TelegramError as error:
            await self._failed(f"getUpdates fails: {said(error)}")
        else:
            self._first, self._failures, self._trouble = False, 0, ""
            self._completed = self._clock()
            if wait and not found and self._completed - began < HASTY_S:
                # A server that doesn't hold the line is not to be asked without pause.
                await asyncio.sleep(HASTY_S)
            return found
        return []

    async def _failed(self, trouble: str, at_least: float = 0.0) -> None:
        if trouble != self._trouble:
            log.warning("telegram.poll_failed", reason=trouble)
        self._trouble = trouble
        self._failures += 1
        await self._pause(at_least)

    async def _pause(self, at_least: float = 0.0) -> None:
        longest = min(self._first_pause_s * 2 ** min(self._failures, 10), LONGEST_PAUSE_S)
        await asyncio.sleep(max(at_least, longest * (0.5 + self._jitter() / 2)))

    async def _store(self, updates: list[dict[str, Any]]) -> None:
        """Store them all: in order within a chat, chats side by side; then move the offset on."""
        chats: defaultdict[object, list[dict[str, Any]]] = defaultdict(list)
        for update in updates:
            chats[_chat(update)].append(update)
        self._stored.clear()
        try:
            async with asyncio.TaskGroup() as group:
                kept = [group.create_task(self._store_chat(chat)) for chat in chats.values()]
        finally:
            self._stored.set()
            # However long that took: the silence that counts begins with the next poll.
            self._completed = self._clock()
        if all(task.result() for task in kept):
            numbers = [n for update in updates if isinstance(n := update.get("update_id"), int)]
            self._offset = max([*numbers, (self._offset or 1) - 1]) + 1

    async def _store_chat(self, updates: list[dict[str, Any]]) -> bool:
        for update in updates:
            if not await self._store_one(json.dumps(update).encode()):
                return False
        return True

    async def _store_one(self, raw: bytes) -> bool:
        """Whether it is stored (or isn't to be); False if polling stopped before it could be."""
        pause = STORE_PAUSE_S
        while True:
            try:
                await self._take(raw)
            except Malformed:
                # It was counted, and would come again for ever.
                return True
            except (StoreBusy, QueueFull, SendError) as error:
                self._store_trouble = type(error).__name__
                if self._stopping:
                    return False
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_STORE_PAUSE_S)
            else:
                self._store_trouble = ""
                return True


def _chat(update: dict[str, Any]) -> object:
    """What tells the updates of one chat from another's, for any shape of update."""
    for body in update.values():
        if isinstance(body, dict):
            message = body.get("message")
            holder = message if isinstance(message, dict) else body
            chat = holder.get("chat")
            if isinstance(chat, dict) and isinstance(chat.get("id"), int):
                return chat["id"]
    return None
