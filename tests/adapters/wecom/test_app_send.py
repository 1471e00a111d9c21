"""What a self-built app sends: on the wire, at what pace, and what becomes of WeCom's refusals."""

from __future__ import annotations

import re
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.base import Attachment
from adapters.wecom.app.encoder import Payload, capabilities, encode
from adapters.wecom.errcodes import WeComError
from bot.errors import RetryLater, SendAmbiguous, SendError, SendRefused, StoreBusy
from bot.types import (
    Button,
    Buttons,
    Card,
    Citation,
    Conversation,
    Draft,
    FileOut,
    HandOver,
    ImageOut,
    OutboundMessage,
    OutPart,
    Sources,
    Text,
)
from tests.adapters.wecom.app_rig import PNG, Clock, Rig, app_rig, settings_for
from tests.emulators.qyapi_checks import Cuts, check_message

LONG = "企业微信文本消息最多两千零四十八字节。" * 200
YES_NO = (Button("是", "flow:yes"), Button("否", "flow:no"))
QUESTIONS = tuple(Button(f"怎么在网上申请提前还款第{n}种？", f"say:{n}") for n in range(1, 5))


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with app_rig() as made:
        yield made


def encoded(*parts: OutPart, cards: bool = True) -> list[tuple[str, Any]]:
    message = OutboundMessage(Conversation("wecom", "app", "zhangsan"), parts, "key", "answer")
    return [(payload.msgtype, payload.body) for payload in encode(message, capabilities(cards=cards))]


# ── the encoder, as it goes over the wire ──


def test_text_and_sources_are_one_text() -> None:
    assert encoded(Text("年利率为3.1%。"), Sources((Citation("a", "个人贷款说明"),))) == [
        ("text", {"content": "年利率为3.1%。\n\n来源：《个人贷款说明》"})
    ]


def test_buttons_are_a_card_under_the_answer() -> None:
    answer = (Text("可以线上申请。"), Buttons(YES_NO, "现在申请吗？"))
    (_, text), (kind, card) = encoded(*answer)
    assert text == {"content": "可以线上申请。"}
    assert kind == "template_card"
    task_id = card.pop("task_id")
    assert re.fullmatch(r"[0-9a-f]{40}-0", task_id)
    assert card == {
        "card_type": "button_interaction",
        "main_title": {"title": "现在申请吗？"},
        "button_list": [
            {"text": "是", "style": 1, "key": "flow:yes"},
            {"text": "否", "style": 1, "key": "flow:no"},
        ],
    }


def test_labels_too_long_for_buttons_are_listed_on_the_card_by_number() -> None:
    ((_, card),) = encoded(Buttons(QUESTIONS, "您可能还想问："))
    assert card["horizontal_content_list"] == [
        {"keyname": str(n), "value": f"怎么在网上申请提前还款第{n}种？"} for n in range(1, 5)
    ]
    assert [b["text"] for b in card["button_list"]] == ["1", "2", "3", "4"]
    assert [b["key"] for b in card["button_list"]] == ["say:1", "say:2", "say:3", "say:4"]


def test_the_numbers_of_choices_run_through_a_message() -> None:
    card = Card("大额转账", (("金额", "5万元"),), buttons=YES_NO)
    _, (_, first), (_, second) = encoded(Text("好。"), card, Buttons(QUESTIONS, "您可能还想问："))
    assert [b["text"] for b in first["button_list"]] == ["是", "否"]
    assert [b["text"] for b in second["button_list"]] == ["3", "4", "5", "6"]


def test_more_than_six_buttons_are_numbered_choices() -> None:
    many = tuple(Button(f"选项{n}", f"v{n}") for n in range(1, 8))
    ((kind, body),) = encoded(Text("请选。"), Buttons(many, "哪一个？"))
    assert kind == "text"
    assert body["content"] == "请选。\n\n哪一个？\n" + "\n".join(f"{n}. 选项{n}" for n in range(1, 8))


@pytest.mark.parametrize(
    "buttons",
    [
        (Button("一", "same"), Button("二", "same")),
        (Button("一", "k" * 1025),),
        (Button("一", ""),),
        (Button("一", "line\nbreak"),),
        (Button("字" * 31, "k"),),
        (Button("", "k"),),
    ],
)
def test_buttons_that_wecom_could_not_report_or_show_are_numbered(buttons: tuple[Button, ...]) -> None:
    assert {kind for kind, _ in encoded(Buttons(buttons, "哪一个？"))} == {"text"}


