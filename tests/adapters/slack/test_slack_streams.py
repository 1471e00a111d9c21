"""Answers that grow: the whole text arrives, once, whatever becomes of the stream."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.slack import SlackAdapter
from adapters.slack.text import escape, formats, literal_markdown
from bot.errors import RetryLater, SendAmbiguous
from bot.types import Button, Buttons, Citation, Conversation, Sources
from tests.adapters.slack.bench import Bench, bench, draft, message, place
from tests.emulators.slack import SlackEmulator
from tests.emulators.slack_blocks import seen_in_markdown

THREAD = place("D1", "1.000100")
TEXT = "信用卡丢失后请立即挂失。可以在手机银行办理，也可以拨打客服热线，挂失后七天内到网点补办新卡。"


async def grow(there: Bench, conversation: Conversation, *texts: str) -> None:
    """Show drafts one after the other, each once the one before is out."""
    for sequence, text in enumerate(texts):
        await there.adapter.draft(draft(conversation, text, sequence))

        def shown(wanted: str = text) -> bool:
            return any(m.seen == wanted for m in there.slack.by_bot(conversation.chat))

        await there.slack.until(shown)


def quick(there: Bench) -> None:
    """Previews without waiting a second between them."""
    assert there.adapter._drafts is not None
    there.adapter._drafts._every_s = 0.01


async def finish(there: Bench, conversation: Conversation, *parts: object) -> None:
    await there.adapter.send(message(conversation, *parts))  # type: ignore[arg-type]


async def test_a_stream_grows_by_what_is_new_and_is_stopped_with_the_rest() -> None:
    async with bench() as there:
        quick(there)
        await grow(there, THREAD, TEXT[:10], TEXT[:30])
        await finish(
            there, THREAD, TEXT, Sources((Citation("1", "挂失"),)), Buttons((Button("挂失", "lose"),))
        )
        (shown,) = there.slack.by_bot("D1")
        assert shown.seen == TEXT + "\n来源：《挂失》"
        assert not shown.streaming
        assert [b["value"] for b in shown.buttons] == ["lose"]
        sent = [c.arguments.get("markdown_text") for c in there.slack.api.calls if "Stream" in c.method]
        assert sent == [TEXT[:10], TEXT[10:30], TEXT[30:]]
        assert not there.slack.calls("chat.postMessage")
        assert not there.slack.calls("chat.update")
        assert not there.slack.api.errors


async def test_a_text_that_markdown_would_format_is_put_in_place_as_written() -> None:
    text = "1. 冻结 **卡片**\n5. 补办 `新卡` <!channel> A&B [x](y)\n# 完成"
    async with bench() as there:
        quick(there)
        await grow(there, THREAD, text[:12])
        await finish(there, THREAD, text)
        (shown,) = there.slack.by_bot("D1")
        assert shown.seen == text
        assert len(there.slack.calls("chat.update")) == 1


async def test_a_final_text_that_is_another_one_takes_the_drafts_place() -> None:
    async with bench() as there:
        quick(there)
        await grow(there, THREAD, "年利率高达百分之十")
        await finish(there, THREAD, TEXT)
        assert [m.seen for m in there.slack.by_bot("D1")] == [TEXT]


@pytest.mark.parametrize(
    "how",
    [
        "message_not_in_streaming_state",
        "internal_error",
        "invalid_arguments",
        "drop",
        "http_503",
        "ratelimited",
    ],
)
@pytest.mark.parametrize("method", ["chat.appendStream", "chat.stopStream"])
async def test_any_streaming_error_ends_in_the_whole_text_once(method: str, how: str) -> None:
    async with bench() as there:
        quick(there)
        await grow(there, THREAD, TEXT[:10])
        there.slack.fail(method, how)
        await there.adapter.draft(draft(THREAD, TEXT[:20], 5))
        if method == "chat.appendStream":
            await there.slack.until(lambda: there.slack.api.failures[method][0].times == 0)
        for _ in range(3):
            try:
                await finish(there, THREAD, TEXT)
                break
            except (SendAmbiguous, RetryLater):
                there.clock.offset += 2
        assert [m.seen for m in there.slack.by_bot("D1")] == [TEXT]
        assert not any(m.streaming for m in there.slack.by_bot("D1"))


async def test_a_stream_that_slack_closed_at_five_minutes_is_rewritten() -> None:
    async with bench() as there:
        quick(there)
        await grow(there, THREAD, TEXT[:10])
        there.clock.offset += 301
        await there.adapter.draft(draft(THREAD, TEXT[:20], 5))
        await finish(there, THREAD, TEXT)
        assert [m.seen for m in there.slack.by_bot("D1")] == [TEXT]
        assert not there.slack.calls("chat.appendStream")


async def test_sending_again_after_a_crash_changes_nothing() -> None:
    async with bench() as there:
        quick(there)
        await grow(there, THREAD, TEXT[:10])
        await finish(there, THREAD, TEXT)
        await finish(there, THREAD, TEXT)
        assert [m.seen for m in there.slack.by_bot("D1")] == [TEXT]


async def test_a_draft_that_comes_after_its_answer_is_not_shown() -> None:
    async with bench() as there:
        quick(there)
        await finish(there, THREAD, TEXT)
        await there.adapter.draft(draft(THREAD, TEXT[:10], 0))
        await asyncio.sleep(0.05)
        assert [m.seen for m in there.slack.by_bot("D1")] == [TEXT]


async def test_in_a_channel_the_stream_names_its_reader() -> None:
    async with bench() as there:
        quick(there)
        root = await there.slack.say("<@U0BOT> 卡丢了", channel="C1", user="U7")
        await there.host.event(1)
        where = place("C1", root)
        await grow(there, where, TEXT[:10])
        await finish(there, where, TEXT)
        (start,) = there.slack.calls("chat.startStream")
        assert (start.arguments["recipient_user_id"], start.arguments["recipient_team_id"]) == ("U7", "T0001")
        assert [m.seen for m in there.slack.by_bot("C1")] == [TEXT]


@pytest.mark.parametrize(
    "code", ["unknown_method", "missing_scope", "not_allowed_token_type", "channel_type_not_supported"]
)
async def test_without_streaming_a_message_is_rewritten_and_the_refusal_remembered(code: str) -> None:
    async with bench() as there:
        quick(there)
        there.slack.fail("chat.startStream", code, times=-1)
        await grow(there, THREAD, TEXT[:10])
        await there.adapter.draft(draft(THREAD, TEXT[:20], 5))
        await there.adapter.draft(draft(THREAD, TEXT[:30], 6))
        await asyncio.sleep(0.1)
        # Once in a second and a half, however fast the drafts come.
        assert len(there.slack.calls("chat.update")) <= 1
        await finish(there, THREAD, TEXT)
        assert [m.seen for m in there.slack.by_bot("D1")] == [TEXT]
        there.clock.offset += 5
        other = place("D1", "2.000100")
        await there.adapter.draft(draft(other, "第二个", 0, key="k2"))
        await there.slack.until(lambda: len(there.slack.by_bot("D1")) == 2)
        await there.adapter.send(message(other, "第二个答案", key="k2"))
        assert there.slack.api.errors == {code: 1}
        assert (await there.adapter.health()).ok


async def test_a_direct_message_without_a_thread_is_rewritten() -> None:
    async with bench() as there:
        quick(there)
        await grow(there, place("D1"), TEXT[:10])
        await finish(there, place("D1"), TEXT)
        assert [m.seen for m in there.slack.by_bot("D1")] == [TEXT]
        assert not there.slack.calls("chat.startStream")


async def test_a_draft_whose_message_is_gone_is_answered_anew() -> None:
    async with bench() as there:
        quick(there)
        await grow(there, place("D1"), TEXT[:10])
        there.slack.api.channels["D1"].clear()
        await finish(there, place("D1"), TEXT)
        assert [m.seen for m in there.slack.by_bot("D1")] == [TEXT]


@pytest.mark.parametrize("where", [THREAD, place("D1")], ids=["stream", "message"])
async def test_a_draft_whose_start_was_never_answered_is_found(where: Conversation) -> None:
    async with bench(change=lambda s: dataclasses.replace(s, timeout_s=0.3)) as there:
        quick(there)
        there.slack.fail("chat.startStream" if where.thread else "chat.postMessage", "hang")
        await there.adapter.draft(draft(where, TEXT[:10], 0))
        await there.slack.until(lambda: len(there.slack.by_bot("D1")) == 1)
        await finish(there, where, TEXT)
        assert [m.seen for m in there.slack.by_bot("D1")] == [TEXT]


@pytest.mark.parametrize("where", [THREAD, place("D1")], ids=["stream", "message"])
async def test_another_process_finishes_the_draft_it_did_not_start(where: Conversation) -> None:
    async with bench() as there:
        quick(there)
        await grow(there, where, TEXT[:10])
        second = SlackAdapter(there.adapter._settings, clock=there.clock)
        await second.start(there.host, receive=False)
        try:
            await second.send(message(where, TEXT))
        finally:
            await second.close()
        # The first one hears of its end only now, by what it finds there.
        there.clock.offset += 2
        await there.adapter.draft(draft(where, TEXT[:20], 7))
        await asyncio.sleep(0.1)
        assert [m.seen for m in there.slack.by_bot("D1")] == [TEXT]


async def test_a_long_answer_begins_in_its_draft_and_goes_on_below() -> None:
    text = "甲" * 3000 + "乙" * 50
    async with bench() as there:
        quick(there)
        await grow(there, THREAD, text[:100])
        await there.adapter.draft(draft(THREAD, text, 9))
        await finish(there, THREAD, text)
        assert [m.seen for m in there.slack.by_bot("D1")] == ["甲" * 3000, "乙" * 50]


async def test_many_answers_at_once_stay_under_slacks_tiers() -> None:
    async def one(there: Bench, number: int) -> None:
        where = place(f"D{number}", "1.000100")
        for end in (10, 20, 30):
            await there.adapter.draft(draft(where, TEXT[:end], end, key=f"k{number}"))
            await asyncio.sleep(0.02)
        while True:
            try:
                await there.adapter.send(message(where, TEXT, key=f"k{number}"))
                return
            except RetryLater as held:
                await asyncio.sleep(held.retry_after)

    async with bench(change=lambda s: dataclasses.replace(s, timeout_s=10)) as there:
        quick(there)
        await asyncio.gather(*(one(there, number) for number in range(90)))
        for number in range(90):
            assert [m.seen for m in there.slack.by_bot(f"D{number}")] == [TEXT]
        assert len(there.slack.calls("chat.startStream")) == 16
        assert not there.slack.api.errors


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet="ab *_~`[]()#>-+.&<>!|\\\n甲、1", max_size=40), st.integers(0, 40))
def test_escaped_pieces_read_as_the_text(text: str, cut: int) -> None:
    pieces = literal_markdown(text[:cut]) + literal_markdown(text[cut:])
    assert pieces == literal_markdown(text)
    assert "<" not in pieces
    if not formats(text):
        assert seen_in_markdown(pieces) == text.replace("  \n", "\n")
        assert pieces == escape(text).replace("\n", "  \n")


async def test_the_emulator_refuses_to_update_an_open_stream() -> None:
    """The rule that the whole design of previews rests on is one the emulator keeps."""
    async with SlackEmulator() as slack, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {slack.team.token}"}

        async def call(method: str, **body: str) -> dict[str, Any]:
            async with session.post(slack.base_url + method, json=body, headers=headers) as response:
                made: dict[str, Any] = await response.json()
                return made

        started = await call("chat.startStream", channel="D1", thread_ts="1.000100", markdown_text="a")
        ts = str(started["ts"])
        assert (await call("chat.update", channel="D1", ts=ts, text="b"))[
            "error"
        ] == "streaming_state_conflict"
        assert (await call("chat.delete", channel="D1", ts=ts))["error"] == "cant_delete_message"
        assert (await call("chat.stopStream", channel="D1", ts=ts))["ok"]
        stopped = await call("chat.appendStream", channel="D1", ts=ts, markdown_text="b")
        assert stopped["error"] == "message_not_in_streaming_state"
        assert (await call("chat.update", channel="D1", ts=ts, text="b"))["ok"]
