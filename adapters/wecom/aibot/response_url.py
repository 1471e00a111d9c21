"""`response_url`: each message of a customer brings one, which takes one answer within an hour.

Source: 主动回复消息 (developer.work.weixin.qq.com/document/path/101138).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
import msgspec

from adapters.base import Notes
from adapters.wecom.errcodes import error_of
from bot.errors import SendAmbiguous, SendError, SendRefused

__all__ = ["ResponseUrls", "post"]

LIFE_S: Final = 3600.0
SPARE_S: Final = 60.0
"""Given up so much before its end, so that none ends on its way."""
LOCKS: Final = 64
KEPT: Final = 16
"""Addresses remembered per conversation."""
ANSWER_LIMIT: Final = 1 << 16


class _Url(msgspec.Struct, frozen=True):
    id: str
    url: str
    at: float


class ResponseUrls:
    """The unused addresses of one account's conversations."""

    def __init__(self, notes: Notes, clock: Callable[[], float]) -> None:
        self._notes = notes
        self._clock = clock
        # One process receives, so its own order is all that writing the list needs.
        self._writing = [asyncio.Lock() for _ in range(LOCKS)]

    async def remember(self, chat: str, id: str, url: str) -> None:
        """Keep the address that came with the message `id`. Raises StoreBusy, as all here."""
        if not url:
            return
        async with self._writing[hash(chat) % LOCKS]:
            known = [kept for kept in await self._known(chat) if kept.id != id]
            known = [*known, _Url(id, url, self._clock())][-KEPT:]
            await self._notes.put(f"urls:{chat}", msgspec.json.encode(known).decode(), ttl_s=LIFE_S)

    async def ids(self, chat: str) -> list[str]:
        """Of the messages of the last hour, oldest first."""
        return [kept.id for kept in await self._known(chat)]

    async def take(self, chat: str, id: str) -> tuple[str, str] | None:
        """An address that nobody else gets, and its id for `give_back`: that of the message `id` first,
        then the oldest. None if there is none."""
        known = sorted(await self._known(chat), key=lambda kept: kept.id != id)
        for kept in known:
            if await self._notes.add(f"used:{kept.id}", "1", ttl_s=LIFE_S):
                return kept.url, kept.id
        return None

    async def give_back(self, id: str) -> None:
        """It wasn't used after all."""
        await self._notes.drop(f"used:{id}")

    async def _known(self, chat: str) -> list[_Url]:
        kept = await self._notes.get(f"urls:{chat}")
        urls = msgspec.json.decode(kept, type=list[_Url]) if kept else []
        oldest = self._clock() - (LIFE_S - SPARE_S)
        return [url for url in urls if url.at > oldest]


async def post(session: aiohttp.ClientSession, url: str, body: Mapping[str, Any]) -> None:
    """Answer at a response_url.

    Raises:
        SendError: it wasn't used: not reachable, or WeCom is at fault.
        RetryLater, SendRefused: WeCom's error code.
        SendAmbiguous: used or not, nobody knows.
    """
    data = msgspec.json.encode(body)
    headers = {"Content-Type": "application/json"}
    try:
        async with session.post(url, data=data, headers=headers, allow_redirects=False) as response:
            answer = await response.content.read(ANSWER_LIMIT)
            status = response.status
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise SendError(f"WeCom can't be reached: {type(error).__name__}") from None
    except (TimeoutError, aiohttp.ClientError) as error:
        # The address is a secret, and errors quote it: none is passed on.
        raise SendAmbiguous(f"the answer to a response_url broke off: {type(error).__name__}") from None
    except ValueError:
        raise SendRefused("the response_url isn't one") from None
    if status >= 500:
        raise SendError(f"WeCom answers status {status} to a response_url")
    _check(status, answer)


def _check(status: int, answer: bytes) -> None:
    try:
        said = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = None
    if status >= 300 or not isinstance(said, dict):
        raise SendRefused(f"WeCom answers status {status} to a response_url: it may be past its hour")
    errcode = said.get("errcode", 0)
    if isinstance(errcode, int) and errcode:
        raise error_of(errcode, str(said.get("errmsg", "")))
