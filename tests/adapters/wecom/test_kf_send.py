"""微信客服: sending in the reply window, by code, and what refusals come to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.errors import RetryLater, SendAmbiguous, SendError, SendRefused, UnknownAttachment
from bot.locales import say
from bot.types import Button, Buttons, Conversation, Draft, FileOut, ImageOut, OutboundMessage, Text
from tests.adapters.wecom.kf_rig import CUSTOMER, Rig, rig_of
from tests.emulators.qyapi_kf import ASSISTANT, ENDED, KFID, NEW, QUEUE

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
MENU = Buttons(
    (
        Button("挂失", "flow:lost"),
        Button("这个问题有一个相当长的说法，所以它的值写不进编号里", "say:" + "长" * 40),
    )
)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with rig_of() as rig:
        yield rig


async def heard(rig: Rig, text: str = "在吗") -> None:
    """The customer wrote, and the adapter knows."""
    before = len(rig.host.events)
    await rig.kf.say(CUSTOMER, text)
    await rig.heard(before + 1)


async def test_an_answer_is_sent_with_our_own_id(rig: Rig) -> None:
    await heard(rig)
    sent = await rig.send("在的。")
    shown = rig.kf.shown[0]
    assert (shown.text, shown.msgid, shown.user) == ("在的。", sent, CUSTOMER)
    assert len(sent) == 32


async def test_a_pressed_button_comes_back_with_its_value(rig: Rig) -> None:
    await heard(rig)
    await rig.send("要办什么？", MENU)
    (menu,) = rig.kf.shown
    for number, button in enumerate(MENU.choices, 2):
        await rig.kf.press(menu, button.label)
        event = await rig.heard(number)
        assert (event.kind, event.value, event.text) == ("button", button.value, button.label)


async def test_the_sixth_message_is_refused_until_the_customer_writes(rig: Rig) -> None:
    await heard(rig)
    for number in range(5):
        await rig.send(f"第{number}条", key=f"k{number}")
    with pytest.raises(SendRefused, match="reply window is closed"):
        await rig.send("第六条", key="k6")
    assert rig.qyapi.calls["kf/send_msg"] == 5
    await heard(rig, "还有吗")
    await rig.send("有的。", key="k7")
    assert len(rig.kf.shown) == 6


async def test_the_window_is_counted_over_a_restart(rig: Rig) -> None:
    await heard(rig)
    for number in range(5):
        await rig.send(f"第{number}条", key=f"k{number}")
    await rig.adapter.stop()
    await rig.adapter.close()
    rig.adapter = rig.new_adapter()
    await rig.adapter.start(rig.host)
    with pytest.raises(SendRefused, match="reply window is closed"):
        await rig.send("第六条", key="k6")


async def test_after_48_hours_nothing_is_sent(rig: Rig) -> None:
    await heard(rig)
    rig.time.pass_(48 * 3600 + 1)
    with pytest.raises(SendRefused, match="within 48 hours"):
        await rig.send("在的。")
    assert not rig.qyapi.calls["kf/send_msg"]


async def test_what_would_leave_the_window_ends_with_a_line_that_says_so(rig: Rig) -> None:
    await heard(rig)
    for number in range(3):
        await rig.send(f"第{number}条", key=f"k{number}")
    await rig.send("很长的回答。" * 600, key="long")
    assert [shown.kind for shown in rig.kf.shown] == ["text"] * 5
    assert rig.kf.shown[4].text.endswith(say("wecom_kf.cut", "zh"))


async def test_a_window_we_know_nothing_of_is_left_to_wecom(rig: Rig) -> None:
    await heard(rig)
    rig.notes.kept.clear()
    rig.kf.session(CUSTOMER).used = 5
    with pytest.raises(SendRefused, match="took its 5 messages"):
        await rig.send("在的。")
    with pytest.raises(SendRefused, match="reply window is closed"):
        await rig.send("在的。", key="k2")
    assert rig.qyapi.calls["kf/send_msg"] == 1


async def test_a_refused_message_takes_no_place(rig: Rig) -> None:
    await heard(rig)
    rig.qyapi.fail("kf/send_msg", 1, errcode=45002, errmsg="content too long")
    with pytest.raises(SendRefused):
        await rig.send("一", key="k0")
    for number in range(5):
        await rig.send(f"第{number}条", key=f"k{number + 1}")
    assert len(rig.kf.shown) == 5


# ── once, and not twice ──


@pytest.mark.parametrize("refusal", [(40058, "invalid Request Parameter"), (95099, "msgid duplicated")])
async def test_a_message_that_timed_out_isnt_shown_twice(rig: Rig, refusal: tuple[int, str]) -> None:
    rig.kf.repeat_error = refusal
    await heard(rig)
    rig.qyapi.fail("kf/send_msg", 1, hang=True)
    with pytest.raises(SendAmbiguous):
        await rig.send("在的。")
    assert await rig.send("在的。") == rig.kf.shown[0].msgid
    assert len(rig.kf.shown) == 1


async def test_nor_when_the_customer_wrote_in_between(rig: Rig) -> None:
    await heard(rig)
    rig.qyapi.fail("kf/send_msg", 1, hang=True)
    with pytest.raises(SendAmbiguous):
        await rig.send("在的。")
    await heard(rig, "？")
    await rig.send("在的。")
    assert len(rig.kf.shown) == 1


async def test_a_retry_goes_on_where_the_last_attempt_broke_off(rig: Rig) -> None:
    await heard(rig)
    picture = ImageOut(await rig.keep("走势.png", "image/png", PNG), "走势")
    rig.qyapi.fail("media/upload", 1, status=502)
    with pytest.raises(SendError):
        await rig.send("走势如下：", picture)
    await rig.send("走势如下：", picture)
    assert [shown.kind for shown in rig.kf.shown] == ["text", "image"]


async def test_the_same_key_makes_the_same_plan_after_a_failure(rig: Rig) -> None:
    await heard(rig)
    for number in range(2):
        await rig.send(f"第{number}条", key=f"k{number}")
    long = "\n\n".join(["很长的回答。" * 100] * 3)
    rig.qyapi.fail("kf/send_msg", 1, errcode=-1, errmsg="system busy")
    with pytest.raises(SendError):
        await rig.send(long, key="long")
    await rig.send(long, key="long")
    assert "".join(shown.text for shown in rig.kf.shown[2:]) == long.replace("\n\n", "")


# ── states ──


async def test_a_person_has_it_and_the_bot_is_silent(rig: Rig) -> None:
    await heard(rig)
    await rig.kf.take(CUSTOMER, "lisi")
    assert (await rig.heard(2)).value == "desk_taken"
    with pytest.raises(SendRefused, match="person at the desk"):
        await rig.send("在的。")
    assert not rig.kf.shown
    await rig.kf.end(CUSTOMER)
    assert (await rig.heard(3)).value == "desk_returned"
    await heard(rig, "谢谢")
    await rig.send("不客气。", key="k2")
    assert rig.kf.session(CUSTOMER).state == ASSISTANT


async def test_a_desk_that_took_it_without_a_word_is_found_out(rig: Rig) -> None:
    await heard(rig)
    rig.kf.session(CUSTOMER).state = QUEUE
    with pytest.raises(SendRefused, match="queue"):
        await rig.send("在的。")
    assert (await rig.heard(2)).value == "desk_taken"
    with pytest.raises(SendRefused, match="queue"):
        await rig.send("还在。", key="k2")
    assert len(rig.host.events) == 2


async def test_a_desk_that_let_it_lapse_is_found_out_when_the_customer_writes(rig: Rig) -> None:
    await heard(rig)
    await rig.kf.take(CUSTOMER, "lisi")
    await rig.heard(2)
    rig.kf.expire(CUSTOMER)
    await rig.kf.say(CUSTOMER, "有人吗")
    await rig.heard(4)
    assert [e.value or e.text for e in rig.host.events] == ["在吗", "desk_taken", "desk_returned", "有人吗"]


async def test_a_state_that_changes_while_sending_is_a_refusal(rig: Rig) -> None:
    await heard(rig)
    await rig.send("在的。")
    rig.kf.session(CUSTOMER).state = QUEUE  # our knowledge of it is seconds old
    with pytest.raises(SendRefused, match="queue"):
        await rig.send("还有……", key="k2")
    assert (await rig.heard(2)).value == "desk_taken"


async def test_95018_in_the_bots_own_state_asks_about_the_corporation(rig: Rig) -> None:
    await heard(rig)
    rig.qyapi.fail("kf/send_msg", 1, errcode=95018, errmsg="send msg session status invalid")
    with pytest.raises(SendError, match="verified") as raised:
        await rig.send("在的。")
    assert not isinstance(raised.value, SendRefused)


async def test_what_the_people_say_is_counted_and_not_answered(rig: Rig) -> None:
    await heard(rig)
    await rig.kf.take(CUSTOMER, "lisi")
    await rig.kf.staff_say(CUSTOMER, "您好，我是李四")
    await rig.until(lambda: rig.host.refusals["servicer_message"] == 1)
    assert [e.kind for e in rig.host.events] == ["message", "system"]


# ── codes ──


async def test_a_customer_who_opens_the_chat_is_welcomed(rig: Rig) -> None:
    await rig.kf.enter(CUSTOMER)
    event = await rig.heard(1)
    assert event.kind == "join"
    await rig.send("您好！", MENU, in_reply_to=event.event_id)
    (shown,) = rig.kf.shown
    assert (shown.code, shown.kind, list(shown.items)) == (True, "msgmenu", [b.label for b in MENU.choices])
    await rig.kf.press(shown, MENU.choices[1].label)
    assert (await rig.heard(2)).value == MENU.choices[1].value


async def test_a_welcome_is_taken_from_an_event_that_doesnt_say_when(rig: Rig) -> None:
    rig.kf.nudging = False
    await rig.kf.enter(CUSTOMER)
    item = rig.kf.accounts[KFID].items[-1]
    del item["msgid"], item["send_time"]  # as in the documents' example
    await rig.kf.nudge()
    event = await rig.heard(1)
    await rig.send("您好！", in_reply_to=event.event_id)
    assert rig.kf.shown[0].code


async def test_a_welcome_that_is_late_is_refused(rig: Rig) -> None:
    await rig.kf.enter(CUSTOMER)
    event = await rig.heard(1)
    rig.time.pass_(21)
    with pytest.raises(SendRefused, match="has ended"):
        await rig.send("您好！", in_reply_to=event.event_id)


async def test_only_the_reply_to_the_join_takes_the_welcome_code(rig: Rig) -> None:
    await rig.kf.enter(CUSTOMER)
    joined = await rig.heard(1)
    await rig.kf.say(CUSTOMER, "在吗")
    written = await rig.heard(2)
    await rig.send("在的。", key="k2", in_reply_to=written.event_id)
    await rig.send("您好！", key="k1", in_reply_to=joined.event_id)
    assert [(shown.text, shown.code) for shown in rig.kf.shown] == [("在的。", False), ("您好！", True)]


async def test_a_welcome_code_that_wecom_refuses_leaves_the_window(rig: Rig) -> None:
    await rig.kf.enter(CUSTOMER)
    joined = await rig.heard(1)
    await heard(rig)
    rig.qyapi.fail("kf/send_msg_on_event", 1, errcode=40029, errmsg="invalid code")
    await rig.send("您好！", in_reply_to=joined.event_id)
    assert [(shown.text, shown.code) for shown in rig.kf.shown] == [("您好！", False)]


async def test_a_word_after_the_end_goes_with_its_code_once(rig: Rig) -> None:
    await heard(rig)
    await rig.kf.take(CUSTOMER, "lisi")
    await rig.kf.end(CUSTOMER)
    await rig.heard(3)
    assert rig.kf.session(CUSTOMER).state == ENDED
    await rig.send("李四已结束服务，请评价。", MENU)
    assert (rig.kf.shown[0].code, rig.kf.shown[0].kind) == (True, "msgmenu")
    with pytest.raises(SendRefused, match="has ended"):
        await rig.send("还有一句", key="k2")


# ── files ──


async def test_pictures_and_files_are_uploaded_once(rig: Rig) -> None:
    await heard(rig)
    ref = await rig.keep("走势.png", "image/png", PNG)
    await rig.send(ImageOut(ref, "走势"), key="k1")
    await rig.send(ImageOut(ref, "走势"), key="k2")
    await rig.send(FileOut(await rig.keep("tmp1", "application/pdf", b"%PDF-1.7"), "合同.pdf"), key="k3")
    assert [shown.kind for shown in rig.kf.shown] == ["image", "image", "file"]
    assert rig.qyapi.calls["media/upload"] == 2
    assert rig.qyapi.media[rig.kf.shown[2].body["media_id"]].name == "合同.pdf"


async def test_a_media_id_that_is_gone_is_made_again(rig: Rig) -> None:
    await heard(rig)
    picture = ImageOut(await rig.keep("走势.png", "image/png", PNG), "走势")
    await rig.send(picture, key="k1")
    rig.qyapi.media.clear()
    await rig.send(picture, key="k2")
    assert rig.qyapi.calls["media/upload"] == 2
    assert len(rig.kf.shown) == 2


async def test_an_attachment_that_isnt_kept_is_refused(rig: Rig) -> None:
    await heard(rig)
    with pytest.raises(SendRefused, match="attachment"):
        await rig.send(ImageOut("nowhere", "图"))


async def test_what_a_customer_sent_is_fetched(rig: Rig) -> None:
    await rig.kf.send(CUSTOMER, "image", {"media_id": rig.qyapi.keep_media("p.png", PNG, "image/png")})
    (part,) = (await rig.heard(1)).parts
    got = await rig.adapter.fetch(rig.conversation(), part.ref)  # type: ignore[union-attr]
    assert (got.data, got.mime, got.name) == (PNG, "image/png", "p.png")
    with pytest.raises(UnknownAttachment):
        await rig.adapter.fetch(rig.conversation(), "media-unknown")


# ── failures ──


async def test_wecom_away_or_at_fault_is_tried_again(rig: Rig) -> None:
    await heard(rig)
    rig.qyapi.fail("kf/send_msg", 1, status=502)
    with pytest.raises(SendError) as raised:
        await rig.send("在的。")
    assert not isinstance(raised.value, SendRefused | SendAmbiguous)
    rig.qyapi.fail("kf/send_msg", 1, errcode=45009)
    with pytest.raises(RetryLater):
        await rig.send("在的。")
    await rig.send("在的。")
    assert len(rig.kf.shown) == 1


async def test_a_message_that_didnt_arrive_is_counted_and_remembered(rig: Rig) -> None:
    await heard(rig)
    await rig.send("在的。")
    await rig.kf.refuse(rig.kf.shown[0], 10)
    assert (await rig.heard(2)).value == "blocked"
    assert rig.host.refusals["not_delivered"] == 1
    assert await rig.notes.get(f"failed:{rig.kf.shown[0].msgid}") == "10"
    assert "1 messages" in (await rig.adapter.health()).detail
    await rig.kf.say(CUSTOMER, "回来了")
    await rig.heard(4)
    assert [e.value for e in rig.host.events[2:]] == ["unblocked", ""]


async def test_a_chat_that_isnt_ours_and_a_message_of_nothing_are_refused(rig: Rig) -> None:
    await heard(rig)
    foreign = OutboundMessage(Conversation("wecom", "kf", "zhangsan"), (Text("好"),), "k", "answer")
    with pytest.raises(SendRefused, match="open_kfid"):
        await rig.adapter.send(foreign)
    with pytest.raises(SendRefused, match="nothing that can be shown"):
        await rig.send(" ")
    unknown = OutboundMessage(
        Conversation("wecom", "kf", "wkbankAAAA/wmnobody"), (Text("好"),), "k", "answer"
    )
    with pytest.raises(SendError):
        await rig.adapter.send(unknown)


async def test_drafts_and_typing_show_nothing(rig: Rig) -> None:
    await heard(rig)
    await rig.adapter.typing(rig.conversation(), "zh")
    await rig.adapter.draft(Draft(rig.conversation(), "k", "正在", 1))
    assert rig.kf.session(CUSTOMER).state == NEW
    assert not rig.kf.shown


async def test_neither_texts_nor_secrets_are_logged(rig: Rig, capfd: pytest.CaptureFixture[str]) -> None:
    await heard(rig, "我的卡丢了")
    rig.qyapi.fail("kf/send_msg", 1, status=502)
    with pytest.raises(SendError) as raised:
        await rig.send("请先挂失")
    rig.qyapi.fail("kf/sync_msg", 1, hang=False, errcode=-1)
    await heard(rig, "卡号是多少")
    out = "".join(capfd.readouterr()) + str(raised.value)
    assert "pull_failed" in out
    for secret in ("卡", "挂失", rig.app.secret, rig.app.access_token, CUSTOMER):
        assert secret not in out
