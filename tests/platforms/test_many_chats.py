"""Five hundred chats at once on each platform: order kept in each, and no limit of a platform's broken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.platforms.faces import AibotByCallback, AibotByConnection, Face, Slack, Telegram, WeComApp, WeComKf
from tests.platforms.setting import counter

CHATS = 500
QUESTIONS = ("怎么开户", "转账要多久")


async def ask_all(say: Callable[[int, str], Awaitable[Any]], chats: int = CHATS) -> None:
    """Every customer asks both questions, one right after the other; all at the same time."""

    async def customer(number: int) -> None:
        for question in QUESTIONS:
            await say(number, question)

    await asyncio.gather(*(customer(number) for number in range(chats)))


async def answered(seen: Callable[[int], str], chats: int = CHATS, *, patience: float = 150) -> None:
    """Wait for both answers in every chat, and see that they came in order, each once."""

    waiting, deadline = set(range(chats)), time.monotonic() + patience
    while waiting:
        assert time.monotonic() < deadline, f"{len(waiting)} chats have no answer after {patience} s"
        # Looking at so many chats costs what the app needs: not more often than this.
        await asyncio.sleep(0.5)
        waiting = {n for n in waiting if not all(f"{q}：请到" in seen(n) for q in QUESTIONS)}
    for number in range(chats):
        text = seen(number)
        places = [text.index(f"{q}：请到") for q in QUESTIONS]
        assert places == sorted(places), text
        assert [text.count(f"{q}：请到") for q in QUESTIONS] == [1, 1], text


pytestmark = pytest.mark.timeout(240)


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


@pytest.mark.parametrize("make", [AibotByCallback, AibotByConnection], ids=lambda face: face.name)
async def test_an_ai_bot(make: type[Face], tmp_path: Path) -> None:
    async with make() as face, counter(face, tmp_path):
        assert isinstance(face, AibotByCallback | AibotByConnection)
        if isinstance(face, AibotByCallback):
            face.emulator.poll_s = 1.0  # as WeCom does
        bubbles: dict[int, list[Any]] = {number: [] for number in range(CHATS)}

        async def say(number: int, text: str) -> None:
            bubbles[number].append(await face.emulator.say(text, user=f"u{number}"))

        await ask_all(say)
        await answered(lambda number: "\n".join(bubble.text for bubble in bubbles[number]))
        assert face.emulator.refusals == []
