"""Against a Bot API that others wrote (npm: telegram-test-api). Asked for with TELLER_NPM=1: it downloads."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from adapters.telegram import TelegramAdapter, TelegramSettings
from bot.types import Button, Buttons
from tests.adapters.host import MemoryHost
from tests.adapters.telegram.rig import draft, reply
from tests.conftest import free_port
from tests.emulators.telegram_world import Chat

PACKAGE = "telegram-test-api@4.2.1"
TOKEN = "sampleToken"
CHAT = Chat(1, "private")
SERVE = """
const TelegramServer = require('telegram-test-api');
new TelegramServer({ port: PORT, host: '127.0.0.1' }).start().then(() => console.log('up'));
"""


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed."""
    if os.environ.get("TELLER_NPM") != "1":
        pytest.skip("set TELLER_NPM=1 to try it against the npm package telegram-test-api")
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("there is no node")
    folder = tmp_path_factory.mktemp("npm")
    made = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"npm can't install {PACKAGE}: {made.stderr[-200:]}")
    return folder


@pytest.fixture
def server(package: Path) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        ["node", "-e", SERVE.replace("PORT", str(port))], cwd=package, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "up\n"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


async def post(url: str, **body: object) -> dict[str, object]:
    async with aiohttp.ClientSession() as http, http.post(url, json=body) as response:
        answer: dict[str, object] = await response.json()
        return answer


async def test_an_independent_server_carries_messages_buttons_and_answers(server: str) -> None:
    adapter, host = TelegramAdapter(TelegramSettings(TOKEN, base_url=server)), MemoryHost()
    person = {"from": {"id": 1, "first_name": "T", "is_bot": False}, "botToken": TOKEN, "date": 1_790_000_000}
    about = {**person, "chat": {"id": 1, "type": "private", "first_name": "T"}}
    await adapter.start(host)
    try:
        await post(f"{server}/sendMessage", **about, text="信用卡丢了")
        assert (await host.event(1)).text == "信用卡丢了"
        command = [{"type": "bot_command", "offset": 0, "length": 6}]
        await post(f"{server}/sendCommand", **about, text="/start x", entities=command)
        event = await host.event(2)
        assert (event.kind, event.value, event.text) == ("command", "/start", "x")
        await post(f"{server}/sendCallback", **person, data="kb:r", message=about)
        event = await host.event(3)
        assert (event.kind, event.value, event.conversation.chat) == ("button", "kb:r", "1")
        await adapter.draft(draft(CHAT, "请", 1, key="k"))
        await asyncio.sleep(0.2)
        delivery = await adapter.send(reply(CHAT, "请挂失。", Buttons((Button("补卡", "kb:r"),)), key="k"))
        assert delivery.message_id
        seen = await post(f"{server}/getUpdates", token=TOKEN, chatId=1)
        [shown] = [update["message"] for update in seen["result"]]  # type: ignore[attr-defined]
        assert shown["text"] == "请挂失。"
        assert shown["reply_markup"]["inline_keyboard"] == [[{"text": "补卡", "callback_data": "kb:r"}]]
        assert (await adapter.health()).ok
    finally:
        await adapter.close()