def test_a_card_with_a_link_is_a_notice_card() -> None:
    card = Card(
        "还款提醒", (("金额", "1,200.00元"), ("日期", "7月5日")), "请按时还款。", uri="https://bank.example/1"
    )
    assert encoded(card) == [
        (
            "template_card",
            {
                "card_type": "text_notice",
                "main_title": {"title": "还款提醒"},
                "sub_title_text": "请按时还款。",
                "horizontal_content_list": [
                    {"keyname": "金额", "value": "1,200.00元"},
                    {"keyname": "日期", "value": "7月5日"},
                ],
                "card_action": {"type": 1, "url": "https://bank.example/1"},
            },
        )
    ]


def test_a_card_with_buttons_is_one_card() -> None:
    ((kind, body),) = encoded(Card("大额转账", (("金额", "5万元"),), buttons=YES_NO))
    assert (kind, body["card_type"]) == ("template_card", "button_interaction")
    assert body["main_title"] == {"title": "大额转账"}
    assert body["horizontal_content_list"] == [{"keyname": "金额", "value": "5万元"}]


def test_a_card_without_link_or_buttons_is_text() -> None:
    # A notice card must lead somewhere.
    assert encoded(Card("结果", (("月供", "3,000元"),))) == [("text", {"content": "结果\n月供：3,000元"})]


@pytest.mark.parametrize(
    "card",
    [
        Card("字" * 40, uri="https://b.example"),
        Card("标题", text="字" * 170, uri="https://b.example"),
        Card("标题", tuple((f"第{n}", "值") for n in range(7)), uri="https://b.example"),
        Card("标题", (("很长的一个名称", "值"),), uri="https://b.example"),
        Card("标题", (("名", "值" * 31),), uri="https://b.example"),
        Card("标题", uri="javascript:alert(1)"),
    ],
)
def test_what_a_card_would_show_cut_off_is_text(card: Card) -> None:
    ((kind, body),) = encoded(card)
    assert kind == "text"
    for piece in (card.title, card.text, card.uri, *(word for field in card.fields for word in field)):
        assert piece in body["content"]


def test_without_cards_everything_is_text() -> None:
    assert encoded(Text("好。"), Buttons(YES_NO, "现在申请吗？"), cards=False) == [
        ("text", {"content": "好。\n\n现在申请吗？\n1. 是\n2. 否"})
    ]


def test_a_long_text_is_split_at_sentences_by_bytes() -> None:
    pieces = [body["content"] for _, body in encoded(Text(LONG))]
    assert all(len(piece.encode()) <= 2048 for piece in pieces)
    assert all(piece.endswith("。") for piece in pieces)
    assert "".join(pieces) == LONG


def test_control_characters_are_left_out() -> None:
    assert encoded(Text("a\x00b\x07c\r\nd\te")) == [("text", {"content": "abc\nd\te"})]


def test_a_hand_over_shows_nothing() -> None:
    assert encoded(Text("转人工。"), HandOver()) == [("text", {"content": "转人工。"})]


_words = st.text(min_size=0, max_size=400)
_button = st.builds(Button, st.text(max_size=40), st.text(max_size=40))
_parts = st.one_of(
    st.builds(Text, _words | st.just(LONG)),
    st.builds(Buttons, st.lists(_button, max_size=8).map(tuple), st.text(max_size=60)),
    st.builds(
        Card,
        st.text(max_size=50),
        st.lists(st.tuples(st.text(max_size=8), st.text(max_size=40)), max_size=8).map(tuple),
        st.text(max_size=200),
        st.lists(_button, max_size=8).map(tuple),
        st.sampled_from(["", "https://bank.example/1", "not a link"]),
    ),
    st.builds(
        Sources, st.lists(st.builds(Citation, st.just("a"), st.text(max_size=30)), max_size=3).map(tuple)
    ),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_parts, max_size=4), st.booleans())
