"""Smoke test against an emulator that others wrote: npm's `emulate`. TELLER_NPM=1 runs it.

It has no streaming, no Socket Mode, no interactions and no parameters in the query, by which slack_sdk
uploads; posts, threads, updates and metadata it keeps as Slack does.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.slack import SlackAdapter, SlackSettings, SlackWorkspace
from bot.errors import SendError
from bot.types import Button, Buttons, Card, Citation, Sources
from tests.adapters.host import MemoryHost
from tests.adapters.slack.bench import draft, message, place
from tests.conftest import free_port

PACKAGES = ("emulate@0.12.2", "node@22.20.0")
"""It needs a newer Node than many machines have, so one comes along."""

pytestmark = pytest.mark.skipif(
    os.environ.get("TELLER_NPM") != "1" or shutil.which("npm") is None,
    reason="fetches packages from npm: needs npm and TELLER_NPM=1",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("emulate")


@pytest.fixture
async def base_url(folder: Path) -> AsyncIterator[str]:
    if not (folder / "node_modules").exists():
        npm = await asyncio.create_subprocess_exec(
            "npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES, cwd=folder
        )
        if await npm.wait() != 0:
            pytest.skip(f"npm couldn't install {' '.join(PACKAGES)}")
    port = free_port()
    program = ["node_modules/node/bin/node", "node_modules/emulate/dist/index.js", "start"]
    server = await asyncio.create_subprocess_exec(
        *program, "--service", "slack", "--port", str(port), cwd=folder, stdout=asyncio.subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/api/"
    async with aiohttp.ClientSession() as session:
        for _ in range(200):
            try:
                async with session.get(url):
                    break
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    yield url
    server.terminate()
    await server.wait()


async def test_messages_updates_uploads_and_downloads(base_url: str) -> None:
    adapter = SlackAdapter(
        SlackSettings((SlackWorkspace("main", "xoxb-smoke"),), signing_secret="s", base_url=base_url)
    )
    host = MemoryHost()
    await adapter.start(host)
    try:
        assert (await adapter.health()).ok
        call = adapter._workspaces["main"].client.api_call
        channels: Any = (await call("conversations.list", json={}))["channels"]
        where = place(channels[0]["id"])
        source = Sources((Citation("1", "挂失", uri="https://bank.example/a"),))
        buttons, card = Buttons((Button("挂失", "lose"),)), Card("转账", (("金额", "1 元"),))
        sent = await adapter.send(message(where, "卡丢了 **立即** <挂失>", source, buttons, card))
        history: Any = (await call("conversations.history", json={"channel": where.chat}))["messages"]
        assert history[0]["ts"] == sent.message_id
        assert [block["type"] for block in history[1]["blocks"]] == ["rich_text", "context", "actions"]
        assert history[1]["text"] == "卡丢了 **立即** &lt;挂失&gt;"

        root = place(where.chat, sent.message_id)
        await asyncio.sleep(1.1)
        await adapter.draft(draft(root, "信用卡", 0, key="k2"))
        await asyncio.sleep(0.5)
        await adapter.send(message(root, "信用卡丢失请先挂失。", key="k2"))
        thread = {"channel": where.chat, "ts": root.thread}
        replies: Any = (await call("conversations.replies", json=thread))["messages"]
        assert [reply["text"] for reply in replies[1:]] == ["信用卡丢失请先挂失。"]
        assert replies[1]["metadata"]["event_payload"] == {"id": "k2#0"}

        await asyncio.sleep(1.1)
        with pytest.raises(SendError):
            await adapter.send(message(place("C404"), "没人", key="k4"))
    finally:
        await adapter.close()
