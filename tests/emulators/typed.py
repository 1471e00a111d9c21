"""What is typed into an emulator's console."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from threading import Thread

__all__ = ["run_console", "typed_lines"]


async def typed_lines() -> AsyncIterator[str]:
    """Each line typed, without the blanks around it, until Ctrl-D.

    A thread of our own reads them: one of the loop's pool would keep Ctrl-C waiting for Enter. It reads a
    copy of the standard input, whose lock the interpreter doesn't take when it ends.
    """
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def read() -> None:
        with (
            suppress(RuntimeError),  # the loop has ended
            open(os.dup(sys.stdin.fileno()), encoding="utf-8", errors="replace") as keys,
        ):
            for line in iter(keys.readline, ""):
                loop.call_soon_threadsafe(lines.put_nowait, line.strip())
            loop.call_soon_threadsafe(lines.put_nowait, None)

    Thread(target=read, daemon=True, name="typed").start()
    while (line := await lines.get()) is not None:
        yield line


def run_console(console: Coroutine[None, None, None]) -> None:
    """Run it until it ends or Ctrl-C ends it."""
    with suppress(KeyboardInterrupt):
        asyncio.run(console)
