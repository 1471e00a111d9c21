"""Kill the real processes with SIGKILL, many times, at random moments under load.

0 lost, 0 out of order inside a conversation, and no more duplicates than sends that a kill caught
between "sent" and "marked". `TELLER_KILLS` sets how many kills each of the two tests makes.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from tests.kill.harness import Customers, Recorder, Teller, free_port, write_config

KILLS = int(os.environ.get("TELLER_KILLS", "100"))
ATTEMPTING = "SELECT idempotency_key FROM outbox WHERE status = 'attempting'"

pytestmark = [pytest.mark.kill, pytest.mark.timeout(60 + KILLS * 12)]

Attempting = Callable[[], Awaitable[list[str]]]


async def drained(customers: Customers, recorder: Recorder, patience: float) -> None:
    """Wait until every accepted message has its reply (or fail in the check that follows)."""
    deadline = time.monotonic() + patience
    wanted = {id for ids in customers.accepted.values() for id in ids}
    while time.monotonic() < deadline:
        if wanted <= {id for _, id in recorder.deliveries}:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)


def judge(customers: Customers, recorder: Recorder, exposed: int, kills: int, started: float) -> None:
    delivered: dict[str, list[str]] = {}
    for chat, id in recorder.deliveries:
        order = delivered.setdefault(chat, [])
        if id not in order:
            order.append(id)
    accepted = sum(map(len, customers.accepted.values()))
    lost = [
        id for chat, ids in customers.accepted.items() for id in ids if id not in set(delivered.get(chat, ()))
    ]
    disordered = [chat for chat, ids in delivered.items() if ids != sorted(ids)]
    duplicates = sum(count - 1 for count in recorder.counts.values())
    print(  # noqa: T201 (the figures of this run are its point; shown with -s)
        f"\n{kills} kills in {time.monotonic() - started:.0f} s: {accepted} accepted, {len(lost)} lost, "
        f"{len(disordered)} out of order, {duplicates} duplicates (caught between sent and marked: {exposed})"
    )
    assert accepted > kills
    assert lost == []
    assert disordered == []
    assert duplicates <= exposed


async def exposed_by(attempting: Attempting, recorder: Recorder) -> int:
    """Sends that reached the platform and were not marked when their process died."""
    await asyncio.sleep(0.03)
    return sum(recorder.counts[key] > 0 for key in await attempting())


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
