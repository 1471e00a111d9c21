"""Platforms deliver an event again whenever they aren't sure: one answer, whatever happens in between."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from asyncio.subprocess import Process
from contextlib import closing, suppress
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import eventually, free_port
from tests.platforms.faces import FACES, Face, sees
from tests.platforms.setting import counter, write_counter

SETTLED_S = 1.0
"""How long nothing more may come before it counts as never."""


async def settled(face: Face) -> list[str]:
    """What is shown once nothing has changed for a while."""
    before: list[str] | None = None
    while before != face.shown():
        before = face.shown()
        await asyncio.sleep(SETTLED_S)
    return before


@pytest.mark.parametrize("make", FACES, ids=lambda face: face.name)
async def test_an_event_delivered_five_times_is_answered_once(make: type[Face], tmp_path: Path) -> None:
    async with make() as face, counter(face, tmp_path):
        await face.say("怎么开户")
        await sees(face, lambda text: "怎么开户：" in text)
        for _ in range(4):
            await face.redeliver()
        await face.say("转账要多久")
        await sees(face, lambda text: "转账要多久：" in text)
        shown = "\n".join(await settled(face))
        assert shown.count("怎么开户：请到") == 1
        assert shown.count("转账要多久：请到") == 1


@pytest.mark.parametrize("make", FACES, ids=lambda face: face.name)
async def test_yes_said_twice_is_two_messages(make: type[Face], tmp_path: Path) -> None:
    async with make() as face, counter(face, tmp_path):
        await face.say("是")
        await face.say("是")
        # The first is answered "I'm not sure"; after the second a person comes.
        await eventually(lambda: "不想随便答错" in "\n".join(face.shown()), 20)
        await eventually(lambda: "T-20" in "\n".join(face.shown()), 20)


@pytest.mark.model
@pytest.mark.kill
@pytest.mark.timeout(400)
@pytest.mark.parametrize("make", FACES, ids=lambda face: face.name)
async def test_a_crash_in_the_middle_of_a_turn_costs_nothing(
    make: type[Face], tmp_path: Path, model_cache: Path
) -> None:
    """The real process is killed while the model writes; it starts again, and everything comes again."""
    data = tmp_path / "data" / "cache"
    data.mkdir(parents=True)
    (data / "models").symlink_to(model_cache)
    port = free_port()
    async with make() as face:
        config = write_counter(face, tmp_path, port=port, model=True)
        base = f"http://127.0.0.1:{port}"
        process = await start(config, base, "generated")
        try:
            await face.connect(base)
            await face.say("银行卡遗失以后怎么挂失、怎么补卡？")
            await in_the_middle(tmp_path / "store.db")
        finally:
            await end(process, signal.SIGKILL)
        process = await start(config, base, "")
        try:
            await face.connect(base)
            for _ in range(4):
                await face.redeliver()
            await sees(face, lambda text: "来源" in text, patience=120)
            shown = [text for text in await settled(face) if text.strip()]
            assert len([text for text in shown if "挂失" in text]) == 1, shown
        finally:
            await end(process, signal.SIGTERM)


async def in_the_middle(path: Path) -> None:
    """Until a turn has been claimed and isn't over."""
    query = "SELECT count(*) FROM inbox WHERE claims > 0 AND status = 'new'"

    def begun() -> bool:
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute(query).fetchone()[0])
        return False

    await eventually(begun, 20)


async def start(config: Path, base: str, answers: str) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", "--config", str(config),
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
    )  # fmt: skip
    async with asyncio.timeout(120), aiohttp.ClientSession() as session:
        while True:
            assert process.returncode is None, "the process ended at its start"
            with suppress(aiohttp.ClientError):
                async with session.get(f"{base}/readyz") as response:
                    report = await response.json()
                    if response.status == 200 and (not answers or report["answers"] == answers):
                        return process
            await asyncio.sleep(0.1)


async def end(process: Process, how: signal.Signals) -> None:
    if process.returncode is None:
        process.send_signal(how)
    await process.wait()
