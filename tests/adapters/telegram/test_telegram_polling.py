"""Receiving by polling, against the emulated Bot API."""

from __future__ import annotations

import asyncio

import pytest

from adapters.telegram import TelegramAdapter
from adapters.telegram.api import connect
from adapters.telegram.polling import Poller
from bot.errors import QueueFull, StoreBusy
from bot.types import InboundEvent
from tests.adapters.host import MemoryHost
from tests.adapters.telegram.rig import reply, rig, settings, until_unwell
from tests.emulators.telegram import TelegramEmulator


async def test_what_a_customer_says_is_accepted_and_what_the_bot_says_is_shown() -> None:
    async with rig() as bot:
        wang = bot.api.world.customer("王芳", language="zh-hans")
        update = wang.say("信用卡丢了怎么办？")
        event = await bot.event(1)
        assert event.event_id == str(update["update_id"])
        assert (event.kind, event.text, event.conversation.kind) == (
            "message",
            "信用卡丢了怎么办？",
            "direct",
        )
        assert (event.sender.id, event.sender.name, event.sender.locale) == (str(wang.id), "王芳", "zh-hans")
        delivery = await bot.adapter.send(reply(wang.chat, "请先挂失。", to=event.event_id))
        shown = await bot.api.sent(wang.chat)
        assert (shown["text"], str(shown["message_id"])) == ("请先挂失。", delivery.message_id)
        assert "reply_to_message" not in shown


@pytest.mark.parametrize("failure", [StoreBusy("locked"), QueueFull("full")])
async def test_nothing_is_acknowledged_before_it_is_stored(failure: Exception) -> None:
    async with rig() as bot:
        bot.host.failure = failure
        wang = bot.api.world.customer()
        wang.say("一")
        wang.say("二")
        await until_unwell(bot, type(failure).__name__)
        assert len(bot.api.pending) == 2
        bot.host.failure = None
        await bot.event(2)
        await bot.api.drained()
        assert [event.text for event in bot.host.events] == ["一", "二"]
        assert (await bot.adapter.health()).ok


class Dying(MemoryHost):
    """A host whose store commits and then fails, as when the connection to it breaks."""

    dying = 1

    async def accept(self, event: InboundEvent, raw: bytes = b"") -> bool:
        new = await super().accept(event, raw)
        if self.dying:
            self.dying -= 1
            raise StoreBusy("the connection broke")
        return new


async def test_a_redelivery_reaches_the_store_again_and_only_the_store_decides() -> None:
    host = Dying()
    async with rig(host=host) as bot:
        update = bot.api.world.customer().say("挂失")
        await bot.api.drained()
        bot.api.redeliver(update["update_id"])
        await bot.api.drained()
        assert [event.text for event in host.events] == ["挂失"]
        assert host.dying == 0


async def test_yes_said_twice_is_two_messages() -> None:
    async with rig() as bot:
        wang = bot.api.world.customer()
        wang.say("是")
        wang.say("是")
        await bot.event(2)
        first, second = bot.host.events
        assert (first.text, second.text) == ("是", "是")
        assert first.event_id != second.event_id


async def test_an_update_that_cannot_be_read_is_counted_and_holds_up_nobody() -> None:
    async with rig() as bot:
        bot.api.world.push({"message": {"message_id": "x", "chat": 7}})
        bot.api.world.customer().say("还在吗")
        assert (await bot.event(1)).text == "还在吗"
        await bot.api.drained()
        assert bot.host.refusals["malformed"] == 1


async def test_a_second_poller_is_told_of_and_not_fought() -> None:
    async with rig() as bot:
        bot.api.fail("getUpdates", 409, "Conflict: terminated by other getUpdates request", times=3)
        await until_unwell(bot, "another process polls")
        bot.api.world.customer().say("在")
        await bot.event(1)
        await bot.api.drained()
        assert (await bot.adapter.health()).ok


async def test_a_webhook_that_is_set_is_named_with_what_to_do() -> None:
    api = TelegramEmulator()
    api.webhook.url = "https://elsewhere.example/hook"
    async with rig(api=api, receiving=False) as bot:
        api.webhook.url = "http://127.0.0.1:1/"
        await bot.adapter.start(bot.host)
        await until_unwell(bot, "deleteWebhook")
        api.webhook.url = ""
        api.world.customer().say("在")
        assert (await bot.event(1)).text == "在"


async def test_a_refused_token_shows_in_health_until_it_is_taken() -> None:
    async with rig() as bot:
        right, bot.api.token = bot.api.token, "7:other"
        await until_unwell(bot, "@BotFather")
        bot.api.token = right
        bot.api.world.customer().say("在")
        assert (await bot.event(1)).text == "在"
        assert (await bot.adapter.health()).ok


@pytest.mark.parametrize(("status", "retry_after"), [(502, 0), (500, 0), (429, 1)])
async def test_polling_outlives_what_fails_for_a_while(status: int, retry_after: int) -> None:
    async with rig() as bot:
        bot.api.fail("getUpdates", status, times=1 if retry_after else 2, retry_after=retry_after)
        bot.api.world.customer().say("在")
        assert (await bot.event(1)).text == "在"


