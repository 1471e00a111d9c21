"""The parent's side of the worker: starts it, watches it, restarts it, and asks it for replies.

`WorkerSupervisor` is a `bot.ports.Generator`. Until the worker is ready, while it is down and when it is
overloaded, `generate` raises `InferenceUnavailable` at once, and the caller answers verbatim.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import socket
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from bot.errors import InferenceUnavailable
from bot.types import GenerateRequest
from inference.generator.options import WorkerOptions
from inference.serving import wire

__all__ = ["SupervisorOptions", "WorkerStatus", "WorkerSupervisor"]

_log = logging.getLogger("inference.client")
_READ = 64 * 1024
_LATE = 2.0
"""Seconds past a request's deadline that the worker has to say so itself."""

State = Literal["off", "starting", "ready", "backing_off"]


class SupervisorOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All in seconds."""

    first_back_off: float = 0.5
    longest_back_off: float = 60.0
    stayed_up: float = 60.0
    """A worker that was ready this long is restarted without counting its earlier failures."""
    start_timeout: float = 300.0
    """From spawn to ready; the first start de-quantises the base model."""
    ping_every: float = 2.0
    ping_timeout: float = 15.0
    stall_timeout: float = 30.0
    """The longest that one engine step may take before the worker counts as hung."""


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """For /readyz."""

    state: State
    restarts: int = 0
    last_error: str = ""
    pid: int = 0
    """0 while no process runs."""
    model: str = ""
    load_seconds: float = 0.0


class _Hung(Exception):
    """The worker must be killed; the message says why."""


class _Connection:
    """One worker process, from spawn to exit."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self._reader = reader
        self._writer = writer
        self.replies: dict[str, asyncio.Queue[wire.Report | None]] = {}
        self.ready: wire.Ready | None = None
        self.became_ready = asyncio.Event()
        self.failure = ""
        self.stats = wire.WorkerStats()
        self._pong = asyncio.Event()
        self._stalled = 0.0
        self._pings = 0

    def say(self, command: wire.Command) -> None:
        if not self._writer.is_closing():
            self._writer.write(wire.pack(command))

    async def read(self) -> None:
        """Hand reports on until the worker goes; then end every reply."""
        frames = wire.reports()
        try:
            while data := await self._reader.read(_READ):
                for report in frames.feed(data):
                    self._heard(report)
        except ConnectionError:
            pass  # the same as end-of-file: it died with data unread
        finally:
            for queue in self.replies.values():
                queue.put_nowait(None)

    def _heard(self, report: wire.Report) -> None:
        match report:
            case wire.Ready():
                self.ready = report
                self.became_ready.set()
            case wire.Pong():
                self.stats, self._stalled = report.stats, report.stalled
                self._pong.set()
            case wire.Failed(id=""):
                self.failure = report.message
            case wire.Piece() | wire.Done() | wire.Failed():
                queue = self.replies.get(report.id)
                if queue is not None:
                    queue.put_nowait(report)  # at most max_tokens of them

    async def watch(self, options: SupervisorOptions) -> None:
        """Ping for ever.

        Raises:
            _Hung: it didn't get ready, doesn't answer, or its engine stands still.
        """
        try:
            await asyncio.wait_for(self.became_ready.wait(), options.start_timeout)
        except TimeoutError:
            raise _Hung(f"the worker was not ready within {options.start_timeout:g} s") from None
        while True:
            await asyncio.sleep(options.ping_every)
            self._pings += 1
            self._pong.clear()
            self.say(wire.Ping(self._pings))
            try:
                await asyncio.wait_for(self._pong.wait(), options.ping_timeout)
            except TimeoutError:
                raise _Hung(f"the worker did not answer a ping within {options.ping_timeout:g} s") from None
            if self._stalled > options.stall_timeout:
                raise _Hung(f"the worker's engine stood still for {self._stalled:.0f} s")

    async def end(self, patience: float, *, ask: bool = True) -> int:
        """SIGTERM (unless it ends by itself: not `ask`), after `patience` seconds SIGKILL; the status."""
        with contextlib.suppress(ProcessLookupError):
            if ask and self.process.returncode is None:
                self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), patience)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        self._writer.close()
        return await self.process.wait()


