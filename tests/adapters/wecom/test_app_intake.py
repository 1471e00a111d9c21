"""Callbacks of a self-built app: what becomes of each."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.wecom.app import WeComAppAdapter
from adapters.wecom.app.events import Ignored, Malformed, Wrong, to_event
from adapters.wecom.callback import XML_LIMIT
from adapters.wecom.crypto import Crypto
from bot.errors import QueueFull, StoreBusy
from bot.types import Button, Buttons, File, Image, InboundEvent, Location, Text, Voice
from tests.adapters.host import MemoryHost
from tests.adapters.wecom.app_rig import Clock, Rig, app_rig, serve, settings_for
from tests.emulators.qyapi import App, Qyapi
from tests.emulators.qyapi_callbacks import as_xml

FUZZ_CASES = 10_000


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with app_rig() as made:
        yield made


# ── verification ──


async def test_the_address_check_is_answered_with_the_bare_plain_text(rig: Rig) -> None:
    assert await rig.qyapi.check_address(rig.app) == (200, b"5927782489442352469")


async def test_an_address_check_with_another_token_is_refused(rig: Rig) -> None:
    rig.app.token = "another"
    assert (await rig.qyapi.check_address(rig.app))[0] == 401
    assert rig.host.refusals["bad_signature"] == 1


async def test_a_text_is_stored_and_acknowledged_with_an_empty_body(rig: Rig) -> None:
    assert await rig.qyapi.say("zhangsan", "信用卡丢了怎么办？") == [200]
    event = rig.host.events[0]
    assert (event.kind, event.text, event.value) == ("message", "信用卡丢了怎么办？", "")
    assert event.conversation.key == "wecom|app|zhangsan|"
    assert event.sender.id == "zhangsan"
    assert event.occurred_at == event.received_at == datetime.fromtimestamp(rig.clock(), UTC)
    assert event.raw_ref == event.correlation_id != ""
    assert "信用卡丢了" in rig.host.raw[0].decode()


async def test_a_forged_signature_is_refused_before_anything_is_read(rig: Rig) -> None:
    rig.app.token = "another"
    assert set(await rig.qyapi.say("zhangsan", "hello")) == {401}
    assert rig.host.events == []
    assert rig.host.refusals["bad_signature"] == 4


async def test_a_callback_for_another_corporation_is_refused(rig: Rig) -> None:
    rig.qyapi.corp_id = "wwother"
    assert set(await rig.qyapi.say("zhangsan", "hello")) == {403}
    assert rig.host.events == []


async def test_an_old_callback_is_refused(rig: Rig) -> None:
    rig.qyapi.skew = -3600
    assert set(await rig.qyapi.say("zhangsan", "hello")) == {401}
    assert rig.host.refusals["stale"] == 4


@pytest.mark.parametrize(
    "plain", ["", "not xml", "<xml>", "<xml/>", "<!DOCTYPE x><xml/>", "<xml><MsgType>text</MsgType></xml>"]
)
async def test_signed_garbage_is_400(rig: Rig, plain: str) -> None:
    assert set(await rig.qyapi.deliver(rig.app, plain)) == {400}
    assert rig.host.events == []


async def test_a_body_above_the_limit_is_413(rig: Rig) -> None:
    query, _ = rig.qyapi.sealed(rig.app, "<xml/>")
    async with (
        aiohttp.ClientSession() as session,
        session.post(rig.app.callback_url, params=query, data=io.BytesIO(bytes(XML_LIMIT + 1))) as response,
    ):
        assert response.status == 413
    assert rig.host.refusals["too_large"] == 1


async def test_a_callback_of_another_app_is_refused(rig: Rig) -> None:
    rig.app.agent_id = 1000099
    assert set(await rig.qyapi.say("zhangsan", "hello")) == {403}
    assert rig.host.refusals["wrong_receiver"] == 4


# ── delivery ──


async def test_a_busy_store_is_503_and_wecom_tries_again(rig: Rig) -> None:
    rig.host.failure = StoreBusy("locked")
    assert await rig.qyapi.say("zhangsan", "hello") == [503] * 4
    rig.host.failure = None
    assert await rig.qyapi.redeliver() == [200]
    assert [event.text for event in rig.host.events] == ["hello"]


async def test_a_full_queue_is_503(rig: Rig) -> None:
    rig.host.failure = QueueFull("too many wait")
    assert set(await rig.qyapi.say("zhangsan", "hello")) == {503}


async def test_a_redelivery_is_one_event_and_is_acknowledged(rig: Rig) -> None:
    await rig.qyapi.say("zhangsan", "hello")
    assert await rig.qyapi.redeliver() == [200]
    assert len(rig.host.events) == 1


async def test_a_store_slower_than_wecoms_patience_makes_retries_but_one_event() -> None:
    async with app_rig(patience=0.1) as rig:
        accept = rig.host.accept

        async def slow(event: InboundEvent, raw: bytes = b"") -> bool:
            if not rig.host.events:
                await asyncio.sleep(0.15)
            return await accept(event, raw)

        rig.host.accept = slow  # type: ignore[method-assign]
        met = await rig.qyapi.say("zhangsan", "hello")
        assert met[0] == 0
        assert met[-1] == 200
        assert len(rig.host.events) == 1


async def test_the_same_words_twice_are_two_events(rig: Rig) -> None:
    await rig.qyapi.say("zhangsan", "是")
    await rig.qyapi.say("zhangsan", "是")
    assert [event.text for event in rig.host.events] == ["是", "是"]


async def test_after_stop_callbacks_are_503(rig: Rig) -> None:
    await rig.adapter.stop()
    assert set(await rig.qyapi.say("zhangsan", "hello")) == {503}


async def test_an_adapter_that_only_sends_takes_no_callbacks() -> None:
    async with app_rig() as rig:
        await rig.adapter.start(rig.host, receive=False)
        assert set(await rig.qyapi.say("zhangsan", "hello")) == {503}


async def test_two_apps_on_one_port_both_work() -> None:
    clock = Clock()
    async with Qyapi(clock=clock) as qyapi:
        first = qyapi.add_app()
        second = qyapi.add_app(
            agent_id=1000003,
            secret="second-secret",
            token="hJqcu3uJ9Tn2gXPmxx2w9kkCkCE2EPYo",
            encoding_aes_key="6qkdMrq68nTKduznJYO1A37W2oEgpkMUvkttRToqhUt",
        )
        adapters = [
            WeComAppAdapter(settings_for(first, qyapi, account="default"), clock=clock),
            WeComAppAdapter(settings_for(second, qyapi, account="wealth"), clock=clock),
        ]
        host = MemoryHost(clock)
        async with serve(*adapters) as url:
            first.callback_url = f"{url}/webhooks/wecom/app"
            second.callback_url = f"{url}/webhooks/wecom/app/wealth"
            for adapter in adapters:
                await adapter.start(host)
            assert await qyapi.say("zhangsan", "one", app=first) == [200]
            assert await qyapi.say("zhangsan", "two", app=second) == [200]
            first.callback_url = f"{url}/webhooks/wecom/app/default"
            assert await qyapi.say("zhangsan", "three", app=first) == [200]
            assert [e.conversation.account for e in host.events] == ["default", "wealth", "default"]
            for adapter in adapters:
                await adapter.stop()
                await adapter.close()


# ── messages ──


async def test_every_kind_of_message_becomes_its_part(rig: Rig) -> None:
    say = rig.qyapi.message
    await say("zhangsan", "image", PicUrl="http://p/1.jpg", MediaId="m1")
    await say("zhangsan", "voice", MediaId="m2", Format="amr")
    await say("zhangsan", "video", MediaId="m3", ThumbMediaId="t3")
    await say(
        "zhangsan", "location", Location_X="23.134", Location_Y="113.358", Scale=15, Label="广州市海珠区"
    )
    await say(
        "zhangsan", "link", Title="公告", Description="利率调整", Url="https://bank/1", PicUrl="http://p"
    )
    await say("zhangsan", "file", MediaId="m4", FileName="流水.pdf")
    assert [event.parts for event in rig.host.events] == [
        (Image("m1"),),
        (Voice("m2", mime="audio/amr"),),
        (File("m3", mime="video/mp4"),),
        (Location(23.134, 113.358, "广州市海珠区"),),
        (Text("公告\n利率调整\nhttps://bank/1"),),
        (File("m4", name="流水.pdf"),),
    ]
    assert {event.kind for event in rig.host.events} == {"message"}


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [("/help", "/help", ""), ("/Loan 20万 3年", "/loan", "20万 3年"), ("/help@bot now", "/help", "now")],
)
async def test_a_slash_word_is_a_command(rig: Rig, text: str, value: str, rest: str) -> None:
    await rig.qyapi.say("zhangsan", text)
    event = rig.host.events[0]
    assert (event.kind, event.value, event.text) == ("command", value, rest)


async def test_a_path_is_no_command(rig: Rig) -> None:
    await rig.qyapi.say("zhangsan", "/etc/passwd")
    assert rig.host.events[0].kind == "message"


@pytest.mark.parametrize("user", ["a|b", "@all", "", "x" * 65, "张三"])
async def test_a_sender_who_is_no_member_is_malformed(rig: Rig, user: str) -> None:
    assert set(await rig.qyapi.say(user, "hello")) == {400}


# ── events ──


async def test_opening_the_app_greets_once_a_day(rig: Rig) -> None:
    await rig.qyapi.event("zhangsan", "enter_agent", EventKey="")
    assert await rig.qyapi.redeliver() == [200]
    rig.clock.move(3600)
    await rig.qyapi.event("zhangsan", "enter_agent", EventKey="")
    await rig.qyapi.event("lisi", "enter_agent", EventKey="")
    assert [(e.kind, e.sender.id) for e in rig.host.events] == [("join", "zhangsan"), ("join", "lisi")]
    assert rig.host.refusals["join_again"] == 1
    rig.clock.move(24 * 3600)
    await rig.qyapi.event("zhangsan", "enter_agent", EventKey="")
    assert len(rig.host.events) == 3


async def test_an_opening_that_could_not_be_stored_is_greeted_when_it_comes_again(rig: Rig) -> None:
    accept, rig.host.accept = rig.host.accept, _busy  # type: ignore[method-assign]
    assert set(await rig.qyapi.event("zhangsan", "enter_agent", EventKey="")) == {503}
    rig.host.accept = accept  # type: ignore[method-assign]
    assert await rig.qyapi.redeliver() == [200]
    assert [e.kind for e in rig.host.events] == ["join"]


async def _busy(event: InboundEvent, raw: bytes = b"") -> bool:
    raise StoreBusy("locked")


async def test_coming_into_range_and_leaving_it_are_reported_not_greeted(rig: Rig) -> None:
    await rig.qyapi.event("zhangsan", "unsubscribe")
    await rig.qyapi.event("zhangsan", "subscribe")
    assert [(e.kind, e.value) for e in rig.host.events] == [("system", "blocked"), ("system", "unblocked")]


async def test_a_menu_press_is_a_button_or_a_command(rig: Rig) -> None:
    await rig.qyapi.event("zhangsan", "click", EventKey="say:网点在哪里？")
    await rig.qyapi.event("zhangsan", "click", EventKey="/help")
    assert [(e.kind, e.value) for e in rig.host.events] == [
        ("button", "say:网点在哪里？"),
        ("command", "/help"),
    ]


async def test_a_press_on_a_card_carries_value_and_label_and_the_card_shows_it(rig: Rig) -> None:
    await rig.send(Buttons((Button("是", "yes"), Button("否", "no")), "确认挂失吗？"))
    shown = await rig.qyapi.shown(1)
    assert await rig.qyapi.press(shown, "是") == [200]
    event = rig.host.events[0]
    assert (event.kind, event.value, event.text) == ("button", "yes", "是")
    await rig.qyapi.until(lambda: bool(shown.replaced))
    assert shown.replaced == "✓ 是"


async def test_a_press_on_a_numbered_button_carries_the_whole_label(rig: Rig) -> None:
    await rig.send(Buttons((Button("怎么在网上申请提前还款？", "say:x"),), "您可能还想问："))
    await rig.qyapi.press(await rig.qyapi.shown(1), "1")
    assert (rig.host.events[0].value, rig.host.events[0].text) == ("say:x", "怎么在网上申请提前还款？")


async def test_a_press_delivered_again_changes_the_card_once(rig: Rig) -> None:
    await rig.send(Buttons((Button("是", "yes"),), "确认吗？"))
    await rig.qyapi.press(await rig.qyapi.shown(1), "是")
    await rig.qyapi.redeliver()
    await rig.adapter.stop()
    assert rig.qyapi.calls["message/update_template_card"] == 1
    assert len(rig.host.events) == 1


async def test_a_card_that_cant_be_changed_costs_nothing(rig: Rig) -> None:
    await rig.send(Buttons((Button("是", "yes"),), "确认吗？"))
    rig.qyapi.fail("message/update_template_card", errcode=42022)
    assert await rig.qyapi.press(await rig.qyapi.shown(1), "是") == [200]
    await rig.adapter.stop()
    assert len(rig.host.events) == 1


async def test_a_press_on_a_card_menu_is_a_button(rig: Rig) -> None:
    await rig.qyapi.event(
        "zhangsan", "template_card_menu_event", EventKey="k", TaskId="t", CardType="text_notice"
    )
    assert (rig.host.events[0].kind, rig.host.events[0].value) == ("button", "k")


@pytest.mark.parametrize(
    "event",
    [
        "view",
        "LOCATION",
        "batch_job_result",
        "open_approval_change",
        "change_contact",
        "scancode_push",
        "x",
        "",
    ],
)
async def test_other_events_are_recorded_and_acknowledged(rig: Rig, event: str) -> None:
    assert await rig.qyapi.event("zhangsan", event, EventKey="k") == [200]
    assert rig.host.events == []
    assert rig.host.refusals["unknown_type"] == 1


async def test_an_unknown_kind_of_message_is_recorded_and_acknowledged(rig: Rig) -> None:
    assert await rig.qyapi.message("zhangsan", "hologram") == [200]
    assert rig.host.refusals["unknown_type"] == 1


async def test_presses_within_one_second_are_told_apart_by_button_and_by_card(rig: Rig) -> None:
    for key, task in (("a", "t1"), ("b", "t1"), ("a", "t2"), ("a", "t1")):
        await rig.qyapi.event("zhangsan", "template_card_event", EventKey=key, TaskId=task)
    assert [e.value for e in rig.host.events] == ["a", "b", "a"]


# ── fuzz ──

_names = st.one_of(
    st.sampled_from(["MsgType", "Event", "EventKey", "FromUserName", "CreateTime", "MsgId", "AgentID"]),
    st.sampled_from(["Content", "MediaId", "Location_X", "Location_Y", "Label", "Format", "TaskId"]),
    st.sampled_from(["ResponseCode", "Title", "Url"]),
)
_values = st.one_of(
    st.sampled_from(
        ["text", "image", "voice", "location", "event", "click", "enter_agent", "template_card_event"]
    ),
    st.sampled_from(["zhangsan", "1000002", "1785500000", "nan", "-1", "1e400", "9" * 30, "٣", "/help"]),
    st.text(max_size=20),
)
# A callback as WeCom makes it, with some of it changed: pure noise would hardly get past the first check.
_member = {"FromUserName": "zhangsan", "CreateTime": "1785500000", "AgentID": "1000002"}
_event = {**_member, "MsgType": "event", "EventKey": "k"}
_genuine = st.sampled_from(
    [
        {**_member, "MsgType": "text", "MsgId": "1"},
        {**_member, "MsgType": "location", "MsgId": "1", "Location_X": "23.1", "Location_Y": "113.3"},
        {**_event, "Event": "enter_agent"},
        {**_event, "Event": "template_card_event", "TaskId": "t", "ResponseCode": "c"},
    ]
)
_changes = st.dictionaries(_names, _values, max_size=6)
_fields = st.builds(lambda genuine, changes: genuine | changes, _genuine, _changes)


@settings(max_examples=FUZZ_CASES // 5, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(_fields)
def test_whatever_the_fields_say_there_is_an_event_or_a_refusal(fields: dict[str, str]) -> None:
    now = datetime(2026, 7, 1, tzinfo=UTC)
    try:
        event = to_event(fields, account="app", agent_id=1000002, received_at=now, correlation_id="c")
    except (Malformed, Wrong):
        return
    if isinstance(event, Ignored):
        return
    assert event.event_id
    assert len(event.event_id) <= 240
    assert len(event.conversation.key) <= 400
    assert event.kind in ("message", "command", "button", "join", "system")


_plain = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(str.encode),
    _fields.map(lambda fields: as_xml(fields).encode("utf-8", "replace")),
)


async def test_no_signed_callback_and_no_forged_one_makes_an_error() -> None:
    """Through the whole handler: query, envelope, cipher, XML, event."""
    clock = Clock()
    async with Qyapi(clock=clock) as qyapi:
        app = App()
        adapter = WeComAppAdapter(settings_for(app, qyapi), clock=clock)
        host = MemoryHost(clock)
        await adapter.start(host)
        crypto = Crypto(app.token, app.encoding_aes_key, qyapi.corp_id, clock=clock)
        statuses: set[int] = set()

        async def post(query: dict[str, str], body: bytes) -> int:
            return (await adapter.receive(query, body)).status

        @settings(
            max_examples=FUZZ_CASES, deadline=None, suppress_health_check=list(HealthCheck), database=None
        )
        @given(_plain, st.sampled_from(["signed", "cipher", "body", "query"]), st.binary(max_size=60))
        def hostile(plain: bytes, damage: str, noise: bytes) -> None:
            sealed = crypto.seal(plain, "nonce")
            query = {"msg_signature": sealed.signature, "timestamp": sealed.timestamp, "nonce": "nonce"}
            cipher = sealed.encrypt
            if damage == "cipher":
                cipher = noise.decode("latin-1")
                query["msg_signature"] = crypto.sign(sealed.timestamp, "nonce", cipher)
            body = as_xml({"Encrypt": cipher}).encode("utf-8", "replace")
            if damage == "body":
                body = noise
            if damage == "query":
                query["timestamp"] = noise.decode("latin-1")
            statuses.add(_run(post(query, body)))

        hostile()
        await adapter.close()
    assert statuses == {200, 400, 401, 403}
    assert {"message", "button", "join"} <= {event.kind for event in host.events}


def _run(coroutine: Any) -> int:
    """Run to its end a coroutine that never really waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        status: int = end.value
        return status
    raise AssertionError("it waited")
