"""The long connection: one socket that is subscribed, kept alive, and made anew when it ends.

    connect ─► subscribe ─► held: pings, callbacks, our requests and their answers ─► ended ─► pause ─┐
       ▲                                                                                             │
       └─────────────────────────────────────────────────────────────────────────────────────────────┘

One task does all of it, so there are never two connections. A close of any kind, 1000 included, is a
reason to connect again; only being evicted by another client, or refused, is answered with a long pause.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
import structlog

from adapters.base import Health
from adapters.wecom.aibot.frames import BadFrame, Frame, NotSubscribed, raise_for, read_frame, write_frame
from adapters.wecom.aibot.lanes import Lanes
from bot.errors import RetryLater, SendAmbiguous, SendError

__all__ = ["Link", "Timing"]

log = structlog.get_logger(__name__)

FRAME_LIMIT = 4 << 20
"""Bytes of one frame."""

Ended = Literal["closed", "evicted", "refused"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. The first three are WeCom's and its SDK's; the pauses double from the first to the last."""

    ping_every: float = 30.0
    missed_pings: int = 2
    """Unanswered pings after which the connection counts as dead."""
    answer: float = 10.0
    """For an answer to a request; WeCom's own SDK waits 5."""
    connect: float = 10.0
    pause: tuple[float, float] = (1.0, 30.0)
    """After a connection ended."""
    refused_pause: tuple[float, float] = (30.0, 600.0)
    """After bot_id or secret were refused."""
    evicted_pause: tuple[float, float] = (60.0, 1800.0)
    """After another client took the connection: to take it back at once would evict that one."""
    settled: float = 300.0
    """A connection that held so long counts as good: the pauses begin anew."""


