"""The account: settings, the menu, what `teller check --online` finds, and downloads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.telegram import MenuCommand, TelegramAdapter, TelegramSettings
from bot.errors import AttachmentRefused, SendError, UnknownAttachment
from bot.types import Image
from tests.adapters.telegram.rig import Rig, here, rig, settings
from tests.conftest import eventually
from tests.emulators.telegram import TOKEN, TelegramEmulator

MENU = (MenuCommand("start", "开始", "Start"), MenuCommand("help", "我能帮什么", "What I can do"))

# ── settings ──


@pytest.mark.parametrize(
    ("given", "api", "file"),
    [
        ("https://api.telegram.org", "https://api.telegram.org/bot", "https://api.telegram.org/file/bot"),
        ("http://127.0.0.1:8081/", "http://127.0.0.1:8081/bot", "http://127.0.0.1:8081/file/bot"),
        ("http://h:1/bot", "http://h:1/bot", "http://h:1/file/bot"),
        ("http://h:1/bot{token}", "http://h:1/bot{token}", "http://h:1/file/bot{token}"),
        ("https://h/bot{token}/test", "https://h/bot{token}/test", "https://h/file/bot{token}/test"),
        ("https://gate/tg", "https://gate/tg/bot", "https://gate/tg/file/bot"),
    ],
)
def test_a_base_url_is_taken_in_any_of_its_usual_forms(given: str, api: str, file: str) -> None:
    chosen = TelegramSettings(TOKEN, base_url=given)
    assert (chosen.api_url, chosen.file_url) == (api, file)


@pytest.mark.parametrize("given", ["http://f:2", "http://f:2/", "http://f:2/file", "http://f:2/file/bot"])
def test_so_is_a_base_url_of_files(given: str) -> None:
    assert TelegramSettings(TOKEN, base_file_url=given).file_url == "http://f:2/file/bot"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"token": "a b"}, "BotFather"),
        ({"token": ""}, "BotFather"),
        ({"account": "no/slash"}, "account"),
        ({"webhook_secret": "ein ü"}, "webhook_secret"),
        ({"webhook_connections": 0}, "webhook_connections"),
        ({"base_url": "api.telegram.org"}, "URL"),
        ({"proxy": "localhost:1080"}, "proxy"),
        ({"proxy": "socks5://localhost:1080"}, "proxy"),
    ],
)
def test_settings_that_cannot_work_say_so(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TelegramSettings(**{"token": TOKEN, **wrong})


@pytest.mark.parametrize("command", ["", "Start", "/start", "x" * 33, "带"])
def test_a_command_that_telegram_refuses_is_refused_here(command: str) -> None:
    with pytest.raises(ValueError, match="command"):
        MenuCommand(command, "一", "one")


def test_neither_token_nor_secret_is_in_a_settings_repr() -> None:
    shown = repr(TelegramSettings(TOKEN, webhook_secret="my-secret"))
    assert TOKEN not in shown
    assert "my-secret" not in shown


# ── the menu ──


def scopes(bot: Rig) -> dict[tuple[str, str], list[str]]:
    return {
        (json.loads(scope)["type"], language): [command["description"] for command in commands]
        for (scope, language), commands in bot.api.commands.items()
    }


async def test_the_menu_is_set_for_each_language_and_kind_of_chat_and_only_once() -> None:
    changed: dict[str, Any] = {
        "commands": MENU,
        "group_commands": MENU[1:],
        "staff_commands": (MenuCommand("tickets", "工单", "Tickets"),),
        "staff_chats": frozenset({"-1001"}),
    }
    async with rig(**changed) as bot:
        await bot.api.called("setMyCommands", 9)
        assert scopes(bot) == {
            ("all_private_chats", ""): ["开始", "我能帮什么"],
            ("all_private_chats", "zh"): ["开始", "我能帮什么"],
            ("all_private_chats", "en"): ["Start", "What I can do"],
            ("all_group_chats", ""): ["我能帮什么"],
            ("all_group_chats", "zh"): ["我能帮什么"],
            ("all_group_chats", "en"): ["What I can do"],
            ("chat", ""): ["工单"],
            ("chat", "zh"): ["工单"],
            ("chat", "en"): ["Tickets"],
        }
        await bot.adapter.stop()
        await bot.adapter.start(bot.host)
        await bot.api.called("getMyCommands", 18)
        assert len(bot.api.made("setMyCommands")) == 9


async def test_an_empty_menu_is_left_as_it_is() -> None:
    async with rig() as bot:
        bot.api.world.customer().say("在")
        await bot.event(1)
        assert bot.api.made("setMyCommands") == []


async def test_a_menu_that_fails_is_tried_again_and_holds_up_nothing() -> None:
    api = TelegramEmulator()
    api.fail("getMyCommands", 502, times=2)
    async with rig(api=api, commands=MENU) as bot:
        await bot.api.called("setMyCommands", 3)


# ── check ──


async def found(api: TelegramEmulator, public_url: str = "", **changed: Any) -> dict[str, tuple[bool, str]]:
    adapter = TelegramAdapter(settings(api, **changed))
    return {finding.what: (finding.ok, finding.detail) for finding in await adapter.check(public_url)}


async def test_a_check_of_what_is_right_finds_nothing_wrong_and_changes_nothing() -> None:
    async with TelegramEmulator() as api:
        findings = await found(api, commands=MENU)
        assert all(ok for ok, _ in findings.values()), findings
        assert findings["token"] == (True, "@teller_bot")
        assert "3 menus differ" in findings["commands menu"][1]
        assert {call.method for call in api.calls} == {"getMe", "getWebhookInfo", "getMyCommands"}


async def test_a_check_with_a_wrong_token_says_where_to_get_the_right_one() -> None:
    async with TelegramEmulator() as api:
        findings = await found(api, token="9:wrong")
        assert "@BotFather" in findings["token"][1]
        assert not findings["token"][0]


async def test_a_check_without_a_connection_says_so() -> None:
    findings = await found(TelegramEmulator(), base_url="http://127.0.0.1:1")
    assert list(findings) == ["connection"]
    assert not findings["connection"][0]


@pytest.mark.parametrize(
    ("skew", "ok", "word"), [(50, True, ""), (3600, False, "behind"), (-90, False, "ahead")]
)
async def test_a_clock_more_than_a_minute_off_is_a_fault(skew: float, ok: bool, word: str) -> None:
    async with TelegramEmulator(skew_s=skew) as api:
        told, detail = (await found(api))["clock"]
        assert told is ok
        assert word in detail


async def test_a_webhook_that_stops_polling_is_found() -> None:
    async with TelegramEmulator() as api:
        api.webhook.url = "https://elsewhere.example/"
        ok, detail = (await found(api))["receiving"]
        assert not ok
        assert "deleteWebhook" in detail


async def test_a_webhooks_faults_are_found() -> None:
    async with TelegramEmulator() as api:
        hook = {"receive": "webhook", "public_url": "https://127.0.0.1:8443"}
        assert "isn't set yet" in (await found(api, **hook))["webhook"][1]
        api.webhook.url = "https://127.0.0.1:8443/webhooks/telegram"
        api.webhook.allowed = ["message"]
        findings = await found(api, **hook)
        assert findings["webhook"][0]
        assert "callback_query" in findings["webhook updates"][1]
        api.world.customer().say("在")
        await eventually(lambda: api.deliveries)
        assert "1 updates wait; Telegram's last delivery failed" in (await found(api, **hook))["webhook"][1]
        api.webhook.url = "https://elsewhere.example/"
        assert "elsewhere" in (await found(api, **hook))["webhook"][1]


@pytest.mark.parametrize(
    ("url", "word"),
    [("http://bank.example", "https only"), ("https://bank.example:9000", "8443"), ("", "public_url")],
)
async def test_an_address_that_telegram_does_not_deliver_to_is_found(url: str, word: str) -> None:
    async with TelegramEmulator() as api:
        findings = await found(api, url, receive="webhook")
        ok, detail = findings.get("address") or findings["receiving"]
        assert not ok
        assert word in detail


async def test_privacy_mode_is_a_fault_only_where_a_staff_chat_must_be_read() -> None:
    async with TelegramEmulator() as api:
        assert "mentions" in (await found(api))["groups"][1]
        ok, detail = (await found(api, staff_chats=frozenset({"-1"})))["groups"]
        assert not ok
        assert "/setprivacy" in detail
    async with TelegramEmulator(privacy=False) as api:
        assert (await found(api, staff_chats=frozenset({"-1"})))["groups"][0]


# ── downloads ──


async def picture(bot: Rig, data: bytes) -> tuple[Any, str]:
    wang = bot.api.world.customer()
    wang.photo(data=data)
    event = await bot.event(1)
    [part] = event.parts
    assert isinstance(part, Image)
    return here(wang.chat), part.ref


async def test_a_picture_is_fetched_with_its_type() -> None:
    async with rig() as bot:
        attachment = await bot.adapter.fetch(*await picture(bot, b"\xff\xd8jpeg data"))
        assert (attachment.name, attachment.mime, attachment.data) == (
            "file_0.jpg", "image/jpeg", b"\xff\xd8jpeg data"
        )  # fmt: skip


async def test_a_voice_note_is_fetched_with_its_type() -> None:
    async with rig() as bot:
        wang = bot.api.world.customer()
        update = wang.voice(b"OggS..")
        attachment = await bot.adapter.fetch(here(wang.chat), update["message"]["voice"]["file_id"])
        assert (attachment.mime, attachment.data) == ("audio/ogg", b"OggS..")


async def test_a_file_above_the_limit_is_refused_before_it_is_fetched() -> None:
    async with rig(fetch_limit_bytes=100) as bot:
        with pytest.raises(AttachmentRefused, match="at most 100"):
            await bot.adapter.fetch(*await picture(bot, bytes(101)))


async def test_a_file_that_telegram_finds_too_big_is_refused() -> None:
    async with rig() as bot:
        with pytest.raises(AttachmentRefused):
            await bot.adapter.fetch(*await picture(bot, bytes(20 * 1024 * 1024 + 1)))


async def test_a_file_that_is_gone_is_unknown() -> None:
    async with rig() as bot:
        conversation, ref = await picture(bot, b"x")
        with pytest.raises(UnknownAttachment):
            await bot.adapter.fetch(conversation, "nonsense")
        _, data = bot.api.world.files[ref]
        bot.api.world.files[ref] = ("", data)
        with pytest.raises(UnknownAttachment):
            await bot.adapter.fetch(conversation, ref)


async def test_a_download_that_fails_for_now_is_a_send_error() -> None:
    async with rig() as bot:
        conversation, ref = await picture(bot, b"x")
        bot.api.fail("getFile", 502)
        with pytest.raises(SendError):
            await bot.adapter.fetch(conversation, ref)
