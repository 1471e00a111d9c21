"""What customers do on Slack, as events; over Socket Mode and over HTTP."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from bot.errors import SendRefused, StoreBusy
from bot.types import Button, Buttons, File, Image, Text, Voice
from tests.adapters.slack.bench import MAIN, Bench, bench, message, place


@pytest.fixture(params=["socket", "http"])
async def there(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with bench(request.param) as made:
        yield made


async def settled(there: Bench) -> None:
    """Until everything that was sent is acknowledged."""
    await there.slack.delivered()
    await there.slack.until(lambda: not there.slack.sockets.unacknowledged)


async def test_a_direct_message_becomes_an_event(there: Bench) -> None:
    ts = await there.slack.say("信用卡丢了怎么办？ &lt;急&gt; A&amp;B", channel="D1", user="U1")
    event = await there.host.event(1)
    assert event.kind == "message"
    assert event.event_id == f"D1-{ts}"
    assert event.conversation == place("D1")
    assert event.account == MAIN
    assert event.text == "信用卡丢了怎么办？ <急> A&B"
    assert event.sender.id == "U1"
    assert event.occurred_at.timestamp() == pytest.approx(float(ts), abs=0.001)
    assert event.raw_ref == event.correlation_id
    await settled(there)
    assert b'"event_id"' in there.host.raw[0]


async def test_an_assistant_thread_keeps_its_thread(there: Bench) -> None:
    await there.slack.event(
        {
            "type": "assistant_thread_started",
            "assistant_thread": {"user_id": "U1", "context": {}, "channel_id": "D1", "thread_ts": "1.000100"},
            "event_ts": "1.000200",
        }
    )
    joined = await there.host.event(1)
    assert (joined.kind, joined.conversation, joined.sender.id) == ("join", place("D1", "1.000100"), "U1")
    await there.slack.say("你好", channel="D1", thread="1.000100")
    assert (await there.host.event(2)).conversation == place("D1", "1.000100")


async def test_a_mention_is_one_message_though_slack_sends_two_events(there: Bench) -> None:
    ts = await there.slack.say("<@U0BOT> 转账限额？", channel="C1")
    await settled(there)
    assert [(e.text, e.conversation) for e in there.host.events] == [("转账限额？", place("C1", ts))]


async def test_a_thread_is_followed_only_where_the_bot_takes_part(there: Bench) -> None:
    root = await there.slack.say("<@U0BOT> 转账限额？", channel="C1")
    await settled(there)
    await there.slack.say("大家怎么看？", channel="C1", thread=root, user="U2")
    await there.slack.say("闲聊", channel="C1")
    await settled(there)
    assert len(there.host.events) == 1
    assert there.host.refusals["not_addressed"] == 2
    await there.adapter.send(message(place("C1", root), "每日五万元。"))
    await there.slack.say("那境外呢？", channel="C1", thread=root)
    assert (await there.host.event(2)).conversation == place("C1", root)


async def test_what_the_asker_adds_before_the_answer_is_heard(there: Bench) -> None:
    root = await there.slack.say("<@U0BOT> 转账限额？", channel="C1")
    await there.slack.say("我说的是手机银行", channel="C1", thread=root)
    assert (await there.host.event(2)).text == "我说的是手机银行"


async def test_saying_yes_twice_is_two_messages(there: Bench) -> None:
    await there.slack.say("是")
    await there.slack.say("是")
    assert (await there.host.event(2)).text == "是"
    assert (await there.host.event(1)).event_id != (await there.host.event(2)).event_id


async def test_a_redelivered_event_is_accepted_once_and_acknowledged_again(there: Bench) -> None:
    await there.slack.say("你好")
    await settled(there)
    await there.slack.redeliver()
    await settled(there)
    assert len(there.host.events) == 1


async def test_own_and_other_bots_messages_are_ignored_by_record(there: Bench) -> None:
    ts = there.slack.api.ts()
    shared = {"type": "message", "channel": "D1", "channel_type": "im", "ts": ts, "text": "hi"}
    await there.slack.event({**shared, "user": "U0BOT"})
    await there.slack.event({**shared, "user": "U9", "bot_id": "B9"})
    await there.slack.event({**shared, "subtype": "bot_message", "bot_id": "B0BOT"})
    await there.slack.event({**shared, "user": "USLACKBOT"})
    await settled(there)
    assert there.host.events == []
    assert there.host.refusals["own_message"] == 4


async def test_an_edit_by_the_writer_is_an_edit_and_unfurling_is_none(there: Bench) -> None:
    ts = await there.slack.say("限额多少", channel="D1")
    await there.slack.edit("D1", ts, "境外限额多少")
    edit = await there.host.event(2)
    assert (edit.kind, edit.text, edit.in_reply_to) == ("edit", "境外限额多少", f"D1-{ts}")
    await there.slack.edit("D1", ts, "境外限额多少")
    await there.slack.edit("D1", ts, "别人改的", by="U2")
    await settled(there)
    assert len(there.host.events) == 2
    assert there.host.refusals["unknown_type"] == 2


async def test_files_are_lazy_parts(there: Bench) -> None:
    slack = there.slack
    files = [
        slack.host_file("card.png", "image/png", b"png"),
        {**slack.host_file("voice.m4a", "audio/mp4", b"m4a"), "duration_ms": 2500},
        slack.host_file("bill.pdf", "application/pdf", b"%PDF"),
        {"id": "F9", "mode": "tombstone"},
        {"id": "F8", "file_access": "check_file_info"},
    ]
    await slack.say("看这个", files=files)
    event = await there.host.event(1)
    text, image, voice, file, shared = event.parts
    assert text == Text("看这个")
    assert isinstance(image, Image)
    assert (image.name, image.mime, image.size) == ("card.png", "image/png", 3)
    assert isinstance(voice, Voice)
    assert voice.seconds == 2.5
    assert isinstance(file, File)
    assert isinstance(shared, File)
    assert shared.ref == "file:F8"
    fetched = await there.adapter.fetch(event.conversation, image.ref)
    assert (fetched.data, fetched.mime, fetched.name) == (b"png", "image/png", "card.png")


async def test_a_slash_command_is_a_command_answered_with_nothing(there: Bench) -> None:
    await there.slack.command("/tickets", "mine &amp; open", channel="C7", user="U5")
    event = await there.host.event(1)
    assert (event.kind, event.value, event.text) == ("command", "/tickets", "mine & open")
    assert event.conversation == place("C7")
    assert event.sender.id == "U5"
    await settled(there)
    assert there.slack.statuses in ([], [200])


async def test_a_pressed_button_comes_back_with_value_and_label(there: Bench) -> None:
    await there.adapter.send(message(place("D1"), Buttons((Button("是的", "yes:1"),), "确认吗？")))
    await there.slack.press("yes:1", channel="D1")
    event = await there.host.event(1)
    assert (event.kind, event.value, event.text) == ("button", "yes:1", "是的")
    assert event.conversation == place("D1")


async def test_a_button_in_a_thread_belongs_to_the_thread(there: Bench) -> None:
    root = await there.slack.say("<@U0BOT> 你好", channel="C1")
    await there.adapter.send(message(place("C1", root), Buttons((Button("是的", "yes"),), "确认吗？")))
    await there.slack.press("yes", channel="C1")
    assert (await there.host.event(2)).conversation == place("C1", root)


async def test_arrivals_are_joins(there: Bench) -> None:
    opened = {"type": "app_home_opened", "user": "U1", "channel": "D1", "event_ts": "2.000001"}
    await there.slack.event({**opened, "tab": "home"})
    await there.slack.event({**opened, "tab": "messages"})
    await there.slack.event({**opened, "tab": "messages", "event_ts": "3.000001"})
    joined = {"type": "member_joined_channel", "channel": "C1", "channel_type": "C", "team": "T0001"}
    await there.slack.event({**joined, "user": "U0BOT", "inviter": "U7"})
    await there.slack.event({**joined, "user": "U2"})
    await settled(there)
    assert [(e.kind, e.conversation, e.sender.id) for e in there.host.events] == [
        ("join", place("D1"), "U1"),
        ("join", place("C1"), "U7"),
    ]


async def test_what_is_not_ours_is_acknowledged_and_counted(there: Bench) -> None:
    for event in ("reaction_added", "channel_rename", "message_metadata_posted"):
        await there.slack.event({"type": event, "user": "U1"})
    for subtype in ("message_deleted", "channel_join", "channel_topic"):
        shared = {"channel": "D1", "channel_type": "im", "ts": "1.000001", "user": "U1"}
        await there.slack.event({"type": "message", "subtype": subtype, **shared})
    user = {"id": "U1", "team_id": "T0001"}
    for kind in ("view_submission", "view_closed", "shortcut", "message_action"):
        made = {"type": kind, "team": {"id": "T0001"}, "user": user, "view": {}, "callback_id": "x"}
        await there.slack.deliver("interactive", made)
    await settled(there)
    assert there.host.events == []
    assert there.host.refusals["unknown_type"] == 10
    assert set(there.slack.statuses) <= {200}


async def test_a_listener_of_others_gets_what_teller_does_not_handle(there: Bench) -> None:
    seen = []

    async def report(ack: Callable[[], Awaitable[None]], shortcut: dict[str, str]) -> None:
        seen.append(shortcut["callback_id"])
        await ack()

    there.adapter.bolt.shortcut("report")(report)
    user = {"id": "U1", "team_id": "T0001"}
    made = {"type": "shortcut", "team": {"id": "T0001"}, "user": user, "callback_id": "report"}
    await there.slack.deliver("interactive", made)
    await settled(there)
    assert seen == ["report"]
    assert there.host.refusals["unknown_type"] == 0


async def test_a_forwarded_message_is_read_and_links_show_where_they_go(there: Bench) -> None:
    ts = there.slack.api.ts()
    await there.slack.event(
        {
            "type": "message",
            "channel": "D1",
            "channel_type": "im",
            "ts": ts,
            "user": "U1",
            "text": "真的吗 <http://evil.example/?b=1&amp;c=2|www.bank.example> <@U2|小王> <#C1|gen> <!here>",
            "attachments": [{"is_share": True, "text": "请转账到<tel:123|123>"}, {"text": "unfurled page"}],
        }
    )
    assert (await there.host.event(1)).parts == (
        Text("真的吗 www.bank.example (http://evil.example/?b=1&c=2) @小王 #gen @here"),
        Text("请转账到123"),
    )


async def test_a_locale_is_looked_up_in_the_background(there: Bench) -> None:
    there.slack.team.locales["U1"] = "en-GB"
    await there.slack.say("hello")
    assert (await there.host.event(1)).sender.locale == ""
    await there.slack.until(lambda: bool(there.slack.calls("users.info")))
    notes = there.host.notes("slack", MAIN)
    for number in range(2, 60):
        await there.slack.say("again")
        if (await there.host.event(number)).sender.locale:
            break
    assert (await there.host.event(number)).sender.locale == "en-GB"
    assert await notes.get("locale:U1") == "en-GB"
    assert len(there.slack.calls("users.info")) == 1


async def test_no_log_carries_a_token_or_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "我的卡号是六二二二"
    with capture_logs() as logged:
        async with bench("socket") as there:
            await there.slack.say(secret)
            await there.host.event(1)
            there.slack.fail("chat.postMessage", "invalid_blocks")
            with pytest.raises(SendRefused):
                await there.adapter.send(message(place("D1"), secret))
            there.clock.offset += 2
            await there.adapter.send(message(place("D1"), secret, key="k2"))
            there.host.failure = StoreBusy("locked")
            await there.slack.say(secret)
            there.slack.team.revoked = True
            await there.slack.sockets.close()
            view = {"type": "view_submission", "team": {"id": "T0001"}, "user": {"id": "U1"}, "view": {}}
            await there.slack.deliver("interactive", view | {"note": secret})
            await there.slack.until(lambda: there.slack.sockets.opened >= 2)
            secrets = (secret, there.slack.team.token, there.slack.api.app_token, there.slack.signing_secret)
    told = repr(logged) + "\n".join(record.getMessage() for record in caplog.records)
    assert logged
    assert not [word for word in secrets if word in told]
