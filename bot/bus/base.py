"""The bus port: hints and requests between the rooms, inside one process or between many.

The bus is allowed to lose things. A lost hint costs the time until the next poll; a lost request
costs a time-out; a message is never lost, because messages are in the store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

__all__ = ["Bus", "Handler", "Hint"]

Hint = tuple[str, bytes]
"""(key, payload)."""
Handler = Callable[[bytes], AsyncIterator[bytes]]
"""Answers one request with a stream of replies; is closed when the asker goes away."""


class Bus(Protocol):
    async def publish(self, topic: str, key: str = "", payload: bytes = b"") -> None:
        """Tell all subscribers of `topic`; lossy, never waits for them, never raises."""
        ...

    def subscribe(self, topic: str, group: str = "") -> AbstractAsyncContextManager[AsyncIterator[Hint]]:
        """Hints from now on. Of subscribers that name the same `group`, one gets each hint."""
        ...

    def request(self, topic: str, payload: bytes, *, patience: float) -> AsyncIterator[bytes]:
        """Ask whoever serves `topic`; yields the replies. Closing the iterator cancels the work.

        Raises:
            BusError: nobody serves it, the handler failed (its message is kept), or no reply came
                for `patience` seconds.
        """
        ...

    def serve(self, topic: str, handler: Handler) -> AbstractAsyncContextManager[None]:
        """Answer requests of `topic`; several servers share them."""
        ...

    async def close(self) -> None: ...
