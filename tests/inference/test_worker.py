"""The real worker process under its supervisor, and the wire between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import InferenceUnavailable
from bot.types import GenerateRequest, Passage
from inference.client import SupervisorOptions, WorkerSupervisor
from inference.generator.options import EngineOptions, WorkerOptions
from inference.serving import wire

ROOT = Path(__file__).resolve().parents[2]


def request(id: str, **changes: object) -> GenerateRequest:
    passage = Passage(id="p", language="zh", title="补卡", text="补办借记卡工本费每张10元，7个工作日寄到。")
    fields = {"question": "多少钱？", "max_tokens": 24, "deadline": 120.0, **changes}
    return GenerateRequest(id=id, language="zh", passages=(passage,), **fields)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool], patience: float = 20.0) -> None:
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110  (another process changes it)
            await asyncio.sleep(0.02)


async def text_of(supervisor: WorkerSupervisor, asked: GenerateRequest) -> str:
    return "".join([piece async for piece in supervisor.generate(asked)])


# ── frames ───────────────────────────────────────────────────────────────────────────────────────

reports = st.one_of(
    st.builds(wire.Piece, id=st.text(max_size=8), text=st.text(max_size=40)),
    st.builds(wire.Done, id=st.text(max_size=8), outcome=st.sampled_from(["stop", "length", "repetition"])),
    st.builds(wire.Failed, id=st.text(max_size=8), code=st.just("deadline"), message=st.text(max_size=20)),
)


@given(st.lists(reports, max_size=6), st.integers(1, 50))
def test_frames_come_back_whole_however_they_are_cut(sent: list[wire.Report], size: int) -> None:
    data = b"".join(wire.pack(report) for report in sent)
    frames = wire.reports()
    received = [report for at in range(0, len(data), size) for report in frames.feed(data[at : at + size])]
    assert received == sent


@given(st.binary(max_size=200))
def test_bytes_that_are_no_frame_are_refused_or_awaited(data: bytes) -> None:
    with contextlib.suppress(wire.BadFrame):
        assert wire.commands().feed(data) == []


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x02{}",
        b"\x00\x00\x00\x03\xff\xfe{",
        b"\x00\x00\x00\x10" + b'{"type":"nope"} ',
    ],
)
def test_a_broken_frame_says_so(data: bytes) -> None:
    with pytest.raises(wire.BadFrame, match="restart the worker"):
        wire.commands().feed(data)


# ── workers that misbehave: scripts that speak the wire, so that no model is loaded ──────────────


def scripted(tmp_path: Path, body: str) -> tuple[str, ...]:
    """A worker whose `main(sock)` is `body`."""
    program = tmp_path / "worker.py"
    program.write_text(
        "import os, socket, sys, time\n"
        "from inference.serving import wire\n"
        "sock = socket.socket(fileno=int(sys.argv[sys.argv.index('--fd') + 1]))\n"
        "say = lambda report: sock.sendall(wire.pack(report))\n" + textwrap.dedent(body),
        encoding="utf-8",
    )
    return (sys.executable, str(program))


@contextlib.asynccontextmanager
async def running(
    command: tuple[str, ...], options: SupervisorOptions | None = None
) -> AsyncIterator[tuple[WorkerSupervisor, list[float]]]:
    """A supervised scripted worker; back-offs are recorded and not waited out."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    supervisor = WorkerSupervisor(
        WorkerOptions(grace=0.2), options, command=command, sleep=pause, jitter=lambda: 1.0
    )
    supervisor.start()
    try:
        yield supervisor, pauses
    finally:
        await supervisor.stop()


async def test_a_worker_that_keeps_failing_is_restarted_ever_more_slowly(tmp_path: Path) -> None:
    options = SupervisorOptions(first_back_off=1.0, longest_back_off=4.0)
    async with running(scripted(tmp_path, "sys.exit(7)"), options) as (supervisor, pauses):
        assert supervisor.status().state == "starting"
        await until(lambda: len(pauses) >= 5)
        assert pauses[:5] == [1.0, 2.0, 4.0, 4.0, 4.0]
        assert supervisor.status().last_error == "the worker ended with status 7"
        assert supervisor.status().restarts >= 4
        with pytest.raises(InferenceUnavailable):
            await text_of(supervisor, request("r"))


async def test_the_worker_s_own_account_of_its_failure_is_kept(tmp_path: Path) -> None:
    body = "say(wire.Failed('', 'load', 'set inference.model'))"
    async with running(scripted(tmp_path, body)) as (supervisor, pauses):
        await until(lambda: bool(pauses))
        assert supervisor.status().last_error == "set inference.model"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("time.sleep(600)", "not ready within"),
        ("say(wire.Ready('m', 0.0)); time.sleep(600)", "did not answer a ping"),
        (
            "say(wire.Ready('m', 0.0))\nwhile sock.recv(4096): say(wire.Pong(1, 99.0, wire.WorkerStats()))",
            "stood still for 99 s",
        ),
        ("say(wire.Ready('m', 0.0)); sock.sendall(b'\\xff' * 8); time.sleep(600)", "a frame of"),
    ],
)
async def test_a_worker_that_hangs_or_babbles_is_killed(tmp_path: Path, body: str, reason: str) -> None:
    options = SupervisorOptions(start_timeout=2.0, ping_every=0.05, ping_timeout=0.3, stall_timeout=30.0)
    async with running(scripted(tmp_path, body), options) as (supervisor, pauses):
        await until(lambda: supervisor.status().pid > 0)
        pid = supervisor.status().pid
        await until(lambda: bool(pauses))
        assert reason in supervisor.status().last_error
        assert not psutil.pid_exists(pid)