async def test_polling_outlives_broken_connections() -> None:
    async with rig() as bot:
        bot.api.drop("getUpdates", times=2)
        bot.api.world.customer().say("在")
        assert (await bot.event(1)).text == "在"


async def test_a_poll_that_died_silently_is_begun_again_and_never_beside_itself() -> None:
    api = TelegramEmulator()
    async with rig(api=api, receiving=False, poll_s=0, timeout_s=0.4, silence_s=0.5) as bot:
        api.trickle("getUpdates")
        api.world.customer().say("有人吗")
        await bot.adapter.start(bot.host)
        assert (await bot.event(1)).text == "有人吗"
        health = await bot.adapter.health()
        assert health.ok
        assert "restarted 1 times" in health.detail
        assert api.most_polling == 1


async def test_a_store_that_took_long_does_not_make_the_next_poll_look_silent() -> None:
    passed = 0.0

    async def take(raw: bytes) -> None:
        nonlocal passed
        passed += 1000.0

    async with TelegramEmulator() as api:
        made = settings(api, poll_s=1, timeout_s=0.4, silence_s=0.5)
        poller = Poller(made, lambda: connect(made, pool=2), take, clock=lambda: passed)
        api.world.customer().say("一")
        poller.start()
        # The first brings the message; the second is a quiet one, which is to end by itself.
        await api.called("getUpdates", 3)
        assert poller.health().detail == "polling"
        await poller.stop()


async def test_while_nothing_answers_health_says_for_how_long() -> None:
    api = TelegramEmulator()
    async with rig(api=api, receiving=False, poll_s=0, timeout_s=0.4, silence_s=0.5) as bot:
        api.trickle("getUpdates", times=50)
        await bot.adapter.start(bot.host)
        await until_unwell(bot, "no poll has completed")


async def test_starting_twice_or_again_makes_one_poller() -> None:
    async with rig() as bot:
        await bot.adapter.start(bot.host)
        await bot.api.called("getUpdates", 2)
        await bot.adapter.stop()
        assert not (await bot.adapter.health()).detail.startswith("polling")
        await bot.adapter.start(bot.host)
        bot.api.world.customer().say("在")
        await bot.event(1)
        assert bot.api.most_polling == 1
        assert len(bot.host.events) == 1


async def test_a_process_that_only_sends_polls_nothing() -> None:
    async with rig(receiving=False) as bot:
        wang = bot.api.world.customer()
        await bot.adapter.send(reply(wang.chat, "通知"))
        assert (await bot.api.sent())["text"] == "通知"
        assert bot.api.made("getUpdates") == []
        assert (await bot.adapter.health()).ok


async def test_stopping_lets_what_is_being_stored_be_stored() -> None:
    class Slow(MemoryHost):
        async def accept(self, event: InboundEvent, raw: bytes = b"") -> bool:
            begun.set()
            await asyncio.sleep(0.2)
            return await super().accept(event, raw)

    begun = asyncio.Event()
    async with rig(host=Slow()) as bot:
        bot.api.world.customer().say("一")
        await begun.wait()
        await bot.adapter.stop()
        assert len(bot.host.events) == 1


async def test_stopping_does_not_wait_for_a_store_that_is_gone() -> None:
    async with rig() as bot:
        bot.host.failure = StoreBusy("gone")
        bot.api.world.customer().say("一")
        await until_unwell(bot, "StoreBusy")
        async with asyncio.timeout(5):
            await bot.adapter.stop()
        assert len(bot.api.pending) == 1


async def test_chats_are_stored_side_by_side_and_each_in_order() -> None:
    async with rig() as bot:
        people = [bot.api.world.customer(f"客{n}") for n in range(30)]
        for turn in range(10):
            for person in people:
                person.say(f"{turn}")
        await bot.event(300)
        for person in people:
            said = [e.text for e in bot.host.events if e.sender.id == str(person.id)]
            assert said == [str(turn) for turn in range(10)]


async def test_the_raw_update_goes_with_the_event() -> None:
    async with rig() as bot:
        update = bot.api.world.customer().say("原文")
        event = await bot.event(1)
        assert str(update["update_id"]).encode() in bot.host.raw[0]
        assert event.raw_ref == event.correlation_id != ""


def test_a_silence_is_never_shorter_than_a_quiet_poll() -> None:
    chosen = settings(
        TelegramEmulator(), base_url="http://127.0.0.1:1", poll_s=30, timeout_s=90, silence_s=20
    )
    assert chosen.longest_silence_s > 120


async def test_before_its_start_an_adapter_says_so() -> None:
    api = TelegramEmulator()
    adapter = TelegramAdapter(settings(api, base_url="http://127.0.0.1:1"))
    with pytest.raises(Exception, match="isn't started"):
        await adapter.send(reply(api.world.customer().chat, "x"))
    await adapter.close()
