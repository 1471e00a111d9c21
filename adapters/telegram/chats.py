"""Where a chat is now: a basic group that grew into a supergroup has a new id, and messages to the old
one are refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from telegram.error import BadRequest, ChatMigrated, RetryAfter, TelegramError

from adapters.base import Notes
from adapters.telegram.api import seconds
from adapters.telegram.limits import Limits
from adapters.telegram.refusals import translate
from bot.errors import SendAmbiguous, SendError, SendRefused

__all__ = ["Chats", "chat_id"]

FIRST_SUPERGROUP = -1_000_000_000_000
"""Supergroups and channels lie below; basic groups between it and 0."""

T = TypeVar("T")


def chat_id(chat: str) -> int:
    """A conversation's chat as Telegram names it. Raises SendRefused."""
    try:
        return int(chat)
    except ValueError:
        raise SendRefused(f"{chat[:40]!r} isn't a Telegram chat id") from None


class Chats:
    """The moves of one account's chats, and calls that follow them."""

    def __init__(self, notes: Notes, limits: Limits) -> None:
        self._notes = notes
        self._limits = limits

    async def remember(self, old: int, new: int) -> None:
        if old != new:
            await self._notes.put(f"moved:{old}", str(new))

    async def find(self, chat: str) -> int:
        """The id under which a conversation's chat is reached now. Raises SendRefused, StoreBusy."""
        here = chat_id(chat)
        if FIRST_SUPERGROUP < here < 0:
            moved = await self._notes.get(f"moved:{here}")
            return int(moved) if moved else here
        return here

    async def call(self, chat: int, action: Callable[[int], Awaitable[T]]) -> T:
        """Make a call about a chat, once more if the chat has moved.

        Raises:
            TelegramError: BadRequest only; the caller may know a way round it.
            SendError: anything else.
        """
        try:
            return await self._once(chat, action)
        except ChatMigrated as moved:
            await self.remember(chat, moved.new_chat_id)
            try:
                return await self._once(moved.new_chat_id, action)
            except ChatMigrated as again:
                raise SendError("the group moves on and on") from again

    async def _once(self, chat: int, action: Callable[[int], Awaitable[T]]) -> T:
        try:
            return await action(chat)
        except RetryAfter as error:
            self._limits.hold(chat, seconds(error.retry_after))
            raise translate(error) from error
        except (BadRequest, ChatMigrated, SendError):
            raise
        except TelegramError as error:
            raise translate(error) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SendAmbiguous(f"Telegram answered what can't be read: {type(error).__name__}") from error
