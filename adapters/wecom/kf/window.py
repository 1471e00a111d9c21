"""The reply window: five messages for each customer message, within 48 hours of it.

Two notes, each written from one side only, so that intake and sending (perhaps in two processes)
never overwrite each other: intake writes when the customer last wrote, sending writes what has been
sent since. A send reserves its place before it is made: after a crash it counts as made.

Source: 发送消息 (developer.work.weixin.qq.com/document/path/94677).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import msgspec

from adapters.base import Notes
from adapters.wecom.kf.chat import Chat

__all__ = ["MESSAGES", "WINDOW_S", "Window"]

MESSAGES: Final = 5
WINDOW_S: Final = 48 * 3600.0
KEPT_S: Final = 7 * 24 * 3600.0


class _Sent(msgspec.Struct, frozen=True):
    since: str
    """The customer message they were sent after, as `_opened` has it."""
    ids: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    """Some that were sent before it."""


class Window:
    """Args: clock gives seconds since the epoch."""

    def __init__(self, notes: Notes, clock: Callable[[], float]) -> None:
        self._notes = notes
        self._clock = clock

    async def opened(self, chat: Chat, at: float, msgid: str) -> None:
        """The customer wrote at `at`. Told again of an earlier message, it changes nothing."""
        kept = await self._opened(chat)
        if float(kept.partition("|")[0] or "-inf") > at or kept == f"{at:.0f}|{msgid}":
            return
        await self._notes.put(f"window:{chat}", f"{at:.0f}|{msgid}", ttl_s=KEPT_S)

    async def room(self, chat: Chat, ours: Collection[str] = ()) -> int:
        """How many messages may be sent, those named in `ours` included if an earlier attempt sent
        them. Where we know of no customer message, WeCom is left to judge: all five."""
        opened = await self._opened(chat)
        if opened and self._clock() - float(opened.partition("|")[0]) > WINDOW_S:
            return 0
        sent = await self._sent(chat, opened)
        return max(0, MESSAGES - len(set(sent.ids) - set(ours)))

    async def reserve(self, chat: Chat, msgid: str) -> bool:
        """Take a place, before the send. True: an earlier attempt took it, and perhaps was made."""
        sent = await self._sent(chat, await self._opened(chat))
        if msgid in sent.ids:
            return True
        await self._put(chat, msgspec.structs.replace(sent, ids=(*sent.ids, msgid)))
        return msgid in sent.earlier

    async def release(self, chat: Chat, msgid: str) -> None:
        """It was refused, so it took no place."""
        sent = await self._sent(chat, await self._opened(chat))
        left = _Sent(
            sent.since,
            tuple(i for i in sent.ids if i != msgid),
            tuple(i for i in sent.earlier if i != msgid),
        )
        await self._put(chat, left)

    async def exhaust(self, chat: Chat) -> None:
        """WeCom says that no more is taken until the customer writes again."""
        sent = await self._sent(chat, await self._opened(chat))
        full = (*sent.ids, *(f"?{n}" for n in range(MESSAGES)))
        await self._put(chat, msgspec.structs.replace(sent, ids=full))

    async def _opened(self, chat: Chat) -> str:
        return await self._notes.get(f"window:{chat}") or ""

    async def _sent(self, chat: Chat, opened: str) -> _Sent:
        kept = await self._notes.get(f"sent:{chat}")
        sent = msgspec.json.decode(kept, type=_Sent) if kept else _Sent(opened)
        if sent.since == opened:
            return sent
        return _Sent(opened, earlier=(*sent.earlier, *sent.ids)[-2 * MESSAGES :])

    async def _put(self, chat: Chat, sent: _Sent) -> None:
        await self._notes.put(f"sent:{chat}", msgspec.json.encode(sent).decode(), ttl_s=KEPT_S)
