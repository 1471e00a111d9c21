"""What customers get to see, and what becomes of refusals."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from adapters.base import Attachment
from adapters.slack.encode import TEXT_LIMIT
from bot.errors import RetryLater, SendAmbiguous, SendError, SendRefused
from bot.types import (
    Button,
    Buttons,
    Card,
    Citation,
    FileOut,
    HandOver,
    ImageOut,
    Sources,
)
from tests.adapters.slack.bench import MAIN, Bench, bench, message, place
from tests.emulators.slack import SlackEmulator


def unlimited(slack: SlackEmulator) -> None:
    slack.api.limits.enforced = False


async def test_a_text_is_shown_as_it_was_written_and_pings_nobody() -> None:
    text = "卡号 6222 **** **** 1234_A_ ~旧~ `x` <!channel> <@U1> A&B\n见 https://bank.example/a?b=1&c=2。"
    async with bench() as there:
        delivery = await there.adapter.send(message(place("D1"), text))
        (shown,) = there.slack.by_bot("D1")
    assert shown.seen == text
    assert shown.ts == delivery.message_id
    assert "<!" not in shown.text
    assert "&lt;!channel&gt;" in shown.text
    (call,) = there.slack.calls("chat.postMessage")
    assert call.arguments["unfurl_links"] is False
    assert call.arguments["unfurl_media"] is False


async def test_a_reply_stays_in_its_thread() -> None:
    async with bench() as there:
        await there.adapter.send(message(place("C1", "1.000100"), "好的"))
        assert [m.thread for m in there.slack.by_bot("C1")] == ["1.000100"]


async def test_a_long_text_arrives_whole_in_order_and_in_pace() -> None:
    text = "\n".join(f"第{number}条：请先在手机银行冻结银行卡，再到网点补办新卡。" for number in range(240))
    async with bench() as there:
        await there.adapter.send(message(place("D1"), text, Buttons((Button("好", "ok"),))))
        shown = there.slack.by_bot("D1")
        assert "\n".join(m.seen for m in shown) == text
        assert len(shown) > 1
        assert all(len(m.seen) <= TEXT_LIMIT for m in shown)
        assert [bool(m.buttons) for m in shown] == [False] * (len(shown) - 1) + [True]
        assert not there.slack.api.errors


async def test_a_failure_in_the_middle_repeats_nothing() -> None:
    text = "甲" * TEXT_LIMIT + "乙" * TEXT_LIMIT + "丙" * 10
    async with bench(before=unlimited) as there:
        sent = message(place("D1"), text)

        async def fail_second() -> None:
            await there.slack.until(lambda: len(there.slack.by_bot("D1")) == 1)
            there.slack.fail("chat.postMessage", "service_unavailable")

        watcher = asyncio.create_task(fail_second())
        with pytest.raises(SendError):
            await there.adapter.send(sent)
        await watcher
        there.clock.offset += 5
        await there.adapter.send(sent)
        assert "".join(m.seen for m in there.slack.by_bot("D1")) == text


async def test_a_card_its_sources_and_files_are_shown() -> None:
    card = Card(
        "转账确认", (("收款人", "王*"), ("金额", "1,000.00 元")), "请核对。", (Button("确认", "c:1"),)
    )
    source = Sources(
        (Citation("1", "信用卡手册"), Citation("2", "收费标准", uri="https://bank.example/f?a=1&b=2"))
    )
    async with bench(before=unlimited) as there:
        picture = await there.host.keep_attachment(place("D1"), Attachment("", "image/png", b"\x89PNG"))
        paper = await there.host.keep_attachment(place("D1"), Attachment("x", "application/pdf", b"%PDF"))
        made = message(
            place("D1"),
            "如下。",
            source,
            card,
            ImageOut(picture, "走势图"),
            FileOut(paper, "对账单.pdf"),
            HandOver(),
        )
        there.clock.offset += 10
        await there.adapter.send(made)
        answer, shown, image, file = there.slack.by_bot("D1")
    assert answer.seen == "如下。\n来源：\n信用卡手册\n收费标准"
    assert "https://bank.example/f?a=1&amp;b=2" in str(answer.blocks)
    assert shown.seen == "转账确认\n收款人\n王*\n*金额*\n1,000.00 元\n请核对。"
    assert [b["value"] for b in shown.buttons] == ["c:1"]
    assert (image.files[0]["title"], image.files[0]["alt_txt"]) == ("走势图", "走势图")
    assert image.files[0]["name"] == "走势图.png"
    assert file.files[0]["name"] == "对账单.pdf"
    assert there.slack.api.bytes[file.files[0]["id"]] == b"%PDF"
    assert not there.slack.api.errors


async def test_a_handover_alone_shows_nothing() -> None:
    async with bench() as there:
        await there.adapter.send(message(place("D1"), HandOver("cards")))
        assert there.slack.by_bot("D1") == []


async def test_too_fast_for_a_channel_is_held_back_before_anything_goes_out() -> None:
    async with bench() as there:
        await there.adapter.send(message(place("D1"), "一", key="a"))
        with pytest.raises(RetryLater) as held:
            await there.adapter.send(message(place("D1"), "二", key="b"))
        assert 0 < held.value.retry_after <= 1.1
        await there.adapter.send(message(place("D2"), "三", key="c"))
        assert len(there.slack.calls("chat.postMessage")) == 2


async def test_retry_after_holds_up_one_channel_only() -> None:
    async with bench() as there:
        there.slack.fail("chat.postMessage", "ratelimited", retry_after=7, channel="D1")
        with pytest.raises(RetryLater) as held:
            await there.adapter.send(message(place("D1"), "一"))
        assert held.value.retry_after == 7
        await there.adapter.send(message(place("D2"), "二", key="b"))
        assert [m.seen for m in there.slack.by_bot("D2")] == ["二"]


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        ("not_in_channel", SendRefused, "invite the bot"),
        ("is_archived", SendRefused, "archived"),
        ("channel_not_found", SendRefused, "invite the bot"),
        ("msg_too_long", SendRefused, "too long"),
        ("restricted_action_read_only_channel", SendRefused, "read-only"),
        ("messages_tab_disabled", SendRefused, "Messages Tab"),
        ("service_unavailable", SendError, "service_unavailable"),
        ("invalid_auth", SendError, "token"),
        ("http_500", SendAmbiguous, "500"),
        ("http_503", SendAmbiguous, "503"),
        ("fatal_error", SendAmbiguous, "fatal_error"),
        ("garbage", SendAmbiguous, "Slack"),
        ("drop", SendAmbiguous, "answer"),
    ],
)
async def test_refusals_say_what_to_do(code: str, kind: type[SendError], advice: str) -> None:
    async with bench() as there:
        there.slack.fail("chat.postMessage", code)
        with pytest.raises(SendError, match=advice) as refused:
            await there.adapter.send(message(place("C1", "1.000100"), "一"))
        assert type(refused.value) is kind or (
            issubclass(type(refused.value), kind)
            and not isinstance(refused.value, RetryLater | SendAmbiguous)
        )


async def test_slack_away_is_no_ambiguity() -> None:
    async with bench() as there:
        await there.slack.stop()
        with pytest.raises(SendError) as refused:
            await there.adapter.send(message(place("D1"), "一"))
        assert not isinstance(refused.value, SendAmbiguous | SendRefused)


@pytest.mark.parametrize("how", ["hang", "drop"])
@pytest.mark.parametrize("where", [place("D1"), place("C1", "1.000100")], ids=["channel", "thread"])
async def test_a_send_whose_answer_was_lost_is_not_made_twice(how: str, where: object) -> None:
    async with bench(change=lambda s: dataclasses.replace(s, timeout_s=0.3)) as there:
        there.slack.fail("chat.postMessage", how)
        sent = message(where, "已为您挂失。")  # type: ignore[arg-type]
        with pytest.raises(SendAmbiguous):
            await there.adapter.send(sent)
        there.clock.offset += 2
        again = await there.adapter.send(sent)
        (shown,) = there.slack.by_bot(sent.conversation.chat)
        assert shown.ts == again.message_id


async def test_a_send_that_was_broken_off_from_outside_is_not_made_twice() -> None:
    async with bench() as there:
        there.slack.fail("chat.postMessage", "hang")
        sent = message(place("D1"), "已为您挂失。")
        attempt = asyncio.create_task(there.adapter.send(sent))
        await there.slack.until(lambda: bool(there.slack.by_bot("D1")))
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        there.clock.offset += 2
        again = await there.adapter.send(sent)
        (shown,) = there.slack.by_bot("D1")
        assert shown.ts == again.message_id


async def test_a_send_that_never_arrived_is_made_again() -> None:
    async with bench() as there:
        there.slack.fail("chat.postMessage", "http_500")
        sent = message(place("D1"), "已为您挂失。")
        with pytest.raises(SendAmbiguous):
            await there.adapter.send(sent)
        there.clock.offset += 2
        there.slack.fail("conversations.history", "missing_scope")
        await there.adapter.send(sent)
        assert len(there.slack.by_bot("D1")) == 1


async def test_a_command_from_a_channel_without_the_bot_is_answered_by_its_response_url() -> None:
    def outside(slack: SlackEmulator) -> None:
        slack.team.absent.add("C7")

    async with bench(before=outside) as there:
        await there.slack.command("/help", channel="C7")
        event = await there.host.event(1)
        for number in range(5):
            there.clock.offset += 2
            made = message(place("C7"), f"帮助 {number}", key=f"k{number}", in_reply_to=event.event_id)
            await there.adapter.send(made)
        there.clock.offset += 2
        with pytest.raises(SendRefused, match="invite the bot"):
            await there.adapter.send(message(place("C7"), "六", key="k6", in_reply_to=event.event_id))
        assert [r["response_type"] for r in there.slack.responses] == ["ephemeral"] * 5
        assert there.slack.responses[0]["text"] == "帮助 0"


async def test_the_token_goes_to_slack_and_to_nobody_else() -> None:
    from bot.errors import AttachmentRefused, UnknownAttachment

    async with bench(change=lambda s: dataclasses.replace(s, file_limit=10)) as there:
        for elsewhere in (
            "https://evil.example/x.png",
            "https://slack.com.evil.example/x",
            "http://files.slack.com/x",
            "https://evilslack.com/x",
            "https://files.slack.com@evil.example/x",
            "file:///etc/passwd",
            "not a url",
        ):
            with pytest.raises(UnknownAttachment):
                await there.adapter.fetch(place("D1"), elsewhere)
        large = there.slack.host_file("large.bin", "application/zip", b"x" * 11)
        with pytest.raises(AttachmentRefused):
            await there.adapter.fetch(place("D1"), large["url_private"])
        with pytest.raises(UnknownAttachment):
            await there.adapter.fetch(place("D1"), "file:F404")
        small = there.slack.host_file("small.txt", "text/plain", b"x")
        assert (await there.adapter.fetch(place("D1"), f"file:{small['id']}")).data == b"x"
        there.slack.team.scopes = there.slack.team.scopes.replace("files:read,", "")
        with pytest.raises(SendError, match="files:read"):
            await there.adapter.fetch(place("D1"), small["url_private"])


async def test_status_is_shown_where_there_is_a_thread_and_seldom() -> None:
    async with bench() as there:
        for language in ("zh", "en"):
            await there.adapter.typing(place("D1"), language)
        for _ in range(3):
            await there.adapter.typing(place("D1", "1.000100"), "zh")
        assert there.slack.api.statuses == [("D1", "1.000100", "正在查询，请稍候…")]
        there.slack.fail("assistant.threads.setStatus", "missing_scope")
        await there.adapter.typing(place("D1", "2.000100"), "en")
        await there.adapter.typing(place("D1", "3.000100"), "en")
        assert there.slack.api.errors == {"missing_scope": 1}
        assert (await there.adapter.health()).ok


async def _converse(there: Bench, channel: str, count: int) -> None:
    for number in range(count):
        made = message(place(channel), f"{channel} {number}", key=f"{channel}-{number}")
        while True:
            try:
                await there.adapter.send(made)
                break
            except RetryLater as held:
                await asyncio.sleep(held.retry_after)


async def test_five_hundred_channels_at_once_keep_their_order_and_meet_no_429() -> None:
    channels = [f"D{number:04d}" for number in range(500)]
    async with bench(change=lambda s: dataclasses.replace(s, timeout_s=10)) as there:
        await asyncio.gather(*(there.slack.say("在吗", channel=channel) for channel in channels))
        await asyncio.gather(*(_converse(there, channel, 3) for channel in channels))
        for channel in channels:
            assert [m.seen for m in there.slack.by_bot(channel)] == [f"{channel} {n}" for n in range(3)]
        assert not there.slack.api.errors
        await there.host.event(500)
        assert len({e.event_id for e in there.host.events}) == 500


async def test_several_workspaces_use_their_own_tokens() -> None:
    from adapters.slack import SlackWorkspace
    from tests.emulators.slack_state import Team

    second = Team("T0002", "xoxb-emulator-2", "U2BOT", "B2BOT")

    def both(slack: SlackEmulator) -> None:
        slack.add_team(second)

    def two(made: object) -> object:
        spaces = (
            SlackWorkspace(MAIN, "xoxb-emulator-1", "T0001"),
            SlackWorkspace("other", "xoxb-emulator-2", "T0002"),
        )
        return dataclasses.replace(made, workspaces=spaces)  # type: ignore[type-var]

    async with bench(change=two, before=both) as there:  # type: ignore[arg-type]
        there.slack.team = second
        await there.slack.say("你好", channel="D9")
        event = await there.host.event(1)
        assert event.account == "other"
        there.slack.team = Team("T0009", "xoxb-unknown", "U9BOT", "B9BOT")
        await there.slack.say("你好", channel="D8")
        await there.slack.until(lambda: not there.slack.sockets.unacknowledged)
        assert there.host.refusals == {"unknown_workspace": 1}
        await there.adapter.send(message(place("D9", account="other"), "您好"))
        assert [call.team for call in there.slack.calls("chat.postMessage")] == ["T0002"]
        assert set(there.adapter.accounts) == {MAIN, "other"}
        with pytest.raises(SendRefused, match="no Slack workspace"):
            await there.adapter.send(message(place("D9", account="gone"), "您好"))
