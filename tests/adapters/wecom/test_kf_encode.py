"""微信客服: what goes over the wire for a message, pinned."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wecom.kf.encode import Call, encode, spoken
from adapters.wecom.kf.menus import LONGEST, keep_value, menu_id, value_of
from bot.locales import say
from bot.types import (
    Button,
    Buttons,
    Card,
    Citation,
    Conversation,
    FileOut,
    HandOver,
    ImageOut,
    OutboundMessage,
    OutPart,
    Sources,
    Text,
)
from tests.adapters.host import MemoryHost
from tests.emulators.qyapi_kf_checks import check_kf_message

YES, NO = Button("是", "yes"), Button("否", "no")


def message(*parts: OutPart, language: Any = "zh") -> OutboundMessage:
    return OutboundMessage(Conversation("wecom", "kf", "wk/wm"), parts, "k", "answer", language=language)


def payloads(*parts: OutPart, room: int = 5) -> list[dict[str, Any]]:
    return [call.payload for call in encode(message(*parts), room=room).calls]


def test_an_answer_with_its_sources_is_one_text() -> None:
    got = payloads(Text("一年期利率1.1%。"), Sources((Citation("a", "存款利率表"), Citation("b", "章程"))))
    content = "一年期利率1.1%。\n\n来源：《存款利率表》《章程》"
    assert got == [{"msgtype": "text", "text": {"content": content}}]


def test_an_answer_with_buttons_is_one_menu() -> None:
    got = payloads(Text("要办挂失吗？"), Sources((Citation("a", "挂失须知"),)), Buttons((YES, NO)))
    assert got == [
        {
            "msgtype": "msgmenu",
            "msgmenu": {
                "head_content": "要办挂失吗？\n\n来源：《挂失须知》",
                "list": [
                    {"type": "click", "click": {"id": "b_PFSXG", "content": "是"}},
                    {"type": "click", "click": {"id": "b_NZXQ", "content": "否"}},
                ],
            },
        }
    ]


def test_a_text_too_long_for_a_menus_head_goes_before_it() -> None:
    long = "\n\n".join(f"第{n}段。" + "说明" * 40 for n in range(6))
    text, menu = payloads(Text(long), Buttons((YES, NO)))
    assert (text["msgtype"], menu["msgtype"]) == ("text", "msgmenu")
    assert text["text"]["content"] + "\n\n" + menu["msgmenu"]["head_content"] == long


def test_a_long_text_is_split_by_bytes_and_not_inside_a_character() -> None:
    long = "银行" * 1000
    texts = [p["text"]["content"] for p in payloads(Text(long))]
    assert "".join(texts) == long
    assert [len(t.encode()) for t in texts] == [2046, 2046, 1908]


def test_eleven_buttons_become_numbered_lines() -> None:
    (got,) = payloads(Text("选一个："), Buttons(tuple(Button(f"选项{n}", f"v{n}") for n in range(1, 12))))
    assert got["msgtype"] == "text"
    assert got["text"]["content"].startswith("选一个：\n1. 选项1\n2. 选项2")


def test_a_card_is_its_lines_with_its_buttons() -> None:
    (got,) = payloads(Card("转账确认", (("收款人", "王五"),), text="请核对", buttons=(YES,)))
    assert got["msgmenu"]["head_content"] == "转账确认\n收款人：王五\n请核对"


def test_pictures_and_files_stand_alone() -> None:
    calls = encode(message(Text("走势："), ImageOut("r1", "图"), FileOut("r2", "a.pdf")), room=5).calls
    assert [call.msgtype for call in calls] == ["text", "image", "file"]


def test_a_long_label_is_cut_and_control_characters_are_left_out() -> None:
    (got,) = payloads(Text("选\x00择\ud800"), Buttons((Button("办\n理" + "很长" * 60, "v"),)))
    label = got["msgmenu"]["list"][0]["click"]["content"]
    assert got["msgmenu"]["head_content"] == "选择"
    assert label.startswith("办 理很长")
    assert label.endswith("…")
    assert len(label.encode()) <= 128


def test_what_stands_behind_a_hand_over_is_said_before_it() -> None:
    plan = encode(message(Text("正在为您转接。"), HandOver("卡片部"), Text("请稍候。")), room=5)
    assert [call.payload["text"]["content"] for call in plan.calls] == ["正在为您转接。\n\n请稍候。"]
    assert plan.hand_over == HandOver("卡片部")


# ── too little room ──


def test_with_little_room_buttons_become_lines_before_anything_is_cut() -> None:
    long = "\n\n".join(f"第{n}段。" + "说明" * 40 for n in range(6))
    (got,) = payloads(Text(long), Buttons((YES, NO)), room=1)
    assert got["text"]["content"] == f"{long}\n\n1. 是\n2. 否"


def test_what_doesnt_fit_is_cut_and_says_so() -> None:
    texts = [p["text"]["content"] for p in payloads(Text("很长的回答。" * 400), room=2)]
    assert len(texts) == 2
    assert texts[1].endswith("很长的回答。\n\n" + say("wecom_kf.cut", "zh"))
    assert len(texts[1].encode()) <= 2048


def test_a_picture_that_doesnt_fit_is_told_of() -> None:
    got = payloads(ImageOut("r1", "图"), ImageOut("r2", "图"), room=1)
    assert got == [{"msgtype": "text", "text": {"content": say("wecom_kf.cut", "zh")}}]


def test_without_any_room_there_is_nothing_to_send() -> None:
    assert payloads(Text("好"), room=0) == []


def test_for_a_code_all_is_one_message() -> None:
    menu = spoken(message(Text("您好！"), Buttons((YES, NO))), menus=True)
    assert menu is not None
    assert menu.msgtype == "msgmenu"
    text = spoken(message(Text("您好！"), Buttons((YES, NO))), menus=False)
    assert text == Call("text", {"content": "您好！\n\n1. 是\n2. 否"})
    cut = spoken(message(Text("很长的回答。" * 400), ImageOut("r", "图")), menus=False)
    assert cut is not None
    assert cut.body["content"].endswith(say("wecom_kf.cut", "zh"))
    assert spoken(message(ImageOut("r", "图")), menus=True) is None


# ── menu ids ──


@pytest.mark.parametrize(
    "value", ["yes", "say:信用卡丢了？", "about:" + "x" * 200, "", "b_AAAA", "\U0001f600"]
)
async def test_a_menu_id_leads_back_to_its_value(value: str) -> None:
    notes = MemoryHost().notes("wecom", "kf")
    await keep_value(notes, value)
    assert len(menu_id(value)) <= LONGEST
    assert await value_of(notes, menu_id(value)) == value


@pytest.mark.parametrize(
    "id_", ["101", "b_1", "b_AB", "b_人", "h_" + "0" * 40, "h_" + "x" * 500, "b_" + "7" * 8]
)
async def test_other_ids_lead_nowhere(id_: str) -> None:
    assert await value_of(MemoryHost().notes("wecom", "kf"), id_) == ""


# ── any message at all ──

_words = st.text(st.sampled_from("利率银行ab \n。\x00\ud800😀"), max_size=1500)
_button = st.builds(Button, st.text(max_size=80), st.text(max_size=60))
_part = st.one_of(
    st.builds(Text, _words),
    st.builds(Buttons, st.lists(_button, max_size=12, unique_by=lambda b: b.value).map(tuple), _words),
    st.builds(ImageOut, st.just("r"), st.text(max_size=5)),
    st.builds(lambda t: Card(t, (("a", t),)), st.text(max_size=40)),
    st.builds(lambda t: Sources((Citation("i", t),)), st.text(max_size=20)),
)


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(_part, max_size=4), st.integers(1, 5))
def test_whatever_is_encoded_is_taken_by_wecom(parts: list[Any], room: int) -> None:
    plan = encode(message(*parts), room=room)
    assert len(plan.calls) <= room
    for call in plan.calls:
        if call.attachment is None:
            envelope = {"touser": "wm", "open_kfid": "wk", "msgid": "m"}
            check_kf_message({**envelope, **call.payload}, on_event=False)