def test_whatever_is_said_wecom_takes_it_and_shows_it_whole(parts: list[OutPart], cards: bool) -> None:
    message = OutboundMessage(Conversation("wecom", "app", "zhangsan"), tuple(parts), "key", "answer")
    cuts = Cuts()
    made: list[Payload] = encode(message, capabilities(cards=cards))
    for payload in made:
        body = {"touser": "zhangsan", "agentid": 1, "msgtype": payload.msgtype, payload.msgtype: payload.body}
        check_message(body, cuts)
    assert cuts.names == []
    task_ids = [payload.body["task_id"] for payload in made if "task_id" in payload.body]
    assert len(set(task_ids)) == len(task_ids)


# ── sending ──


async def test_a_text_goes_to_its_member_and_the_id_comes_back(rig: Rig) -> None:
    msgid = await rig.send(Text("您好"))
    shown = await rig.qyapi.shown(1)
    assert (shown.to, shown.kind, shown.text, shown.msgid) == ("zhangsan", "text", "您好", msgid)


async def test_buttons_and_cards_pass_wecoms_checks(rig: Rig) -> None:
    await rig.send(Text("好。"), Buttons(QUESTIONS, "您可能还想问："), Card("提醒", uri="https://b.example"))
    assert [shown.kind for shown in rig.qyapi.messages] == ["text", "template_card", "template_card"]
    assert rig.qyapi.cuts.names == []


@pytest.mark.parametrize("chat", ["@all", "@ALL", "a|b", ""])
async def test_nobody_but_one_member_is_ever_addressed(rig: Rig, chat: str) -> None:
    with pytest.raises(SendRefused, match="single members"):
        await rig.send(Text("您好"), chat=chat)
    assert rig.qyapi.calls["message/send"] == 0


async def test_a_message_with_nothing_to_show_is_refused(rig: Rig) -> None:
    with pytest.raises(SendRefused, match="nothing to show"):
        await rig.send(Text(" \n "))


async def test_the_same_answer_twice_is_shown_twice(rig: Rig) -> None:
    # The platform's own check for repeated messages would swallow the second.
    await rig.send(Text("您好"))
    await rig.send(Text("您好"))
    assert [shown.text for shown in rig.qyapi.messages] == ["您好", "您好"]
    assert rig.qyapi.swallowed == 0


async def test_a_send_whose_answer_was_lost_is_ambiguous_and_shown_once_when_repeated(rig: Rig) -> None:
    message = rig.message(Text("您好"))
    rig.qyapi.fail("message/send", garbage=b"<html>gateway</html>")
    with pytest.raises(SendAmbiguous):
        await rig.adapter.send(message)
    await rig.adapter.send(message)
    assert [shown.text for shown in rig.qyapi.messages] == ["您好"]
    assert rig.qyapi.swallowed == 1


async def test_no_answer_after_the_request_left_is_ambiguous() -> None:
    async with app_rig(timeout_s=0.3) as rig:
        rig.qyapi.fail("message/send", hang=True)
        with pytest.raises(SendAmbiguous, match="TimeoutError"):
            await rig.send(Text("您好"))


async def test_a_failure_in_the_middle_repeats_nothing(rig: Rig) -> None:
    message = rig.message(Text(LONG))
    rig.qyapi.fail("message/send", skip=2, status=503)
    with pytest.raises(SendError):
        await rig.adapter.send(message)
    assert len(rig.qyapi.messages) == 2
    await rig.adapter.send(message)
    assert "".join(shown.text for shown in rig.qyapi.messages) == LONG
    assert rig.qyapi.swallowed == 0


async def test_over_the_members_limit_the_message_waits_and_wecom_drops_nothing(rig: Rig) -> None:
    for number in range(30):
        await rig.send(Text(f"第{number}条"))
    with pytest.raises(RetryLater) as late:
        await rig.send(Text("第31条"))
    assert 0 < late.value.retry_after <= 60
    # Another member isn't held up.
    await rig.send(Text("您好"), chat="lisi")
    rig.clock.move(late.value.retry_after)
    await rig.send(Text("第31条"))
    assert len(rig.qyapi.messages) == 32
    assert rig.qyapi.dropped == []


async def test_the_hourly_limit_is_held_too(rig: Rig) -> None:
    sent = 0
    while sent < 1000:
        try:
            await rig.send(Text(f"第{sent}条"))
            sent += 1
        except RetryLater as error:
            rig.clock.move(error.retry_after)
    with pytest.raises(RetryLater) as late:
        await rig.send(Text("第1001条"))
    assert late.value.retry_after > 60
    assert rig.qyapi.dropped == []


