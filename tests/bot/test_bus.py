"""The bus, in memory and over a real NATS server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from bot.bus import Bus, open_bus
from bot.errors import BusError
from tests.conftest import eventually


async def collect(bus: Bus, topic: str, into: list[object], group: str = "") -> asyncio.Task[None]:
    """Subscribe, and return once subscribed."""
    subscribed = asyncio.Event()

    async def work() -> None:
        async with bus.subscribe(topic, group) as hints:
            subscribed.set()
            async for hint in hints:
                into.append(hint)

    task = asyncio.create_task(work())
    await subscribed.wait()
    return task


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_every_subscriber_hears_a_hint_with_its_key(bus: Bus) -> None:
    first: list[object] = []
    second: list[object] = []
    tasks = [await collect(bus, "t", first), await collect(bus, "t", second)]
    await bus.publish("t", "会话|1", b"x")
    await eventually(lambda: first and second)
    assert first == second == [("会话|1", b"x")]
    await stop(*tasks)


async def test_one_member_of_a_group_gets_each_hint(bus: Bus) -> None:
    heard: list[list[object]] = [[], []]
    tasks = [await collect(bus, "t", into, "g") for into in heard]
    for number in range(40):
        await bus.publish("t", str(number))
    await eventually(lambda: sum(map(len, heard)) == 40)
    await asyncio.sleep(0.05)
    assert sorted(int(key) for into in heard for key, _ in into) == list(range(40))  # type: ignore[misc]
    assert all(heard)
    await stop(*tasks)


async def test_a_hint_that_nobody_hears_is_no_error(bus: Bus) -> None:
    await bus.publish("nobody", "k", b"x")


async def test_a_request_streams_its_replies_in_order(bus: Bus) -> None:
    async def count(payload: bytes) -> AsyncIterator[bytes]:
        for number in range(int(payload)):
            yield str(number).encode()

    async with bus.serve("count", count):
        replies = [reply async for reply in bus.request("count", b"50", patience=5)]
    assert replies == [str(number).encode() for number in range(50)]


async def test_a_request_that_nobody_serves_fails_at_once(bus: Bus) -> None:
    started = asyncio.get_running_loop().time()
    with pytest.raises(BusError, match="nobody serves"):
        await anext(aiter(bus.request("nothing", b"", patience=5)))
    assert asyncio.get_running_loop().time() - started < 2


async def test_a_handlers_failure_reaches_the_asker_with_its_reason(bus: Bus) -> None:
    async def broken(_payload: bytes) -> AsyncIterator[bytes]:
        yield b"one"
        raise ValueError("overloaded")

    async with bus.serve("broken", broken):
        replies = aiter(bus.request("broken", b"", patience=5))
        assert await anext(replies) == b"one"
        with pytest.raises(BusError, match="overloaded"):
            await anext(replies)


async def test_silence_beyond_the_patience_is_an_error(bus: Bus) -> None:
    async def silent(_payload: bytes) -> AsyncIterator[bytes]:
        await asyncio.sleep(30)
        yield b""

    async with bus.serve("silent", silent):
        with pytest.raises(BusError, match="no reply"):
            await anext(aiter(bus.request("silent", b"", patience=0.1)))


async def test_an_asker_that_leaves_cancels_the_work(bus: Bus) -> None:
    ended = asyncio.Event()

    async def endless(_payload: bytes) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    async with bus.serve("endless", endless):
        async with aclosing(bus.request("endless", b"", patience=5)) as replies:  # type: ignore[type-var]
            await anext(replies)
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_lagging_subscriber_loses_the_oldest_hints_and_blocks_nobody() -> None:
    bus = await open_bus("memory://")
    async with bus.subscribe("t") as hints:
        for number in range(3000):
            await bus.publish("t", str(number))
        key, _ = await anext(hints)
        assert int(key) == 3000 - 1024


async def test_an_unreachable_server_is_one_clear_error() -> None:
    with pytest.raises(BusError, match=r"nats://127\.0\.0\.1:1"):
        await open_bus("nats://127.0.0.1:1")
