"""Which threads of channels the bot takes part in, and whom it talks to there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from adapters.base import Notes
from bot.types import Conversation

__all__ = ["Threads"]

REMEMBERED = 20_000
KEPT_S = 90 * 24 * 3600.0
"""A thread that was silent for so long must name the bot again."""


class Threads:
    """Durable, in the account's notes, with what this process wrote last in front of them."""

    def __init__(self, notes: Callable[[Conversation], Notes]) -> None:
        self._notes = notes
        self._written: OrderedDict[str, str] = OrderedDict()

    async def answered(self, conversation: Conversation) -> None:
        """We speak in it. Raises StoreBusy."""
        if conversation.kind == "group" and conversation.thread:
            await self._write(conversation, "thread", "1")

    async def takes_part(self, conversation: Conversation) -> bool:
        key = _key(conversation, "thread")
        if f"{conversation.account}|{key}" in self._written:
            return True
        return await self._notes(conversation).get(key) is not None

    async def asked(self, conversation: Conversation, user: str, team: str) -> None:
        """Who wrote last: a stream outside a direct message must name its reader."""
        await self._write(conversation, "asker", f"{user}|{team}")

    async def asker(self, conversation: Conversation) -> tuple[str, str]:
        """User and team of who wrote last; empty if nobody has."""
        kept = await self._notes(conversation).get(_key(conversation, "asker"))
        user, _, team = (kept or "").partition("|")
        return user, team

    async def _write(self, conversation: Conversation, what: str, value: str) -> None:
        key = _key(conversation, what)
        mine = f"{conversation.account}|{key}"
        if self._written.get(mine) == value:
            return
        await self._notes(conversation).put(key, value, ttl_s=KEPT_S)
        self._written[mine] = value
        while len(self._written) > REMEMBERED:
            self._written.popitem(last=False)


def _key(conversation: Conversation, what: str) -> str:
    return f"{what}:{conversation.chat}:{conversation.thread}"
