"""Requests and their answers on one socket: in order under each req_id, as WeCom numbers none of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from adapters.wecom.aibot.frames import Frame
from bot.errors import RetryLater, SendAmbiguous

__all__ = ["Lanes"]


class _Lane:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0
        self.owed = 0
        """Requests sent and not answered yet; more than one after a late answer."""
        self.answer: asyncio.Future[Frame] | None = None


class Lanes:
    """What is awaited on one connection.

    Args:
        answer_s: seconds to wait for an answer.
    """

    def __init__(self, answer_s: float) -> None:
        self._answer_s = answer_s
        self._lanes: dict[str, _Lane] = {}
        self._over = False

    async def exchange(self, req_id: str, send: Callable[[], Awaitable[None]]) -> Frame:
        """Send, when it is this request's turn, and wait for the answer.

        Raises:
            RetryLater: the connection ended before anything was sent.
            SendAmbiguous: sent, and no answer.
        """
        lane = self._lanes.setdefault(req_id, _Lane())
        lane.users += 1
        try:
            async with lane.lock:
                if self._over:
                    raise RetryLater("the connection to WeCom has just ended", 1.0)
                return await self._exchange(lane, send)
        finally:
            lane.users -= 1
            self._tidy(req_id, lane)

    async def _exchange(self, lane: _Lane, send: Callable[[], Awaitable[None]]) -> Frame:
        lane.answer = asyncio.get_running_loop().create_future()
        lane.owed += 1
        try:
            async with asyncio.timeout(self._answer_s):
                await send()
                return await lane.answer
        except TimeoutError:
            if lane.owed > 1:
                # The earlier answer was lost, not late: it is waited for no more.
                lane.owed = 0
            raise SendAmbiguous(f"WeCom gave no answer in {self._answer_s:g} s") from None
        except (ConnectionError, aiohttp.ClientError) as error:
            raise SendAmbiguous(f"the connection to WeCom broke off: {type(error).__name__}") from None
        finally:
            lane.answer = None

    def answered(self, frame: Frame) -> bool:
        """Pass an answer on. A late one must not pass for the next one's, so all that are owed are
        waited for. False: nobody waits for it."""
        lane = self._lanes.get(frame.req_id)
        if lane is None or not lane.owed:
            return False
        lane.owed -= 1
        if lane.answer is not None and not lane.answer.done() and (not lane.owed or frame.errcode):
            lane.answer.set_result(frame)
        self._tidy(frame.req_id, lane)
        return True

    def end(self) -> None:
        """The connection is gone: whoever waits learns that no answer will come."""
        self._over = True
        for lane in self._lanes.values():
            if lane.answer is not None and not lane.answer.done():
                lane.answer.set_exception(aiohttp.ClientConnectionError("ended"))

    def _tidy(self, req_id: str, lane: _Lane) -> None:
        if not lane.users and not lane.owed:
            self._lanes.pop(req_id, None)