async def test_a_limit_reached_within_a_message_goes_on_where_it_stopped(rig: Rig) -> None:
    for number in range(28):
        await rig.send(Text(f"第{number}条"))
    message = rig.message(Text(LONG))
    with pytest.raises(RetryLater) as late:
        await rig.adapter.send(message)
    rig.clock.move(late.value.retry_after)
    await rig.adapter.send(message)
    assert "".join(shown.text for shown in rig.qyapi.messages[28:]) == LONG
    assert rig.qyapi.dropped == []


@pytest.mark.parametrize(
    ("errcode", "error", "says"),
    [
        (81013, SendRefused, "可见范围"),
        (60111, SendRefused, "left the corporation"),
        (48002, SendRefused, "permission"),
        (301002, SendRefused, "another app"),
        (45009, RetryLater, "rate limit"),
        (45033, RetryLater, "rate limit"),
        (-1, WeComError, "told to fail"),
        (99999, WeComError, "told to fail"),
    ],
)
async def test_errcodes_mean_what_an_operator_can_act_on(
    rig: Rig, errcode: int, error: type[SendError], says: str
) -> None:
    rig.qyapi.fail("message/send", errcode=errcode)
    with pytest.raises(error, match=says):
        await rig.send(Text("您好"))


async def test_an_untrusted_address_is_named_and_health_says_so(rig: Rig) -> None:
    rig.qyapi.untrusted_ip = "203.0.113.7"
    with pytest.raises(SendError, match=r"203\.0\.113\.7 isn't a trusted IP"):
        await rig.send(Text("您好"))
    health = await rig.adapter.health()
    assert not health.ok
    assert "203.0.113.7" in health.detail
    rig.qyapi.untrusted_ip = ""
    await rig.send(Text("您好"))
    assert (await rig.adapter.health()).ok


async def test_an_unreachable_member_is_a_refusal(rig: Rig) -> None:
    rig.qyapi.unreachable.add("zhangsan")
    with pytest.raises(SendRefused, match="81013"):
        await rig.send(Text("您好"))


async def test_success_with_the_member_named_invalid_is_a_refusal(rig: Rig) -> None:
    rig.qyapi.quietly_unreachable.add("zhangsan")
    with pytest.raises(SendRefused, match="not its addressee"):
        await rig.send(Text("您好"), chat="ZhangSan")


async def test_wecom_down_is_an_error_that_is_tried_again(rig: Rig) -> None:
    rig.qyapi.fail("message/send", status=502)
    with pytest.raises(SendError, match="status 502") as failed:
        await rig.send(Text("您好"))
    assert not isinstance(failed.value, SendAmbiguous | SendRefused)


async def test_wecom_unreachable_is_not_ambiguous() -> None:
    async with app_rig() as rig:
        await rig.qyapi.stop()
        with pytest.raises(SendError, match="can't be reached") as failed:
            await rig.send(Text("您好"))
        assert not isinstance(failed.value, SendAmbiguous)


async def test_a_busy_store_is_passed_on(rig: Rig) -> None:
    rig.host.failure = StoreBusy("locked")
    with pytest.raises(StoreBusy):
        await rig.send(Text("您好"))
    assert rig.qyapi.messages == []


async def test_no_error_carries_the_secret_or_the_token(rig: Rig) -> None:
    await rig.send(Text("您好"))
    secret, token = rig.app.secret, rig.app.access_token
    for how in ({"status": 500}, {"garbage": b"x"}, {"errcode": 40058}, {"errcode": 99999}):
        rig.qyapi.fail("message/send", **how)
        with pytest.raises(SendError) as failed:
            await rig.send(Text("另一条"))
        told = "".join(traceback.format_exception(failed.value))
        assert secret not in told
        assert token not in told
    assert secret not in repr(settings_for(rig.app, rig.qyapi))


# ── attachments out ──


async def kept(rig: Rig, data: bytes, name: str = "chart.png", chat: str = "zhangsan") -> str:
    conversation = Conversation("wecom", "app", chat)
    return await rig.host.keep_attachment(conversation, Attachment(name, "image/png", data))


async def test_a_picture_is_uploaded_and_sent(rig: Rig) -> None:
    await rig.send(Text("走势："), ImageOut(await kept(rig, PNG), "利率走势"))
    shown = await rig.qyapi.shown(2)
    assert shown.kind == "image"
    upload = rig.qyapi.media[shown.body["media_id"]]
    assert (upload.data, upload.kind, upload.mime) == (PNG, "image", "image/png")


