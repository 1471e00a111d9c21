"""The AI bot by callback, against an emulator of WeCom's side."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from adapters.base import Attachment
from adapters.wecom.aibot import CallbackBot, WeComAibot
from adapters.wecom.aibot.streams import LIFE_S
from bot.errors import SendAmbiguous, SendError, SendRefused, StoreBusy
from bot.rails.base import reply
from bot.types import (
    Button,
    Buttons,
    Citation,
    Draft,
    Image,
    ImageOut,
    InboundEvent,
    OutboundMessage,
    Sources,
    Text,
)
from tests.adapters.host import MemoryHost
from tests.emulators.aibot_callback import AibotCallback
from tests.emulators.aibot_wire import AES_KEY, TOKEN, Bubble, dumps

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 5
SETTINGS = WeComAibot(
    account="aibot",
    token=TOKEN,
    encoding_aes_key=AES_KEY,
    welcome_zh="您好，这里是澜湾银行。",
    welcome_en="Hi",
)


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Counter:
    """A bot, its host and WeCom."""

    def __init__(self, wecom: AibotCallback, bot: CallbackBot, host: MemoryHost, clock: Clock) -> None:
        self.wecom, self.bot, self.host, self.clock = wecom, bot, host, clock

    async def asked(self, text: str, **more: Any) -> tuple[Bubble, InboundEvent]:
        bubble = await self.wecom.say(text, **more)
        return bubble, self.host.events[-1]

    async def shown(self, bubble: Bubble) -> str:
        await self.wecom.until(lambda: bubble.finished)
        return bubble.text


@asynccontextmanager
async def counter(settings: WeComAibot = SETTINGS, **options: Any) -> AsyncIterator[Counter]:
    clock = Clock()
    host = MemoryHost(clock)
    bot = CallbackBot(settings, clock=clock, look_s=0.02, **({"untaken_s": 2.0} | options))
    app = web.Application()
    app.add_routes(bot.routes())
    async with TestServer(app) as server, AibotCallback(clock=clock) as wecom:
        await bot.start(host)
        wecom.callback = str(server.make_url(f"/webhooks/wecom/aibot/{settings.account}"))
        try:
            yield Counter(wecom, bot, host, clock)
        finally:
            await bot.stop()
            await bot.close()
            assert wecom.refusals == []


@pytest.fixture
async def bank() -> AsyncIterator[Counter]:
    async with counter() as made:
        yield made


def answer(event: InboundEvent, text: str, *parts: Any, number: int = 0) -> OutboundMessage:
    return reply(event, "zh", Text(text), *parts, number=number)


def draft(event: InboundEvent, text: str, sequence: int) -> Draft:
    return Draft(event.conversation, answer(event, "").idempotency_key, text, sequence, event.event_id)


# ── in ──


async def test_the_address_check_is_answered_bare(bank: Counter) -> None:
    status, body, plain = await bank.wecom.verify_url()
    assert (status, body) == (200, plain.encode())


async def test_a_question_is_stored_and_answered_at_once_with_an_empty_bubble(bank: Counter) -> None:
    bubble, event = await bank.asked("信用卡丢了怎么办？", msgid="M1")
    assert bubble.states == [""]
    assert not bubble.finished
    assert (event.event_id, event.kind, event.text) == ("M1", "message", "信用卡丢了怎么办？")
    assert event.conversation.key == "wecom|aibot|wang|"
    assert event.sender.id == "wang"
    assert json.loads(bank.host.raw[0])["msgid"] == "M1"


async def test_the_answer_comes_into_the_bubble(bank: Counter) -> None:
    bubble, event = await bank.asked("年费多少？")
    sources = Sources((Citation("cards.fee", "信用卡年费"),))
    delivery = await bank.bot.send(answer(event, "首年免年费。", sources))
    assert await bank.shown(bubble) == "首年免年费。\n\n来源：《信用卡年费》"
    assert delivery.message_id == bubble.id


async def test_the_answer_grows_before_it_is_finished(bank: Counter) -> None:
    bubble, event = await bank.asked("怎么挂失？")
    await bank.bot.draft(draft(event, "请先", 1))
    await bank.wecom.until(lambda: bubble.text == "请先")
    await bank.bot.draft(draft(event, "请先打电话", 2))
    await bank.wecom.until(lambda: bubble.text == "请先打电话")
    await bank.bot.send(answer(event, "请先打电话挂失。"))
    await bank.shown(bubble)
    assert bubble.states == ["", "请先", "请先打电话", "请先打电话挂失。"]


async def test_a_draft_that_comes_after_its_answer_changes_nothing(bank: Counter) -> None:
    bubble, event = await bank.asked("在吗？")
    await bank.bot.send(answer(event, "在。"))
    await bank.bot.draft(draft(event, "在", 1))
    assert await bank.shown(bubble) == "在。"
    assert await bank.wecom.poll_once(bubble) == 200
    assert bubble.text == "在。"


async def test_another_process_answers_than_the_one_that_is_asked(bank: Counter) -> None:
    other = CallbackBot(SETTINGS, clock=bank.clock, look_s=0.02)
    await other.start(bank.host, receive=False)
    bubble, event = await bank.asked("几点开门？")
    await other.draft(draft(event, "九点", 1))
    await bank.wecom.until(lambda: bubble.text == "九点")
    await other.send(answer(event, "九点开门。"))
    assert await bank.shown(bubble) == "九点开门。"
    await other.close()


async def test_a_redelivered_message_keeps_its_bubble_and_is_accepted_once(bank: Counter) -> None:
    bubble, event = await bank.asked("你好", msgid="M1")
    first = bubble.id
    assert await bank.wecom.redeliver("M1") == 200
    assert bubble.id == first
    assert len(bank.host.events) == 1
    await bank.bot.send(answer(event, "您好！"))
    assert await bank.shown(bubble) == "您好！"


async def test_a_message_that_was_answered_long_ago_gets_no_new_bubble(bank: Counter) -> None:
    _, event = await bank.asked("你好", msgid="M1")
    await bank.bot.send(answer(event, "您好！"))
    for key in [key for key in bank.host.notes("wecom", "aibot").kept if key.startswith("stream:")]:
        await bank.host.notes("wecom", "aibot").drop(key)
    status, body = await bank.wecom.post(bank.wecom._bodies["M1"])
    assert (status, body) == (200, None)


async def test_a_busy_store_is_503_and_the_repeat_is_taken(bank: Counter) -> None:
    bank.host.failure = StoreBusy("locked")
    bubble = await bank.wecom.say("你好", msgid="M1")
    assert bubble.states == []
    assert bank.host.events == []
    bank.host.failure = None
    assert await bank.wecom.redeliver("M1") == 200
    assert [event.event_id for event in bank.host.events] == ["M1"]
    assert bubble.states == [""]


async def test_a_first_attempt_that_broke_off_between_its_bubble_and_the_store_is_made_good(
    bank: Counter,
) -> None:
    body = dumps(
        {"msgid": "M1", "chattype": "single", "from": {"userid": "w"}, "msgtype": "text", "text": {}}
    )
    accept = bank.host.accept

    async def busy(event: InboundEvent, raw: bytes = b"") -> bool:
        raise StoreBusy("full")

    bank.host.accept = busy  # type: ignore[method-assign]
    assert (await bank.wecom.post(body))[0] == 503
    bank.host.accept = accept  # type: ignore[method-assign]
    status, shown = await bank.wecom.post(body)
    assert (status, shown["stream"]["finish"]) == (200, False)
    assert len(bank.host.events) == 1


async def test_two_questions_at_once_have_two_bubbles_and_two_answers(bank: Counter) -> None:
    first, asked = await bank.asked("是")
    second, asked_again = await bank.asked("是")
    assert first.id != second.id
    await bank.bot.send(answer(asked, "一"))
    await bank.bot.send(answer(asked_again, "二"))
    assert (await bank.shown(first), await bank.shown(second)) == ("一", "二")


async def test_in_a_group_the_mention_is_no_part_of_the_question(bank: Counter) -> None:
    bubble, event = await bank.asked("@小澜 存款利率多少", chat="wr123")
    assert event.text == "存款利率多少"
    assert (event.conversation.chat, event.conversation.kind) == ("wr123", "group")
    assert bubble.states == ["…"]


async def test_opening_the_bot_is_greeted_once_and_is_no_event(bank: Counter) -> None:
    assert await bank.wecom.enter() == "您好，这里是澜湾银行。"
    assert bank.host.events == []


async def test_without_a_greeting_nothing_is_said() -> None:
    settings = WeComAibot(account="aibot", token=TOKEN, encoding_aes_key=AES_KEY)
    async with counter(settings) as bank:
        assert await bank.wecom.enter() == ""


async def test_what_is_not_handled_is_acknowledged_and_counted(bank: Counter) -> None:
    for body in (
        {
            "msgtype": "event",
            "msgid": "E",
            "event": {"eventtype": "feedback_event", "feedback_event": {"id": "x"}},
        },
        {"msgtype": "hologram", "msgid": "E"},
    ):
        assert await bank.wecom.post(dumps(body)) == (200, None)
    own = {"msgtype": "text", "msgid": "E", "aibotid": "B", "from": {"userid": "B"}, "text": {"content": "x"}}
    assert await bank.wecom.post(dumps(own)) == (200, None)
    assert bank.host.refusals == {"unknown_type": 2, "own_message": 1}


@pytest.mark.parametrize(
    ("plain", "status", "reason"),
    [
        (b"not json", 400, "malformed"),
        (b'{"msgtype": "text"}', 400, "malformed"),
        (b"\xff", 400, "malformed"),
    ],
)
async def test_signed_rubbish_is_refused_and_counted(
    bank: Counter, plain: bytes, status: int, reason: str
) -> None:
    assert (await bank.wecom.post(plain))[0] == status
    assert bank.host.refusals == {reason: 1}


async def test_forged_and_oversized_requests_are_refused_and_counted(bank: Counter) -> None:
    bank.wecom.token = "another"
    assert (await bank.wecom.post(b"{}"))[0] == 401
    bank.wecom.token = TOKEN
    assert (await bank.wecom.post(b"x" * (1 << 20)))[0] == 413
    bank.clock.ahead += 0
    assert bank.host.refusals == {"bad_signature": 1, "too_large": 1}


async def test_a_process_that_does_not_receive_says_come_later(bank: Counter) -> None:
    await bank.bot.stop()
    assert (await bank.wecom.say("你好")).states == []
    assert bank.host.events == []


async def test_a_picture_is_fetched_and_decrypted(bank: Counter) -> None:
    await bank.wecom.send_picture(PNG, name="卡.png")
    event = bank.host.events[0]
    [part] = event.parts
    assert isinstance(part, Image)
    attachment = await bank.bot.fetch(event.conversation, part.ref)
    assert (attachment.name, attachment.mime, attachment.data) == ("卡.png", "image/png", PNG)


# ── out ──


async def test_an_unknown_bubble_is_finished(bank: Counter) -> None:
    status, body = await bank.wecom.post(dumps({"msgtype": "stream", "stream": {"id": "never"}}))
    assert status == 200
    assert body["stream"] == {"id": "never", "finish": True, "content": ""}


async def test_a_bubble_ends_before_wecom_ends_it_and_the_answer_comes_by_response_url(bank: Counter) -> None:
    bubble, event = await bank.asked("要查很久")
    bank.clock.ahead += LIFE_S - 5
    await asyncio.sleep(0.1)
    assert not bubble.finished
    bank.clock.ahead += 10
    assert await bank.shown(bubble) == "已收到，请稍候，有结果就发给您。"
    await bank.bot.send(answer(event, "查到了。"))
    assert bank.wecom.responses == [{"msgtype": "markdown", "markdown": {"content": "查到了。"}}]


async def test_an_answer_that_nobody_comes_for_goes_by_response_url() -> None:
    async with counter(untaken_s=0.2) as bank:
        bank.wecom.polling = False
        bubble, event = await bank.asked("你好")
        await bank.bot.send(answer(event, "您好！"))
        assert [r["markdown"]["content"] for r in bank.wecom.responses] == ["您好！"]
        bank.wecom.polling = True
        # And not a second time when WeCom comes after all.
        assert await bank.shown(bubble) == "已收到，请稍候，有结果就发给您。"


async def test_a_second_message_to_one_question_shares_the_bubble_or_goes_by_response_url(
    bank: Counter,
) -> None:
    bank.wecom.polling = False
    bubble, event = await bank.asked("买基金")
    sending = asyncio.create_task(bank.bot.send(answer(event, "风险提示")))
    await asyncio.sleep(0.05)
    also = asyncio.create_task(bank.bot.send(answer(event, "产品说明", number=1)))
    await asyncio.sleep(0.05)
    bank.wecom.polling = True
    await asyncio.gather(sending, also)
    assert await bank.shown(bubble) == "风险提示\n\n产品说明"
    await bank.bot.send(answer(event, "还有", number=2))
    assert [r["markdown"]["content"] for r in bank.wecom.responses] == ["还有"]


async def test_a_message_sent_again_is_not_in_the_bubble_twice(bank: Counter) -> None:
    bubble, event = await bank.asked("你好")
    for _ in range(2):
        await bank.bot.send(answer(event, "您好！"))
    assert await bank.shown(bubble) == "您好！"
    assert bank.wecom.responses == []


async def test_a_long_answer_goes_on_by_response_url(bank: Counter) -> None:
    bubble, event = await bank.asked("全文")
    text = "很长的条款，逐条列出。" * 1000
    await bank.bot.send(answer(event, text))
    [rest] = bank.wecom.responses
    assert (await bank.shown(bubble)) + rest["markdown"]["content"] == text
    assert len(bubble.text.encode()) <= 20480


async def test_buttons_are_a_card_whose_press_comes_back_and_is_ticked(bank: Counter) -> None:
    bubble, event = await bank.asked("你好")
    buttons = Buttons((Button("信用卡挂失", "about:lost"), Button("年费", "about:fee")), "您可能还想问：")
    await bank.bot.send(answer(event, "您好！", buttons))
    assert await bank.shown(bubble) == "您好！"
    assert bubble.card is not None
    assert bubble.card["main_title"] == {"title": "您可能还想问："}
    ticked = await bank.wecom.press(bubble.card, "about:lost")
    assert ticked is not None
    assert [b["text"] for b in ticked["button_list"]] == ["✓ 信用卡挂失", "年费"]
    pressed = bank.host.events[-1]
    assert (pressed.kind, pressed.value, pressed.conversation) == ("button", "about:lost", event.conversation)
    await bank.bot.send(answer(pressed, "请打电话挂失。"))
    assert [r["markdown"]["content"] for r in bank.wecom.responses] == ["请打电话挂失。"]


async def test_buttons_too_long_for_a_card_are_numbered(bank: Counter) -> None:
    bubble, event = await bank.asked("你好")
    long = Buttons((Button("怎样在境外紧急补办一张信用卡", "a"), Button("年费", "b")), "您可能还想问：")
    await bank.bot.send(answer(event, "您好！", long))
    assert await bank.shown(bubble) == "您好！\n\n您可能还想问：\n1. 怎样在境外紧急补办一张信用卡\n2. 年费"
    assert bubble.card is None


async def test_pictures_are_in_the_finished_bubble(bank: Counter) -> None:
    bubble, event = await bank.asked("走势")
    ref = await bank.host.keep_attachment(event.conversation, Attachment("a.png", "image/png", PNG))
    await bank.bot.send(answer(event, "如图。", ImageOut(ref, "走势图")))
    await bank.shown(bubble)
    assert bubble.pictures == [PNG]


async def test_a_picture_that_wecom_would_not_show_is_described(bank: Counter) -> None:
    bubble, event = await bank.asked("走势")
    ref = await bank.host.keep_attachment(event.conversation, Attachment("a.svg", "image/svg+xml", b"<svg/>"))
    await bank.bot.send(answer(event, "如图。", ImageOut(ref, "走势图")))
    assert await bank.shown(bubble) == "如图。\n\n[图片] 走势图"


async def test_words_that_answer_nothing_end_the_bubble_that_waits(bank: Counter) -> None:
    """A person of the bank takes over and writes."""
    bubble, event = await bank.asked("我要投诉")
    staff = OutboundMessage(event.conversation, (Text("我是客户经理小李。"),), "staff-1", "answer")
    await bank.bot.send(staff)
    assert await bank.shown(bubble) == "我是客户经理小李。"
    more = OutboundMessage(event.conversation, (Text("请说。"),), "staff-2", "answer")
    await bank.bot.send(more)
    assert [r["markdown"]["content"] for r in bank.wecom.responses] == ["请说。"]


async def test_with_no_way_left_the_operator_is_told_why(bank: Counter) -> None:
    _, event = await bank.asked("你好")
    await bank.bot.send(answer(event, "您好！"))
    bank.clock.ahead += 3600
    late = OutboundMessage(event.conversation, (Text("通知"),), "n-1", "notice")
    with pytest.raises(SendRefused, match="long connection"):
        await bank.bot.send(late)
    assert bank.wecom.responses == []


async def test_a_response_url_is_used_once_and_another_answer_takes_another(bank: Counter) -> None:
    for number in (1, 2):
        _, event = await bank.asked(f"问题{number}")
        await bank.bot.send(answer(event, "答"))
    for number in (1, 2):
        await bank.bot.send(
            OutboundMessage(event.conversation, (Text(f"通知{number}"),), f"n-{number}", "notice")
        )
    assert [r["markdown"]["content"] for r in bank.wecom.responses] == ["通知1", "通知2"]
    with pytest.raises(SendRefused):
        await bank.bot.send(OutboundMessage(event.conversation, (Text("通知3"),), "n-3", "notice"))


async def test_a_failed_response_url_can_be_used_again_but_not_after_doubt(bank: Counter) -> None:
    _, event = await bank.asked("你好")
    await bank.bot.send(answer(event, "您好！"))
    notice = OutboundMessage(event.conversation, (Text("通知"),), "n-1", "notice")
    bank.wecom.failures = [502]
    with pytest.raises(SendError) as caught:
        await bank.bot.send(notice)
    assert type(caught.value) is SendError
    bank.wecom.hang_up = 1
    with pytest.raises(SendAmbiguous):
        await bank.bot.send(notice)
    with pytest.raises(SendRefused):
        await bank.bot.send(notice)
    assert len(bank.wecom.responses) == 1


async def test_logs_and_errors_have_no_secrets_and_no_words(bank: Counter) -> None:
    with capture_logs() as logs:
        _, event = await bank.asked("我的余额")
        await bank.wecom.post(b"rubbish")
        await bank.wecom.post(dumps({"msgtype": "hologram"}))
        await bank.bot.send(answer(event, "一万元"))
        bank.wecom.hang_up = 1
        with pytest.raises(SendAmbiguous) as caught:
            await bank.bot.send(OutboundMessage(event.conversation, (Text("机密"),), "k", "notice"))
    assert logs
    words = (TOKEN, AES_KEY, "余额", "一万", "机密", "wang", "response_code")
    assert not any(word in f"{logs} {caught.value} {caught.value.__cause__}" for word in words)


async def test_drafts_write_no_faster_than_twice_a_second(bank: Counter) -> None:
    _, event = await bank.asked("你好")
    notes = bank.host.notes("wecom", "aibot")
    written, put = [], notes.put

    async def counted(key: str, value: str, *, ttl_s: float | None = None) -> None:
        written.append(key)
        await put(key, value, ttl_s=ttl_s)

    notes.put = counted  # type: ignore[method-assign]
    for number in range(1, 60):
        await bank.bot.draft(draft(event, "字" * number, number))
        await asyncio.sleep(0.01)
    assert sum(key.startswith("grow:") for key in written) <= 3


async def test_check_asks_our_own_address_and_compares_clocks(bank: Counter) -> None:
    base = bank.wecom.callback.split("/webhooks")[0]
    settings = WeComAibot(
        account="aibot", token=TOKEN, encoding_aes_key=AES_KEY, api_base=bank.wecom.base_url
    )
    bot = CallbackBot(settings)
    findings = await bot.check(base)
    assert [(finding.what, finding.ok) for finding in findings] == [("callback", True), ("clock", True)]
    wrong = CallbackBot(
        WeComAibot(account="aibot", token="x", encoding_aes_key=AES_KEY, api_base="http://127.0.0.1:9")
    )
    findings = await wrong.check(base)
    assert [(finding.what, finding.ok) for finding in findings] == [("callback", False), ("clock", False)]
    ahead = CallbackBot(settings, clock=lambda: time.time() + 100)
    assert [f.ok for f in await ahead.check("")] == [False, False]
    for made in (bot, wrong, ahead):
        await made.close()


async def test_the_account_named_default_has_the_bare_path_too() -> None:
    paths = {route.path for route in CallbackBot(WeComAibot(token=TOKEN, encoding_aes_key=AES_KEY)).routes()}
    assert paths == {"/webhooks/wecom/aibot", "/webhooks/wecom/aibot/default"}
    assert {route.path for route in CallbackBot(SETTINGS).routes()} == {"/webhooks/wecom/aibot/aibot"}
    bare = {route.path for route in CallbackBot(replace(SETTINGS, bare_path=True)).routes()}
    assert bare == {"/webhooks/wecom/aibot", "/webhooks/wecom/aibot/aibot"}


async def test_two_bots_on_one_port_hear_their_own_messages_only() -> None:
    host = MemoryHost()
    one = CallbackBot(SETTINGS)
    two = CallbackBot(WeComAibot(account="two", token="t2", encoding_aes_key=AES_KEY[::-1]))
    app = web.Application()
    app.add_routes([*one.routes(), *two.routes()])
    async with TestServer(app) as server, AibotCallback() as first:
        second = AibotCallback(token="t2", aes_key=AES_KEY[::-1])
        await second.start()
        for bot, wecom in ((one, first), (two, second)):
            await bot.start(host)
            wecom.callback = str(server.make_url(f"/webhooks/wecom/aibot/{bot.account}"))
        await first.say("一")
        await second.say("二")
        second.callback = first.callback
        assert (await second.post(b"{}"))[0] == 401
        assert [(e.account, e.text) for e in host.events] == [("aibot", "一"), ("two", "二")]
        await second.stop()
        for bot in (one, two):
            await bot.close()
