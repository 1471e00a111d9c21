"""From an item to the core: window, codes and desk are brought up to date, then the event is accepted.

In this order, and each step harmless when it is done again: a crash in between, and the item comes
once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from adapters.base import Host, Notes
from adapters.wecom.kf.chat import Chat
from adapters.wecom.kf.codes import ENDED_S, WELCOME_S, Codes
from adapters.wecom.kf.desk import BOTS, ENDED, Desk
from adapters.wecom.kf.events import (
    Change,
    Entered,
    Failed,
    Ignored,
    Item,
    Reader,
    Said,
    menu_of,
    raw_of,
    sent_at,
)
from adapters.wecom.kf.menus import value_of
from adapters.wecom.kf.window import Window
from bot.errors import QueueFull, SendError, StoreBusy

__all__ = ["FAILURES", "Intake"]

log = structlog.get_logger(__name__)

KEPT_S: Final = 7 * 24 * 3600.0
FAILURES: Final = {
    0: "unknown reason",
    1: "the customer-service account was deleted",
    2: "the app is disabled",
    4: "later than 48 hours after the customer wrote",
    5: "the conversation is closed",
    6: "more than 5 messages for one of the customer's",
    8: "the corporation isn't verified",
    10: "the customer refuses messages",
    11: "no member of the corporation has logged in to WeCom's app",
    12: "a kind of message that isn't allowed there",
    13: "WeCom's safety check",
}
"""`fail_type` of a message that WeCom had taken."""


class Intake:
    """Accepts items for one account.

    Args: clock gives seconds since the epoch.
    """

    def __init__(
        self,
        host: Host,
        notes: Notes,
        reader: Reader,
        *,
        window: Window,
        codes: Codes,
        desk: Desk,
        clock: Callable[[], float],
    ) -> None:
        self._host = host
        self._notes = notes
        self._reader = reader
        self._window = window
        self._codes = codes
        self._desk = desk
        self._clock = clock
        self.undelivered = 0
        """Messages that WeCom took and then couldn't deliver, since the start."""

    async def take(self, open_kfid: str, item: Mapping[str, Any], not_before: float) -> None:
        """Accept it, or count why not.

        Raises:
            StoreBusy, QueueFull: it isn't stored; the cursor must not pass it.
        """
        try:
            await self._take(open_kfid, item, not_before)
        except (StoreBusy, QueueFull):
            raise
        except Exception as error:  # one bad item must not stop all behind it
            log.error("wecom.kf.item_crashed", msgtype=str(item.get("msgtype"))[:40], exc_info=error)
            self._host.refused("wecom", "malformed")

    async def _take(self, open_kfid: str, item: Mapping[str, Any], not_before: float) -> None:
        if 0 < sent_at(item) < not_before:
            self._host.refused("wecom", "stale")
            return
        pressed = menu_of(item)
        value = await value_of(self._notes, pressed) if pressed else ""
        read: Item = self._reader.read(item, open_kfid=open_kfid, value=value)
        raw = raw_of(item)
        match read:
            case Said():
                await self._said(read, raw)
            case Entered(chat, event, code, at):
                lasts = WELCOME_S - self._age(at)
                await self._codes.keep_welcome(chat, code, event.event_id, lasts_s=lasts)
                await self._host.accept(event, raw)
            case Change():
                await self._changed(read, raw)
            case Failed():
                await self._failed(read, raw)
            case Ignored(reason):
                self._host.refused("wecom", reason)

    async def _said(self, said: Said, raw: bytes) -> None:
        chat, event = said.chat, said.event
        if not said.known:
            self._host.refused("wecom", "unknown_type")
        await self._window.opened(chat, event.occurred_at.timestamp(), event.event_id)
        await self._reconcile(chat, event.event_id)
        if await self._notes.get(f"blocked:{chat}") is not None:
            await self._host.accept(self._reader.system(chat, f"unblocked:{event.event_id}", "unblocked"))
            await self._notes.drop(f"blocked:{chat}")
        await self._host.accept(event, raw)

    async def _reconcile(self, chat: Chat, event_id: str) -> None:
        """The desk had it, but perhaps no longer: 48 hours end a conversation without a word."""
        self._desk.forget(chat)
        if not await self._desk.has(chat):
            return
        try:
            state = await self._desk.state(chat, fresh=True)
        except SendError:
            return
        if state in BOTS:
            await self._host.accept(self._reader.system(chat, f"returned:{event_id}", "desk_returned"))
            await self._desk.note(chat, taken=False)

    async def _changed(self, change: Change, raw: bytes) -> None:
        if change.code:
            lasts = ENDED_S - self._age(change.at)
            await self._codes.keep(change.chat, ENDED, change.code, lasts_s=lasts)
        await self._host.accept(change.event, raw)
        await self._desk.note(change.chat, taken=change.taken)

    async def _failed(self, failed: Failed, raw: bytes) -> None:
        self.undelivered += 1
        reason = FAILURES.get(failed.fail_type, f"fail_type {failed.fail_type}")
        log.warning("wecom.kf.not_delivered", msgid=failed.msgid, reason=reason)
        self._host.refused("wecom", "not_delivered")
        if failed.msgid:
            await self._notes.put(f"failed:{failed.msgid}", str(failed.fail_type), ttl_s=KEPT_S)
        if failed.event is not None:
            await self._host.accept(failed.event, raw)
            await self._notes.put(f"blocked:{failed.chat}", "1", ttl_s=KEPT_S)

    def _age(self, at: float) -> float:
        """Seconds since; of an event that doesn't say when, none."""
        return max(0.0, self._clock() - at) if at else 0.0
