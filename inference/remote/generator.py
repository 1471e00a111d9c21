"""A `bot.ports.Generator` over any OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Literal

import aiohttp
import msgspec

from bot.errors import InferenceUnavailable
from bot.types import GenerateRequest
from inference.generator.options import EngineStats
from inference.remote.breaker import Breaker
from inference.remote.call import Call
from inference.remote.failure import Failure
from inference.remote.messages import chat_messages
from inference.remote.options import RemoteOptions, RemoteStatus
from inference.serving.wire import WorkerStats

__all__ = ["RemoteGenerator"]

_log = logging.getLogger("inference.remote")


class RemoteGenerator:
    """Asks a server for replies. Has the lifetime and the status of a `WorkerSupervisor`.

    Nothing is sent before the first request: `ready` means that nothing speaks against asking. What is
    asked and answered is in no log and in no error.
    """

    def __init__(
        self,
        options: RemoteOptions,
        api_key: str = "",
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`sleep` waits before a retry; `jitter` gives 0–1; both, and the clocks, for tests to replace."""
        self._options = options
        self._headers = {
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
        }
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._sleep, self._jitter, self._monotonic, self._now = sleep, jitter, monotonic, now
        self._session: aiohttp.ClientSession | None = None
        self._breaker = Breaker(options.breaker, monotonic)
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._last_error = ""
        self._tokens = 0
        self._prompt_tokens = 0

    # ── lifetime ─────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Be ready for requests; must be called in a running event loop."""
        if self._session is None:
            seconds = self._options.connect
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # TLS is verified, as is the default
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=seconds, sock_connect=seconds),
            )

    async def stop(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def wait_ready(self, timeout: float) -> None:
        """As of a worker's supervisor; here there is nothing to wait for.

        Raises:
            InferenceUnavailable: not started, or the server is left alone now.
        """
        if not self.ready:
            raise self._unavailable()

    @property
    def ready(self) -> bool:
        return self._session is not None and self._breaker.ready

    def status(self) -> RemoteStatus:
        up: Literal["ready", "backing_off"] = "ready" if self._breaker.ready else "backing_off"
        return RemoteStatus(
            state="off" if self._session is None else up,
            model=self._options.model,
            opened=self._breaker.opened,
            last_error=self._last_error,
        )

    def stats(self) -> WorkerStats:
        """Tokens are the server's own count where it tells; otherwise about one a chunk."""
        return WorkerStats(
            engine=EngineStats(
                tokens=self._tokens,
                prompt_tokens=self._prompt_tokens,
                waiting=len(self._waiting),
                running=self._running,
            )
        )

    # ── replies ──────────────────────────────────────────────────────────────────────────────────

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[str, None]:
        """Text pieces as they are made; closing the iterator closes the connection.

        Raises:
            InferenceUnavailable: not ready, overloaded, past the deadline, or the server failed.
        """
        loop = asyncio.get_running_loop()
        asked = loop.time()
        until = asked + request.deadline
        if not self.ready:
            raise self._unavailable()
        await self._enter(until)
        try:
            waited = loop.time() - asked
            # Most of the time spent in our own queue is no fault of the server's.
            async with aclosing(self._counted(request, until, fair=waited < request.deadline / 2)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._leave()

    async def _counted(
        self, request: GenerateRequest, until: float, *, fair: bool
    ) -> AsyncGenerator[str, None]:
        """The reply, with its outcome told to the breaker."""
        ticket = self._breaker.begin()
        if ticket is None:
            raise self._unavailable()
        given = False
        try:
            async with aclosing(self._tried(request, until)) as pieces:
                async for piece in pieces:
                    given = True
                    yield piece
        except Failure as failure:
            self._failed(ticket, failure, fair)
            raise InferenceUnavailable(f"the remote model: {failure.reason}: answer verbatim") from None
        except BaseException:  # nobody wants the rest
            (self._breaker.succeeded if given else self._breaker.left)(ticket)
            raise
        self._succeeded(ticket)

    async def _tried(self, request: GenerateRequest, until: float) -> AsyncGenerator[str, None]:
        """The reply; a call that failed before its first text is repeated where that may help."""
        body = self._body(request)
        tries = 0
        while True:
            if self._session is None:
                raise Failure("the counter is stopping", blame=False)
            call = Call(self._session, self._options, self._headers, body, until, self._now)
            try:
                async with aclosing(call.pieces()) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except Failure as failure:
                if not failure.again or call.started or tries >= self._options.retries:
                    raise
                pause = max(self._back_off(tries), failure.wait)
                if asyncio.get_running_loop().time() + pause >= until:
                    raise  # it would come too late
                tries += 1
            finally:
                self._tokens += call.tokens
                self._prompt_tokens += call.prompt_tokens
            await self._sleep(pause)

    def _body(self, request: GenerateRequest) -> bytes:
        # No more than what every server knows: some refuse `stream_options`, `user` and the like.
        body: dict[str, Any] = {
            "messages": chat_messages(request),
            "stream": True,
            "max_tokens": request.max_tokens,
            "temperature": self._options.temperature,
        }
        if self._options.model:
            body["model"] = self._options.model
        return msgspec.json.encode(body)

    def _back_off(self, tries: int) -> float:
        """Exponential, capped, with half of it random, so that many requests don't return together."""
        longest = min(self._options.first_back_off * 2.0**tries, self._options.longest_back_off)
        return longest * (0.5 + 0.5 * self._jitter())

    # ── places ───────────────────────────────────────────────────────────────────────────────────

    async def _enter(self, until: float) -> None:
        """Take a place, or wait for one in the order of coming."""
        if self._running < self._options.max_concurrent:
            self._running += 1
            return
        if len(self._waiting) >= self._options.queue:
            raise InferenceUnavailable("overloaded: too many replies are waiting: answer verbatim")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout_at(until):
                await place  # `_leave` hands its place over, so `_running` stays as it is
        except BaseException as error:
            if place.done() and not place.cancelled():
                self._leave()  # handed over in the very moment that we stopped waiting
            elif place in self._waiting:
                self._waiting.remove(place)
            if isinstance(error, TimeoutError):
                raise InferenceUnavailable(
                    "deadline: no place for the reply became free: answer verbatim"
                ) from None
            raise

    def _leave(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():  # else it has just been cancelled
                place.set_result(None)
                return
        self._running -= 1

    # ── outcomes ─────────────────────────────────────────────────────────────────────────────────

    def _succeeded(self, ticket: int) -> None:
        was_closed = self._breaker.closed
        self._breaker.succeeded(ticket)
        if self._breaker.closed and not was_closed:
            self._last_error = ""
            _log.info("the remote model answers again")

    def _failed(self, ticket: int, failure: Failure, fair: bool) -> None:
        was_closed = self._breaker.closed
        self._last_error = failure.reason
        (self._breaker.failed if failure.blame and (fair or not failure.late) else self._breaker.left)(ticket)
        if was_closed and not self._breaker.closed:
            _log.warning("the remote model is left alone for a while: %s", failure.reason)

    def _unavailable(self) -> InferenceUnavailable:
        if self._session is None:
            return InferenceUnavailable("the remote model is off: answer verbatim")
        return InferenceUnavailable(
            f"the remote model is left alone for a while ({self._last_error}): answer verbatim"
        )