class WorkerSupervisor:
    """Keeps one worker process alive and streams replies from it."""

    def __init__(
        self,
        worker: WorkerOptions,
        options: SupervisorOptions | None = None,
        *,
        command: Sequence[str] = (sys.executable, "-m", "inference.worker"),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sleep` waits out a back-off; `jitter` gives 0–1; both, and the clock, for tests to replace."""
        self._worker = worker
        self._options = options or SupervisorOptions()
        self._command = tuple(command)
        self._sleep, self._jitter, self._monotonic = sleep, jitter, monotonic
        self._connection: _Connection | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._status = WorkerStatus(state="off")
        self._failures = 0
        self._changed = asyncio.Event()

    # ── lifetime ─────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to spawn the worker; returns at once."""
        if self._keeping is None:
            self._set(state="starting")
            self._keeping = asyncio.create_task(self._keep(), name="inference-supervisor")

    async def stop(self) -> None:
        """End the worker: running replies have its grace to finish."""
        keeping, self._keeping = self._keeping, None
        if keeping is None:
            return
        connection = self._connection
        self._set(state="off")
        if connection is not None:
            await connection.end(self._worker.grace + 2)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        self._set(state="off", pid=0)

    async def wait_ready(self, timeout: float) -> None:
        """Wait for the worker, for commands that have nothing else to do.

        Raises:
            InferenceUnavailable: it isn't ready within `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                while not self.ready:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise InferenceUnavailable(
                f"the inference worker is not ready after {timeout:g} s: "
                f"{self._status.last_error or 'it is still loading'}"
            ) from None

    @property
    def ready(self) -> bool:
        return self._status.state == "ready"

    def status(self) -> WorkerStatus:
        return self._status

    def stats(self) -> wire.WorkerStats:
        """As of the last ping; zeros while no worker runs."""
        return self._connection.stats if self._connection else wire.WorkerStats()

    # ── replies ──────────────────────────────────────────────────────────────────────────────────

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[str, None]:
        """Text pieces as they are made; closing the iterator cancels the work.

        Raises:
            InferenceUnavailable: not ready, overloaded, past the deadline, or the worker died.
        """
        connection = self._connection
        if not self.ready or connection is None:
            raise InferenceUnavailable(f"the inference worker is {self._status.state}: answer verbatim")
        if request.id in connection.replies:
            raise InferenceUnavailable(f"a request {request.id!r} is running already: give each its own id")
        queue: asyncio.Queue[wire.Report | None] = asyncio.Queue()
        connection.replies[request.id] = queue
        until = self._monotonic() + request.deadline + _LATE
        ended = False
        try:
            connection.say(wire.Generate(request))
            while True:
                report = await self._next(queue, until)
                if isinstance(report, wire.Piece):
                    yield report.text
                    continue
                ended = True
                if report is None:
                    raise InferenceUnavailable(
                        "the inference worker died in the middle of a reply: answer verbatim"
                    )
                if isinstance(report, wire.Failed):
                    raise InferenceUnavailable(f"{report.code}: {report.message}")
                return
        finally:
            del connection.replies[request.id]
            if not ended:
                connection.say(wire.Cancel(request.id))

    async def _next(self, queue: asyncio.Queue[wire.Report | None], until: float) -> wire.Report | None:
        try:
            return await asyncio.wait_for(queue.get(), max(until - self._monotonic(), 0.001))
        except TimeoutError:
            raise InferenceUnavailable("deadline: the inference worker is late: answer verbatim") from None

    # ── keeping it alive ─────────────────────────────────────────────────────────────────────────

    async def _keep(self) -> None:
        while True:
            ready_at = None
            try:
                ready_at, reason = await self._run_once()
            except OSError as error:  # no memory or file descriptors for a process
                reason = f"the worker could not be spawned ({error.strerror or error})"
            if self._keeping is None:
                return
            if ready_at is not None and self._monotonic() - ready_at >= self._options.stayed_up:
                self._failures = 0
            pause = self._back_off()
            self._failures += 1
            _log.warning("%s; restarting in %.1f s", reason, pause)
            self._set(state="backing_off", last_error=reason, pid=0)
            await self._sleep(pause)
            self._set(state="starting", restarts=self._status.restarts + 1)

    def _back_off(self) -> float:
        """Exponential, capped, with half of it random, so that many workers don't return together."""
        longest = min(
            self._options.first_back_off * 2.0 ** min(self._failures, 30), self._options.longest_back_off
        )
        return longest * (0.5 + 0.5 * self._jitter())

    async def _run_once(self) -> tuple[float | None, str]:
        """One worker from spawn to exit: when it got ready (if it did), and why it ended."""
        connection = await self._spawn()
        self._connection = connection
        ready_at: float | None = None
        reading = asyncio.create_task(connection.read())
        watching = asyncio.create_task(connection.watch(self._options))
        becoming = asyncio.create_task(connection.became_ready.wait())
        reason = ""
        try:
            await asyncio.wait({reading, watching, becoming}, return_when=asyncio.FIRST_COMPLETED)
            if connection.ready is not None and not reading.done():
                ready_at = self._monotonic()
                ready = connection.ready
                self._set(state="ready", model=ready.model, load_seconds=ready.load_seconds)
                await asyncio.wait({reading, watching}, return_when=asyncio.FIRST_COMPLETED)
            error = next((task.exception() for task in (watching, reading) if task.done()), None)
            reason = str(error) if error else connection.failure
        finally:
            # It hung up: then it is exiting, and its status says more than our kill would.
            patience = 1.0 if reading.done() and reading.exception() is None else 0.0
            # Nobody may be given to a worker that is on its way out.
            if self._keeping is not None:
                self._set(state="backing_off")
            for task in (reading, watching, becoming):
                task.cancel()
            await asyncio.gather(reading, watching, becoming, return_exceptions=True)
            status = await connection.end(patience, ask=False)
            self._connection = None
        return ready_at, reason or f"the worker ended with status {status}"

    async def _spawn(self) -> _Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            # Nothing is awaited between spawning and holding on to the process: a cancellation there
            # would leave it to itself.
            reader, writer = await asyncio.open_connection(sock=ours, limit=wire.MAX_FRAME)
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    "--fd",
                    str(theirs.fileno()),
                    "--parent",
                    str(os.getpid()),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=_environment(),
                )
            except BaseException:
                writer.close()
                raise
        connection = _Connection(process, reader, writer)
        self._set(state="starting", pid=process.pid)
        connection.say(wire.Start(self._worker))
        return connection

    def _set(self, **changes: object) -> None:
        self._status = msgspec.structs.replace(self._status, **changes)
        self._changed.set()


def _environment() -> dict[str, str]:
    """The worker's environment: it must find this package, and its threads must not spin.

    OpenMP threads that spin at barriers wait for threads that the parent's work has displaced: on two
    busy cores a decoding step took 1,420 ms instead of 46 ms. Waiting passively costs nothing measurable.
    """
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "OMP_WAIT_POLICY": "passive",
        "TOKENIZERS_PARALLELISM": "false",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
    }
