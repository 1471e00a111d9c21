"""微信客服: what each item of `sync_msg` becomes, and that none of them can do harm."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.wecom.kf.chat import Chat
from adapters.wecom.kf.events import Change, Entered, Failed, Ignored, Said
from bot.types import File, Image, InboundEvent, Location, Part, Text, Voice
from tests.adapters.wecom.kf_items import KFID, NOW, USER, happened, item, read


def said(raw: dict[str, Any], value: str = "") -> InboundEvent:
    got = read(raw, value)
    assert isinstance(got, Said)
    assert got.chat == Chat(KFID, USER)
    return got.event


def test_a_text_is_a_message_of_the_customer_at_the_time_it_was_sent() -> None:
    event = said(item("text", {"content": "你好"}))
    assert (event.kind, event.text, event.event_id) == ("message", "你好", "kfmsg_1")
    assert (event.conversation.chat, event.account, event.platform) == (f"{KFID}/{USER}", "kf", "wecom")
    assert event.sender.id == USER
    assert event.occurred_at == datetime.fromtimestamp(1_615_478_585, UTC)
    assert event.received_at == NOW
    assert event.raw_ref == event.correlation_id


def test_a_pressed_menu_item_is_a_button_with_its_face_as_text() -> None:
    event = said(item("text", {"content": "办理挂失", "menu_id": "b_X"}), "flow:lost")
    assert (event.kind, event.value, event.text) == ("button", "flow:lost", "办理挂失")


def test_a_menu_item_that_isnt_ours_is_what_its_face_says() -> None:
    event = said(item("text", {"content": "人工客服", "menu_id": "101"}))
    assert (event.kind, event.text) == ("message", "人工客服")


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [
        ("/help", "/help", ""),
        (" /claim T-7 请看 ", "/claim", "T-7 请看"),
        ("/note\n第二行", "/note", "第二行"),
    ],
)
def test_a_slash_and_a_word_are_a_command(text: str, value: str, rest: str) -> None:
    event = said(item("text", {"content": text}))
    assert (event.kind, event.value, event.text) == ("command", value, rest)


@pytest.mark.parametrize("text", ["/", "/转人工", "1/2", "//x", "/Help", "http://a/b"])
def test_other_slashes_are_words(text: str) -> None:
    assert said(item("text", {"content": text})).kind == "message"


@pytest.mark.parametrize(
    ("kind", "body", "parts"),
    [
        ("image", {"media_id": "M1"}, (Image("M1", mime="image/jpeg"),)),
        ("voice", {"media_id": "M2"}, (Voice("M2", mime="audio/amr"),)),
        ("video", {"media_id": "M3"}, (File("M3", mime="video/mp4"),)),
        ("file", {"media_id": "M4"}, (File("M4"),)),
        (
            "location",
            {"latitude": 23.1, "longitude": 113.2, "name": "广州塔", "address": "海珠区"},
            (Location(23.1, 113.2, "广州塔 海珠区"),),
        ),
        ("location", {"latitude": "x", "longitude": 200, "name": "广州塔"}, (Text("广州塔"),)),
        (
            "link",
            {"title": "领红包", "desc": "点开就有", "url": "https://evil.example/a", "pic_url": "p"},
            (Text("领红包\n点开就有\nhttps://evil.example/a"),),
        ),
        ("miniprogram", {"title": "手机银行", "appid": "wx1", "pagepath": "p"}, (Text("手机银行"),)),
        ("business_card", {"userid": "lisi"}, (File("", mime="application/x-wecom-business_card"),)),
        (
            "merged_msg",
            {
                "title": "聊天记录",
                "item": [
                    {
                        "sender_name": "骗子",
                        "msgtype": "text",
                        "msg_content": '{"text":{"content":"转到安全账户"}}',
                    },
                    {"sender_name": "我", "msgtype": "image", "msg_content": '{"image":{"media_id":"x"}}'},
                ],
            },
            (Text("聊天记录\n骗子: 转到安全账户"),),
        ),
    ],
)
def test_every_kind_of_message_is_read(kind: str, body: dict[str, Any], parts: tuple[Part, ...]) -> None:
    got = read(item(kind, body))
    assert isinstance(got, Said)
    assert got.event.parts == parts
    assert got.known


def test_an_unknown_kind_of_message_is_passed_on_so_that_it_is_answered() -> None:
    got = read(item("hologram", {"x": 1}))
    assert isinstance(got, Said)
    assert not got.known
    assert got.event.parts == (File("", mime="application/x-wecom-hologram"),)


def test_a_welcome_is_a_join_with_its_code() -> None:
    got = read(happened("enter_session", welcome_code="W1", scene="qr"))
    assert isinstance(got, Entered)
    assert (got.code, got.event.kind, got.event.event_id) == ("W1", "join", "ev1")


def test_coming_back_within_48_hours_isnt_greeted_again() -> None:
    assert read(happened("enter_session", scene="qr")) == Ignored("entered_again")


@pytest.mark.parametrize(
    ("change", "value", "code"),
    [(1, "desk_taken", ""), (2, "desk_taken", ""), (3, "desk_returned", "C"), (4, "desk_taken", "")],
)
def test_what_the_desk_does_is_a_system_event(change: int, value: str, code: str) -> None:
    got = read(happened("session_status_change", change_type=change, msg_code="C"))
    assert isinstance(got, Change)
    assert (got.event.kind, got.event.value, got.code) == ("system", value, code)
    assert got.taken == (value == "desk_taken")


def test_a_message_that_failed_is_remembered_and_a_customer_who_refuses_has_blocked() -> None:
    plain, blocked = (read(happened("msg_send_fail", fail_msgid="m1", fail_type=t)) for t in (4, 10))
    assert isinstance(plain, Failed)
    assert isinstance(blocked, Failed)
    assert (plain.msgid, plain.fail_type, plain.event) == ("m1", 4, None)
    assert blocked.event is not None
    assert blocked.event.value == "blocked"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (happened("user_recall_msg", recall_msgid="m"), "user_recall_msg"),
        (happened("servicer_recall_msg", recall_msgid="m"), "servicer_recall_msg"),
        (happened("reject_customer_msg_switch_change", reject_switch=1), "reject_customer_msg_switch_change"),
        (happened("new_in_2027"), "unknown_type"),
        (happened("session_status_change", change_type=9), "unknown_type"),
        (item("text", {"content": "您好，我是李四"}, origin=5, servicer_userid="lisi"), "servicer_message"),
        (item("text", {"content": "?"}, origin=4), "own_message"),
        (item("text", {"content": "?"}, open_kfid="wkother"), "malformed"),
        (item("text", {"content": "?"}, external_userid="a/b"), "malformed"),
        (item("text", {"content": "?"}, msgtype=7), "malformed"),
    ],
)
def test_what_isnt_for_the_bot_is_counted(raw: dict[str, Any], reason: str) -> None:
    assert read(raw) == Ignored(reason)


def test_an_event_about_a_person_at_the_desk_names_no_customer() -> None:
    raw = {
        "msgtype": "event",
        "origin": 4,
        "event": {"event_type": "servicer_status_change", "open_kfid": KFID, "status": 2},
    }
    assert read(raw) == Ignored("servicer_status_change")


def test_without_an_id_of_its_own_an_event_has_the_same_one_in_every_pull() -> None:
    def event_id(change: int) -> str:
        raw = happened("session_status_change", change_type=change)
        del raw["msgid"]
        got = read(raw)
        assert isinstance(got, Change)
        return got.event.event_id

    assert event_id(1) == event_id(1) != event_id(2)
