"""The bubbles of callback mode, and the response_urls beside them, where several tasks meet in one."""

from __future__ import annotations

import asyncio

import msgspec

from adapters.wecom.aibot.response_url import ResponseUrls
from adapters.wecom.aibot.streams import Piece, Streams, _Stream
from tests.adapters.host import MemoryHost, MemoryNotes


class SlowNotes(MemoryNotes):
    """As a database: between asking and knowing, others have their turn."""

    async def get(self, key: str) -> str | None:
        found = await super().get(key)
        await asyncio.sleep(0.01)
        return found


def streams(notes: MemoryNotes, *, look_s: float = 60.0) -> Streams:
    return Streams(notes, later="later", clock=lambda: 1000.0, untaken_s=5.0, look_s=look_s)


def slow() -> SlowNotes:
    return SlowNotes(MemoryHost(lambda: 1000.0))


async def test_two_messages_delivered_at_one_time_share_the_bubble_and_both_learn_of_it() -> None:
    bubbles = streams(slow())
    await bubbles.open("s", waiting="")
    async with asyncio.timeout(3), asyncio.TaskGroup() as group:
        made = [group.create_task(bubbles.deliver("s", Piece(key, f"text {key}"))) for key in "ab"]
        await asyncio.sleep(0.1)
        shown = await bubbles.poll("s")
    assert (shown.text, shown.finish) == ("text a\n\ntext b", True)
    # Neither waited for its next look, which is a minute off.
    assert [task.result() for task in made] == [True, True]
    assert not bubbles._waiting


async def test_a_share_that_another_process_overwrote_goes_another_way() -> None:
    notes = slow()
    here, there = streams(notes, look_s=0.02), streams(notes, look_s=0.02)
    await here.open("s", waiting="")
    async with asyncio.timeout(3), asyncio.TaskGroup() as group:
        made = {
            key: group.create_task(one.deliver("s", Piece(key, key)))
            for one, key in ((here, "a"), (there, "b"))
        }
        await asyncio.sleep(0.1)
        shown = await here.poll("s")
    assert {key for key, task in made.items() if task.result()} == set(shown.text.split())


async def test_a_poll_that_comes_again_is_told_the_same() -> None:
    notes = slow()
    bubbles = streams(notes)
    await bubbles.open("s", waiting="")
    first = asyncio.create_task(bubbles.deliver("s", Piece("a", "one")))
    await asyncio.sleep(0.1)
    shown = await bubbles.poll("s")
    assert await first
    assert not await bubbles.deliver("s", Piece("b", "two"))
    # Another process's, that had looked before and wrote after: it was told "no", and goes by response_url.
    late = _Stream(1000.0, "", (Piece("a", "one"), Piece("b", "two")))
    await notes.put("stream:s", msgspec.json.encode(late).decode())
    assert await bubbles.poll("s") == shown


async def test_addresses_that_come_at_one_time_are_all_kept() -> None:
    urls = ResponseUrls(slow(), lambda: 1000.0)

    async def remember(number: int) -> None:
        # One is done, one is writing, one comes only then.
        await asyncio.sleep(0.004 * number)
        await urls.remember("chat", f"m{number}", f"https://x/{number}")

    await asyncio.gather(*(remember(number) for number in range(8)))
    assert sorted(await urls.ids("chat")) == [f"m{number}" for number in range(8)]
