"""The whole counter with an AI bot in each mode: configuration, store, turns, sender and WeCom's wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.app import App
from bot.config import LiveConfig, load
from tests.counter import write_config
from tests.emulators.aibot_callback import AibotCallback
from tests.emulators.aibot_socket import SECRET, AibotSocket
from tests.emulators.aibot_wire import AES_KEY, TOKEN


@asynccontextmanager
async def counter(folder: Path, bot: dict[str, str], ws_url: str = "") -> AsyncIterator[App]:
    wecom = {"enabled": True, "aibots": [bot], **({"aibot_ws_url": ws_url} if ws_url else {})}
    path = write_config(
        folder,
        server={"port": 0},
        platforms={"http": {"enabled": False}, "wecom": wecom},
    )
    app = App(LiveConfig(load(path)))
    async with app.running():
        yield app


async def test_by_callback_a_question_is_answered_in_its_bubble_once(tmp_path: Path) -> None:
    bot = {"name": "aibot", "token": TOKEN, "encoding_aes_key": AES_KEY}
    async with AibotCallback() as wecom, counter(tmp_path, bot) as app:
        wecom.callback = f"http://127.0.0.1:{app.port}/webhooks/wecom/aibot/aibot"
        status, body, plain = await wecom.verify_url()
        assert (status, body) == (200, plain.encode())
        bubble = await wecom.say("卡丢了怎么办", msgid="M1")
        await wecom.until(lambda: bubble.finished, timeout=10)
        assert bubble.text.startswith("卡丢了怎么办：请到网点或手机银行办理。")
        assert "来源：《卡丢了怎么办》" in bubble.text
        assert await wecom.redeliver("M1") == 200
        english = await wecom.say("What if I lose my card?", user="smith")
        await wecom.until(lambda: english.finished, timeout=10)
        assert "Visit a branch" in english.text
        assert (wecom.responses, wecom.refusals) == ([], [])


async def test_over_a_connection_a_question_is_answered_and_survives_an_outage(tmp_path: Path) -> None:
    bot = {"name": "aibot", "bot_id": "BOT", "secret": SECRET}
    async with AibotSocket() as wecom, counter(tmp_path, bot, wecom.ws_url) as app:
        await wecom.connected()
        bubble = await wecom.say("转账要多久")
        await wecom.until(lambda: bubble.finished, timeout=10)
        assert bubble.text.startswith("转账要多久：请到网点或手机银行办理。")
        assert wecom.pushed == []
        # The line goes just after a question: its answer waits for the next one, in the same bubble.
        later = await wecom.say("怎么开户")
        await wecom.close(1000)
        await wecom.connected(2)
        await wecom.until(lambda: later.finished, timeout=15)
        assert later.text.startswith("怎么开户：")
        assert len([frame for frame in wecom.frames if frame["cmd"] == "aibot_subscribe"]) == 2
        assert app.broken == ""


async def test_a_refused_secret_is_said_in_readyz_without_the_secret(tmp_path: Path) -> None:
    bot = {"name": "aibot", "bot_id": "BOT", "secret": "mistyped"}
    async with AibotSocket() as wecom, counter(tmp_path, bot, wecom.ws_url) as app:
        await wecom.until(lambda: len(wecom.refusals) == 1)
        async with asyncio.timeout(10):
            # Readiness is asked for, never told.
            while "bot_id and secret right" not in str(report := await app.health.ready()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert "mistyped" not in str(report)
