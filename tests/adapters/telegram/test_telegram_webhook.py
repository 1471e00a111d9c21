"""Receiving by webhook, against the emulated Bot API."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from adapters.telegram import TelegramAdapter, TelegramSettings
from adapters.telegram.webhook import SECRET_HEADER
from bot.errors import QueueFull, StoreBusy
from tests.adapters.host import MemoryHost
from tests.adapters.telegram.rig import Rig, reply, rig, settings, until_unwell
from tests.conftest import eventually
from tests.emulators.telegram import TOKEN, TelegramEmulator

UPDATE = {
    "update_id": 5,
    "message": {
        "message_id": 1,
        "date": 1_790_000_000,
        "chat": {"id": 7, "type": "private", "first_name": "王"},
        "from": {"id": 7, "is_bot": False, "first_name": "王"},
        "text": "你好",
    },
}
SECRET = TelegramSettings(TOKEN).secret
HEADER = {SECRET_HEADER.replace("-", "_"): SECRET}


async def test_it_registers_itself_and_an_update_is_acknowledged_once_stored() -> None:
    async with rig(receive="webhook") as bot:
        [call] = await bot.api.called("setWebhook")
        assert call.params["url"] == bot.site + "/webhooks/telegram"
        assert call.params["secret_token"] == SECRET
        assert set(call.params["allowed_updates"]) == {
            "message", "edited_message", "callback_query", "my_chat_member"
        }  # fmt: skip
        update = bot.api.world.customer().say("信用卡丢了")
        assert (await bot.event(1)).text == "信用卡丢了"
        await bot.api.drained()
        assert bot.api.deliveries == [(update["update_id"], 200)]
        assert bot.api.made("getUpdates") == []
        assert (await bot.adapter.health()).ok


@pytest.mark.parametrize("failure", [StoreBusy("locked"), QueueFull("full")])
async def test_what_cannot_be_stored_is_503_and_comes_again(failure: Exception) -> None:
    async with rig(receive="webhook") as bot:
        bot.host.failure = failure
        bot.api.world.customer().say("挂失")
        await eventually(lambda: bot.api.deliveries)
        assert bot.api.deliveries[0][1] == 503
        bot.host.failure = None
        await bot.api.drained()
        assert [event.text for event in bot.host.events] == ["挂失"]


async def test_a_redelivery_is_acknowledged_and_stored_once() -> None:
    async with rig(receive="webhook") as bot:
        update = bot.api.world.customer().say("挂失")
        await bot.api.drained()
        bot.api.redeliver(update["update_id"])
        await bot.api.drained()
        assert [status for _, status in bot.api.deliveries] == [200, 200]
        assert len(bot.host.events) == 1


@pytest.mark.parametrize("secret", ["", "wrong", SECRET + "x", SECRET[:-1], "密"])
async def test_a_wrong_or_missing_secret_is_403_before_anything_is_read(secret: str) -> None:
    async with rig(receive="webhook") as bot:
        headers = {"X_Telegram_Bot_Api_Secret_Token": secret} if secret else {}
        assert await bot.post(json.dumps(UPDATE).encode(), **headers) == 403
        assert await bot.post(b"x" * (2 << 20), **headers) == 403
        assert bot.host.events == []
        assert bot.host.refusals["bad_signature"] == 2


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"{}", b'{"update_id":"5"}', b'{"update_id":true}',
     b'{"update_id":5,"message":7}', b'{"update_id":5,"message":{"message_id":1}}',
     b'{"update_id":5,"message":{"message_id":1,"date":99999999999999999,"chat":{"id":1,"type":"private"}}}',
     b'{"update_id":5,"message":{"text":"\\ud800"}}', b"[" * 100_000],
)  # fmt: skip
async def test_garbage_with_the_right_secret_is_400_and_counted(body: bytes) -> None:
    async with rig(receive="webhook") as bot:
        assert await bot.post(body, **HEADER) == 400
        assert bot.host.events == []
        assert bot.host.refusals["malformed"] == 1


async def test_a_giant_body_is_413() -> None:
    async with rig(receive="webhook") as bot:
        assert await bot.post(b" " * ((1 << 20) + 1), **HEADER) == 413
        assert bot.host.refusals["too_large"] == 1


async def test_a_kind_of_update_that_means_nothing_here_is_acknowledged_and_counted() -> None:
    async with rig(receive="webhook") as bot:
        assert await bot.post(b'{"update_id":5,"poll_answer_of_2031":{}}', **HEADER) == 200
        assert bot.host.refusals["unknown_type"] == 1


async def test_the_default_bot_is_also_at_a_path_of_its_name() -> None:
    async with rig(receive="webhook") as bot:
        assert await bot.post(json.dumps(UPDATE).encode(), "/webhooks/telegram/default", **HEADER) == 200
        assert len(bot.host.events) == 1


async def test_another_bot_has_its_own_path_and_account() -> None:
    async with rig(receive="webhook", account="cards") as bot:
        [call] = await bot.api.called("setWebhook")
        assert call.params["url"] == bot.site + "/webhooks/telegram/cards"
        assert await bot.post(json.dumps(UPDATE).encode(), **HEADER) == 404
        assert await bot.post(json.dumps(UPDATE).encode(), "/webhooks/telegram/cards", **HEADER) == 200
        assert bot.host.events[0].account == "cards"
        assert bot.adapter.accounts == ("cards",)


async def test_two_bots_stand_on_one_server() -> None:
    first, second = TelegramEmulator(), TelegramEmulator(token="99:second-bots-token")
    async with rig(receive="webhook", api=first) as one, second:
        adapter = TelegramAdapter(
            settings(second, token=second.token, receive="webhook", account="b", public_url=one.site)
        )
        paths = [route.path for a in (one.adapter, adapter) for route in a.routes()]
        assert len(set(paths)) == len(paths) == 3
        application = web.Application()
        application.add_routes([*one.adapter.routes(), *adapter.routes()])
        await adapter.close()


async def test_polling_serves_no_route() -> None:
    async with rig() as bot:
        assert bot.adapter.routes() == []
        assert await bot.post(json.dumps(UPDATE).encode(), **HEADER) == 404


async def test_after_a_stop_it_answers_503_and_still_sends() -> None:
    async with rig(receive="webhook") as bot:
        wang = bot.api.world.customer()
        await bot.adapter.stop()
        assert await bot.post(json.dumps(UPDATE).encode(), **HEADER) == 503
        await bot.adapter.send(reply(wang.chat, "再见"))
        assert (await bot.api.sent())["text"] == "再见"


async def test_a_registration_that_fails_is_said_and_tried_again() -> None:
    api = TelegramEmulator()
    api.fail("setWebhook", 400, "Bad Request: bad webhook: HTTPS url must be provided for webhook")
    async with rig(receive="webhook", api=api) as bot:
        await bot.api.called("setWebhook")
        await eventually(lambda: bot.adapter._webhook.health().ok)
    api = TelegramEmulator()
    api.fail("setWebhook", 400, "Bad Request: bad webhook: HTTPS url must be provided for webhook", times=99)
    async with rig(receive="webhook", api=api) as bot:
        await until_unwell(bot, "https")


async def test_while_telegram_cannot_say_who_the_bot_is_updates_wait() -> None:
    async with rig(receive="webhook") as bot:
        bot.api.fail("getMe", 502, times=2)
        bot.api.world.customer().say("在")
        assert (await bot.event(1)).text == "在"
        assert [status for _, status in bot.api.deliveries][:2] == [503, 503]


async def watched(bot: Rig, word: str) -> str:
    """What health says once the webhook's watch has seen something."""
    hook = bot.adapter._webhook
    for _ in range(300):
        detail = hook.health().detail
        if word in detail:
            return detail
        await asyncio.sleep(0.01)
    raise AssertionError(f"{word!r} was never said: {hook.health()}")


