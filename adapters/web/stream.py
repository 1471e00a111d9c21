"""Server-sent events: what reaches an open page without its asking.

The store is the truth and a push is a hint: a stream reads the released messages after the last
number its page has, on connecting, after each hint and at each heartbeat. So a lost hint costs
seconds, and a page that comes back with its Last-Event-ID misses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Iterator
from typing import Final, Literal

import msgspec
from aiohttp import web

from adapters.base import Host
from adapters.web.lines import line_json, message_json
from adapters.web.mailbox import Mailbox
from adapters.web.refusals import SECURITY_HEADERS, Refusal
from adapters.web.settings import WebSettings
from bot.errors import StoreError
from bot.types import Conversation, encode

__all__ = ["TOPIC", "Push", "Streams"]

log = logging.getLogger(__name__)

TOPIC: Final = "web"
_RETRY_SECONDS: Final = 1.0
_GRACE_SECONDS: Final = 1.0
_HEADERS: Final = {
    **SECURITY_HEADERS,
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


class Push(msgspec.Struct, frozen=True, omit_defaults=True):
    """What adapters of one account tell each other across processes. Lossy."""

    account: str
    chat: str
    type: Literal["message", "draft", "typing"]
    key: str = ""
    text: str = ""
    sequence: int = 0


class Streams:
    """All streams this process has open.

    Args:
        heartbeat: seconds of silence after which a stream says something and looks in the store.
        stall: seconds a page may leave its full connection unread before it is closed.
    """

    def __init__(self, settings: WebSettings, account: str, *, heartbeat: float, stall: float) -> None:
        self._settings = settings
        self._account = account
        self._heartbeat = heartbeat
        self._stall = stall
        self._open: dict[str, dict[Mailbox, asyncio.BaseTransport | None]] = {}
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return sum(len(mailboxes) for mailboxes in self._open.values())

    async def listen(self, host: Host, listening: asyncio.Event) -> None:
        """Hand pushes to the streams they are for, until cancelled; sets `listening` once it can."""
        while True:
            try:
                async with host.pushed(TOPIC) as payloads:
                    listening.set()
                    async for payload in payloads:
                        self._dispatch(payload)
            except Exception as error:
                log.warning("listening for web pushes failed (%s); trying again", type(error).__name__)
            # Meanwhile heartbeats find what is pushed.
            await asyncio.sleep(_RETRY_SECONDS)

    def _dispatch(self, payload: bytes) -> None:
        try:
            push = msgspec.json.decode(payload, type=Push)
        except msgspec.DecodeError:
            log.warning("a web push of %d bytes could not be read", len(payload))
            return
        if push.account != self._account:
            return
        for mailbox in self._open.get(push.chat, ()):
            if push.type == "draft":
                shown = {"key": push.key, "text": push.text, "sequence": push.sequence}
                mailbox.draft(push.key, encode(shown))
            elif push.type == "typing":
                mailbox.type()
            else:
                mailbox.hint()

    async def serve(
        self, request: web.Request, conversation: Conversation, host: Host, after: int
    ) -> web.StreamResponse:
        """One page's stream, from the messages numbered above `after` on.

        Raises:
            Refusal: 503 when stopping or when too many are open.
        """
        with self._admitted(conversation.chat, request.transport) as mailbox:
            response = web.StreamResponse(headers=_HEADERS)
            try:
                await response.prepare(request)
                await self._write(response, b"retry: 2000\n\n")
                await self._follow(response, mailbox, conversation, host, after)
            except TimeoutError:
                # It doesn't read: it will come back with its Last-Event-ID.
                if request.transport is not None:
                    request.transport.abort()
            except ConnectionError:
                pass
            return response

    @contextlib.contextmanager
    def _admitted(self, chat: str, transport: asyncio.BaseTransport | None) -> Iterator[Mailbox]:
        mailboxes = self._open.setdefault(chat, {})
        full = len(mailboxes) >= self._settings.streams_per_conversation
        if self._closing or full or len(self) >= self._settings.streams_total:
            if not mailboxes:
                del self._open[chat]
            raise Refusal(503, "busy", retry_after=5.0)
        mailbox = Mailbox()
        mailboxes[mailbox] = transport
        self._idle.clear()
        try:
            yield mailbox
        finally:
            del mailboxes[mailbox]
            if not mailboxes:
                self._open.pop(chat, None)
            if not self._open:
                self._idle.set()

    async def _follow(
        self,
        response: web.StreamResponse,
        mailbox: Mailbox,
        conversation: Conversation,
        host: Host,
        after: int,
    ) -> None:
        finished: deque[str] = deque(maxlen=64)
        owed = True
        while not mailbox.closed:
            waiting = mailbox.take()
            if owed or waiting.hinted:
                try:
                    released = await self._released(conversation, host, after)
                    owed = False
                except StoreError:
                    released, owed = [], True
                for n, key, data in released:
                    await self._write(response, b"id: %d\nevent: message\ndata: %b\n\n" % (n, data))
                    after = n
                    finished.append(key)
            for key, data in waiting.drafts.items():
                # A hint may overtake a draft; what is finished isn't drafted again.
                if key not in finished:
                    await self._write(response, b"event: draft\ndata: %b\n\n" % data)
            if waiting.typing:
                await self._write(response, b"event: typing\ndata: {}\n\n")
            if not await mailbox.wait(min(_RETRY_SECONDS, self._heartbeat) if owed else self._heartbeat):
                await self._write(response, b": still here\n\n")
                owed = True

    async def _released(
        self, conversation: Conversation, host: Host, after: int
    ) -> list[tuple[int, str, bytes]]:
        released = await host.outgoing(conversation, after=after)
        if not released:
            return []
        # The transcript knows when each was said, and whether by a person.
        transcript = await host.transcript(conversation, limit=len(released) + 50)
        lines = {line.id: line for line in transcript if line.message}
        made = []
        for n, message in released:
            key = message.idempotency_key
            if line := lines.get(key):
                value = line_json(line, chat=conversation.chat, n=n)
            else:
                value = message_json(message, role="bot", at=host.now(), n=n)
            made.append((n, key, encode(value)))
        return made

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(self._stall):
            await response.write(data)

    async def close(self) -> None:
        """End all streams at once; those stuck on a page that doesn't read are cut off."""
        self._closing = True
        for mailboxes in self._open.values():
            for mailbox in mailboxes:
                mailbox.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                await self._idle.wait()
        for mailboxes in self._open.values():
            for transport in mailboxes.values():
                if isinstance(transport, asyncio.Transport):
                    transport.abort()
