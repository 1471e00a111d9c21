"""Sending, over the emulated Bot API."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest
import structlog

from adapters.base import Attachment
from adapters.telegram.limits import Limits
from bot.errors import RetryLater, SendAmbiguous, SendError, SendRefused, StoreBusy
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
    Sources,
    Text,
)
from tests.adapters.host import MemoryHost
from tests.adapters.telegram.rig import Rig, here, reply, rig
from tests.emulators.telegram import TOKEN, TelegramEmulator

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 50


def sends(bot: Rig) -> list[str]:
    return [call.method for call in bot.api.calls if call.method.startswith(("send", "edit"))]


async def test_an_answer_goes_out_as_pinned() -> None:
    async with rig(receiving=False) as bot:
        wang = bot.api.world.customer()
        parts = (Text("请先挂失。"), Sources((Citation("a", "挂失"),)), Buttons((Button("补卡", "kb:r"),)))
        await bot.adapter.send(reply(wang.chat, *parts))
        [call] = bot.api.made("sendMessage")
        assert call.params == {
            "chat_id": wang.id,
            "text": "请先挂失。\n\n来源：《挂失》",
            "reply_markup": {"inline_keyboard": [[{"text": "补卡", "callback_data": "kb:r"}]]},
            "link_preview_options": {"is_disabled": True},
        }


async def test_in_a_group_the_first_part_replies_to_the_question_and_no_other() -> None:
    async with rig() as bot:
        group = bot.api.world.group()
        update = bot.api.world.customer().say("@teller_bot 贷款", group)
        event = await bot.event(1)
        await bot.adapter.send(reply(group, Text("见下"), Card("卡"), to=event.event_id))
        first, second = await bot.api.sent(group), await bot.api.sent(group)
        assert first["reply_to_message"]["message_id"] == update["message"]["message_id"]
        assert "reply_to_message" not in second


async def test_an_answer_to_a_message_since_deleted_is_still_said() -> None:
    async with rig() as bot:
        group = bot.api.world.group()
        update = bot.api.world.customer().say("@teller_bot 贷款", group)
        event = await bot.event(1)
        del group.messages[update["message"]["message_id"]]
        await bot.adapter.send(reply(group, "见下", to=event.event_id))
        assert (await bot.api.sent(group))["text"] == "见下"


async def test_an_answer_goes_into_the_topic_it_was_asked_in() -> None:
    async with rig() as bot:
        forum = bot.api.world.group(forum=True)
        topic = bot.api.world.topic(forum, "贷款")
        wang = bot.api.world.customer()
        wang.say("@teller_bot 利率", forum, thread=topic)
        wang.say("@teller_bot 利率", forum)
        for number in (1, 2):
            event = await bot.event(number)
            message = reply(forum, "3%", to=event.event_id, thread=int(event.conversation.thread or 0))
            await bot.adapter.send(message)
        assert (await bot.api.sent(forum))["message_thread_id"] == topic
        assert "message_thread_id" not in await bot.api.sent(forum)


async def test_a_topic_that_is_gone_is_refused_with_the_reason() -> None:
    async with rig(receiving=False) as bot:
        forum = bot.api.world.group(forum=True)
        with pytest.raises(SendRefused, match="topic was deleted"):
            await bot.adapter.send(reply(forum, "x", thread=404))


# ── refusals ──


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        ("Forbidden: bot was blocked by the user", "unblock"),
        ("Forbidden: user is deactivated", "gone"),
        ("Forbidden: bot was kicked from the supergroup chat", "add it again"),
        ("Bad Request: not enough rights to send text messages to the chat", "right"),
        ("Bad Request: TOPIC_CLOSED", "reopen"),
    ],
)
async def test_what_is_refused_for_good_says_what_to_do(refusal: str, advice: str) -> None:
    async with rig(receiving=False) as bot:
        wang = bot.api.world.customer()
        wang.chat.refusal = refusal
        with pytest.raises(SendRefused, match=advice):
            await bot.adapter.send(reply(wang.chat, "x"))


@pytest.mark.parametrize("chat", ["404", "not a number"])
async def test_a_chat_that_is_not_there_is_refused(chat: str) -> None:
    async with rig(receiving=False) as bot:
        nobody = Conversation("telegram", "default", chat)
        with pytest.raises(SendRefused):
            await bot.adapter.send(OutboundMessage(nobody, (Text("x"),), "k", "notice"))


async def test_patience_asked_for_one_chat_holds_up_no_other() -> None:
    async with rig(receiving=False) as bot:
        wang, li = bot.api.world.customer(), bot.api.world.customer("李")
        bot.api.fail("sendMessage", 429, chat=wang.id, retry_after=37)
        with pytest.raises(RetryLater) as caught:
            await bot.adapter.send(reply(wang.chat, "一"))
        assert caught.value.retry_after == 37
        await bot.adapter.send(reply(li.chat, "二"))
        assert (await bot.api.sent())["text"] == "二"
        # Nor is the chat asked again before its time, from another of its topics or otherwise.
        with pytest.raises(RetryLater) as again:
            await bot.adapter.send(reply(wang.chat, "三"))
        assert 30 < again.value.retry_after <= 37
        assert len(bot.api.made("sendMessage")) == 1


async def test_a_time_out_after_the_request_left_is_ambiguous() -> None:
    async with rig(receiving=False, timeout_s=0.3) as bot:
        wang = bot.api.world.customer()
        for break_off in (bot.api.hang, bot.api.drop):
            break_off("sendMessage")
            with pytest.raises(SendAmbiguous):
                await bot.adapter.send(reply(wang.chat, "一"))
        assert len(bot.api.made("sendMessage")) == 2


async def test_no_connection_is_a_plain_failure() -> None:
    async with rig(receiving=False, base_url="http://127.0.0.1:1") as bot:
        with pytest.raises(SendError, match="can't be reached") as caught:
            await bot.adapter.send(reply(bot.api.world.customer().chat, "x"))
        assert type(caught.value) is SendError


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_error_is_a_plain_failure(status: int) -> None:
    async with rig(receiving=False) as bot:
        bot.api.fail("sendMessage", status)
        with pytest.raises(SendError) as caught:
            await bot.adapter.send(reply(bot.api.world.customer().chat, "x"))
        assert type(caught.value) is SendError


async def test_a_refused_token_fails_the_send_and_shows_in_health_until_one_works() -> None:
    async with rig(receiving=False) as bot:
        wang = bot.api.world.customer()
        bot.api.token = "9:changed"
        with pytest.raises(SendError, match="@BotFather") as caught:
            await bot.adapter.send(reply(wang.chat, "x"))
        assert type(caught.value) is SendError
        assert not (await bot.adapter.health()).ok
        bot.api.token = TOKEN
        await bot.adapter.send(reply(wang.chat, "x"))
        assert (await bot.adapter.health()).ok


async def test_formatting_that_is_refused_is_said_plain() -> None:
    async with rig(receiving=False) as bot:
        wang = bot.api.world.customer()
        bot.api.fail("sendMessage", 400, "Bad Request: ENTITY_BOUNDS_INVALID")
        await bot.adapter.send(reply(wang.chat, Card("标题", text="正文")))
        shown = await bot.api.sent()
        assert (shown["text"], shown.get("entities")) == ("标题\n正文", None)


async def test_an_answer_of_telegrams_that_the_library_cannot_read_is_a_message_delivered() -> None:
    # Dates in milliseconds: a server that others wrote gives them, and the library gives up on them.
    api = TelegramEmulator(clock=lambda: time.time() * 1000)
    async with rig(receiving=False, api=api, limits=Limits(api.clock)) as bot:
        wang = bot.api.world.customer()
        delivery = await bot.adapter.send(reply(wang.chat, "一"))
        assert delivery.message_id == str((await bot.api.sent())["message_id"])


# ── several parts ──


async def test_a_retry_goes_on_where_the_last_attempt_broke_off() -> None:
    async with rig(receiving=False) as bot:
        wang = bot.api.world.customer()
        message = reply(wang.chat, Card("一"), Card("二"), key="m1")
        fail_after(bot, 1)
        with pytest.raises(SendError):
            await bot.adapter.send(message)
        await bot.adapter.send(message)
        texts = [m["text"] for m in wang.chat.messages.values()]
        assert texts == ["一", "二"]


def fail_after(bot: Rig, number: int) -> None:
    """Let the send after the message of this number fail."""
    shown = bot.api.on_sent

    def count(what: str, message: dict[str, Any]) -> None:
        shown(what, message)
        if what == "sent" and message["message_id"] == number:
            bot.api.fail("sendMessage", 502)

    bot.api.on_sent = count


async def test_a_picture_and_a_file_are_uploaded() -> None:
    async with rig(receiving=False) as bot:
        wang = bot.api.world.customer()
        picture = await bot.host.keep_attachment(here(wang.chat), Attachment("chart.png", "image/png", PNG))
        file = await bot.host.keep_attachment(
            here(wang.chat), Attachment("x.pdf", "application/pdf", b"%PDF")
        )
        await bot.adapter.send(reply(wang.chat, ImageOut(picture, "走势"), FileOut(file, "日报.pdf")))
        shown = await bot.api.sent()
        assert (shown["caption"], "photo" in shown) == ("走势", True)
        assert bot.api.world.files[shown["photo"][0]["file_id"]][1] == PNG
        assert (await bot.api.sent())["document"]["file_name"] == "日报.pdf"


@pytest.mark.parametrize("data", [b"\x89PNG" + bytes(10_000_001), b"no picture at all"])
async def test_a_picture_that_is_too_large_or_broken_goes_as_a_document(data: bytes) -> None:
    async with rig(receiving=False) as bot:
        wang = bot.api.world.customer()
        ref = await bot.host.keep_attachment(here(wang.chat), Attachment("chart.png", "image/png", data))
        await bot.adapter.send(reply(wang.chat, ImageOut(ref, "走势")))
        shown = await bot.api.sent()
        assert (shown["document"]["file_name"], shown["caption"]) == ("chart.png", "走势")


async def test_a_file_that_telegram_cannot_take_is_refused_before_it_is_sent() -> None:
    async with rig(receiving=False) as bot:
        wang = bot.api.world.customer()
        ref = await bot.host.keep_attachment(here(wang.chat), Attachment("x", "", bytes(50_000_001)))
        with pytest.raises(SendRefused, match="50000000"):
            await bot.adapter.send(reply(wang.chat, FileOut(ref, "x")))
        assert sends(bot) == []


async def test_an_attachment_no_longer_kept_is_described() -> None:
    async with rig(receiving=False) as bot:
        wang = bot.api.world.customer()
        await bot.adapter.send(reply(wang.chat, ImageOut("gone", "走势")))
        assert (await bot.api.sent())["text"] == "[图片] 走势"


async def test_a_message_with_nothing_to_show_sends_nothing() -> None:
    async with rig(receiving=False) as bot:
        delivery = await bot.adapter.send(reply(bot.api.world.customer().chat, HandOver("x")))
        assert (delivery.message_id, sends(bot)) == ("", [])


# ── groups that move ──


async def test_a_group_that_became_a_supergroup_is_followed_and_remembered() -> None:
    async with rig(receiving=False) as bot:
        group = bot.api.world.group(basic=True)
        new = bot.api.world.migrate(group)
        await bot.adapter.send(reply(group, "一"))
        await bot.adapter.send(reply(group, "二"))
        assert [m["text"] for m in new.messages.values() if "text" in m] == ["一", "二"]
        assert [call.params["chat_id"] for call in bot.api.made("sendMessage")] == [group.id, new.id, new.id]
        assert await bot.notes.get(f"moved:{group.id}") == str(new.id)


async def test_a_move_that_is_told_is_followed_without_a_refusal() -> None:
    async with rig() as bot:
        group = bot.api.world.group(basic=True)
        new = bot.api.world.migrate(group)
        await bot.api.drained()
        assert bot.host.events == []
        await bot.adapter.send(reply(group, "一"))
        assert [call.params["chat_id"] for call in bot.api.made("sendMessage")] == [new.id]


# ── buttons ──


async def test_a_long_value_comes_back_whole_and_the_query_is_answered() -> None:
    async with rig() as bot:
        wang, value = bot.api.world.customer(), "say:" + "我想了解个人住房贷款的提前还款" * 3
        await bot.adapter.send(reply(wang.chat, Buttons((Button("提前还款", value),), "选")))
        shown = await bot.api.sent()
        update = wang.press(shown, "提前还款")
        event = await bot.event(1)
        assert (event.kind, event.value, event.text) == ("button", value, "提前还款")
        [call] = await bot.api.called("answerCallbackQuery")
        assert call.params == {"callback_query_id": update["callback_query"]["id"]}
        # The keyboard stays.
        assert wang.chat.messages[shown["message_id"]]["reply_markup"] == shown["reply_markup"]


@pytest.mark.parametrize(("language", "word"), [("zh-hans", "过期"), ("en-GB", "expired"), ("", "过期")])
async def test_a_button_whose_value_is_no_longer_kept_says_so(language: str, word: str) -> None:
    async with rig() as bot:
        wang = bot.api.world.customer(language=language)
        message = bot.api.world.keep(wang.chat, {"from": bot.api.bot, "text": "选"})
        wang.press_data(message, "~" + "0" * 40)
        [call] = await bot.api.called("answerCallbackQuery")
        assert word in call.params["text"]
        assert bot.host.events == []
        assert bot.host.refusals["stale_button"] == 1


async def test_a_query_too_old_to_answer_is_an_event_all_the_same() -> None:
    async with rig() as bot:
        wang = bot.api.world.customer()
        await bot.adapter.send(reply(wang.chat, Buttons((Button("补卡", "kb:r"),), "选")))
        update = wang.press(await bot.api.sent(), "补卡")
        bot.api.world.callbacks[update["callback_query"]["id"]] = False
        assert (await bot.event(1)).value == "kb:r"
        await bot.api.called("answerCallbackQuery")


async def test_every_press_is_answered_even_one_that_came_before() -> None:
    async with rig() as bot:
        wang = bot.api.world.customer()
        await bot.adapter.send(reply(wang.chat, Buttons((Button("补卡", "kb:r"),), "选")))
        update = wang.press(await bot.api.sent(), "补卡")
        await bot.api.drained()
        bot.api.redeliver(update["update_id"])
        await bot.api.called("answerCallbackQuery", 2)
        assert len(bot.host.events) == 1


# ── joining ──


async def test_an_arrival_that_telegram_tells_twice_is_one_join() -> None:
    async with rig() as bot:
        group = bot.api.world.group()
        bot.api.world.customer().invite(group)
        event = await bot.event(1)
        await bot.api.drained()
        assert [event.kind for event in bot.host.events] == ["join"]
        assert bot.host.refusals["told_twice"] == 1
        bot.api.redeliver(int(event.event_id.partition(":")[0]))
        await bot.api.drained()
        assert bot.host.refusals["told_twice"] == 1


async def test_an_arrival_that_could_not_be_stored_is_still_the_first() -> None:
    class Failing(MemoryHost):
        left = 1

        async def accept(self, event: Any, raw: bytes = b"") -> bool:
            if self.left:
                self.left -= 1
                raise StoreBusy("locked")
            return await super().accept(event, raw)

    async with rig(host=Failing()) as bot:
        bot.api.world.customer().invite(bot.api.world.group())
        await bot.api.drained()
        assert [event.kind for event in bot.host.events] == ["join"]


# ── courtesies ──


async def test_typing_shows_in_its_topic_and_never_raises() -> None:
    async with rig(receiving=False) as bot:
        forum = bot.api.world.group(forum=True)
        topic = bot.api.world.topic(forum, "贷款")
        await bot.adapter.typing(here(forum, thread=topic), "zh")
        [call] = await bot.api.called("sendChatAction")
        assert call.params == {"chat_id": forum.id, "action": "typing", "message_thread_id": topic}
        for status in (429, 403, 502, 401):
            bot.api.fail("sendChatAction", status)
            await bot.adapter.typing(here(forum), "zh")
        await bot.adapter.typing(Conversation("telegram", "default", "nonsense"), "zh")
        bot.host.failure = StoreBusy("locked")
        await bot.adapter.typing(here(bot.api.world.group(basic=True)), "zh")


async def test_typing_does_not_wait_for_a_server_that_hangs() -> None:
    async with rig(receiving=False) as bot:
        bot.api.hang("sendChatAction", times=99)
        async with asyncio.timeout(0.5):
            for _ in range(99):
                await bot.adapter.typing(here(bot.api.world.customer().chat), "zh")


# ── logs ──


async def test_logs_hold_no_token_no_text_and_no_name(capfd: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as lines:
        async with rig(timeout_s=0.3) as bot:
            wang = bot.api.world.customer("欧阳静雯")
            wang.say("我的卡号丢了")
            await bot.event(1)
            await bot.adapter.send(reply(wang.chat, "请挂失"))
            for break_it in (bot.api.hang, bot.api.drop):
                break_it("sendMessage")
                with pytest.raises(SendError):
                    await bot.adapter.send(reply(wang.chat, "请挂失"))
            bot.api.fail("sendMessage", 404, f"Not Found: bot {TOKEN}")
            with pytest.raises(SendError) as caught:
                await bot.adapter.send(reply(wang.chat, "请挂失"))
            assert TOKEN not in str(caught.value)
            bot.api.fail("getUpdates", 500, f"Internal: {TOKEN}", times=2)
    whole = str(lines) + caplog.text + "".join(capfd.readouterr())
    for secret in (TOKEN, "请挂失", "卡号", "欧阳"):
        assert secret not in whole