async def test_a_webhook_taken_away_or_failing_shows_in_health() -> None:
    async with rig(receive="webhook", receiving=False) as bot:
        bot.adapter._webhook._watch_s = 0.02
        await bot.adapter.start(bot.host)
        await bot.api.called("setWebhook")
        mine = bot.api.webhook.url
        bot.api.webhook.url = ""
        await watched(bot, "isn't set")
        bot.api.webhook.url = mine
        bot.host.failure = StoreBusy("locked")
        bot.api.world.customer().say("在吗")
        assert "503" in await watched(bot, "updates wait")
        bot.host.failure = None
        await bot.api.drained()
        await watched(bot, "webhook")


async def test_the_secret_is_the_operators_where_one_is_given() -> None:
    async with rig(receive="webhook", webhook_secret="chosen_by-us") as bot:
        [call] = await bot.api.called("setWebhook")
        assert call.params["secret_token"] == "chosen_by-us"
        assert await bot.post(json.dumps(UPDATE).encode(), **HEADER) == 403
        assert (
            await bot.post(json.dumps(UPDATE).encode(), X_Telegram_Bot_Api_Secret_Token="chosen_by-us") == 200
        )


async def test_a_host_that_is_busy_keeps_the_secret_check() -> None:
    host = MemoryHost()
    host.failure = StoreBusy("locked")
    async with rig(receive="webhook", host=host) as bot:
        assert await bot.post(json.dumps(UPDATE).encode()) == 403
        assert await bot.post(json.dumps(UPDATE).encode(), **HEADER) == 503
