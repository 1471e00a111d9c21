"""Reads. For SQLite each is one visit to a thread; through the async driver it would be five."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.errors import StoreBusy
from bot.store.engine import store_errors

__all__ = ["Reader"]

T = TypeVar("T")
THREADS = 3


class Reader:
    """Runs plain functions of a connection.

    Args:
        engine: reads go through it on the event loop, unless there is
        blocking: an engine (SQLite's) for threads of the reader's own.
    """

    def __init__(self, engine: AsyncEngine, blocking: Engine | None) -> None:
        self._engine = engine
        self._blocking = blocking
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store-reader") if blocking else None
        self._closed = False

    async def run(self, function: Callable[[Connection], T]) -> T:
        """Raises StoreBusy: the database can't be reached, or the store is closed."""
        if self._closed:
            raise StoreBusy("the store is closed")
        with store_errors():
            if self._threads is not None:
                return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, function)
            async with self._engine.connect() as connection:
                return await connection.run_sync(function)

    async def close(self) -> None:
        """Let what runs end, then refuse."""
        self._closed = True
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown)

    def _read(self, function: Callable[[Connection], T]) -> T:
        assert self._blocking is not None  # noqa: S101 (narrowing: there are threads)
        with self._blocking.connect() as connection:
            return function(connection)
