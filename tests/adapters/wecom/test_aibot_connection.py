"""The AI bot over a long connection, against an emulator of WeCom's side."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.base import Attachment, Health
from adapters.wecom.aibot import ConnectionBot, Timing, WeComAibot
from adapters.wecom.aibot.streams import LIFE_S
from bot.errors import RetryLater, SendAmbiguous, SendError, SendRefused, StoreBusy, UnknownAttachment
from bot.rails.base import reply
from bot.types import (
    Button,
    Buttons,
    Conversation,
    Draft,
    File,
    FileOut,
    Image,
    ImageOut,
    InboundEvent,
    OutboundMessage,
    Text,
)
from tests.adapters.host import MemoryHost
from tests.emulators.aibot_socket import SECRET, AibotSocket
from tests.emulators.aibot_wire import Bubble, message

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 5000
QUICK = Timing(
    ping_every=0.1,
    answer=0.3,
    pause=(0.02, 0.1),
    refused_pause=(0.3, 1.0),
    evicted_pause=(0.4, 2.0),
    settled=60.0,
)


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Counter:
    def __init__(self, wecom: AibotSocket, bot: ConnectionBot, host: MemoryHost, clock: Clock) -> None:
        self.wecom, self.bot, self.host, self.clock = wecom, bot, host, clock

    async def asked(self, text: str, **more: Any) -> tuple[Bubble, InboundEvent]:
        number = len(self.host.events) + 1
        bubble = await self.wecom.say(text, **more)
        return bubble, await self.host.event(number)

    @property
    def pushed(self) -> list[Any]:
        return [body[body["msgtype"]] for body in self.wecom.pushed]


@asynccontextmanager
async def counter(
    *, timing: Timing = QUICK, connected: bool = True, **settings: Any
) -> AsyncIterator[Counter]:
    clock = Clock()
    host = MemoryHost(clock)
    async with AibotSocket(clock=clock) as wecom:
        made = {"account": "aibot", "bot_id": "BOT", "secret": SECRET, "ws_url": wecom.ws_url} | settings
        bot = ConnectionBot(WeComAibot(**made), clock=clock, timing=timing, draft_every_s=0.05)
        await bot.start(host)
        try:
            if connected:
                await wecom.connected()
                await _healthy(bot)
            yield Counter(wecom, bot, host, clock)
        finally:
            await bot.stop()
            await bot.close()
        assert wecom.most_open <= 1


async def _health(bot: ConnectionBot, detail: str = "", *, ok: bool = False) -> Health:
    """The health, once it is as it should be."""
    async with asyncio.timeout(5):
        # Health is asked for, never told.
        while (health := await bot.health()).ok is not ok or detail not in health.detail:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return health


async def _healthy(bot: ConnectionBot) -> None:
    await _health(bot, ok=True)


@pytest.fixture
async def bank() -> AsyncIterator[Counter]:
    async with counter() as made:
        yield made
        assert made.wecom.refusals == []


def answer(event: InboundEvent, text: str, *parts: Any, number: int = 0) -> OutboundMessage:
    return reply(event, "zh", Text(text), *parts, number=number)


def draft(event: InboundEvent, text: str, sequence: int) -> Draft:
    return Draft(event.conversation, answer(event, "").idempotency_key, text, sequence, event.event_id)


# ── messages ──


async def test_a_question_is_stored_and_its_answer_closes_its_bubble(bank: Counter) -> None:
    bubble, event = await bank.asked("信用卡丢了怎么办？", msgid="M1")
    assert (event.event_id, event.text, event.conversation.key) == (
        "M1",
        "信用卡丢了怎么办？",
        "wecom|aibot|wang|",
    )
    assert json.loads(bank.host.raw[0])["msgid"] == "M1"
    delivery = await bank.bot.send(answer(event, "请立即挂失。"))
    assert (bubble.text, bubble.finished, bubble.id) == ("请立即挂失。", True, delivery.message_id)
    assert bank.wecom.pushed == []


async def test_a_bubble_shows_dots_then_grows_then_is_finished(bank: Counter) -> None:
    bubble, event = await bank.asked("你好")
    await bank.bot.typing(event.conversation, "zh")
    await bank.wecom.until(lambda: bubble.states == [""])
    for number, text in enumerate(("您", "您好", "您好！"), 1):
        await bank.bot.draft(draft(event, text, number))
        await bank.wecom.until(lambda text=text: bubble.text == text)
    await bank.bot.send(answer(event, "您好！我是小澜。"))
    assert bubble.states == ["", "您", "您好", "您好！", "您好！我是小澜。"]
    assert bubble.finished
    assert len({frame["headers"]["req_id"] for frame in bank.wecom.frames if "respond" in frame["cmd"]}) == 1


async def test_in_a_group_the_bubble_and_pushes_go_to_the_group(bank: Counter) -> None:
    bubble, event = await bank.asked("@小澜 你好", chat="wr1")
    assert event.text == "你好"
    await bank.bot.typing(event.conversation, "zh")
    await bank.wecom.until(lambda: bubble.states == ["…"])
    await bank.bot.send(answer(event, "您好！"))
    await bank.bot.send(answer(event, "还有", number=1))
    assert bank.wecom.pushed == [
        {"chatid": "wr1", "chat_type": 2, "msgtype": "markdown", "markdown": {"content": "还有"}}
    ]


async def test_two_questions_at_once_have_two_bubbles(bank: Counter) -> None:
    first, asked = await bank.asked("是")
    second, asked_again = await bank.asked("是")
    await bank.bot.send(answer(asked, "一"))
    await bank.bot.send(answer(asked_again, "二"))
    assert (first.text, second.text) == ("一", "二")


async def test_a_message_that_answers_nothing_is_pushed(bank: Counter) -> None:
    await bank.asked("你好")
    to = Conversation("wecom", "aibot", "wang")
    await bank.bot.send(OutboundMessage(to, (Text("您的贷款已批准。"),), "n-1", "notice"))
    assert bank.pushed == [{"content": "您的贷款已批准。"}]


async def test_a_long_answer_goes_on_in_pushes(bank: Counter) -> None:
    bubble, event = await bank.asked("全文")
    text = "很长的条款，逐条列出。" * 2000
    await bank.bot.send(answer(event, text))
    assert bubble.text + "".join(part["content"] for part in bank.pushed) == text


async def test_a_half_sent_answer_goes_on_where_it_was(bank: Counter) -> None:
    bubble, event = await bank.asked("全文")
    text = "很长的条款，逐条列出。" * 2000
    bank.wecom.fail("aibot_send_msg", 45009)
    with pytest.raises(RetryLater):
        await bank.bot.send(answer(event, text))
    await bank.bot.send(answer(event, text))
    assert bubble.text + "".join(part["content"] for part in bank.pushed) == text
    bank.wecom.refusals.clear()


async def test_buttons_are_a_card_beside_the_bubble_whose_press_is_ticked(bank: Counter) -> None:
    bubble, event = await bank.asked("你好")
    buttons = Buttons((Button("挂失", "about:lost"), Button("年费", "about:fee")), "您可能还想问：")
    await bank.bot.send(answer(event, "您好！", buttons))
    assert bubble.text == "您好！"
    [card] = bank.pushed
    await bank.wecom.press(card, "about:lost")
    pressed = await bank.host.event(2)
    assert (pressed.kind, pressed.value) == ("button", "about:lost")
    await bank.wecom.until(lambda: bank.wecom.updates)
    assert [button["text"] for button in bank.wecom.updates[0]["button_list"]] == ["✓ 挂失", "年费"]
    await bank.bot.send(answer(pressed, "请打电话。"))
    assert bank.pushed[1:] == [{"content": "请打电话。"}]


async def test_pictures_and_files_are_uploaded_in_chunks_and_pushed(bank: Counter) -> None:
    _, event = await bank.asked("走势")
    keep = bank.host.keep_attachment
    picture = await keep(event.conversation, Attachment("a.png", "image/png", PNG))
    paper = await keep(event.conversation, Attachment("条款.pdf", "application/pdf", b"%PDF-1.7 x"))
    await bank.bot.send(answer(event, "如图。", ImageOut(picture, "走势图"), FileOut(paper, "条款.pdf")))
    kinds = [body["msgtype"] for body in bank.wecom.pushed]
    assert kinds == ["image", "file"]
    assert [bank.wecom.media[body["media_id"]] for body in bank.pushed] == [PNG, b"%PDF-1.7 x"]
    before = len(bank.wecom.media)
    await bank.bot.send(answer(event, "再看。", ImageOut(picture, "走势图"), number=1))
    assert len(bank.wecom.media) == before


async def test_a_lost_answer_to_a_chunk_is_asked_again(bank: Counter) -> None:
    _, event = await bank.asked("走势")
    ref = await bank.host.keep_attachment(event.conversation, Attachment("a.png", "image/png", PNG))
    bank.wecom.swallow("aibot_upload_media_chunk")
    await bank.bot.send(answer(event, "如图。", ImageOut(ref, "走势图")))
    assert [bank.wecom.media[body["media_id"]] for body in bank.pushed] == [PNG]


async def test_a_file_that_is_gone_is_named(bank: Counter) -> None:
    _, event = await bank.asked("走势")
    await bank.bot.send(answer(event, "请看。", FileOut("nowhere", "条款.pdf")))
    assert bank.pushed == [{"content": "[文件] 条款.pdf"}]


async def test_a_picture_is_fetched_with_its_own_key_until_wecom_forgets_it(bank: Counter) -> None:
    await bank.wecom.send_picture(PNG)
    event = await bank.host.event(1)
    [part] = event.parts
    assert isinstance(part, Image)
    assert (await bank.bot.fetch(event.conversation, part.ref)).data == PNG
    bank.wecom._files.clear()
    with pytest.raises(UnknownAttachment):
        await bank.bot.fetch(event.conversation, part.ref)
    with pytest.raises(UnknownAttachment):
        await bank.bot.fetch(event.conversation, "http://nokey")


async def test_mixed_voice_and_files_are_parts(bank: Counter) -> None:
    url = {"url": "https://x/y", "aeskey": "k"}
    items = [{"msgtype": "text", "text": {"content": "看图"}}, {"msgtype": "image", "image": url}]
    await bank.wecom.send("mixed", {"msg_item": items})
    await bank.wecom.send("voice", {"content": "转账限额"})
    await bank.wecom.send("file", url | {"filename": "a.pdf"})
    await bank.wecom.send(
        "text", {"content": "/help 我"}, quote={"msgtype": "text", "text": {"content": "旧"}}
    )
    parts = [(await bank.host.event(number)).parts for number in (1, 2, 3, 4)]
    assert parts[0] == (Text("看图"), Image("k https://x/y"))
    assert parts[1] == (Text("转账限额"),)
    assert parts[2] == (File("k https://x/y", name="a.pdf"),)
    assert (bank.host.events[3].kind, bank.host.events[3].value, parts[3]) == (
        "command",
        "/help",
        (Text("我"),),
    )


async def test_opening_the_bot_is_greeted_within_five_seconds_even_while_the_store_is_busy() -> None:
    async with counter(welcome_zh="您好，这里是澜湾银行。") as bank:
        bank.host.failure = StoreBusy("locked")
        await bank.wecom.say("你好")
        await bank.wecom.enter()
        await bank.wecom.until(lambda: bank.wecom.welcomes == ["您好，这里是澜湾银行。"])
        bank.host.failure = None
        await bank.host.event(1)
        assert [event.kind for event in bank.host.events] == ["message"]


# ── the store ──


async def test_messages_wait_in_memory_in_order_while_the_store_is_busy(bank: Counter) -> None:
    bank.host.failure = StoreBusy("locked")
    for text in ("一", "二", "三"):
        await bank.wecom.say(text)
    await _health(bank.bot, "only in memory")
    bank.host.failure = None
    await bank.host.event(3)
    assert [event.text for event in bank.host.events] == ["一", "二", "三"]
    await _healthy(bank.bot)


async def test_what_was_read_is_stored_before_stop_ends(bank: Counter) -> None:
    bank.host.failure = StoreBusy("locked")
    await bank.wecom.say("一")
    await asyncio.sleep(0.05)
    stopping = asyncio.create_task(bank.bot.stop())
    await asyncio.sleep(0.05)
    bank.host.failure = None
    await stopping
    assert [event.text for event in bank.host.events] == ["一"]


async def test_a_message_that_comes_twice_is_answered_once_under_its_latest_request(bank: Counter) -> None:
    old, event = await bank.asked("你好", msgid="M1")
    new = await bank.wecom.say("你好", msgid="M1")
    await bank.asked("在吗")
    await bank.bot.send(answer(event, "您好！"))
    assert (old.text, new.text) == ("", "您好！")


# ── the connection ──


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 4000])
async def test_after_any_close_it_connects_and_subscribes_again(bank: Counter, code: int) -> None:
    await bank.wecom.close(code if code != 1006 else 1012)
    await bank.wecom.connected(2)
    await _healthy(bank.bot)
    _, event = await bank.asked("你好")
    await bank.bot.send(answer(event, "您好！"))


async def test_unanswered_pings_end_a_dead_connection(bank: Counter) -> None:
    bank.wecom.mute = True
    await bank.wecom.until(lambda: bank.wecom.open == 0)
    bank.wecom.mute = False
    await bank.wecom.connected(2)


async def test_pings_are_answered_and_keep_the_connection(bank: Counter) -> None:
    await bank.wecom.until(lambda: sum(frame["cmd"] == "ping" for frame in bank.wecom.frames) >= 4)
    assert bank.wecom.subscribed == 1


async def test_a_bubble_survives_a_reconnect(bank: Counter) -> None:
    bubble, event = await bank.asked("你好")
    await bank.bot.draft(draft(event, "您", 1))
    await bank.wecom.until(lambda: bubble.text == "您")
    await bank.wecom.close(1000)
    await bank.wecom.connected(2)
    await _healthy(bank.bot)
    await bank.bot.send(answer(event, "您好！"))
    assert bubble.text == "您好！"


async def test_without_a_connection_a_message_waits_and_is_no_failed_try(bank: Counter) -> None:
    _, event = await bank.asked("你好")
    bank.wecom.secret = "changed"
    await bank.wecom.close(1000)
    await _health(bank.bot, "are bot_id and secret right")
    with pytest.raises(RetryLater) as caught:
        await bank.bot.send(answer(event, "您好！"))
    assert 0.5 <= caught.value.retry_after <= 30
    bank.wecom.refusals.clear()


async def test_a_refused_secret_is_said_and_tried_again_slowly() -> None:
    async with counter(connected=False, secret="wrong") as bank:
        await bank.wecom.until(lambda: len(bank.wecom.refusals) == 1)
        assert "wrong" not in (await _health(bank.bot, "are bot_id and secret right")).detail
        await asyncio.sleep(0.1)
        assert len(bank.wecom.refusals) == 1
        bank.wecom.secret = "wrong"
        await bank.wecom.connected()


async def test_an_evicted_bot_does_not_fight(bank: Counter) -> None:
    await bank.wecom.evict()
    await asyncio.sleep(0.2)
    assert bank.wecom.subscribed == 1
    health = await bank.bot.health()
    assert not health.ok
    assert "another program" in health.detail
    await bank.wecom.connected(2)
    await bank.wecom.evict()
    await asyncio.sleep(0.45)
    assert bank.wecom.subscribed == 2, "the second pause must be longer"


async def test_two_bots_with_one_id_do_not_take_it_from_each_other_for_ever() -> None:
    clock = Clock()
    async with AibotSocket(clock=clock) as wecom:
        settings = WeComAibot(account="aibot", bot_id="BOT", secret=SECRET, ws_url=wecom.ws_url)
        timing = replace(QUICK, evicted_pause=(60.0, 60.0))
        bots = [ConnectionBot(settings, timing=timing) for _ in range(2)]
        for number, bot in enumerate(bots, 1):
            await bot.start(MemoryHost(clock))
            await wecom.connected(number)
        await asyncio.sleep(0.3)
        assert wecom.subscribed == 2
        assert [(await bot.health()).ok for bot in bots] == [False, True]
        for bot in bots:
            await bot.close()


async def test_a_server_that_is_not_there_yet_is_tried_again() -> None:
    wecom = AibotSocket()
    await wecom.start()
    url = wecom.ws_url
    await wecom.stop()
    bot = ConnectionBot(WeComAibot(account="a", bot_id="BOT", secret=SECRET, ws_url=url), timing=QUICK)
    await bot.start(MemoryHost())
    await _health(bot, "can't connect")
    await wecom.start(int(url.rpartition(":")[2]))
    await wecom.connected()
    await bot.close()
    await wecom.stop()


async def test_starting_twice_makes_one_connection(bank: Counter) -> None:
    await bank.bot.start(bank.host)
    await asyncio.sleep(0.1)
    assert bank.wecom.subscribed == 1


async def test_a_process_that_only_sends_says_that_it_has_no_connection() -> None:
    bot = ConnectionBot(WeComAibot(account="a", bot_id="B", secret="S"))
    await bot.start(MemoryHost(), receive=False)
    to = Conversation("wecom", "a", "wang")
    with pytest.raises(RetryLater, match="no connection"):
        await bot.send(OutboundMessage(to, (Text("x"),), "k", "notice"))
    await bot.close()


@pytest.mark.parametrize("code", [846608, 846605, 846604])
async def test_an_answer_that_its_bubble_refuses_is_pushed_whole(bank: Counter, code: int) -> None:
    bubble, event = await bank.asked("你好")
    bank.wecom.fail("aibot_respond_msg", code)
    await bank.bot.send(answer(event, "您好！"))
    assert (bubble.text, bank.pushed) == ("", [{"content": "您好！"}])
    bank.wecom.refusals.clear()


async def test_a_bubble_past_its_six_minutes_is_left_and_the_answer_pushed(bank: Counter) -> None:
    bubble, event = await bank.asked("你好")
    await bank.bot.typing(event.conversation, "zh")
    await bank.wecom.until(lambda: bubble.states == [""])
    bank.clock.ahead += LIFE_S + 1
    await bank.bot.send(answer(event, "您好！"))
    assert bank.pushed == [{"content": "您好！"}]


async def test_a_forgotten_subscription_is_made_again(bank: Counter) -> None:
    """846609: the socket is open, and WeCom doesn't know whose it is."""
    bubble, event = await bank.asked("你好")
    bank.wecom.forget()
    with pytest.raises(RetryLater):
        await bank.bot.send(answer(event, "您好！"))
    await bank.wecom.connected(2)
    await _healthy(bank.bot)
    await bank.bot.send(answer(event, "您好！"))
    assert bubble.text == "您好！"
    bank.wecom.refusals.clear()


