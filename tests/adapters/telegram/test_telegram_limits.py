"""The pace towards Telegram."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count, pairwise

import pytest

from adapters.telegram.limits import Limits
from bot.errors import RetryLater
from bot.types import OutboundMessage
from tests.adapters.telegram.rig import reply, rig
from tests.emulators.telegram import TelegramEmulator
from tests.emulators.telegram_world import Chat

CHATS = 500


class Time:
    """A clock that moves when something sleeps."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class CommonTime:
    """A clock for many tasks: when all of them sleep, it moves to where the first wakes up."""

    def __init__(self, tasks: int) -> None:
        self.now = 1_000_000.0
        self._awake = tasks
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        wake = asyncio.get_running_loop().create_future()
        heappush(self._sleeping, (self.now + seconds, next(self._numbers), wake))
        self.one_less()
        await wake

    def one_less(self) -> None:
        """A task sleeps, or is done."""
        self._awake -= 1
        if self._awake or not self._sleeping:
            return
        self.now = max(self.now, self._sleeping[0][0])
        while self._sleeping and self._sleeping[0][0] <= self.now:
            self._awake += 1
            heappop(self._sleeping)[2].set_result(None)


@pytest.fixture
def time() -> Time:
    return Time()


async def place(limits: Limits, chat: int) -> float:
    """Seconds until there is a place; 0 if one was taken."""
    try:
        await limits.place(chat, patient=False)
    except RetryLater as error:
        return error.retry_after
    return 0.0


async def test_a_private_chat_takes_three_at_once_and_then_three_in_three_seconds(time: Time) -> None:
    limits, start = Limits(time, time.sleep), time.now
    assert [await place(limits, 7) for _ in range(3)] == [0, 0, 0]
    wait = await place(limits, 7)
    assert 2.5 < wait <= 3
    time.now += wait
    assert await place(limits, 7) == 0
    assert time.now - start <= 3.5


async def test_a_group_takes_twenty_in_a_minute(time: Time) -> None:
    limits = Limits(time, time.sleep)
    for _ in range(20):
        while (wait := await place(limits, -7)) > 0:
            time.now += wait
    first = time.now
    assert await place(limits, -7) > 30
    assert await place(limits, -8) == 0
    assert time.now - first < 1


async def test_all_chats_together_stay_under_thirty_a_second(time: Time) -> None:
    limits, start = Limits(time, time.sleep), time.now
    for chat in range(1, 301):
        assert await place(limits, chat) == 0
    assert 300 / (time.now - start) < 30


async def test_between_parts_a_short_wait_is_waited_and_a_long_one_puts_the_message_back(time: Time) -> None:
    limits = Limits(time, time.sleep)
    for _ in range(6):
        await limits.place(7, patient=True)
    limits.hold(7, 60)
    with pytest.raises(RetryLater) as caught:
        await limits.place(7, patient=True)
    assert caught.value.retry_after == pytest.approx(60, abs=1)
    time.now += 61
    await limits.place(7, patient=True)


async def test_previews_take_half_a_groups_minute_at_most(time: Time) -> None:
    limits, start, taken = Limits(time, time.sleep), time.now, []
    while time.now < start + 60:
        try:
            await limits.preview(-7)
            taken.append(time.now)
        except RetryLater as error:
            time.now += min(error.retry_after, 60)
    assert len(taken) == 10
    assert all(later - earlier >= 3 for earlier, later in pairwise(taken))
    assert await place(limits, -7) == 0


async def test_five_hundred_chats_are_answered_in_order_and_never_too_fast() -> None:
    """Ask, be stored, be answered twice: as the sender does it, one message of a chat at a time."""
    time = CommonTime(CHATS)
    api = TelegramEmulator(clock=time)
    async with rig(api=api, limits=Limits(time, time.sleep), timeout_s=10.0) as bot:
        people = [api.world.customer(f"客{n}") for n in range(CHATS)]
        for person in people:
            person.say("利率")
        await bot.api.drained(patience=30)
        assert len(bot.host.events) == CHATS

        async def answer(chat: Chat) -> None:
            for number in "12":
                message = reply(chat, number)
                while not await sent(message):
                    pass
            time.one_less()

        async def sent(message: OutboundMessage) -> bool:
            try:
                await bot.adapter.send(message)
            except RetryLater as error:
                await time.sleep(error.retry_after)
                return False
            return True

        started = time.now
        await asyncio.gather(*(answer(person.chat) for person in people))
        for person in people:
            assert [m["text"] for m in person.chat.messages.values()] == ["利率", "1", "2"]
        assert api.flood.refused == 0
        assert 25 < 2 * CHATS / (time.now - started) < 30
