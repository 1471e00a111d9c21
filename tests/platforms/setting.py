"""A counter with a small knowledge, standing on one emulated platform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.app import App, Rooms
from bot.config import LiveConfig, load
from bot.ports import Generator
from tests.counter import write_config
from tests.platforms.faces import Face

__all__ = ["LONG", "counter", "write_counter"]

SENTENCES = [
    f"Clause {number} of the terms says what the bank and the customer owe each other in case {number}."
    for number in range(1, 56)
]
LONG = " ".join(SENTENCES)
"""Longer than what any platform takes at once (WeCom: 2048 bytes; Telegram: 4096)."""
GUIDE = """\
---
id: card-guide
title: 银行卡服务指南
topic: cards
effective: 2026-07-01
---

# 银行卡服务指南

## 挂失与补卡

卡片遗失后，请先在手机银行办理临时挂失，立即生效，有效期5天。正式挂失请带身份证到任一网点办理，不收费用。\
补卡工本费每张10元，7个工作日内寄到预留地址。
"""


def write_knowledge(folder: Path) -> None:
    (folder / "documents").mkdir(parents=True, exist_ok=True)
    (folder / "documents" / "card-guide.zh.md").write_text(GUIDE)
    (folder / "documents" / "card-guide.en.md").write_text(
        GUIDE.replace("银行卡服务指南", "Card guide").split("## ")[0]
        + "## Losing a card\n\nBlock it in the app first; it takes effect at once and lasts 5 days.\n"
    )
    (folder / "entries" / "long.yaml").write_text(
        "entries:\n"
        "  - id: terms.all\n    topic: general\n"
        f"    zh: {{question: 服务条款全文, answer: 请看英文版条款。}}\n"
        f"    en: {{question: Show me the full terms and conditions, answer: {LONG!r}}}\n"
    )


def write_counter(face: Face, folder: Path, *, port: int = 0, model: bool = False) -> Path:
    """Write its configuration and knowledge; the configuration's path."""
    path = write_config(
        folder,
        server={"port": port},
        bank={
            "suggestions": [
                {"zh": "怎么开户", "en": "How do I open an account?"},
                {"zh": "转账要多久", "en": "How long does a transfer take?"},
            ]
        },
        platforms={"http": {"enabled": False}, **face.platforms()},
        inference={"enabled": model, "max_tokens": 120},
    )
    write_knowledge(folder / "knowledge")
    return path


@asynccontextmanager
async def counter(face: Face, folder: Path, *, generator: Generator | None = None) -> AsyncIterator[App]:
    """A running app that the face is connected to."""
    path = write_counter(face, folder, model=generator is not None)
    async with App(LiveConfig(load(path)), rooms=Rooms(generator=generator)).running() as app:
        await face.connect(f"http://127.0.0.1:{app.port}")
        yield app
