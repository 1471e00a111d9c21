"""The worker process: `python -m inference.worker --fd N`.

Its parent hands it one end of a socket pair; messages and frames are in `inference.serving.wire`.
asyncio reads and writes in the main thread, torch runs in another, so a slow reader of one
reply never holds up the engine, and pings are answered while it computes.

It never outlives its parent: the socket's end-of-file ends it, and where the kernel offers it
(Linux) the parent's death does, even by SIGKILL.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

from bot.errors import InferenceUnavailable
from bot.types import GenerateRequest
from inference.generator.options import Outcome, Overloaded, WorkerOptions
from inference.serving import wire

if TYPE_CHECKING:
    from inference.generator.engine import Engine

__all__ = ["main"]

_log = logging.getLogger("inference.worker")
_READ = 64 * 1024
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Worker:
    """Answers the commands of one parent over one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._engine: Engine | None = None
        self._thread: threading.Thread | None = None
        self._options = WorkerOptions()
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Serve until the parent goes, the engine fails or SIGTERM comes; the exit status."""
        self._loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        reading = asyncio.create_task(self._read())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            return reading.result()
        await self._wind_up(reading)
        return 0

    async def _read(self) -> int:
        frames = wire.commands()
        while data := await self._reader.read(_READ):
            try:
                commands = frames.feed(data)
            except wire.BadFrame as error:
                _log.error("%s", error)
                return 2
            for command in commands:
                self._obey(command)
        return 0

    async def _wind_up(self, reading: asyncio.Task[int]) -> None:
        """Let running replies end, for a while; then cancel them."""
        if self._engine is not None and self._thread is not None:
            self._engine.close()
            joining = asyncio.create_task(asyncio.to_thread(self._thread.join, self._options.grace))
            await asyncio.wait({joining, reading}, return_when=asyncio.FIRST_COMPLETED)
        reading.cancel()
        try:
            await asyncio.wait_for(self._writer.drain(), 1.0)
        except (TimeoutError, ConnectionError):
            _log.warning("the parent didn't read the last replies")

    def _obey(self, command: wire.Command) -> None:
        match command:
            case wire.Start():
                self._options = command.options
                self._thread = threading.Thread(target=self._serve, args=(command.options,), daemon=True)
                self._thread.start()
            case wire.Generate():
                self._submit(command.request)
            case wire.Cancel():
                if self._engine is not None:
                    self._engine.cancel(command.id)
            case wire.Ping():
                self._pong(command.number)

    def _submit(self, request: GenerateRequest) -> None:
        if self._engine is None or self._stop.is_set():
            self._say(
                wire.Failed(request.id, "stopping", "the worker is starting or stopping: answer verbatim")
            )
            return
        from inference.generator.service import to_job  # torch: loaded by now

        try:
            self._engine.submit(to_job(request, tuned=self._engine.tuned))
        except Overloaded:
            self._say(wire.Failed(request.id, "overloaded", "too many replies are waiting: answer verbatim"))

    def _pong(self, number: int) -> None:
        engine = self._engine
        stats = wire.WorkerStats(rss_bytes=_resident_bytes())
        if engine is not None:
            stats = wire.WorkerStats(engine=engine.stats, rss_bytes=stats.rss_bytes)
        self._say(wire.Pong(number, engine.stalled_for() if engine else 0.0, stats))

    def _say(self, report: wire.Report) -> None:
        if not self._writer.is_closing():
            # Not drained: what may be under way is bounded by rows, queue and max_tokens.
            self._writer.write(wire.pack(report))

    # ── the engine's thread ──────────────────────────────────────────────────────────────────────

    def _serve(self, options: WorkerOptions) -> None:
        """Load the model and write replies; a failure is told and ends the process."""
        try:
            from inference.generator.service import open_engine

            started = time.monotonic()
            engine = open_engine(options, self._heard)
            self._tell(wire.Ready(options.model, time.monotonic() - started), engine)
            engine.run()
        except InferenceUnavailable as error:
            self._fail("load", str(error))
        except BaseException as error:  # whatever it was, the parent must hear that no reply will come
            _log.exception("the engine failed")
            self._fail("internal", f"the engine failed with {type(error).__name__}: see the worker's log")

    def _heard(self, id: str, text: str, outcome: Outcome | None) -> None:
        if text:
            self._tell(wire.Piece(id, text))
        if outcome == "deadline":
            self._tell(
                wire.Failed(id, "deadline", "the reply was not finished by its deadline: answer verbatim")
            )
        elif outcome == "cancelled":
            self._tell(wire.Failed(id, "cancelled", "the reply was cancelled"))
        elif outcome is not None:
            self._tell(wire.Done(id, outcome))

    def _tell(self, report: wire.Report, engine: Engine | None = None) -> None:
        """`_say` from the engine's thread; with `engine`, requests are taken from then on."""

        def say() -> None:
            if engine is not None:
                self._engine = engine
            self._say(report)

        self._loop.call_soon_threadsafe(say)

    def _fail(self, code: wire.FailureCode, message: str) -> None:
        def stop() -> None:
            self._engine = None
            self._say(wire.Failed("", code, message))
            self._stop.set()

        self._loop.call_soon_threadsafe(stop)


NICE = 10
"""Added to the process's niceness: where cores are few, taking messages in goes before writing."""


def main(arguments: list[str] | None = None) -> int:
    """Run the worker on an inherited socket; the exit status."""
    parser = argparse.ArgumentParser(prog="inference.worker", description="The inference worker process.")
    parser.add_argument("--fd", type=int, required=True, help="inherited socket to the parent")
    parser.add_argument("--parent", type=int, default=0, help="pid of the parent; the worker ends with it")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent decides
    if not _die_with(options.parent):
        return 0
    os.nice(NICE)
    return asyncio.run(_connected(options.fd))


async def _connected(fd: int) -> int:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=fd), limit=wire.MAX_FRAME)
    return await Worker(reader, writer).run()


def _die_with(parent: int) -> bool:
    """Ask the kernel to kill this process when `parent` dies; False if it is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return parent == 0 or os.getppid() == parent


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # no procfs here
        return 0


if __name__ == "__main__":
    status = main()
    # The engine's thread may be in the middle of a matrix product; there is nothing to tidy up.
    logging.shutdown()
    os._exit(status)
