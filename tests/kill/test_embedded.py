"""Kill the one process of an embedded counter with SIGKILL, many times, at random moments under load."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from pathlib import Path

import pytest

from tests.kill.harness import Customers, Recorder, Teller, free_port, write_config
from tests.kill.judge import ATTEMPTING, KILLS, drained, exposed_by, judge

pytestmark = [pytest.mark.kill, pytest.mark.timeout(120 + KILLS * 15)]


async def test_one_process_on_sqlite(tmp_path: Path) -> None:
    recorder, rng, started = Recorder(), random.Random(1), time.monotonic()
    runner = await recorder.start()
    database = tmp_path / "store.db"
    config = write_config(tmp_path, deliver_port=recorder.port, store_url=f"sqlite:///{database}")
    teller = Teller(config, "all", free_port(), tmp_path / "teller.log")
    customers = Customers(f"http://127.0.0.1:{teller.port}/webhooks/http")

    async def attempting() -> list[str]:
        connection = sqlite3.connect(database)
        rows = connection.execute(ATTEMPTING).fetchall()
        connection.close()
        return [key for (key,) in rows]

    await teller.start()
    await teller.ready()
    load = asyncio.create_task(customers.run())
    exposed = 0
    for _ in range(KILLS):
        await asyncio.sleep(rng.uniform(0.0, 0.6))
        await teller.kill()
        exposed += await exposed_by(attempting, recorder)
        await teller.start()
        # Now and then a kill strikes while it is still starting.
        if rng.random() < 0.9:
            await teller.ready()
    await teller.ready()
    customers.stop = True
    await load
    await drained(customers, recorder, 60)
    assert await teller.terminate() == 0
    await runner.cleanup()
    judge(customers, recorder, exposed, KILLS, started)
