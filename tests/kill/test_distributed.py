"""Kill processes of a distributed counter (PostgreSQL, NATS, two turn workers) with SIGKILL, under load."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import asyncpg
import pytest

from tests.kill.harness import Customers, Recorder, Teller, free_port, write_config
from tests.kill.judge import ATTEMPTING, KILLS, drained, exposed_by, judge

pytestmark = [pytest.mark.kill, pytest.mark.timeout(120 + KILLS * 15)]


async def test_many_processes_on_postgres_and_nats(tmp_path: Path, postgres_url: str, nats_url: str) -> None:
    recorder, rng, started = Recorder(), random.Random(2), time.monotonic()
    runner = await recorder.start()
    config = write_config(
        tmp_path, deliver_port=recorder.port, store_url=postgres_url, bus_url=nats_url, lease_s=3
    )
    tellers = [
        Teller(config, roles, free_port(), tmp_path / f"{n}.log")
        for n, roles in enumerate(("intake", "turns", "turns", "sender"))
    ]
    customers = Customers(f"http://127.0.0.1:{tellers[0].port}/webhooks/http")
    connection = await asyncpg.connect(postgres_url)

    async def attempting() -> list[str]:
        return [row["idempotency_key"] for row in await connection.fetch(ATTEMPTING)]

    await asyncio.gather(*(teller.start() for teller in tellers))
    await asyncio.gather(*(teller.ready() for teller in tellers))
    load = asyncio.create_task(customers.run())
    exposed = 0
    for _ in range(KILLS):
        await asyncio.sleep(rng.uniform(0.0, 0.6))
        teller = rng.choice(tellers)
        await teller.kill()
        if teller.roles == "sender":
            exposed += await exposed_by(attempting, recorder)
        await teller.start()
        if rng.random() < 0.9:
            await teller.ready()
    await asyncio.gather(*(teller.ready() for teller in tellers))
    customers.stop = True
    await load
    await drained(customers, recorder, 60)
    assert await asyncio.gather(*(teller.terminate() for teller in tellers)) == [0, 0, 0, 0]
    await connection.close()
    await runner.cleanup()
    judge(customers, recorder, exposed, KILLS, started)
