"""The emulated WeCom by hand: lines typed are a member's messages, what Teller sends is printed."""

# ruff: noqa: T201 (a console prints)

from __future__ import annotations

import argparse
import asyncio
from itertools import count

from tests.emulators.qyapi import App, Group, Qyapi, Shown
from tests.emulators.typed import run_console, typed_lines

__all__ = ["main"]

GROUP_KEY = "group-key"
HELP = """\
A line is a message of the member; `:to NAME` becomes another member, `:press FACE` presses a button of the
last card, `:enter` opens the app, `:again` delivers the last callback again, `:expire` ends the access
tokens, `:fail PATH CODE` lets the next call of PATH fail with that errcode."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, epilog=HELP)
    parser.add_argument("--port", type=int, default=8801)
    parser.add_argument(
        "--events",
        default="http://127.0.0.1:8080/webhooks/wecom/app",
        help="where Teller takes the app's callbacks",
    )
    given = parser.parse_args()
    run_console(_run(given.port, given.events))


async def _run(port: int, events: str) -> None:
    qyapi = Qyapi()
    app = qyapi.add_app(callback_url=events)
    group = qyapi.add_group(GROUP_KEY)
    await qyapi.start(port)
    print(_yaml(qyapi, app), HELP, sep="\n", flush=True)
    printing = asyncio.create_task(_print(qyapi, group))
    user = "zhangsan"
    try:
        async for line in typed_lines():
            user = await _do(qyapi, user, line)
    finally:
        printing.cancel()
        await asyncio.gather(printing, return_exceptions=True)
        await qyapi.stop()


async def _do(qyapi: Qyapi, user: str, line: str) -> str:
    """What a line asks for; the member who speaks from now on."""
    command, _, rest = line.partition(" ")
    match command:
        case "":
            return user
        case ":to":
            return rest or user
        case ":enter":
            met = await qyapi.event(user, "enter_agent", EventKey="")
        case ":press":
            cards = [shown for shown in qyapi.messages if rest in shown.buttons]
            met = await qyapi.press(cards[-1], rest) if cards else []
        case ":again":
            met = await qyapi.redeliver()
        case ":expire":
            qyapi.expire_tokens()
            met = [200]
        case ":fail":
            path, _, code = rest.partition(" ")
            qyapi.fail(path, errcode=int(code or "-1"))
            met = [200]
        case _:
            met = await qyapi.say(user, line)
    if met != [200]:
        print(f"  ! answered {met}", flush=True)
    return user


async def _print(qyapi: Qyapi, group: Group) -> None:
    async def follow(shown: list[Shown], to: str) -> None:
        for number in count():
            await qyapi.until(lambda number=number: len(shown) > number, patience=1e9)  # type: ignore[misc]
            print(f"  → {to or shown[number].to}: {_looks(shown[number])}", flush=True)

    await asyncio.gather(follow(qyapi.messages, ""), follow(group.shown, "group"))


def _looks(shown: Shown) -> str:
    if shown.kind != "template_card":
        return shown.text or f"[{shown.kind}] {dict(shown.body)}"
    items = [f"{i['keyname']} {i.get('value', '')}" for i in shown.body.get("horizontal_content_list", ())]
    title = shown.body.get("main_title", {}).get("title", "")
    text = shown.body.get("sub_title_text", "")
    faces = " ".join(f"[{button['text']}]" for button in shown.body.get("button_list", ()))
    return "\n    ".join(line for line in (f"《{title}》", text, *items, faces) if line)


def _yaml(qyapi: Qyapi, app: App) -> str:
    return f"""\
# Point Teller at this emulator with:
platforms:
  wecom:
    enabled: true
    corp_id: {qyapi.corp_id}
    api_base: {qyapi.base_url}
    webhook_base: {qyapi.base_url}
    apps:
      - name: app
        agent_id: {app.agent_id}
        secret: {app.secret}
        token: {app.token}
        encoding_aes_key: {app.encoding_aes_key}
    groups:
      - name: risk-group
        key: {GROUP_KEY}
"""
