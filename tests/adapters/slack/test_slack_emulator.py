"""The emulator holds the bot to Slack's published parameters, and can be run by hand."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from adapters.slack import SlackAdapter, SlackSettings, SlackWorkspace
from tests.adapters.host import MemoryHost
from tests.adapters.slack.bench import message, place
from tests.conftest import eventually, free_port
from tests.emulators.slack import SlackEmulator
from tests.emulators.slack_methods import METHODS

_TEXT = {"type": "plain_text", "text": "x"}
_BUTTON = {"type": "button", "action_id": "a", "text": _TEXT, "value": "v"}


async def call(slack: SlackEmulator, method: str, token: str = "", **body: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token or slack.team.token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(slack.base_url + method, json=body, headers=headers) as response,
    ):
        made: dict[str, Any] = await response.json()
        return made | {"status": response.status}


@pytest.mark.parametrize(
    ("method", "body", "error"),
    [
        ("chat.shout", {}, "unknown_method"),
        ("chat.postMessage", {"text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "nowhere", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "D1"}, "no_text"),
        ("chat.postMessage", {"channel": "D1", "text": "x" * 40_001}, "msg_too_long"),
        ("chat.postMessage", {"channel": "D1", "text": "x", "colour": "red"}, "invalid_arguments"),
        ("chat.postMessage", {"channel": "D1", "text": 7}, "invalid_arguments"),
        ("chat.postMessage", {"channel": "D1", "text": "x", "thread_ts": "soon"}, "invalid_arguments"),
        ("chat.postMessage", {"channel": "D1", "text": "x", "blocks": [{"type": "x"}]}, "invalid_blocks"),
        (
            "chat.postMessage",
            {"channel": "D1", "text": "x", "blocks": [{"type": "actions", "elements": [_BUTTON, _BUTTON]}]},
            "invalid_blocks",
        ),
        (
            "chat.postMessage",
            {
                "channel": "D1",
                "text": "x",
                "blocks": [{"type": "header", "text": {**_TEXT, "text": "x" * 151}}],
            },
            "invalid_blocks",
        ),
        (
            "chat.postMessage",
            {
                "channel": "D1",
                "text": "x",
                "blocks": [{"type": "section", "text": {**_TEXT, "text": "x" * 3000}}] * 5,
            },
            "msg_blocks_too_long",
        ),
        ("chat.update", {"channel": "D1", "ts": "1.1", "text": "x"}, "message_not_found"),
        ("chat.startStream", {"channel": "D1"}, "invalid_arguments"),
        ("chat.startStream", {"channel": "C1", "thread_ts": "1.1"}, "missing_recipient_team_id"),
        ("apps.connections.open", {}, "not_allowed_token_type"),
    ],
)
async def test_what_slack_would_refuse_is_refused(method: str, body: dict[str, Any], error: str) -> None:
    async with SlackEmulator() as slack:
        answer = await call(slack, method, **body)
        assert (answer["ok"], answer["error"]) == (False, error)


async def test_tokens_and_scopes_are_looked_at() -> None:
    async with SlackEmulator() as slack:
        assert (await call(slack, "auth.test", token="xoxb-wrong"))["error"] == "invalid_auth"
        slack.team.scopes = "im:history"
        refused = await call(slack, "chat.postMessage", channel="D1", text="x")
        assert (refused["error"], refused["needed"]) == ("missing_scope", "chat:write")


async def test_posting_too_fast_is_429_with_retry_after() -> None:
    async with SlackEmulator(clock=lambda: 1000.0) as slack:
        answers = [await call(slack, "chat.postMessage", channel="D1", text="x") for _ in range(4)]
        assert [answer["status"] for answer in answers] == [200, 200, 200, 429]
        assert (await call(slack, "chat.postMessage", channel="D2", text="x"))["ok"]


def test_the_sdk_knows_every_method_that_the_emulator_has() -> None:
    import inspect

    from slack_sdk.web.async_client import AsyncWebClient

    for name, method in METHODS.items():
        published = set(inspect.signature(getattr(AsyncWebClient, name.replace(".", "_"))).parameters)
        # No name is made up: each parameter is one of the SDK's, which are generated from Slack's own.
        assert set(method.parameters) - {"mrkdwn"} <= published | {"include_all_metadata"}, name


async def test_by_hand_it_prints_its_settings_and_the_bots_replies(tmp_path: Path) -> None:
    port = free_port()
    program = [sys.executable, "-m", "tests.emulators.slack", "--port", str(port)]
    process = await asyncio.create_subprocess_exec(
        *program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=os.getcwd()
    )
    assert process.stdin is not None
    assert process.stdout is not None
    setup = b""
    while not setup.endswith(b"\n\n"):
        setup += await process.stdout.readline()
    app = yaml.safe_load(setup)["platforms"]["slack"]["apps"][0]
    workspace = app["workspaces"][0]
    host = MemoryHost()
    adapter = SlackAdapter(
        SlackSettings(
            (SlackWorkspace(workspace["name"], workspace["bot_token"]),),
            app["name"],
            app["signing_secret"],
            app["app_token"],
            yaml.safe_load(setup)["platforms"]["slack"]["base_url"],
        )
    )
    try:
        await adapter.start(host)
        await eventually(lambda: adapter._socket is not None and adapter._socket._why == "")
        process.stdin.write("你好\n".encode())
        assert (await host.event(1)).text == "你好"
        await adapter.send(message(place("D1", account=workspace["name"]), "您好，请讲。"))
        shown = b""
        while "< 您好，请讲。".encode() not in shown:
            shown += await asyncio.wait_for(process.stdout.readline(), 10)
    finally:
        await adapter.close()
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 10)
    assert process.returncode == 0
