"""WeCom's AI bot by hand: what you type is a customer's message, what the bot shows is printed.

    python -m tests.emulators.aibot --port 9400                      # Teller connects here
    python -m tests.emulators.aibot --port 9400 --events http://127.0.0.1:8080/webhooks/wecom/aibot/aibot

`/enter` opens the bot, `/press N` presses the N-th button of the last card, `/close`, `/evict` and
`/redeliver` do what they say; everything else is said.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress
from typing import Any

from tests.emulators.aibot_callback import AibotCallback
from tests.emulators.aibot_socket import SECRET, AibotSocket
from tests.emulators.aibot_wire import AES_KEY, TOKEN
from tests.emulators.typed import run_console, typed_lines

__all__ = ["AibotCallback", "AibotSocket"]

CONNECTION = """\
platforms:
  wecom:
    enabled: true
    aibots:
      - {{name: aibot, bot_id: BOT, secret: {secret}}}
    aibot_ws_url: {url}
"""
CALLBACK = """\
platforms:
  wecom:
    enabled: true
    aibots:
      - {{name: aibot, token: {token}, encoding_aes_key: {key}}}
    api_base: {url}
"""


def show(*lines: Any) -> None:
    sys.stdout.write(" ".join(str(line) for line in lines) + "\n")
    sys.stdout.flush()


async def watch(wecom: AibotCallback | AibotSocket) -> None:
    """Print what the bot does."""
    seen: dict[int, tuple[str, bool]] = {}
    pushed = refused = greeted = 0
    while True:
        with suppress(TimeoutError):
            await wecom.until(lambda: False, timeout=0.2)
        for bubble in list(wecom.bubbles.values()):
            now = (bubble.text, bubble.finished)
            if seen.get(id(bubble)) != now and bubble.states:
                seen[id(bubble)] = now
                show("  ◀" if bubble.finished else "  …", bubble.text)
                if bubble.finished and bubble.card:
                    show_card(bubble.card)
        bodies = wecom.responses if isinstance(wecom, AibotCallback) else wecom.pushed
        for body in bodies[pushed:]:
            content = body[body["msgtype"]]
            if body["msgtype"] == "template_card":
                show_card(content)
            else:
                show("  ◀", content.get("content", content))
        welcomes = [] if isinstance(wecom, AibotCallback) else wecom.welcomes
        for welcome in welcomes[greeted:]:
            show("  ◀", welcome)
        for refusal in wecom.refusals[refused:]:
            show("  ✗", refusal)
        pushed, refused, greeted = len(bodies), len(wecom.refusals), len(welcomes)


def show_card(card: dict[str, Any]) -> None:
    show("    ▤", card.get("main_title", {}).get("title", ""))
    for number, button in enumerate(card.get("button_list", []), 1):
        show(f"      [{number}] {button['text']}")


def last_card(wecom: AibotCallback | AibotSocket) -> dict[str, Any] | None:
    cards = [bubble.card for bubble in wecom.bubbles.values() if bubble.card]
    bodies = wecom.responses if isinstance(wecom, AibotCallback) else wecom.pushed
    cards += [body["template_card"] for body in bodies if body["msgtype"] == "template_card"]
    return cards[-1] if cards else None


async def typed(wecom: AibotCallback | AibotSocket, line: str) -> None:
    word, _, rest = line.partition(" ")
    card = last_card(wecom)
    if word == "/enter":
        greeting = await wecom.enter()  # over the long connection it comes by itself
        if greeting:
            show("  ◀", greeting)
    elif word == "/press" and card is not None and rest.isdigit():
        await wecom.press(card, card["button_list"][int(rest) - 1]["key"])
    elif word == "/redeliver" and isinstance(wecom, AibotCallback) and wecom.bubbles:
        show("  status", await wecom.redeliver(list(wecom.bubbles)[-1]))
    elif word == "/close" and isinstance(wecom, AibotSocket):
        await wecom.close(1000)
    elif word == "/evict" and isinstance(wecom, AibotSocket):
        await wecom.evict()
    elif line:
        await wecom.say(line)


async def main() -> None:
    parser = argparse.ArgumentParser(description="An emulator of WeCom's side of an AI bot.")
    parser.add_argument("--port", type=int, default=9400)
    parser.add_argument("--events", default="", help="the bot's callback; without it, Teller connects here")
    options = parser.parse_args()
    wecom = AibotCallback() if options.events else AibotSocket()
    await wecom.start(options.port)
    if isinstance(wecom, AibotCallback):
        wecom.callback, wecom.poll_s = options.events, 1.0
        show(CALLBACK.format(token=TOKEN, key=AES_KEY, url=wecom.base_url))
    else:
        show(CONNECTION.format(secret=SECRET, url=wecom.ws_url))
    watching = asyncio.create_task(watch(wecom))
    try:
        async for line in typed_lines():
            try:
                await typed(wecom, line)
            except (AssertionError, IndexError, OSError) as error:
                show("  ✗", error)
    finally:
        watching.cancel()
        await wecom.stop()


if __name__ == "__main__":
    run_console(main())