class Link:
    """One bot's connection.

    Args:
        session: gives the HTTP session, which its owner closes.
        on_frame: is given each callback frame, in order; while it waits, no more are read.
        on_rubbish: is told of what isn't a frame.
        clock: any seconds that go on.
        jitter: gives a factor for pauses.
    """

    def __init__(
        self,
        url: str,
        bot_id: str,
        secret: str,
        *,
        session: Callable[[], aiohttp.ClientSession],
        on_frame: Callable[[Frame], Awaitable[None]],
        on_rubbish: Callable[[], None],
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = lambda: random.uniform(0.7, 1.3),
    ) -> None:
        self._url = url
        self._bot_id = bot_id
        self._secret = secret
        self._session = session
        self._on_frame = on_frame
        self._on_rubbish = on_rubbish
        self._timing = timing or Timing()
        self._clock = clock
        self._jitter = jitter
        self._lanes: Lanes | None = None
        self._numbers = 0
        self._prefix = f"{random.getrandbits(48):012x}"
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._subscribed = False
        self._evicted = False
        self._state = "not started"
        self._next = 0.0
        self._task: asyncio.Task[None] | None = None
        self._failures: dict[Ended, int] = {}

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="wecom-aibot")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._state = "stopped"

    def health(self) -> Health:
        return Health(self._subscribed, "" if self._subscribed else self._state)

    def new_id(self, cmd: str) -> str:
        """A req_id for a request of ours. WeCom's SDK begins it with the command."""
        self._numbers += 1
        return f"{cmd}_{self._prefix}_{self._numbers}"

    # ── requests ──

    async def request(self, cmd: str, body: Any, req_id: str = "") -> Frame:
        """Send it and wait for its answer; under one req_id one after the other.

        Raises:
            RetryLater: there is no connection now; nothing was sent.
            SendAmbiguous: sent, and no answer.
            BubbleGone, SendRefused, SendError: as `raise_for`.
        """
        if not self._subscribed:
            wait = min(max(self._next - self._clock(), 1.0), 30.0)
            raise RetryLater(f"no connection to WeCom: {self._state}", wait)
        return await self._request(cmd, body, req_id or self.new_id(cmd))

    async def _request(self, cmd: str, body: Any, req_id: str) -> Frame:
        socket, lanes = self._socket, self._lanes
        if socket is None or lanes is None or socket.closed:
            raise RetryLater("the connection to WeCom has just ended", 1.0)
        data = write_frame(cmd, req_id, body)
        frame = await lanes.exchange(req_id, lambda: socket.send_str(data))
        try:
            raise_for(frame)
        except NotSubscribed:
            await self._drop()
            raise RetryLater("WeCom has dropped the subscription; connecting again", 3.0) from None
        return frame

    # ── the connection ──

    async def _run(self) -> None:
        while True:
            began = self._clock()
            try:
                ended = await self._hold()
            except (aiohttp.ClientError, OSError, TimeoutError, SendError) as error:
                ended, self._state = "closed", f"can't connect to {self._url}: {type(error).__name__}"
            except Exception as error:  # a bug must not end the connecting: without it the bot is deaf
                log.error("wecom.connection_crashed", bot=self._bot_id, exc_info=error)
                ended, self._state = "closed", f"the connection broke: {type(error).__name__}"
            finally:
                self._ended()
            if self._clock() - began > self._timing.settled:
                self._failures.clear()
            pause = self._pause(ended)
            self._next = self._clock() + pause
            log.warning("wecom.connection_ended", bot=self._bot_id, reason=ended, pause=round(pause, 1))
            await asyncio.sleep(pause)

    def _pause(self, ended: Ended) -> float:
        first, longest = {
            "closed": self._timing.pause,
            "refused": self._timing.refused_pause,
            "evicted": self._timing.evicted_pause,
        }[ended]
        count = self._failures[ended] = self._failures.get(ended, 0) + 1
        return min(first * 2.0 ** min(count - 1, 20), longest) * self._jitter()

    async def _hold(self) -> Ended:
        """One connection, from beginning to end."""
        self._evicted = False
        async with asyncio.timeout(self._timing.connect):
            socket = await self._session().ws_connect(
                self._url, max_msg_size=FRAME_LIMIT, timeout=aiohttp.ClientWSTimeout(ws_close=2.0)
            )
        self._socket, self._lanes = socket, Lanes(self._timing.answer)
        reading = asyncio.create_task(self._read(socket))
        pinging: asyncio.Task[None] | None = None
        try:
            refusal = await self._subscribe()
            if refusal:
                self._state = refusal
                return "refused"
            self._subscribed, self._state = True, ""
            log.info("wecom.connected", bot=self._bot_id)
            pinging = asyncio.create_task(self._ping(socket))
            done, _ = await asyncio.wait({reading, pinging}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) is not None:
                    log.error("wecom.connection_crashed", bot=self._bot_id, exc_info=error)
            return self._reason(socket)
        finally:
            self._subscribed = False
            tasks = [task for task in (reading, pinging) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(Exception):
                async with asyncio.timeout(2.0):
                    await socket.close()

    def _reason(self, socket: aiohttp.ClientWebSocketResponse) -> Ended:
        if self._evicted:
            self._state = (
                "another program with this bot_id took the connection (WeCom allows one); stop it, or take "
                "the bot out of this configuration"
            )
            return "evicted"
        self._state = f"the connection ended (code {socket.close_code}); connecting again"
        return "closed"

    async def _subscribe(self) -> str:
        """Empty, or why WeCom refuses. Raises SendError."""
        body = {"bot_id": self._bot_id, "secret": self._secret}
        cmd = "aibot_subscribe"
        try:
            await self._request(cmd, body, self.new_id(cmd))
        except (RetryLater, SendAmbiguous):
            raise
        except SendError as error:
            return f"WeCom refuses the subscription: {error}; are bot_id and secret right?"
        return ""

    async def _ping(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Until so many pings in a row found no answer."""
        missed = 0
        while missed < self._timing.missed_pings:
            await asyncio.sleep(self._timing.ping_every)
            try:
                await self._request("ping", None, self.new_id("ping"))
                missed = 0
            except SendAmbiguous:
                missed += 1
            except SendError:
                # An answer, if an unfriendly one: the line is alive.
                missed = 0

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                self._on_rubbish()
                continue
            try:
                frame = read_frame(message.data)
            except BadFrame:
                self._on_rubbish()
                continue
            if frame.cmd:
                await self._on_frame(frame)
            elif self._lanes is not None and not self._lanes.answered(frame):
                log.info("wecom.unexpected_answer", bot=self._bot_id, errcode=frame.errcode)

    async def evicted(self) -> None:
        """WeCom says that another client takes this connection over."""
        self._evicted = True
        await self._drop()

    async def _drop(self) -> None:
        if self._socket is not None:
            with suppress(Exception):
                await self._socket.close()

    def _ended(self) -> None:
        self._subscribed, self._socket = False, None
        if self._lanes is not None:
            self._lanes.end()
            self._lanes = None
