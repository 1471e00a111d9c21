"""The emulator by hand: `python -m tests.emulators.telegram`."""

from __future__ import annotations

import asyncio
import sys

from adapters.telegram import TelegramAdapter, TelegramSettings
from bot.types import Button, Buttons, OutboundMessage, Text
from tests.adapters.host import MemoryHost
from tests.conftest import free_port
from tests.emulators.telegram import TOKEN


async def test_what_is_typed_reaches_the_bot_and_what_it_says_is_printed() -> None:
    port, pipe = free_port(), asyncio.subprocess.PIPE
    program = [sys.executable, "-m", "tests.emulators.telegram", "--port", str(port)]
    process = await asyncio.create_subprocess_exec(*program, stdin=pipe, stdout=pipe)
    adapter, host = (
        TelegramAdapter(TelegramSettings(TOKEN, base_url=f"http://127.0.0.1:{port}")),
        MemoryHost(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            printed = (await process.stdout.readuntil(f'- token: "{TOKEN}"\n\n'.encode())).decode()
            assert f"base_url: http://127.0.0.1:{port}" in printed
            await adapter.start(host)
            process.stdin.write("信用卡丢了\n".encode())
            event = await host.event(1)
            assert event.text == "信用卡丢了"
            parts = (Text("请挂失。"), Buttons((Button("补卡", "kb:r"),)))
            await adapter.send(OutboundMessage(event.conversation, parts, "k", "answer"))
            assert (await process.stdout.readline()).decode() == "bot sent: 请挂失。\n"
            assert (await process.stdout.readline()).decode() == "  [补卡]\n"
            process.stdin.write("/press 补卡\n".encode())
            assert (await host.event(2)).value == "kb:r"
    finally:
        await adapter.close()
        process.terminate()
        await process.communicate()
