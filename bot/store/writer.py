"""Group commit: writes that wait at the same moment share one transaction, and one fsync.

Each caller hands over a plain function of a connection and gets its result once the transaction it
ran in is on disk. If any function of a group fails, the group is rolled back and each is run again
alone, so that one caller's error is only its own; a function must therefore be safe to run twice.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.errors import StoreBusy
from bot.store.engine import store_errors
from bot.store.work import Work, begin_work, end_work

__all__ = ["Writer"]

T = TypeVar("T")
LATE_S, PRESSED_S = 0.015, 0.5
"""An urgent write that takes longer than this has others held back for so long."""
SMALL_GROUP = 3
"""Writes that may go before urgent ones: some ten milliseconds."""
Job = tuple[Callable[[Connection], Any], "asyncio.Future[Any]"]


def _nothing(*_: object) -> None:
    pass


class Writer:
    """The one writing connection of a process.

    Args:
        engine: writes go through it on the event loop, unless there is
        blocking: an engine (SQLite's) for a thread of the writer's own.
        finish: called as the last thing inside each transaction;
        committed: called after it, once it is on disk.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        blocking: Engine | None = None,
        *,
        largest_group: int = 32,
        finish: Callable[[Connection, Work], None] = _nothing,
        committed: Callable[[Work], None] = _nothing,
    ) -> None:
        self._engine = engine.execution_options(writes=True)
        self._blocking = None if blocking is None else blocking.execution_options(writes=True)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer") if blocking else None
        self._largest_group = largest_group
        self._finish = finish
        self._committed = committed
        self._urgent: deque[Job] = deque()
        self._waiting: deque[Job] = deque()
        self._rests_turn = False
        self._pressed_until = 0.0
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def run(self, function: Callable[[Connection], T], *, urgent: bool = False) -> T:
        """Run `function` in a transaction and return its result after the commit.

        Args:
            urgent: goes before what waits already, because a platform waits for it.

        Raises:
            StoreBusy: locked, full, gone or closed; nothing was written.
        """
        if self._closed:
            raise StoreBusy("the store is closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._waiting).append((function, future))
        asked = time.monotonic()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain(), name="store-writer")
        result = await future
        if urgent and time.monotonic() - asked > LATE_S:
            self._pressed_until = time.monotonic() + PRESSED_S
        return result

    @property
    def pressed(self) -> bool:
        """Whether an urgent write took too long just now: what can wait should."""
        return time.monotonic() < self._pressed_until

    async def close(self) -> None:
        """Finish what waits, then refuse."""
        self._closed = True
        if self._task is not None:
            await self._task
        if self._thread is not None and self._blocking is not None:
            self._thread.submit(self._blocking.dispose)
            self._thread.shutdown(wait=True)

    async def _drain(self) -> None:
        while self._urgent or self._waiting:
            taken = self._next_group()
            group = [job for job in taken if not job[1].cancelled()]
            try:
                results = await self._transaction([function for function, _ in group])
            except Exception as error:
                await self._one_by_one(group, error)
            else:
                for (_, future), result in zip(group, results, strict=True):
                    _resolve(future, result)

    def _next_group(self) -> list[Job]:
        """In turns: all that is urgent, then a little of the rest, so that neither waits long for the
        other. Where nothing was urgent lately, as much as there is."""
        if self._urgent and not self._rests_turn:
            self._rests_turn, size, queue = bool(self._waiting), self._largest_group, self._urgent
        else:
            size = SMALL_GROUP if self._urgent or self._rests_turn else self._largest_group
            self._rests_turn, queue = False, self._waiting or self._urgent
        return [queue.popleft() for _ in range(min(size, len(queue)))]

    async def _one_by_one(self, group: list[Job], error: Exception) -> None:
        # A store that can't be written at all would fail each alone too, after another wait.
        if len(group) == 1 or isinstance(error, StoreBusy):
            for _, future in group:
                _reject(future, error)
            return
        for function, future in group:
            try:
                _resolve(future, (await self._transaction([function]))[0])
            except Exception as own:
                _reject(future, own)

    async def _transaction(self, functions: list[Callable[[Connection], Any]]) -> list[Any]:
        with store_errors():
            if self._thread is not None:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._thread, self._run_blocking, functions)
            async with self._engine.begin() as connection:
                results, work = await connection.run_sync(lambda sync: self._run(sync, functions))
        self._committed(work)
        return results

    def _run_blocking(self, functions: list[Callable[[Connection], Any]]) -> list[Any]:
        assert self._blocking is not None  # noqa: S101 (narrowing: there is a thread)
        with self._blocking.begin() as connection:
            results, work = self._run(connection, functions)
        self._committed(work)
        return results

    def _run(
        self, connection: Connection, functions: list[Callable[[Connection], Any]]
    ) -> tuple[list[Any], Work]:
        work = begin_work(connection)
        try:
            results = [function(connection) for function in functions]
            self._finish(connection, work)
        finally:
            end_work(connection)
        return results, work


def _resolve(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _reject(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
