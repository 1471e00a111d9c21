"""Our own pace against a brute-force model, in this process and over the notes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.common import pace as module
from adapters.common.pace import Pace, Window
from bot.errors import StoreBusy
from tests.adapters.host import MemoryHost, MemoryNotes
from tests.adapters.virtual_time import in_virtual_time

T0 = 1_790_000_000.0
ROUNDING_S = 0.002
"""The notes keep milliseconds."""


class Clock:
    def __init__(self) -> None:
        self.at = T0

    def __call__(self) -> float:
        return self.at


class Model:
    """All that was ever taken; room is what no window that ends now would be overfull with."""

    def __init__(self, windows: list[Window]) -> None:
        self.windows = windows
        self.taken: list[float] = []

    def free(self, now: float) -> bool:
        return all(
            sum(t > now - window.seconds for t in self.taken) < window.count for window in self.windows
        )

    def free_at(self, now: float) -> float:
        """The first moment from `now` on with room: now, or when some taken place leaves a window."""
        moments = [t + window.seconds for t in self.taken for window in self.windows]
        return min(at for at in [now, *moments] if at >= now and self.free(at))


Take = Callable[[str], Coroutine[None, None, float]]


def taker(shared: bool, windows: list[Window], clock: Clock, notes: MemoryNotes) -> Take:
    if shared:
        # Another process each time: all there is to know is in the notes.
        return lambda key: Pace(*windows, clock=clock).take_shared(key, notes)
    pace = Pace(*windows, clock=clock)

    async def take(key: str) -> float:
        return pace.take(key)

    return take


windows = st.lists(
    st.builds(Window, st.integers(1, 5), st.sampled_from([0.5, 1.0, 3.0, 7.5, 61.0])), min_size=1, max_size=3
)
# Steps on an exact grid, so that calls often fall right on a window's edge.
steps = st.lists(st.tuples(st.integers(0, 24), st.sampled_from("ab")), max_size=60)


@pytest.mark.parametrize("shared", [False, True], ids=["process", "shared"])
@given(windows, steps)
@settings(max_examples=200, deadline=None)
def test_a_place_is_given_exactly_when_every_window_has_room(
    shared: bool, windows: list[Window], steps: list[tuple[int, str]]
) -> None:
    async def scenario() -> None:
        clock = Clock()
        take = taker(shared, windows, clock, MemoryHost(clock).notes("fake", "test"))
        models = {key: Model(windows) for key in "ab"}
        for eighths, key in steps:
            clock.at += eighths / 8
            model = models[key]
            free_at = model.free_at(clock.at)
            wait = await take(key)
            assert wait == pytest.approx(free_at - clock.at, abs=1e-6)
            assert (wait == 0) == (free_at == clock.at)
            if wait == 0:
                model.taken.append(clock.at)

    asyncio.run(scenario())


@pytest.mark.parametrize("shared", [False, True], ids=["process", "shared"])
@given(windows, st.lists(st.floats(0, 5), max_size=40))
@settings(max_examples=200, deadline=None)
def test_who_waits_as_told_gets_a_place_and_no_window_is_ever_overfull(
    shared: bool, windows: list[Window], gaps: list[float]
) -> None:
    async def scenario() -> None:
        clock = Clock()
        take = taker(shared, windows, clock, MemoryHost(clock).notes("fake", "test"))
        taken: list[float] = []
        for gap in gaps:
            clock.at += gap
            wait = await take("a")
            if wait > 0:
                clock.at += wait + ROUNDING_S
                assert await take("a") == 0
            taken.append(clock.at)
        for window in windows:
            for first, one_too_many in zip(taken, taken[window.count :], strict=False):
                assert one_too_many - first >= window.seconds - 1e-6

    asyncio.run(scenario())


def test_a_chat_does_not_pay_for_another() -> None:
    pace = Pace(Window(1, 10.0), clock=Clock())
    assert [pace.take("a"), pace.take("b"), pace.take("a")] == [0, 0, 10.0]


def test_asking_in_vain_costs_nothing() -> None:
    clock = Clock()
    pace = Pace(Window(1, 10.0), clock=clock)
    pace.take("a")
    for _ in range(9):
        clock.at += 1
        assert pace.take("a") > 0
    clock.at += 1
    assert pace.take("a") == 0


def test_the_chats_longest_silent_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    pace = Pace(Window(1, 10.0), clock=Clock())
    for chat in "ab":
        pace.take(chat)
    assert pace.take("a") > 0
    pace.take("c")
    assert pace.take("a") > 0
    assert pace.take("b") == 0


@pytest.mark.parametrize("shared", [False, True], ids=["process", "shared"])
async def test_a_clock_that_is_set_back_closes_no_chat_for_long(shared: bool) -> None:
    clock = Clock()
    windows = [Window(1, 1.0), Window(3, 60.0)]
    take = taker(shared, windows, clock, MemoryHost(clock).notes("fake", "test"))
    for _ in range(3):
        assert await take("a") == 0
        clock.at += 2
    clock.at -= 3600
    assert await take("a") == 0
    # From here on the limits hold again.
    assert await take("a") == pytest.approx(1.0, abs=ROUNDING_S)


async def test_two_processes_with_slightly_different_clocks_keep_the_limit() -> None:
    ours, theirs = Clock(), Clock()
    theirs.at += 0.4
    notes = MemoryHost(ours).notes("fake", "test")
    here, there = (Pace(Window(2, 10.0), clock=clock) for clock in (ours, theirs))
    assert await there.take_shared("a", notes) == 0
    assert await here.take_shared("a", notes) == 0
    # The one of our own clock, though noted second, is the older.
    assert await here.take_shared("a", notes) == pytest.approx(10.0, abs=ROUNDING_S)
    assert await there.take_shared("a", notes) == pytest.approx(9.6, abs=ROUNDING_S)


async def test_a_busy_store_gives_no_place() -> None:
    clock = Clock()
    host = MemoryHost(clock)
    notes = host.notes("fake", "test")
    pace = Pace(Window(1, 10.0), clock=clock)
    host.failure = StoreBusy("locked")
    with pytest.raises(StoreBusy):
        await pace.take_shared("a", notes)
    host.failure = None
    assert await pace.take_shared("a", notes) == 0


async def test_what_is_kept_of_a_chat_does_not_grow() -> None:
    clock = Clock()
    notes = MemoryHost(clock).notes("fake", "test")
    pace = Pace(Window(3, 1.0), Window(20, 60.0), clock=clock)
    for _ in range(500):
        clock.at += await pace.take_shared("a", notes) + 0.01
    assert len(notes.kept) == 1
    assert all(len(value) < 500 for value, _ in notes.kept.values())


@in_virtual_time
async def test_those_who_wait_go_one_after_another_at_the_pace() -> None:
    clock = asyncio.get_running_loop().time
    pace = Pace(Window(1, 2.0), clock=clock)
    gone: list[float] = []

    async def go() -> None:
        await pace.wait("a")
        gone.append(clock())

    await asyncio.gather(*(go() for _ in range(5)))
    assert all(later - earlier == pytest.approx(2.0, abs=1e-3) for earlier, later in pairwise(gone))
    assert len(gone) == 5
