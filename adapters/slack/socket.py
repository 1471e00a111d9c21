"""Socket Mode: payloads over a WebSocket that we open.

One loop owns the one connection: it opens, reads to the end, lets the acknowledgements under way go
out on the connection their envelopes came by, closes, and only then opens the next. What isn't
acknowledged comes again by itself. slack_sdk's own client (3.47) doesn't serve: when an address has run
out before it is used it tries the same one again for ever; it sends acknowledgements on whichever
connection is the current one; and it sets no bound to the envelopes in work.
Source: https://docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import msgspec
import structlog
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from adapters.base import Health
from adapters.slack.api import TokenRefused, answer, code_of
from adapters.slack.fields import Fields, Malformed, decode_object
from bot.errors import RetryLater, SendError

__all__ = ["SocketMode"]

log = structlog.get_logger(__name__)

Take = Callable[[dict[str, Any], bytes], Awaitable[bool]]
"""Stores a payload; False: don't acknowledge it, so that it comes again."""

HELLO_S = 30.0
FRAME = 4 << 20
AT_ONCE = 256
"""Envelopes being accepted at a time; more wait in the socket."""
FIRST_PAUSE_S, LONGEST_PAUSE_S, REFUSED_PAUSE_S = 1.0, 60.0, 60.0
LIVED_S = 30.0
"""A connection that lasted so long was a good one: the next is opened at once."""
GRACE_S = 20.0
"""A receiver may be between two connections for so long and still be well."""


class SocketMode:
    """Receives until `stop`.

    Args:
        ping_s: seconds between our pings; a connection that answers none for half of that is dead.
        jitter: a factor for pauses, so that many processes don't come back at once.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        app_token: str,
        session: aiohttp.ClientSession,
        take: Take,
        clock: Callable[[], float],
        *,
        ping_s: float = 10.0,
        jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2),
    ) -> None:
        self._client = client
        self._app_token = app_token
        self._session = session
        self._take = take
        self._clock = clock
        self._ping_s = ping_s
        self._jitter = jitter
        self._room = asyncio.Semaphore(AT_ONCE)
        self._accepting: set[asyncio.Task[None]] = set()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._lost_at: float | None = clock()
        self._why = "not connected yet"
        self._connections = 1

    def start(self) -> None:
        self._stopping = False
        self._task = asyncio.create_task(self._run(), name="slack-socket")

    async def stop(self) -> None:
        """Read nothing more; what is being accepted is still acknowledged."""
        self._stopping = True
        if self._task is not None:
            if self._socket is None:
                self._task.cancel()
            else:
                await self._end(self._socket)
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def health(self) -> Health:
        if self._lost_at is not None and (refused := self._clock() - self._lost_at) >= GRACE_S:
            return Health(False, f"Socket Mode: no connection for {refused:.0f} s ({self._why})")
        if self._connections > 1:
            return Health(
                True,
                f"Socket Mode: Slack counts {self._connections} connections of this app and spreads events "
                "over all of them; stop other programs that use this app token",
            )
        return Health(True, "Socket Mode")

    # ── connections, one after the other ──

    async def _run(self) -> None:
        failures = 0
        while not self._stopping:
            opened = self._clock()
            try:
                why = await self._connection()
                pause = 0.0 if why in ("refresh_requested", "warning") else None
            except RetryLater as error:
                why, pause = "ratelimited", error.retry_after
            except TokenRefused as error:
                why, pause = str(error), REFUSED_PAUSE_S
            except (SendError, aiohttp.ClientError, OSError, TimeoutError) as error:
                why, pause = code_of(error) if isinstance(error, SendError) else type(error).__name__, None
            self._lost(why)
            failures = 0 if self._clock() - opened >= LIVED_S else failures + 1
            if pause is None or failures > 1:
                # Closed, refused or too many: don't fight.
                backoff = min(FIRST_PAUSE_S * 2 ** min(max(failures - 1, 0), 10), LONGEST_PAUSE_S)
                pause = max(pause or 0.0, backoff if failures else 0.0)
            log.info("slack.socket_lost", why=why, pause_s=round(pause, 1))
            await asyncio.sleep(pause * self._jitter())

    def _lost(self, why: str) -> None:
        self._why = why
        if self._lost_at is None:
            self._lost_at = self._clock()

    async def _connection(self) -> str:
        """One connection from its opening to its end; why it ended."""
        # Each address is good for one connection.
        opened = await answer(self._client.apps_connections_open(app_token=self._app_token))
        # heartbeat: a ping each so many seconds, and the end of a connection that answers none.
        socket = await self._session.ws_connect(
            str(opened.get("url", "")),
            heartbeat=self._ping_s,
            max_msg_size=FRAME,
            timeout=_CLOSING,
            # The way that the SDK's own calls take (HTTPS_PROXY): there may be no other one out.
            proxy=self._client.proxy,
        )
        self._socket = socket
        try:
            async with asyncio.timeout(HELLO_S) as greeting:
                while True:
                    frame = await socket.receive()
                    if frame.type is not aiohttp.WSMsgType.TEXT:
                        return f"closed with {socket.close_code}"
                    reason = await self._frame(socket, frame.data, greeting)
                    if reason or self._stopping:
                        return reason
        finally:
            await self._end(socket)
            self._socket = None

    async def _end(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Let acknowledgements go out, then close."""
        if self._accepting:
            await asyncio.wait(set(self._accepting), timeout=2.0)
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            await socket.close()

    async def _frame(
        self, socket: aiohttp.ClientWebSocketResponse, data: str, greeting: asyncio.Timeout
    ) -> str:
        """Act on one frame; a reason to leave, or empty."""
        try:
            message = decode_object(data)
            fields = Fields(message)
            kind = fields.text("type")
            if kind == "disconnect":
                return fields.text("reason") or "disconnect"
            if kind == "hello":
                greeting.reschedule(None)
                self._lost_at, self._why = None, ""
                self._connections = max(1, fields.number("num_connections"))
                if self._connections > 1:
                    log.warning("slack.other_connections", connections=self._connections)
                return ""
            fields.need_id("envelope_id")
            fields.sub("payload")
            request = SocketModeRequest.from_dict(message)
        except (Malformed, ValueError):
            return ""
        if request is not None:
            await self._room.acquire()
            task = asyncio.create_task(self._accept(socket, request), name="slack-envelope")
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)
        return ""

    async def _accept(self, socket: aiohttp.ClientWebSocketResponse, request: SocketModeRequest) -> None:
        try:
            if await self._take(request.payload, msgspec.json.encode(request.payload)):
                response = SocketModeResponse(envelope_id=request.envelope_id)
                # Gone meanwhile: it comes again on the next connection, and is known then.
                with suppress(aiohttp.ClientError, OSError):
                    await socket.send_json(response.to_dict())
        except Exception as error:
            # One envelope must not end the connection; unacknowledged, it comes again.
            log.error("slack.envelope_failed", reason=type(error).__name__)
        finally:
            self._room.release()


_CLOSING = aiohttp.ClientWSTimeout(ws_close=2.0)
