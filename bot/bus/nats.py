"""`nats://`: the bus between processes, over core NATS (queue groups; at most once).

A hint's key travels in the `Key` header. A request carries a private reply subject; each reply is
one message whose first byte says what it is (piece, end, failure), and a message on
`<reply>.cancel` tells the server that nobody listens any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import cast

import nats
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bot.bus.base import Handler, Hint
from bot.errors import BusError

__all__ = ["NatsBus"]

log = structlog.get_logger(__name__)

CONNECT_S = 5.0
PREFIX = "teller."
PIECE, END, FAILURE = b"+", b".", b"!"


class NatsBus:
    """A `Bus` over one NATS connection, which reconnects by itself for as long as it takes."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def connect(cls, url: str) -> NatsBus:
        """Raises BusError when no server answers at `url`."""

        async def lost() -> None:
            log.warning("bus.disconnected")

        async def back() -> None:
            log.info("bus.reconnected")

        async def trouble(error: Exception) -> None:
            log.warning("bus.error", error=type(error).__name__)

        try:
            # The client itself would try for ever; a start should say what is wrong.
            async with asyncio.timeout(CONNECT_S):
                client = await nats.connect(
                    url,
                    name="teller",
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.5,
                    disconnected_cb=lost,
                    reconnected_cb=back,
                    error_cb=trouble,
                )
        except (NatsError, OSError, TimeoutError) as error:
            raise BusError(f"no NATS server answers at {url}: {error or 'time-out'}") from error
        return cls(client)

    async def publish(self, topic: str, key: str = "", payload: bytes = b"") -> None:
        with suppress(NatsError, OSError):
            await self._client.publish(
                PREFIX + topic, payload, headers={"Key": key.encode().hex()} if key else None
            )

    @asynccontextmanager
    async def subscribe(self, topic: str, group: str = "") -> AsyncIterator[AsyncIterator[Hint]]:
        try:
            subscription = await self._client.subscribe(PREFIX + topic, queue=group, pending_msgs_limit=65536)
            # The server must know of it before anyone relies on being told.
            await self._client.flush()
        except (NatsError, OSError, TimeoutError) as error:
            raise BusError(f"can't subscribe to {topic}: {type(error).__name__}") from error

        async def hints() -> AsyncGenerator[Hint, None]:
            async for message in subscription.messages:
                yield bytes.fromhex((message.headers or {}).get("Key", "")).decode(), message.data

        try:
            async with aclosing(hints()) as stream:
                yield stream
        finally:
            with suppress(NatsError):
                await subscription.unsubscribe()

    async def request(self, topic: str, payload: bytes, *, patience: float) -> AsyncGenerator[bytes, None]:
        reply = self._client.new_inbox()
        finished = False
        try:
            subscription = await self._client.subscribe(reply)
            await self._client.publish(PREFIX + topic, payload, reply=reply)
        except (NatsError, OSError) as error:
            raise BusError(f"the bus can't be reached: {error}") from error
        try:
            while True:
                try:
                    message = await subscription.next_msg(timeout=patience)
                except (NatsError, TimeoutError):
                    raise BusError(f"no reply on {topic} for {patience:g} s") from None
                if (message.headers or {}).get("Status") == "503":
                    finished = True
                    raise BusError(f"nobody serves {topic}")
                kind, body = message.data[:1], message.data[1:]
                if kind == PIECE:
                    yield body
                    continue
                finished = True
                if kind == FAILURE:
                    raise BusError(body.decode(errors="replace"))
                return
        finally:
            with suppress(NatsError, OSError):
                if not finished:
                    await self._client.publish(reply + ".cancel", b"")
                await subscription.unsubscribe()

    @asynccontextmanager
    async def serve(self, topic: str, handler: Handler) -> AsyncIterator[None]:
        mine: set[asyncio.Task[None]] = set()

        async def arrived(message: Msg) -> None:
            task = asyncio.create_task(self._answer(message, handler))
            for tasks in (mine, self._tasks):
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        subscription = await self._client.subscribe(PREFIX + topic, queue="servers", cb=arrived)
        await self._client.flush()
        try:
            yield
        finally:
            with suppress(NatsError):
                await subscription.unsubscribe()
            for task in mine:
                task.cancel()
            await asyncio.gather(*mine, return_exceptions=True)

    async def _answer(self, message: Msg, handler: Handler) -> None:
        me = cast("asyncio.Task[None]", asyncio.current_task())

        async def cancelled(_message: Msg) -> None:
            me.cancel()

        cancel = await self._client.subscribe(message.reply + ".cancel", cb=cancelled)
        replies = cast("AsyncGenerator[bytes, None]", handler(message.data))
        try:
            async with aclosing(replies):
                async for reply in replies:
                    await self._client.publish(message.reply, PIECE + reply)
            await self._client.publish(message.reply, END)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            with suppress(NatsError):
                await self._client.publish(message.reply, FAILURE + str(error).encode())
        finally:
            with suppress(NatsError):
                await cancel.unsubscribe()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(NatsError):
            await self._client.close()
