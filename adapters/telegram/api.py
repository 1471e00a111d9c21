"""The Bot API: python-telegram-bot's client, with the few calls it lacks in the form needed here."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from telegram import Bot
from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from adapters.telegram.settings import TelegramSettings

__all__ = ["ALLOWED_UPDATES", "Api", "Me", "connect", "seconds"]

ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "my_chat_member")

WRITING = frozenset({"sendMessage", "sendPhoto", "sendDocument", "editMessageText"})

# The library's own switch to timedelta. Without it each 429 is a deprecation warning inside the
# library, which a process that treats warnings as errors would see in place of the 429.
os.environ.setdefault("PTB_TIMEDELTA", "1")

# Their lines hold the token (it is part of every URL) and customers' words; an answer that can't be read
# is logged whole. What they know reaches us as errors.
for name in ("httpx", "httpcore"):
    logging.getLogger(name).setLevel(logging.WARNING)
logging.getLogger("telegram").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Me:
    """The bot itself."""

    id: int
    username: str
    joins_groups: bool = True
    reads_groups: bool = False
    """Privacy mode is off: it is sent every message of its groups."""


class Api(Bot):
    """One bot's client. Raises the errors of `telegram.error`."""

    __slots__ = ()

    async def me(self) -> Me:
        found = await self._post("getMe")
        try:
            return Me(
                int(found["id"]),
                str(found.get("username", "")),
                bool(found.get("can_join_groups", True)),
                bool(found.get("can_read_all_group_messages")),
            )
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise TelegramError("getMe describes no bot") from error

    async def updates(self, offset: int | None, *, wait_s: int, timeout_s: float) -> list[dict[str, Any]]:
        """Raw updates: the library's parser would lose a whole batch over one it can't read."""
        asked = {"offset": offset, "timeout": wait_s, "allowed_updates": ALLOWED_UPDATES}
        found = await self._post("getUpdates", asked, read_timeout=wait_s + timeout_s)
        return [update for update in found if isinstance(update, dict)] if isinstance(found, list) else []

    async def file(self, file_id: str) -> dict[str, Any]:
        """A file's description. (The library's own `get_file` looks for the path on this machine.)"""
        found = await self._post("getFile", {"file_id": file_id})
        return found if isinstance(found, dict) else {}

    async def download(self, path: str) -> bytes:
        return await self.request.retrieve(f"{self.base_file_url}/{path}")

    async def _post(self, endpoint: str, data: dict[str, Any] | None = None, **options: Any) -> Any:
        result = await super()._post(endpoint, data, **options)
        return _number_only(result) if endpoint in WRITING else result

    async def end(self) -> None:
        await self.request.shutdown()


def _number_only(message: object) -> object:
    """A sent message's number, in what the library takes for a message. The rest isn't read; and one
    that the library can't read would make a message that was delivered look as if it hadn't been."""
    number = message.get("message_id") if isinstance(message, dict) else None
    chat = {"id": 0, "type": "private"}
    return True if number is None else {"message_id": number, "date": 0, "chat": chat}


def connect(
    settings: TelegramSettings,
    *,
    pool: int = 256,
    responded: Sequence[Callable[[httpx.Response], Awaitable[None]]] = (),
) -> Api:
    """A client with its own connections. Reads certificates from disk: call it in a thread.

    Args:
        pool: connections at most.
        responded: called with each response's head.
    """
    request = HTTPXRequest(
        connection_pool_size=pool,
        connect_timeout=settings.timeout_s / 2,
        read_timeout=settings.timeout_s,
        write_timeout=settings.timeout_s,
        media_write_timeout=settings.timeout_s * 2,
        pool_timeout=settings.timeout_s,
        proxy=settings.proxy or None,
        httpx_kwargs={"event_hooks": {"response": list(responded)}} if responded else None,
    )
    return Api(
        settings.token,
        base_url=settings.api_url,
        base_file_url=settings.file_url,
        request=request,
        get_updates_request=request,
    )


def seconds(period: float | timedelta) -> float:
    """A period of the library's, whichever of its two types it is in."""
    return period.total_seconds() if isinstance(period, timedelta) else float(period)
