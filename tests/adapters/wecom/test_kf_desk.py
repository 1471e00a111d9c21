"""微信客服: handing a conversation to the people at WeCom's own desk."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.errors import SendError, SendRefused
from bot.types import Button, Buttons, HandOver, ImageOut, OutboundMessage
from tests.adapters.wecom.kf_rig import CUSTOMER, Rig, rig_of
from tests.emulators.qyapi_kf import ENDED, KFID, PERSON, QUEUE

CARDS = "信用卡部"


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with rig_of(servicers=("lisi",), departments={CARDS: ("wangwu",)}) as rig:
        await rig.kf.say(CUSTOMER, "转人工")
        await rig.heard(1)
        await rig.quiet()
        yield rig


def moves(rig: Rig) -> int:
    return rig.qyapi.calls["kf/service_state/trans"]


async def use_up_the_window(rig: Rig) -> None:
    for number in range(5):
        await rig.send(f"第{number}条", key=f"w{number}")
    rig.kf.shown.clear()


async def test_texts_come_first_and_then_a_person_has_it(rig: Rig) -> None:
    await rig.send("正在为您转接，请稍候。", HandOver())
    assert [shown.text for shown in rig.kf.shown] == ["正在为您转接，请稍候。"]
    session = rig.kf.session(CUSTOMER)
    assert (session.state, session.servicer) == (PERSON, "lisi")


async def test_the_core_is_told_because_wecom_tells_nobody(rig: Rig) -> None:
    await rig.send("正在为您转接。", HandOver())
    event = await rig.heard(2)
    assert (event.kind, event.value, event.conversation) == ("system", "desk_taken", rig.conversation())
    with pytest.raises(SendRefused, match="person at the desk"):
        await rig.send("还在吗？", key="k2")


async def test_a_department_has_its_own_people(rig: Rig) -> None:
    await rig.send("正在为您转接。", HandOver(CARDS))
    assert rig.kf.session(CUSTOMER).servicer == "wangwu"


async def test_an_unknown_department_has_the_accounts_people(rig: Rig) -> None:
    await rig.send("正在为您转接。", HandOver("金库"))
    assert rig.kf.session(CUSTOMER).servicer == "lisi"


async def test_with_nobody_receiving_it_goes_to_the_queue(rig: Rig) -> None:
    rig.kf.accounts[KFID].servicers["lisi"] = 1
    await rig.send("正在为您转接。", HandOver())
    assert rig.kf.session(CUSTOMER).state == QUEUE
    assert moves(rig) == 1
    assert (await rig.heard(2)).value == "desk_taken"
    await rig.kf.take(CUSTOMER, "wangwu")
    assert (await rig.heard(3)).value == "desk_taken"


async def test_with_nobody_named_it_goes_to_the_queue() -> None:
    async with rig_of() as rig:
        await rig.kf.say(CUSTOMER, "转人工")
        await rig.heard(1)
        await rig.send("正在为您转接。", HandOver())
        assert rig.kf.session(CUSTOMER).state == QUEUE
        assert not rig.qyapi.calls["kf/servicer/list"]


async def test_a_person_whom_wecom_refuses_is_passed_over(rig: Rig) -> None:
    rig.qyapi.fail("kf/service_state/trans", 1, errcode=95014, errmsg="not a servicer")
    await rig.send("正在为您转接。", HandOver())
    assert rig.kf.session(CUSTOMER).state == QUEUE


async def test_without_the_list_of_people_those_named_are_tried(rig: Rig) -> None:
    rig.qyapi.fail("kf/servicer/list", 1, errcode=48002)
    await rig.send("正在为您转接。", HandOver())
    assert rig.kf.session(CUSTOMER).servicer == "lisi"


async def test_in_the_queue_one_more_notice_goes_with_the_code(rig: Rig) -> None:
    rig.kf.accounts[KFID].servicers.clear()
    await rig.send("正在为您转接。", HandOver())
    await rig.send("现在是非工作时间。", Buttons((Button("留言", "leave"),)), key="k2", kind="notice")
    assert [(s.text, s.code) for s in rig.kf.shown[1:]] == [("现在是非工作时间。\n\n1. 留言", True)]
    with pytest.raises(SendRefused, match="queue"):
        await rig.send("还有……", key="k3")


async def test_with_the_window_closed_the_words_go_with_the_moves_code(rig: Rig) -> None:
    await use_up_the_window(rig)
    await rig.send("正在为您转接。", HandOver(), key="h")
    assert [(s.text, s.code) for s in rig.kf.shown] == [("正在为您转接。", True)]
    assert rig.kf.session(CUSTOMER).state == PERSON
    assert (await rig.heard(2)).value == "desk_taken"


async def test_a_move_without_words_is_only_a_move(rig: Rig) -> None:
    await use_up_the_window(rig)
    await rig.send(HandOver(), key="h")
    assert not rig.kf.shown
    assert rig.kf.session(CUSTOMER).state == PERSON


async def test_a_failed_move_is_tried_again_without_saying_it_twice(rig: Rig) -> None:
    rig.qyapi.fail("kf/service_state/trans", 1, status=502)
    with pytest.raises(SendError):
        await rig.send("正在为您转接。", HandOver())
    await rig.send("正在为您转接。", HandOver())
    assert len(rig.kf.shown) == 1
    assert rig.kf.session(CUSTOMER).state == PERSON


async def test_a_move_whose_answer_was_lost_isnt_made_twice(rig: Rig) -> None:
    rig.qyapi.fail("kf/service_state/trans", 1, hang=True)
    with pytest.raises(SendError):
        await rig.send("正在为您转接。", HandOver())
    await rig.send("正在为您转接。", HandOver())
    assert moves(rig) == 1
    assert len(rig.kf.shown) == 1
    assert (await rig.heard(2)).value == "desk_taken"


async def test_a_message_that_is_made_again_moves_once(rig: Rig) -> None:
    await rig.send("正在为您转接。", HandOver())
    await rig.send("正在为您转接。", HandOver())
    assert (len(rig.kf.shown), moves(rig)) == (1, 1)


async def test_what_has_ended_cant_be_handed_over(rig: Rig) -> None:
    rig.kf.session(CUSTOMER).state = ENDED
    with pytest.raises(SendRefused, match="has ended"):
        await rig.send("正在为您转接。", HandOver())
    with pytest.raises(SendRefused, match="has ended"):
        await rig.send(HandOver(), key="h2")


async def test_taken_in_the_same_moment_it_is_handed_over_all_the_same(rig: Rig) -> None:
    rig.qyapi.fail("kf/service_state/trans", 1, errcode=95016, errmsg="not allow to trans")
    rig.qyapi.fail("kf/service_state/trans", 1, errcode=95016, errmsg="not allow to trans")
    with pytest.raises(SendError):
        await rig.send("正在为您转接。", HandOver())
    rig.kf.session(CUSTOMER).state = PERSON
    await rig.send("正在为您转接。", HandOver())
    assert len(rig.kf.shown) == 1
    assert (await rig.heard(2)).value == "desk_taken"


async def test_words_for_a_hand_over_that_came_too_late_arent_said_over_a_person(rig: Rig) -> None:
    rig.kf.session(CUSTOMER).state = PERSON
    with pytest.raises(SendRefused, match="person at the desk"):
        await rig.send("正在为您转接。", HandOver())
    assert not rig.kf.shown
    assert (await rig.heard(2)).value == "desk_taken"


async def test_a_lost_code_is_said(rig: Rig) -> None:
    await use_up_the_window(rig)
    rig.qyapi.fail("kf/send_msg_on_event", 1, errcode=40029, errmsg="invalid code")
    with pytest.raises(SendRefused, match="refused the last word"):
        await rig.send("正在为您转接。", HandOver(), key="h")
    assert rig.kf.session(CUSTOMER).state == PERSON


async def test_a_picture_and_a_long_text_before_a_hand_over_fit_the_window(rig: Rig) -> None:
    for number in range(3):
        await rig.send(f"第{number}条", key=f"w{number}")
    picture = ImageOut(await rig.keep("p.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(40)), "图")
    await rig.send("很长的说明。" * 300, picture, HandOver(), key="h")
    assert [shown.kind for shown in rig.kf.shown] == ["text"] * 5
    assert rig.kf.session(CUSTOMER).state == PERSON


async def test_the_conversations_are_spread_over_the_people() -> None:
    async with rig_of(servicers=("lisi", "wangwu")) as rig:
        people = set()
        for number in range(12):
            user = f"wmcustomer{number}"
            await rig.kf.say(user, "转人工")
            await rig.heard(2 * number + 1)
            handing = OutboundMessage(rig.conversation(user), (HandOver(),), f"h{number}", "notice")
            await rig.adapter.send(handing)
            people.add(rig.kf.session(user).servicer)
        assert people == {"lisi", "wangwu"}