async def test_a_file_keeps_its_chinese_name(rig: Rig) -> None:
    ref = await kept(rig, b"%PDF-1.7 some pages", "流水.pdf")
    await rig.send(FileOut(ref, '对账"单/2026.pdf', "application/pdf"))
    upload = rig.qyapi.media[(await rig.qyapi.shown(1)).body["media_id"]]
    assert (upload.name, upload.kind, upload.mime) == ("对账_单_2026.pdf", "file", "application/pdf")


async def test_a_picture_given_as_a_file_stays_a_file(rig: Rig) -> None:
    await rig.send(FileOut(await kept(rig, PNG), "回单.png", "image/png"))
    shown = await rig.qyapi.shown(1)
    assert (shown.kind, rig.qyapi.media[shown.body["media_id"]].name) == ("file", "回单.png")


async def test_one_upload_serves_for_days_and_no_longer(rig: Rig) -> None:
    ref = await kept(rig, PNG)
    await rig.send(ImageOut(ref, "图"))
    rig.clock.move(2 * 24 * 3600)
    await rig.send(ImageOut(ref, "图"))
    assert rig.qyapi.calls["media/upload"] == 1
    rig.clock.move(24 * 3600)
    await rig.send(ImageOut(ref, "图"))
    assert rig.qyapi.calls["media/upload"] == 2
    assert len(rig.qyapi.messages) == 3


async def test_a_media_id_that_wecom_lost_is_uploaded_afresh(rig: Rig) -> None:
    ref = await kept(rig, PNG)
    await rig.send(ImageOut(ref, "图"))
    rig.qyapi.media.clear()
    await rig.send(ImageOut(ref, "图"))
    assert rig.qyapi.calls["media/upload"] == 2
    assert len(rig.qyapi.messages) == 2


async def test_a_picture_of_another_type_goes_as_a_file(rig: Rig) -> None:
    await rig.send(ImageOut(await kept(rig, b"GIF89a" + bytes(20), "a.gif"), "图", "image/gif"))
    assert (await rig.qyapi.shown(1)).kind == "file"


async def test_what_wecom_would_not_take_is_described(rig: Rig) -> None:
    await rig.send(ImageOut(await kept(rig, b"tiny"), "利率走势"), FileOut(await kept(rig, b""), "空.txt"))
    assert [shown.text for shown in rig.qyapi.messages] == ["[图片] 利率走势", "[文件] 空.txt"]


async def test_an_attachment_that_is_gone_is_a_refusal(rig: Rig) -> None:
    with pytest.raises(SendRefused, match="isn't kept"):
        await rig.send(ImageOut("nope", "图"))


async def test_an_upload_that_breaks_off_is_not_ambiguous(rig: Rig) -> None:
    rig.qyapi.fail("media/upload", garbage=b"x")
    with pytest.raises(SendError) as failed:
        await rig.send(ImageOut(await kept(rig, PNG), "图"))
    assert not isinstance(failed.value, SendAmbiguous)


# ── the rest of the adapter ──


async def test_drafts_and_typing_are_nothing_here(rig: Rig) -> None:
    conversation = Conversation("wecom", "app", "zhangsan")
    await rig.adapter.draft(Draft(conversation, "key", "正在", 1))
    await rig.adapter.typing(conversation, "zh")
    assert not rig.adapter.capabilities.streaming
    assert rig.qyapi.calls.total() == 0


async def test_sending_goes_on_between_stop_and_close(rig: Rig) -> None:
    await rig.adapter.stop()
    await rig.send(Text("还在"))
    await rig.adapter.close()
    with pytest.raises(SendError):
        await rig.send(Text("不在了"))


async def test_before_start_a_message_waits() -> None:
    from adapters.wecom.app import WeComAppAdapter
    from tests.emulators.qyapi import Qyapi

    qyapi = Qyapi()
    adapter = WeComAppAdapter(settings_for(qyapi.add_app(), qyapi), clock=Clock())
    assert not (await adapter.health()).ok
    with pytest.raises(RetryLater):
        await adapter.send(OutboundMessage(Conversation("wecom", "app", "a"), (Text("x"),), "k", "answer"))
