"""Codes that WeCom hands out for one more message each, outside the reply window.

A welcome code comes when a customer opens the chat; a message code when the conversation changes
state, and it is good in that state only. Each works once: it is dropped before it is used.

Source: 发送欢迎语等事件响应消息 (developer.work.weixin.qq.com/document/path/95122).
"""

from __future__ import annotations

from typing import Final

from adapters.base import Notes
from adapters.wecom.kf.chat import Chat

__all__ = ["ENDED_S", "MOVED_S", "WELCOME_S", "Codes"]

WELCOME_S: Final = 20.0
MOVED_S: Final = 48 * 3600.0
"""Of a code for the queue or for a person."""
ENDED_S: Final = 20.0


class Codes:
    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    async def keep_welcome(self, chat: Chat, code: str, event_id: str, *, lasts_s: float) -> None:
        """For the reply to `event_id` only: nothing else is a welcome."""
        if lasts_s > 0:
            await self._notes.put(f"welcome:{chat}", f"{event_id} {code}", ttl_s=lasts_s)

    async def take_welcome(self, chat: Chat, event_id: str) -> str:
        """The code, or nothing."""
        kept = await self._notes.get(f"welcome:{chat}") or ""
        named, _, code = kept.rpartition(" ")
        if not event_id or named != event_id:
            return ""
        await self._notes.drop(f"welcome:{chat}")
        return code

    async def keep(self, chat: Chat, state: int, code: str, *, lasts_s: float) -> None:
        if code and lasts_s > 0:
            await self._notes.put(f"code:{chat}", f"{state} {code}", ttl_s=lasts_s)

    async def take(self, chat: Chat, state: int) -> str:
        """The code that is good in `state`, or nothing."""
        kept = await self._notes.get(f"code:{chat}") or ""
        named, _, code = kept.partition(" ")
        if named != str(state):
            return ""
        await self._notes.drop(f"code:{chat}")
        return code