async def test_a_worker_that_never_replies_is_late(tmp_path: Path) -> None:
    body = """
        say(wire.Ready('m', 0.0))
        while sock.recv(4096): pass
    """
    async with running(scripted(tmp_path, body)) as (supervisor, _):
        await supervisor.wait_ready(20)
        with pytest.raises(InferenceUnavailable, match="late"):
            await text_of(supervisor, request("r", deadline=-1.9))


async def test_a_slow_reader_of_one_reply_does_not_hold_up_another(tmp_path: Path) -> None:
    body = """
        say(wire.Ready('m', 0.0))
        frames = wire.commands()
        while data := sock.recv(4096):
            for command in frames.feed(data):
                if isinstance(command, wire.Generate):
                    for _ in range(2000): say(wire.Piece(command.request.id, 'x' * 500))
                    say(wire.Done(command.request.id, 'stop'))
    """
    async with running(scripted(tmp_path, body)) as (supervisor, _):
        await supervisor.wait_ready(20)
        slow = supervisor.generate(request("slow"))
        assert await anext(slow)
        assert len(await text_of(supervisor, request("quick"))) == 1_000_000
        assert len("".join([piece async for piece in slow])) == 999_500


# ── the real one ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def options(model_cache: Path) -> WorkerOptions:
    return WorkerOptions(
        cache=str(model_cache), threads=1, engine=EngineOptions(rows=4, queue=4, context=640), grace=3.0
    )


@pytest.mark.model
async def test_a_real_worker_answers_is_killed_and_comes_back(options: WorkerOptions) -> None:
    """One process for several behaviours: loading the model is most of the time."""
    supervisor = WorkerSupervisor(
        options, SupervisorOptions(first_back_off=0.05, ping_every=0.2, ping_timeout=60.0, stall_timeout=60.0)
    )
    started = time.monotonic()
    supervisor.start()
    assert time.monotonic() - started < 0.1
    with pytest.raises(InferenceUnavailable, match="starting"):
        await text_of(supervisor, request("early"))
    try:
        await supervisor.wait_ready(200)

        together = await asyncio.gather(*(text_of(supervisor, request(f"r{n}")) for n in range(4)))
        assert together[0].strip()
        assert set(together) == {together[0]}

        closed = supervisor.generate(request("closed", max_tokens=300))
        assert await anext(closed)
        await closed.aclose()
        await until(lambda: supervisor.stats().engine.tokens > 0 and supervisor.stats().engine.running == 0)

        with pytest.raises(InferenceUnavailable, match="deadline"):
            await text_of(supervisor, request("late", deadline=0.0))

        asked = [asyncio.create_task(text_of(supervisor, request(f"many{n}"))) for n in range(16)]
        ended = await asyncio.gather(*asked, return_exceptions=True)
        refused = [str(error) for error in ended if isinstance(error, InferenceUnavailable)]
        assert refused
        assert all(reason.startswith("overloaded") for reason in refused)
        assert {text for text in ended if isinstance(text, str)} == {together[0]}

        dying = supervisor.generate(request("dying", max_tokens=300))
        assert await anext(dying)
        os.kill(supervisor.status().pid, signal.SIGKILL)
        with pytest.raises(InferenceUnavailable, match="died"):
            async for _ in dying:
                pass
        await until(lambda: supervisor.status().restarts == 1)
        await supervisor.wait_ready(200)
        assert await text_of(supervisor, request("again")) == together[0]

        last = supervisor.generate(request("last"))
        begun = await anext(last)
    finally:
        await supervisor.stop()
    assert begun + "".join([piece async for piece in last]) == together[0]
    assert supervisor.status().state == "off"
    assert supervisor.status().pid == 0


@pytest.mark.model
async def test_a_worker_dies_with_a_parent_that_is_killed(options: WorkerOptions, tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(
        textwrap.dedent(f"""
        import asyncio
        from inference.client import WorkerSupervisor
        from inference.generator.options import WorkerOptions

        async def main():
            supervisor = WorkerSupervisor(WorkerOptions(cache={options.cache!r}, threads=1))
            supervisor.start()
            while not supervisor.status().pid:
                await asyncio.sleep(0.01)
            print(supervisor.status().pid, flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
        """),
        encoding="utf-8",
    )
    parent = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    worker = psutil.Process(int(await asyncio.to_thread(parent.stdout.readline)))
    try:
        assert worker.is_running()
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    await until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
