"""The emulated Bot API by hand: what you type is a customer's message, what the bot sends is printed."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from tests.emulators.telegram import TOKEN, TelegramEmulator
from tests.emulators.typed import run_console, typed_lines

__all__ = ["main"]

YAML = """\
# Put this into config/teller.yaml, start Teller, then type here.
# /press LABEL presses a button of the last message; /block and /unblock do what they say.
platforms:
  telegram:
    enabled: true
    base_url: {base_url}
    bots:
      - token: "{token}"
"""


def _out(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Console:
    """Prints what the bot sends to one customer."""

    def __init__(self, api: TelegramEmulator, name: str, language: str) -> None:
        self._api = api
        self._customer = api.world.customer(name, language=language)
        self._last: dict[str, Any] = {}
        api.on_sent = self._show

    def _show(self, what: str, message: dict[str, Any]) -> None:
        text = (
            message.get("text")
            or message.get("caption")
            or next((f"[{kind}]" for kind in ("photo", "document") if kind in message), "")
        )
        _out(f"bot {what}: {text}")
        rows = message.get("reply_markup", {}).get("inline_keyboard", [])
        if rows:
            _out("  " + "  ".join(f"[{key['text']}]" for row in rows for key in row))
        if what in ("sent", "edited"):
            self._last = message

    def typed(self, line: str) -> None:
        """One line of the customer's."""
        word, _, rest = line.partition(" ")
        if word == "/press" and self._last.get("reply_markup"):
            self._customer.press(self._last, rest)
        elif word in ("/block", "/unblock"):
            self._customer.block() if word == "/block" else self._customer.unblock()
        elif line:
            self._customer.say(line)


async def _run(port: int, name: str, language: str) -> None:
    async with _started(port) as api:
        console = Console(api, name, language)
        _out(YAML.format(base_url=api.base_url, token=TOKEN))
        async for line in typed_lines():
            try:
                console.typed(line)
            except StopIteration:
                _out("there is no such button")
        # Nobody types any more, but the bot may still have something to say.
        await asyncio.Event().wait()


def _started(port: int) -> TelegramEmulator:
    class OnPort(TelegramEmulator):
        async def __aenter__(self) -> TelegramEmulator:
            await self.start(port)
            return self

    return OnPort()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--name", default="王芳")
    parser.add_argument("--language", default="zh-hans")
    arguments = parser.parse_args()
    run_console(_run(arguments.port, arguments.name, arguments.language))
