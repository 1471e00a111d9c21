"""Messages of several calls: what is done isn't done again."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.common.steps import KEPT_S, Step, in_steps
from bot.errors import RetryLater, SendError, StoreBusy
from tests.adapters.host import MemoryHost
from tests.make import T0


class Platform:
    """Notes which calls took effect; `refusals` says how often each is refused before it does."""

    def __init__(self, refusals: dict[int, int] | None = None, silent: frozenset[int] = frozenset()) -> None:
        self.refusals = dict(refusals or {})
        self.silent = silent
        self.done: list[int] = []

    def steps(self, count: int) -> list[Step]:
        def step(number: int) -> Step:
            async def call() -> str:
                if self.refusals.get(number, 0) > 0:
                    self.refusals[number] -= 1
                    raise RetryLater("not now", 3.0)
                self.done.append(number)
                return "" if number in self.silent else f"id|{number}"

            return call

        return [step(number) for number in range(count)]


class Clock:
    def __init__(self) -> None:
        self.at = T0

    def __call__(self) -> float:
        return self.at


@given(
    st.integers(0, 6),
    st.dictionaries(st.integers(0, 5), st.integers(0, 3)),
    st.frozensets(st.integers(0, 5)),
)
@settings(max_examples=200, deadline=None)
def test_whatever_fails_each_step_takes_effect_once_and_in_order(
    count: int, refusals: dict[int, int], silent: frozenset[int]
) -> None:
    async def scenario() -> None:
        platform = Platform(refusals, silent)
        notes = MemoryHost().notes("fake", "test")
        failures = sum(times for number, times in refusals.items() if number < count)
        for _ in range(failures):
            with pytest.raises(RetryLater):
                await in_steps(notes, "k", platform.steps(count))
        last = await in_steps(notes, "k", platform.steps(count))
        assert platform.done == list(range(count))
        speaking = [number for number in range(count) if number not in silent]
        assert last == (f"id|{speaking[-1]}" if speaking else "")

    asyncio.run(scenario())


async def test_another_process_goes_on_where_the_first_broke_off() -> None:
    host = MemoryHost()
    here, there = Platform({2: 1}), Platform()
    with pytest.raises(RetryLater):
        await in_steps(host.notes("fake", "test"), "k", here.steps(5))
    # Notes of its own account, as another process opens them.
    assert await in_steps(host.notes("fake", "test"), "k", there.steps(5)) == "id|4"
    assert (here.done, there.done) == ([0, 1], [2, 3, 4])


async def test_a_message_that_was_sent_whole_is_not_sent_again() -> None:
    platform, notes = Platform(), MemoryHost().notes("fake", "test")
    assert await in_steps(notes, "k", platform.steps(3)) == "id|2"
    assert await in_steps(notes, "k", platform.steps(3)) == "id|2"
    assert platform.done == [0, 1, 2]


async def test_messages_and_accounts_are_told_apart() -> None:
    platform, host = Platform(), MemoryHost()
    for account, key in [("a", "k"), ("a", "l"), ("b", "k")]:
        await in_steps(host.notes("fake", account), key, platform.steps(2))
    assert platform.done == [0, 1] * 3


async def test_a_single_step_needs_no_store() -> None:
    platform, host = Platform(), MemoryHost()
    host.failure = StoreBusy("locked")
    assert await in_steps(host.notes("fake", "test"), "k", platform.steps(1)) == "id|0"


async def test_nothing_is_sent_that_could_not_be_remembered() -> None:
    platform, host = Platform(), MemoryHost()
    notes = host.notes("fake", "test")
    host.failure = StoreBusy("locked")
    with pytest.raises(StoreBusy):
        await in_steps(notes, "k", platform.steps(3))
    assert platform.done == []


async def test_a_store_that_fails_midway_stops_what_follows() -> None:
    host = MemoryHost()
    notes = host.notes("fake", "test")
    platform = Platform()
    first, *rest = platform.steps(3)

    async def then_the_store_fails() -> str:
        made = await first()
        host.failure = StoreBusy("locked")
        return made

    with pytest.raises(StoreBusy):
        await in_steps(notes, "k", [then_the_store_fails, *rest])
    assert platform.done == [0]


async def test_any_error_of_a_step_is_passed_on() -> None:
    async def broken() -> str:
        raise SendError("no")

    platform = Platform()
    with pytest.raises(SendError, match="no"):
        await in_steps(MemoryHost().notes("fake", "test"), "k", [*platform.steps(1), broken])
    assert platform.done == [0]


async def test_a_cancelled_step_is_the_one_to_go_on_with() -> None:
    platform, notes = Platform(), MemoryHost().notes("fake", "test")
    under_way = asyncio.Event()

    async def hanging() -> str:
        under_way.set()
        await asyncio.Event().wait()
        return ""

    first, second, third = platform.steps(3)
    task = asyncio.create_task(in_steps(notes, "k", [first, hanging, third]))
    await under_way.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await in_steps(notes, "k", [first, second, third])
    assert platform.done == [0, 1, 2]


async def test_the_progress_is_kept_as_long_as_a_message_may_be_retried_and_then_forgotten() -> None:
    clock = Clock()
    notes = MemoryHost(clock).notes("fake", "test")
    platform = Platform({1: 1})
    with pytest.raises(RetryLater):
        await in_steps(notes, "k", platform.steps(2))
    clock.at += KEPT_S - 1
    await in_steps(notes, "k", platform.steps(2))
    assert platform.done == [0, 1]
    clock.at += KEPT_S + 1
    assert await notes.get("steps:k") is None
