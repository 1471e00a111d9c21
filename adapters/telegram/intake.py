"""One way in for both wires: read an update, note what it tells, store its event, answer its button."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import structlog
from telegram.error import TelegramError

from adapters.base import Host, Notes
from adapters.telegram.api import Api, Me
from adapters.telegram.background import Background
from adapters.telegram.buttons import is_kept, note_of
from adapters.telegram.chats import Chats
from adapters.telegram.events import PLATFORM, Malformed, Parsed, Reader
from adapters.telegram.settings import TelegramSettings
from bot.locales import say
from bot.types import InboundEvent, Language

__all__ = ["Intake"]

log = structlog.get_logger(__name__)

JOINED_S = 120.0
"""Two tellings of one arrival lie seconds apart."""


class Intake:
    """Takes updates of one bot.

    Args:
        me: the bot itself; raises SendError while Telegram can't be asked.
    """

    def __init__(
        self,
        settings: TelegramSettings,
        host: Host,
        api: Api,
        chats: Chats,
        background: Background,
        me: Callable[[], Awaitable[Me]],
    ) -> None:
        self._settings = settings
        self._host = host
        self._api = api
        self._chats = chats
        self._background = background
        self._me = me

    async def take(self, raw: bytes) -> None:
        """Store what the update in `raw` is; return when it may be acknowledged.

        Raises:
            Malformed: it is no update; it has been counted.
            StoreBusy, QueueFull, SendError: it couldn't be taken now.
        """
        reader = Reader(self._settings.account, await self._me(), self._settings.staff_chats)
        try:
            parsed = reader.read(raw, now=self._host.now(), correlation=self._host.new_id())
        except Malformed as error:
            log.warning("telegram.malformed", reason=str(error))
            self._host.refused(PLATFORM, "malformed")
            raise
        if parsed.moved is not None:
            await self._chats.remember(*parsed.moved)
        if parsed.event is None:
            self._host.refused(PLATFORM, parsed.ignored)
            self._answer(parsed.callback)
            return
        await self._accept(parsed, parsed.event, raw)

    async def _accept(self, parsed: Parsed, event: InboundEvent, raw: bytes) -> None:
        if parsed.joined and not await self._first_telling(event):
            self._host.refused(PLATFORM, "told_twice")
            return
        if event.kind == "button" and is_kept(event.value):
            value = await self._notes().get(note_of(event.value))
            if value is None:
                self._host.refused(PLATFORM, "stale_button")
                language: Language = "en" if event.sender.locale.startswith("en") else "zh"
                self._answer(parsed.callback, say("telegram.stale_button", language))
                return
            event = msgspec.structs.replace(event, value=value)
        await self._host.accept(event, raw)
        self._answer(parsed.callback)

    async def _first_telling(self, event: InboundEvent) -> bool:
        """Whether this update, and not the other that tells the same, is to greet. The same update
        coming again is the first again."""
        notes, note = self._notes(), f"joined:{event.conversation.chat}"
        if await notes.add(note, event.event_id, ttl_s=JOINED_S):
            return True
        return await notes.get(note) == event.event_id

    def _answer(self, callback: str, text: str = "") -> None:
        """Stop the pressed button's spinner. The keyboard stays: a question under an answer can be
        asked again, the core knows a stale choice, and an edit would take the answer's place in the
        chat's pace."""
        if callback:
            self._background.spawn(self._answered(callback, text))

    async def _answered(self, callback: str, text: str) -> None:
        try:
            await self._api.answer_callback_query(callback, text=text or None)
        except TelegramError as error:
            # Too old, mostly: the event is stored all the same.
            log.info("telegram.callback_unanswered", reason=type(error).__name__)

    def _notes(self) -> Notes:
        return self._host.notes(PLATFORM, self._settings.account)
