"""What counts: 0 lost, 0 out of order inside a conversation, no duplicate that a kill doesn't explain."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

from tests.kill.harness import Customers, Recorder

__all__ = ["ATTEMPTING", "KILLS", "drained", "exposed_by", "judge"]

KILLS = int(os.environ.get("TELLER_KILLS", "100"))
"""Kills that each of the two tests makes."""
ATTEMPTING = "SELECT idempotency_key FROM outbox WHERE status = 'attempting'"

Attempting = Callable[[], Awaitable[list[str]]]


async def drained(customers: Customers, recorder: Recorder, patience: float) -> None:
    """Wait until every accepted message has its reply, or none has come for `patience` seconds (and fail in
    the check that follows): a slow machine is late, and loses nothing."""
    wanted = {id for ids in customers.accepted.values() for id in ids}
    deadline, come = time.monotonic() + patience, 0
    while time.monotonic() < deadline:
        replied = {id for _, id in recorder.deliveries}
        if wanted <= replied:
            break
        if len(replied) > come:
            deadline, come = time.monotonic() + patience, len(replied)
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
