"""Growing drafts, in one process and in two, with every call taking its time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.common import drafts as module
from adapters.common.drafts import LONGEST_S, OPENING_S, Drafts
from bot.errors import RetryLater, SendAmbiguous, SendError, SendRefused, StoreBusy
from bot.types import Conversation, Draft
from tests.adapters.host import MemoryHost, MemoryNotes
from tests.adapters.virtual_time import VirtualTimeLoop, in_virtual_time
from tests.make import conversation

T = TypeVar("T")
EVERY_S = 1.0
CHAT = conversation()
LINE = "fake|test|event|0"


def draft(sequence: int, key: str = LINE, text: str | None = None) -> Draft:
    return Draft(CHAT, key, f"text {sequence}" if text is None else text, sequence)


class SlowNotes:
    """Notes in a database somewhere else: what is asked arrives later, and so does the answer."""

    def __init__(self, notes: MemoryNotes, takes: Callable[[], float]) -> None:
        self._notes = notes
        self._takes = takes
        self.calls = 0

    async def get(self, key: str) -> str | None:
        return await self._slowly(lambda: self._notes.get(key))

    async def put(self, key: str, value: str, *, ttl_s: float | None = None) -> None:
        await self._slowly(lambda: self._notes.put(key, value, ttl_s=ttl_s))

    async def add(self, key: str, value: str, *, ttl_s: float | None = None) -> bool:
        return await self._slowly(lambda: self._notes.add(key, value, ttl_s=ttl_s))

    async def drop(self, key: str) -> None:
        await self._slowly(lambda: self._notes.drop(key))

    async def _slowly(self, call: Callable[[], Awaitable[T]]) -> T:
        self.calls += 1
        await asyncio.sleep(self._takes())
        answer = await call()
        await asyncio.sleep(self._takes())
        return answer


class Chat:
    """What the customer sees, and every call that led to it."""

    def __init__(self, takes: Callable[[], float] = lambda: 0.0) -> None:
        self.takes = takes
        self.messages: list[str] = []
        self.starts: list[float] = []
        self.under_way = 0
        self.texts: list[str] = []
        self.dropped: list[str] = []
        self.failures: list[Exception | None] = []
        """What the next calls answer; None: they work."""

    async def open(self, draft: Draft) -> str:
        await self._call(draft)
        handle = f"m|{len(self.messages)}"
        self.messages.append(draft.text)
        await self._answer()
        return handle

    async def grow(self, draft: Draft, handle: str) -> None:
        await self._call(draft)
        self.messages[number(handle)] = draft.text
        await self._answer()

    async def drop(self, draft: Draft, handle: str) -> None:
        self.dropped.append(handle)

    async def _call(self, draft: Draft) -> None:
        self.starts.append(now())
        self.texts.append(draft.text)
        self.under_way += 1
        try:
            await asyncio.sleep(self.takes())
            failure = self.failures.pop(0) if self.failures else None
            if failure is not None:
                raise failure
        except BaseException:
            self.under_way -= 1
            raise

    async def _answer(self) -> None:
        try:
            await asyncio.sleep(self.takes())
        finally:
            self.under_way -= 1


class Counter:
    """Processes that serve one chat over one database."""

    def __init__(self, takes: Callable[[], float] = lambda: 0.0, processes: int = 2) -> None:
        self.host = MemoryHost(now)
        self.chat = Chat(takes)
        self.notes = [SlowNotes(self.host.notes("fake", "test"), takes) for _ in range(processes)]
        self.drafts = [self._process(number) for number in range(processes)]

    def _process(self, number: int) -> Drafts:
        def notes(conversation: Conversation) -> SlowNotes:
            assert conversation == CHAT
            return self.notes[number]

        return Drafts(self.chat.open, self.chat.grow, notes, every_s=EVERY_S, drop=self.chat.drop)

    def restart(self, number: int) -> None:
        """A new process in the place of one that is gone."""
        self.drafts[number] = self._process(number)


def now() -> float:
    return asyncio.get_running_loop().time()


def number(handle: str) -> int:
    return int(handle.removeprefix("m|"))


# ── one process ──


@in_virtual_time
async def test_a_draft_grows_in_one_message_and_its_final_message_finds_it() -> None:
    counter = Counter(processes=1)
    (drafts,) = counter.drafts
    for sequence in range(4):
        drafts.show(draft(sequence))
        await asyncio.sleep(1.5)
    assert counter.chat.texts == ["text 0", "text 1", "text 2", "text 3"]
    assert await drafts.finish(CHAT, LINE) == "m|0"
    assert counter.chat.messages == ["text 3"]


@in_virtual_time
async def test_what_comes_too_fast_is_put_together() -> None:
    counter = Counter(processes=1)
    (drafts,) = counter.drafts
    for sequence in range(101):
        drafts.show(draft(sequence))
        await asyncio.sleep(0.05)
    await asyncio.sleep(EVERY_S)
    starts = counter.chat.starts
    assert all(later - earlier >= EVERY_S - 1e-6 for earlier, later in pairwise(starts))
    assert len(starts) == 6
    assert counter.chat.messages == ["text 100"]


@in_virtual_time
async def test_a_later_draft_takes_the_place_of_one_not_shown_yet() -> None:
    counter = Counter(takes=lambda: 0.1, processes=1)
    for sequence in range(3):
        counter.drafts[0].show(draft(sequence))
    await asyncio.sleep(0.5)
    assert counter.chat.messages == ["text 2"]


@in_virtual_time
async def test_what_comes_while_the_first_is_being_shown_is_shown_next() -> None:
    counter = Counter(takes=lambda: 0.2, processes=1)
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(0.7)
    assert counter.chat.under_way == 1
    counter.drafts[0].show(draft(1))
    await asyncio.sleep(5)
    assert counter.chat.texts == ["text 0", "text 1"]


@in_virtual_time
async def test_drafts_that_overtake_each_other_never_go_back() -> None:
    counter = Counter(processes=1)
    for sequence in (2, 0, 5, 3, 5, 4):
        counter.drafts[0].show(draft(sequence))
        await asyncio.sleep(1.2)
    assert counter.chat.texts == ["text 2", "text 5"]


@in_virtual_time
async def test_a_draft_without_anything_visible_is_not_shown() -> None:
    counter = Counter(processes=1)
    counter.drafts[0].show(draft(0, text=" \n"))
    await asyncio.sleep(2)
    assert counter.chat.starts == []
    assert await counter.drafts[0].finish(CHAT, LINE) is None


@in_virtual_time
async def test_conversations_do_not_wait_for_each_other() -> None:
    counter = Counter(processes=1)
    for key in "abc":
        counter.drafts[0].show(draft(0, key))
    await asyncio.sleep(0.01)
    assert len(counter.chat.messages) == 3
    handles = [await counter.drafts[0].finish(CHAT, key) for key in "abc"]
    assert sorted(map(str, handles)) == ["m|0", "m|1", "m|2"]


@in_virtual_time
async def test_a_late_draft_is_not_shown_after_its_final_message() -> None:
    counter = Counter(processes=1)
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(0.1)
    handle = await counter.drafts[0].finish(CHAT, LINE)
    counter.drafts[0].show(draft(1))
    await asyncio.sleep(10)
    assert (handle, counter.chat.texts) == ("m|0", ["text 0"])


@in_virtual_time
async def test_finishing_does_not_wait_for_the_next_turn_to_grow() -> None:
    counter = Counter(processes=1)
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(0.1)
    counter.drafts[0].show(draft(1))
    started = now()
    assert await counter.drafts[0].finish(CHAT, LINE) == "m|0"
    assert now() - started < 0.01


@in_virtual_time
async def test_a_draft_that_was_not_begun_is_not_begun_after_its_end() -> None:
    counter = Counter(takes=lambda: 0.1, processes=1)
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(0.05)
    assert await counter.drafts[0].finish(CHAT, LINE) is None
    await asyncio.sleep(10)
    assert counter.chat.starts == []


@in_virtual_time
async def test_finishing_waits_for_a_call_under_way() -> None:
    counter = Counter(takes=lambda: 0.5, processes=1)
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(1.1)
    assert counter.chat.under_way == 1
    assert await counter.drafts[0].finish(CHAT, LINE) == "m|0"
    assert counter.chat.under_way == 0


@in_virtual_time
async def test_a_growth_under_way_is_let_finish_rather_than_broken_off() -> None:
    counter = Counter(takes=lambda: 0.5, processes=1)
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(4)
    counter.drafts[0].show(draft(1))
    await asyncio.sleep(2.1)
    assert counter.chat.under_way == 1
    assert await counter.drafts[0].finish(CHAT, LINE) == "m|0"
    assert counter.chat.under_way == 0
    # Broken off, it might have landed later all the same, on the final message.
    assert counter.chat.messages == ["text 1"]


@in_virtual_time
async def test_a_call_that_hangs_holds_the_final_message_up_for_so_long_only() -> None:
    counter = Counter(processes=1)
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(2)
    counter.chat.takes = lambda: 3600.0
    counter.drafts[0].show(draft(1))
    await asyncio.sleep(2)
    started = now()
    assert await counter.drafts[0].finish(CHAT, LINE) == "m|0"
    assert now() - started <= OPENING_S + 0.5
    await asyncio.sleep(1)
    assert counter.chat.under_way == 0, "it would land on the final message"
    assert counter.chat.messages == ["text 0"]


@in_virtual_time
async def test_an_opening_that_hangs_holds_the_final_message_up_for_so_long_only() -> None:
    counter = Counter(processes=2)
    counter.chat.takes = lambda: 3600.0
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(0.1)
    started = now()
    ends = await asyncio.gather(*(drafts.finish(CHAT, LINE) for drafts in counter.drafts))
    assert ends == [None, None]
    assert now() - started <= OPENING_S + 0.5
    await counter.drafts[0].close()


@pytest.mark.parametrize("finisher", [0, 1], ids=["the same process", "another process"])
@in_virtual_time
async def test_a_draft_that_was_opened_too_late_is_taken_away(finisher: int) -> None:
    counter = Counter(processes=2)
    counter.chat.takes = lambda: OPENING_S
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(0.1)
    assert await counter.drafts[finisher].finish(CHAT, LINE) is None
    await asyncio.sleep(3 * OPENING_S)
    assert counter.chat.dropped == ["m|0"]
    # A second attempt at the final message doesn't look for it either.
    assert [await drafts.finish(CHAT, LINE) for drafts in counter.drafts] == [None, None]


@in_virtual_time
async def test_a_draft_that_was_opened_in_time_is_kept() -> None:
    counter = Counter(processes=2)
    counter.chat.takes = lambda: OPENING_S * 0.45
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(0.1)
    assert await counter.drafts[1].finish(CHAT, LINE) == "m|0"
    await asyncio.sleep(3 * OPENING_S)
    assert counter.chat.dropped == []


# ── what goes wrong ──


@in_virtual_time
async def test_a_platform_that_asks_for_patience_gets_it() -> None:
    counter = Counter(processes=1)
    chat = counter.chat
    chat.failures = [RetryLater("slow", 30.0), None, RetryLater("slow", 20.0)]
    for sequence in range(1000):
        counter.drafts[0].show(draft(sequence))
        await asyncio.sleep(0.1)
    gaps = [later - earlier for earlier, later in pairwise(chat.starts)]
    assert gaps[0] == pytest.approx(30.0)
    assert gaps[1] == pytest.approx(EVERY_S, abs=0.15)
    assert gaps[2] == pytest.approx(20.0)
    assert len(chat.messages) == 1


@in_virtual_time
async def test_what_was_held_back_is_shown_later_even_if_nothing_follows() -> None:
    counter = Counter(processes=1)
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(2)
    counter.chat.failures = [RetryLater("slow", 5.0)]
    counter.drafts[0].show(draft(1))
    await asyncio.sleep(4)
    assert counter.chat.messages == ["text 0"]
    await asyncio.sleep(2)
    assert counter.chat.messages == ["text 1"]


@in_virtual_time
async def test_being_held_back_holds_no_final_message_back() -> None:
    counter = Counter()
    counter.chat.failures = [RetryLater("slow", 300.0)]
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(1)
    started = now()
    assert await counter.drafts[1].finish(CHAT, LINE) is None
    assert await counter.drafts[0].finish(CHAT, LINE) is None
    assert now() - started < 0.5
    await asyncio.sleep(400)
    assert counter.chat.messages == []


@pytest.mark.parametrize(
    "failure",
    [SendRefused("blocked"), SendAmbiguous("timed out"), SendError("down"), TimeoutError(), KeyError("ts")],
)
@pytest.mark.parametrize("finisher", [0, 1])
@in_virtual_time
async def test_a_failed_opening_ends_the_preview_and_hurts_no_final_message(
    failure: Exception, finisher: int
) -> None:
    counter = Counter()
    counter.chat.failures = [failure]
    for sequence in range(6):
        counter.drafts[sequence % 2].show(draft(sequence))
        await asyncio.sleep(0.7)
    assert len(counter.chat.starts) == 1, "a second try could make a second message"
    started = now()
    assert await counter.drafts[finisher].finish(CHAT, LINE) is None
    assert now() - started < 0.5


@pytest.mark.parametrize("failure", [SendRefused("gone"), SendAmbiguous("timed out"), RuntimeError("bug")])
@pytest.mark.parametrize("finisher", [0, 1])
@in_virtual_time
async def test_a_failed_growth_ends_the_preview_and_its_message_is_still_found(
    failure: Exception, finisher: int
) -> None:
    counter = Counter()
    counter.chat.failures = [None, failure]
    for sequence in range(6):
        counter.drafts[0].show(draft(sequence))
        await asyncio.sleep(1.2)
    assert counter.chat.texts == ["text 0", "text 1"]
    started = now()
    assert await counter.drafts[finisher].finish(CHAT, LINE) == "m|0"
    assert now() - started < 0.5


@in_virtual_time
async def test_a_busy_store_means_no_preview() -> None:
    counter = Counter(processes=1)
    counter.host.failure = StoreBusy("locked")
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(2)
    assert counter.chat.starts == []
    with pytest.raises(StoreBusy):
        await counter.drafts[0].finish(CHAT, LINE)
    counter.host.failure = None
    assert await counter.drafts[0].finish(CHAT, LINE) is None


@in_virtual_time
async def test_a_handle_that_could_not_be_noted_is_noted_later() -> None:
    counter = Counter(takes=lambda: 0.1)
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(0.3)
    counter.host.failure = StoreBusy("locked")
    await asyncio.sleep(3)
    assert counter.chat.messages == ["text 0"]
    counter.host.failure = None
    await asyncio.sleep(2)
    assert await counter.drafts[1].finish(CHAT, LINE) == "m|0"


@in_virtual_time
async def test_a_handle_that_could_not_be_noted_is_known_where_it_was_made() -> None:
    counter = Counter(takes=lambda: 0.1, processes=1)
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(0.3)
    counter.host.failure = StoreBusy("locked")
    await asyncio.sleep(3)
    assert await counter.drafts[0].finish(CHAT, LINE) == "m|0"
    assert await counter.drafts[0].finish(CHAT, LINE) == "m|0"


@in_virtual_time
async def test_a_draft_whose_final_message_never_comes_is_forgotten() -> None:
    counter = Counter()
    for sequence in range(4):
        counter.drafts[0].show(draft(sequence))
        await asyncio.sleep(1)
    await asyncio.sleep(LONGEST_S + 1)
    for key in list(counter.host.notes("fake", "test").kept):
        assert await counter.notes[0].get(key) is None
    assert len(asyncio.all_tasks()) == 1
    assert await counter.drafts[1].finish(CHAT, LINE) is None


@in_virtual_time
async def test_closing_ends_everything() -> None:
    counter = Counter(takes=lambda: 0.4)
    for key in "abc":
        counter.drafts[0].show(draft(0, key))
    counter.drafts[1].show(draft(0, "d"))
    await asyncio.sleep(1)
    for drafts in counter.drafts:
        await drafts.close()
    assert len(asyncio.all_tasks()) == 1
    assert counter.chat.under_way == 0


@in_virtual_time
async def test_closing_does_not_wait_for_a_busy_store() -> None:
    counter = Counter(takes=lambda: 0.1, processes=1)
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(0.3)
    counter.host.failure = StoreBusy("locked")
    await asyncio.sleep(3)
    started = now()
    await counter.drafts[0].close()
    assert now() - started < 1


@in_virtual_time
async def test_only_so_much_is_remembered() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "REMEMBERED", 10)
        counter = Counter(processes=1)
        for key in map(str, range(50)):
            counter.drafts[0].show(draft(0, key))
            await asyncio.sleep(0)
            await counter.drafts[0].finish(CHAT, key)
        assert len(counter.drafts[0]._past) == 10
        assert not counter.drafts[0]._live


# ── two processes ──


@in_virtual_time
async def test_two_processes_show_one_message() -> None:
    counter = Counter(takes=lambda: 0.05)
    for sequence in range(40):
        counter.drafts[sequence % 2].show(draft(sequence))
        await asyncio.sleep(0.1)
    assert len(counter.chat.messages) == 1
    await asyncio.sleep(2)
    ends = [await drafts.finish(CHAT, LINE) for drafts in (*counter.drafts, *counter.drafts)]
    assert ends == ["m|0"] * 4


@in_virtual_time
async def test_the_process_that_lets_a_draft_be_asks_the_store_once() -> None:
    counter = Counter()
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(0.1)
    for sequence in range(1, 20):
        counter.drafts[1].show(draft(sequence))
        await asyncio.sleep(0.1)
    assert counter.notes[1].calls == 1


@in_virtual_time
async def test_a_draft_that_comes_late_to_another_process_is_not_shown() -> None:
    counter = Counter()
    assert await counter.drafts[0].finish(CHAT, LINE) is None
    counter.drafts[1].show(draft(0))
    await asyncio.sleep(10)
    assert counter.chat.starts == []
    # Nor does it change what a second attempt at the final message finds.
    assert await counter.drafts[0].finish(CHAT, LINE) is None
    assert await counter.drafts[1].finish(CHAT, LINE) is None


@in_virtual_time
async def test_a_process_whose_draft_was_finished_elsewhere_grows_it_no_more() -> None:
    counter = Counter()
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(3)
    assert await counter.drafts[1].finish(CHAT, LINE) == "m|0"
    counter.chat.messages[0] = "final"
    for sequence in range(1, 9):
        counter.drafts[0].show(draft(sequence))
        await asyncio.sleep(0.5)
    assert counter.chat.messages == ["final"]


@in_virtual_time
async def test_a_final_message_from_elsewhere_waits_for_a_growth_under_way() -> None:
    counter = Counter()
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(3)
    counter.chat.takes = lambda: 0.5
    counter.drafts[0].show(draft(1))
    await asyncio.sleep(0.1)
    assert counter.chat.under_way == 1
    assert await counter.drafts[1].finish(CHAT, LINE) == "m|0"
    assert counter.chat.under_way == 0


@in_virtual_time
async def test_a_process_that_died_while_opening_holds_the_final_message_up_for_so_long_only() -> None:
    counter = Counter(takes=lambda: 0.1)
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(0.3)
    counter.host.failure = StoreBusy("this process is gone")
    await counter.drafts[0].close()
    counter.host.failure = None
    started = now()
    assert await counter.drafts[1].finish(CHAT, LINE) is None
    assert now() - started <= OPENING_S + 0.5


@in_virtual_time
async def test_a_process_that_comes_back_finds_its_own_draft() -> None:
    counter = Counter()
    counter.drafts[0].show(draft(0))
    await asyncio.sleep(1)
    await counter.drafts[0].close()
    counter.restart(0)
    counter.drafts[0].show(draft(1))
    await asyncio.sleep(5)
    assert counter.chat.messages == ["text 0"]
    assert await counter.drafts[0].finish(CHAT, LINE) == "m|0"


moments = st.floats(0, 6, allow_nan=False)


@given(
    shows=st.lists(st.tuples(moments, st.integers(0, 1)), max_size=25),
    shuffled=st.booleans(),
    end=moments,
    finisher=st.integers(0, 1),
    again=st.integers(0, 1),
    slowest=st.sampled_from([0.0, 0.01, 0.1, 0.4]),
    refusals=st.lists(st.sampled_from([None, None, 0.3, 2.0]), max_size=6),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=300, deadline=None)
def test_whenever_things_happen_one_message_is_shown_and_its_final_text_stays(
    shows: list[tuple[float, int]],
    shuffled: bool,
    end: float,
    finisher: int,
    again: int,
    slowest: float,
    refusals: list[float | None],
    seed: int,
) -> None:
    dice = random.Random(seed)

    async def scenario() -> None:
        counter = Counter(takes=lambda: dice.uniform(0, slowest))
        chat = counter.chat
        chat.failures = [None if after is None else RetryLater("slow", after) for after in refusals]
        began = now()
        numbers = list(range(len(shows)))
        if shuffled:
            dice.shuffle(numbers)

        async def show(at: float, process: int, sequence: int) -> None:
            await asyncio.sleep(at)
            counter.drafts[process].show(draft(sequence))

        async def finish() -> str | None:
            await asyncio.sleep(end)
            handle = await counter.drafts[finisher].finish(CHAT, LINE)
            assert now() - began - end < OPENING_S, "nothing took so long"
            assert chat.under_way == 0
            chat.texts.append("final")
            if handle is None:
                chat.messages.append("final")
            else:
                chat.messages[number(handle)] = "final"
            return handle

        showing = [
            show(at, process, sequence)
            for (at, process), sequence in zip(sorted(shows), numbers, strict=True)
        ]
        handle, *_ = await asyncio.gather(finish(), *showing)
        await asyncio.sleep(30)

        assert chat.messages == ["final"], "one message, and no preview over it or beside it"
        assert chat.texts[-1] == "final", "no call after the end"
        assert await counter.drafts[again].finish(CHAT, LINE) == handle
        assert all(later - earlier >= EVERY_S - 1e-6 for earlier, later in pairwise(chat.starts))
        sequences = [int(text.split()[1]) for text in chat.texts[:-1]]
        assert sequences == sorted(sequences), "it went back"
        for drafts in counter.drafts:
            await drafts.close()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scenario())