async def test_an_answer_in_doubt_is_sent_again_and_seen_once(bank: Counter) -> None:
    bubble, event = await bank.asked("你好")
    bank.wecom.swallow("aibot_respond_msg")
    with pytest.raises(SendAmbiguous):
        await bank.bot.send(answer(event, "您好！"))
    assert bubble.finished
    await bank.bot.send(answer(event, "您好！"))
    assert (bubble.states, bank.wecom.pushed) == (["您好！"], [])
    bank.wecom.refusals.clear()


async def test_an_answer_that_must_wait_after_its_bubble_refused_it_is_not_taken_for_shown(
    bank: Counter,
) -> None:
    _, event = await bank.asked("你好")
    bank.wecom.fail("aibot_respond_msg", 846608, 2)
    bank.wecom.fail("aibot_send_msg", 846607)
    with pytest.raises(RetryLater):
        await bank.bot.send(answer(event, "您好！"))
    await bank.bot.send(answer(event, "您好！"))
    assert bank.pushed == [{"content": "您好！"}]
    bank.wecom.refusals.clear()


async def test_a_fault_of_ours_does_not_end_the_connecting(
    bank: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, hold = bank.bot._link, bank.bot._link._hold
    faults = iter([RuntimeError("a bug"), KeyError("another")])

    async def broken() -> Any:
        for fault in faults:
            raise fault
        return await hold()

    monkeypatch.setattr(link, "_hold", broken)
    await bank.wecom.close(1011)
    await bank.wecom.connected(2)
    await _healthy(bank.bot)


@pytest.mark.parametrize(("code", "pushed"), [(846608, 0), (6000, 0), (846605, 1)])
async def test_an_answer_in_doubt_is_never_lost(bank: Counter, code: int, pushed: int) -> None:
    """Refused the second time: because the bubble is finished, or because nobody knows it any more."""
    bubble, event = await bank.asked("你好")
    bank.wecom.swallow("aibot_respond_msg")
    with pytest.raises(SendAmbiguous):
        await bank.bot.send(answer(event, "您好！"))
    assert bubble.text == "您好！"
    bank.wecom.fail("aibot_respond_msg", code)
    await bank.bot.send(answer(event, "您好！"))
    assert len(bank.wecom.pushed) == pushed
    bank.wecom.refusals.clear()


async def test_logs_have_no_secrets_and_no_words(bank: Counter) -> None:
    with capture_logs() as logs:
        _, event = await bank.asked("我的余额")
        await bank.bot.send(answer(event, "一万元"))
        bank.wecom.fail("aibot_send_msg", 40008)
        with pytest.raises(SendRefused):
            await bank.bot.send(OutboundMessage(event.conversation, (Text("机密"),), "k", "notice"))
        await bank.wecom.close(1011)
        await bank.wecom.connected(2)
    assert logs
    assert not any(word in str(logs) for word in (SECRET, "余额", "一万", "机密", "wang"))
    bank.wecom.refusals.clear()


async def test_a_drafts_late_answer_does_not_pass_for_the_finals(bank: Counter) -> None:
    bubble, event = await bank.asked("你好")
    bank.wecom.swallow("aibot_respond_msg")
    await bank.bot.draft(draft(event, "您", 1))
    await bank.wecom.until(lambda: bubble.text == "您")
    with pytest.raises(SendAmbiguous):
        await bank.bot.send(answer(event, "您好！"))
    await bank.bot.send(answer(event, "您好！"))
    assert (bubble.text, bank.wecom.pushed) == ("您好！", [])
    bank.wecom.refusals.clear()


async def test_a_push_without_an_answer_is_ambiguous_and_a_broken_line_too(bank: Counter) -> None:
    to = (await bank.asked("你好"))[1].conversation
    bank.wecom.swallow("aibot_send_msg")
    with pytest.raises(SendAmbiguous, match="no answer"):
        await bank.bot.send(OutboundMessage(to, (Text("x"),), "k1", "notice"))
    bank.wecom.swallow("aibot_send_msg")
    sending = asyncio.create_task(bank.bot.send(OutboundMessage(to, (Text("y"),), "k2", "notice")))
    await bank.wecom.until(lambda: len(bank.wecom.pushed) == 2)
    await bank.wecom.close(1011)
    with pytest.raises(SendAmbiguous):
        await sending


@pytest.mark.parametrize(
    ("code", "error"),
    [(846607, RetryLater), (45009, RetryLater), (45002, SendRefused), (40008, SendRefused), (-1, SendError)],
)
async def test_error_codes_are_mapped(bank: Counter, code: int, error: type[SendError]) -> None:
    to = (await bank.asked("你好"))[1].conversation
    bank.wecom.fail("aibot_send_msg", code)
    with pytest.raises(error):
        await bank.bot.send(OutboundMessage(to, (Text("x"),), "k", "notice"))
    bank.wecom.refusals.clear()


async def test_thirty_a_minute_are_kept_on_our_side_and_drafts_leave_room(bank: Counter) -> None:
    bubble, event = await bank.asked("你好")
    for number in range(1, 40):
        await bank.bot.draft(draft(event, f"第{number}版", number))
        await asyncio.sleep(0.055)
    assert len([frame for frame in bank.wecom.frames if frame["cmd"] == "aibot_respond_msg"]) <= 20
    await bank.bot.send(answer(event, "好了"))
    assert bubble.text == "好了"
    for number in range(9):
        await bank.bot.send(answer(event, "还有", number=number + 1))
    with pytest.raises(RetryLater) as caught:
        await bank.bot.send(answer(event, "太多", number=50))
    assert 5 < caught.value.retry_after <= 60
    other = (await bank.asked("你好", user="li"))[1]
    await bank.bot.send(answer(other, "您好！"))


@pytest.mark.parametrize(
    "rubbish",
    [
        "",
        "null",
        "[]",
        "not json",
        '{"cmd": 7}',
        '{"cmd": "aibot_msg_callback"}',
        '{"cmd": "aibot_msg_callback", "headers": {"req_id": "r"}, "body": {"msgtype": "text"}}',
        '{"cmd": "aibot_msg_callback", "headers": {"req_id": "r"}, "body": [1]}',
        "[" * 50_000,
        b"\x00\x01",
    ],
)
async def test_rubbish_is_counted_and_the_connection_stays(bank: Counter, rubbish: str | bytes) -> None:
    await bank.wecom.raw(rubbish)
    _, event = await bank.asked("你好")
    await bank.bot.send(answer(event, "您好！"))
    assert bank.host.refusals == {"malformed": 1}
    assert bank.wecom.subscribed == 1


async def test_unknown_commands_events_and_answers_are_counted_and_harmless(bank: Counter) -> None:
    await bank.wecom.raw('{"cmd": "aibot_new_thing", "headers": {"req_id": "r"}}')
    await bank.wecom.raw('{"headers": {"req_id": "nobody"}, "errcode": 0}')
    feedback = '{"msgtype": "event", "event": {"eventtype": "feedback_event"}}'
    await bank.wecom.raw(_frame("aibot_event_callback", feedback))
    await bank.asked("你好")
    assert bank.host.refusals == {"unknown_type": 2}


def _frame(cmd: str, body: str) -> str:
    return f'{{"cmd": "{cmd}", "headers": {{"req_id": "r"}}, "body": {body}}}'


async def test_unescaped_control_characters_are_no_rubbish(bank: Counter) -> None:
    body = json.dumps(message("text", {"content": "a~b"}, msgid="M1", user="w")).replace("~", "\x07")
    await bank.wecom.raw(_frame("aibot_msg_callback", body))
    assert (await bank.host.event(1)).text == "ab"


async def test_check_reaches_wecom_without_subscribing(bank: Counter) -> None:
    findings = await bank.bot.check("")
    assert [(finding.what, finding.ok) for finding in findings] == [("connection", True), ("clock", True)]
    assert "not tried" in findings[0].detail
    assert bank.wecom.subscribed == 1
    alone = ConnectionBot(WeComAibot(account="a", bot_id="B", secret="S", ws_url="ws://127.0.0.1:9"))
    [finding] = await alone.check("")
    assert not finding.ok
    await alone.close()
