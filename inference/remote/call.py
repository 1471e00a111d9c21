"""One call of `/chat/completions`: its text as it comes, or why there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from inference.remote.chunks import DONE, Chunk, read
from inference.remote.failure import Failure, refusal
from inference.remote.options import RemoteOptions
from inference.remote.sentences import WholeSentences
from inference.remote.sse import BadStream, Event, Events

__all__ = ["Call"]

_FAREWELL = 0.5
"""Seconds that a finished stream is read on, so that its connection can be used again."""
_LOST = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError)


class Call:
    """One try. Its text is read once, from `pieces`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        options: RemoteOptions,
        headers: Mapping[str, str],
        body: bytes,
        until: float,
        now: Callable[[], datetime],
    ) -> None:
        """Args:
        until: the deadline, on the event loop's clock.
        """
        self._session, self._options, self._headers, self._body = session, options, headers, body
        self._loop = asyncio.get_running_loop()
        self._now = now
        self._until = until
        self._first_until = min(until, self._loop.time() + options.first_token)
        self._text = WholeSentences()
        self._chunks = 0
        self._wire = 0
        self._bytes = 0
        self._cut = False
        self._told_tokens = 0
        self._told_prompt_tokens = 0

    @property
    def started(self) -> bool:
        """Whether text has come; from then on it can't be tried again."""
        return bool(self._text.text)

    @property
    def tokens(self) -> int:
        """Tokens written: as the server counts, or about one a chunk."""
        return self._told_tokens or self._chunks

    @property
    def prompt_tokens(self) -> int:
        """Tokens read, where the server says so."""
        return self._told_prompt_tokens

    async def pieces(self) -> AsyncGenerator[str, None]:
        """Closing it closes the connection, so that the server stops writing.

        Raises:
            Failure: there is no reply, or no more of it.
        """
        response = await self._answer()
        ended = False
        try:
            events = Events(self._options.max_event_bytes)
            while not ended:
                received = await self._receive(response)
                heard = self._parse(events, received)
                text, ended = self._take(heard)
                if text:
                    yield text
                if not received and not ended:
                    raise Failure("it broke the reply off before its end")
            if not self.started:
                raise Failure("it ended without any text")
            rest = self._text.finish(cut=self._cut)
            if rest is None:
                raise Failure("its reply was cut off within the first sentence", blame=False)
            if rest:
                yield rest
            await self._part_with(response, events, heard)
        finally:
            response.close()  # does nothing to one that was read to its end

    async def _answer(self) -> aiohttp.ClientResponse:
        """The head of a stream."""
        try:
            async with asyncio.timeout_at(self._first_until):
                response = await self._session.post(
                    f"{self._options.url}/chat/completions",
                    data=self._body,
                    headers=self._headers,
                    allow_redirects=False,
                )
        except aiohttp.ClientSSLError:
            raise Failure("its TLS certificate isn't trusted, or it doesn't speak TLS") from None
        except _LOST:
            raise Failure("it can't be reached, or hung up", again=True) from None
        except TimeoutError:
            raise self._late() from None
        except (aiohttp.ClientError, HttpProcessingError):
            raise Failure("it doesn't speak HTTP as it should") from None
        except RuntimeError:  # the session was closed under our hands
            raise Failure("the counter is stopping", blame=False) from None
        wrong = self._wrong_with(response)
        if wrong is not None:
            response.close()
            raise wrong
        return response

    def _wrong_with(self, response: aiohttp.ClientResponse) -> Failure | None:
        if response.status != 200:
            return refusal(response.status, response.headers.get("Retry-After", ""), self._now())
        if response.content_type == "application/json":
            return Failure("it answered all at once instead of streaming")
        if response.content_type != "text/event-stream":
            return Failure("it answered with something other than a stream of events")
        return None

    async def _receive(self, response: aiohttp.ClientResponse) -> bytes:
        """What came; empty at the end."""
        until = self._until if self.started else self._first_until
        if self._loop.time() >= until:  # a server that never pauses is never waited for
            raise self._late()
        try:
            async with asyncio.timeout_at(until):
                received = await response.content.readany()
        except TimeoutError:
            raise self._late() from None
        except (*_LOST, RuntimeError):  # RuntimeError: of a session that was closed under our hands
            raise Failure("the connection broke in the middle of a reply", again=True) from None
        except (aiohttp.ClientError, HttpProcessingError):
            raise Failure("it doesn't speak HTTP as it should") from None
        self._wire += len(received)
        if self._wire > self._options.max_wire_bytes:
            raise Failure("its reply is too long")
        return received

    def _parse(self, events: Events, received: bytes) -> Iterator[Event]:
        try:
            yield from events.feed(received) if received else events.finish()
        except BadStream as error:
            raise Failure(str(error)) from None

    def _take(self, events: Iterator[Event]) -> tuple[str, bool]:
        """(text to give out, whether that was the last). Events after the end aren't taken."""
        text = ""
        for event in events:
            if event.data.strip() == DONE:
                return text, True
            chunk = read(event)
            self._cut = chunk.cut
            self._count(chunk)
            if chunk.text:
                self._chunks += 1
                self._bytes += len(chunk.text.encode())
                if self._bytes > self._options.max_reply_bytes:
                    raise Failure("its reply is too long")
                text += self._text.push(chunk.text)
            if chunk.ended:
                return text, True
        return text, False

    def _count(self, chunk: Chunk) -> None:
        self._told_tokens = max(self._told_tokens, chunk.tokens)
        self._told_prompt_tokens = max(self._told_prompt_tokens, chunk.prompt_tokens)

    async def _part_with(
        self, response: aiohttp.ClientResponse, events: Events, heard: Iterator[Event]
    ) -> None:
        """Read what follows the end (usage, [DONE]): a stream read to its end leaves its connection for the
        next call. Whatever happens, the reply is complete.

        Args:
            heard: what came together with the end.
        """
        until = min(self._until, self._loop.time() + _FAREWELL)
        left = self._options.max_event_bytes
        with suppress(TimeoutError, aiohttp.ClientError, HttpProcessingError, ConnectionError, RuntimeError):
            async with asyncio.timeout_at(until):
                self._count_all(heard)
                while left > 0 and (received := await response.content.readany()):
                    left -= len(received)
                    self._count_all(self._parse(events, received))

    def _count_all(self, heard: Iterator[Event]) -> None:
        """Up to what is no chunk, such as [DONE]."""
        with suppress(Failure):
            for event in heard:
                self._count(read(event))

    def _late(self) -> Failure:
        if self._loop.time() >= self._until:
            return Failure("it didn't finish its reply by the deadline", late=True)
        return Failure(f"no text came within {self._options.first_token:g} s")
