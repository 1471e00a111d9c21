"""Five hundred chats at once on each platform: order kept in each, and no limit of a platform's broken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.platforms.faces import AibotByCallback, AibotByConnection, Slack, Telegram, WeComApp, WeComKf
from tests.platforms.setting import counter

CHATS = 500
QUESTIONS = ("怎么开户", "转账要多久")


async def ask_all(say: Callable[[int, str], Awaitable[Any]], chats: int = CHATS) -> None:
    """Every customer asks both questions, one right after the other; all at the same time."""

    async def customer(number: int) -> None:
        for question in QUESTIONS:
            await say(number, question)

    await asyncio.gather(*(customer(number) for number in range(chats)))


async def answered(seen: Callable[[int], str], chats: int = CHATS, *, patience: float = 60) -> None:
    """Wait for both answers in every chat, and see that they came in order, each once.

    A slow machine is given as long as answers keep coming; `patience` is how long, in seconds, none may.
    """

    missing, last = {(n, q) for n in range(chats) for q in QUESTIONS}, time.monotonic()
    while missing:
        # Looking at so many chats costs what the app needs: not more often than this.
        await asyncio.sleep(0.5)
        still = {(n, q) for n, q in missing if f"{q}：请到" not in seen(n)}
        if len(still) < len(missing):
            missing, last = still, time.monotonic()
        assert time.monotonic() < last + patience, f"{len(missing)} answers missing, none in {patience} s"
    for number in range(chats):
        text = seen(number)
        places = [text.index(f"{q}：请到") for q in QUESTIONS]
        assert places == sorted(places), text
        assert [text.count(f"{q}：请到") for q in QUESTIONS] == [1, 1], text


pytestmark = pytest.mark.timeout(600)


async def test_telegram(tmp_path: Path) -> None:
    async with Telegram() as face, counter(face, tmp_path):
        world = face.telegram.world
        customers = [world.customer(f"客户{number}") for number in range(CHATS)]

        async def say(number: int, text: str) -> None:
            customers[number].say(text)

        await ask_all(say)
        await answered(
            lambda number: "\n".join(m.get("text", "") for m in customers[number].chat.messages.values())
        )
        assert face.telegram.flood.refused == 0


async def test_slack(tmp_path: Path) -> None:
    async with Slack() as face, counter(face, tmp_path):
        slack = face.slack

        async def say(number: int, text: str) -> None:
            await slack.say(text, channel=f"D{number:04d}", user=f"U{number:04d}")

        await ask_all(say)
        await answered(lambda number: "\n".join(m.seen for m in slack.by_bot(f"D{number:04d}")))
        assert slack.api.errors["ratelimited"] == 0


async def test_a_wecom_app(tmp_path: Path) -> None:
    async with WeComApp() as face, counter(face, tmp_path):
        await ask_all(lambda number, text: face.qyapi.say(f"u{number}", text))
        await answered(
            lambda number: "\n".join(str(m.body) for m in face.qyapi.messages if m.to == f"u{number}")
        )
        assert face.qyapi.dropped == []
        assert face.qyapi.calls["gettoken"] == 1


async def test_wecom_kf(tmp_path: Path) -> None:
    async with WeComKf() as face, counter(face, tmp_path):
        await ask_all(lambda number, text: face.kf.say(f"wm{number}", text))
        await answered(
            lambda number: "\n".join(str(m.body) for m in face.kf.shown if m.user == f"wm{number}")
        )
        assert face.qyapi.calls["gettoken"] == 1


async def test_an_ai_bot_by_callback(tmp_path: Path) -> None:
    async with AibotByCallback() as face, counter(face, tmp_path):
        # WeCom asks each second. A thousand bubbles at that pace are a thousand encrypted requests a
        # second from the emulator, which shares its core with the app: it would only measure itself.
        face.emulator.poll_s = 4.0
        await ask_all(lambda number, text: face.emulator.say(text, user=f"u{number}"))
        # A message that the app is too busy to take in time has no bubble: its answer comes by response_url.
        await answered(lambda number: "\n".join(face.emulator.shown[f"u{number}"]))
        assert face.emulator.refusals == []


async def test_an_ai_bot_by_connection(tmp_path: Path) -> None:
    async with AibotByConnection() as face, counter(face, tmp_path):
        bubbles: dict[int, list[Any]] = {number: [] for number in range(CHATS)}

        async def say(number: int, text: str) -> None:
            bubbles[number].append(await face.emulator.say(text, user=f"u{number}"))

        await ask_all(say)
        await answered(lambda number: "\n".join(bubble.text for bubble in bubbles[number]))
        assert face.emulator.refusals == []
