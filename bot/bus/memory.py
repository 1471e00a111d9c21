"""`memory://`: the bus inside one process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from bot.bus.base import Handler, Hint
from bot.errors import BusError

__all__ = ["MemoryBus"]

BUFFER = 1024
"""Hints kept for a subscriber that lags; then its oldest are dropped."""


class _Subscriber:
    def __init__(self, group: str) -> None:
        self.group = group
        self.queue: asyncio.Queue[Hint] = asyncio.Queue(BUFFER)

    def offer(self, hint: Hint) -> None:
        if self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(hint)

    async def hints(self) -> AsyncGenerator[Hint, None]:
        while True:
            yield await self.queue.get()


class MemoryBus:
    """A `Bus` whose subscribers and servers all live on this event loop."""

    def __init__(self) -> None:
        self._subscribers: dict[str, list[_Subscriber]] = defaultdict(list)
        self._servers: dict[str, list[Handler]] = defaultdict(list)

    async def publish(self, topic: str, key: str = "", payload: bytes = b"") -> None:
        subscribers = self._subscribers.get(topic, [])
        served: set[str] = set()
        for subscriber in list(subscribers):
            if subscriber.group:
                if subscriber.group in served:
                    continue
                served.add(subscriber.group)
                # To the back of the line, so that members of a group take turns.
                subscribers.remove(subscriber)
                subscribers.append(subscriber)
            subscriber.offer((key, payload))

    @asynccontextmanager
    async def subscribe(self, topic: str, group: str = "") -> AsyncIterator[AsyncIterator[Hint]]:
        subscriber = _Subscriber(group)
        self._subscribers[topic].append(subscriber)
        try:
            async with aclosing(subscriber.hints()) as hints:
                yield hints
        finally:
            self._subscribers[topic].remove(subscriber)

    async def request(self, topic: str, payload: bytes, *, patience: float) -> AsyncGenerator[bytes, None]:
        servers = self._servers.get(topic)
        if not servers:
            raise BusError(f"nobody serves {topic}")
        servers.append(servers.pop(0))
        replies = servers[-1](payload)
        try:
            while True:
                try:
                    async with asyncio.timeout(patience):
                        reply = await anext(replies)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise BusError(f"no reply on {topic} for {patience:g} s") from None
                except asyncio.CancelledError:
                    raise
                except Exception as error:
                    raise BusError(str(error)) from error
                yield reply
        finally:
            close = getattr(replies, "aclose", None)
            if close is not None:
                await close()

    @asynccontextmanager
    async def serve(self, topic: str, handler: Handler) -> AsyncIterator[None]:
        self._servers[topic].append(handler)
        try:
            yield
        finally:
            self._servers[topic].remove(handler)

    async def close(self) -> None:
        self._subscribers.clear()
        self._servers.clear()
