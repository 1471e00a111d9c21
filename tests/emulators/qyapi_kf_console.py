"""The 微信客服 emulator by hand: what is typed is a customer's, what the bot sends is printed."""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.emulators.qyapi import Qyapi
from tests.emulators.qyapi_kf import KFID, Kf, KfShown
from tests.emulators.typed import run_console, typed_lines

__all__ = ["main"]

USER = "wmcustomerAAAA"
HELP = """A line is what the customer writes. Also:
  /enter          open the chat (a welcome code)
  /press FACE     press a menu's item, by its face or number
  /take [NAME]    a person takes the conversation; /staff TEXT writes as one; /end ends it
  /state          who has it, and how many messages the window has left"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9393)
    parser.add_argument("--events", default="http://127.0.0.1:8080/webhooks/wecom/kf", metavar="URL")
    arguments = parser.parse_args()
    run_console(_run(arguments.port, arguments.events))


async def _run(port: int, events: str) -> None:
    qyapi = Qyapi()
    await qyapi.start(port)
    app = qyapi.add_app(agent_id=1000009, secret="kf-secret", callback_url=events)
    kf = Kf(qyapi, app)
    kf.add_account(servicers={"lisi": 0})
    _print(
        f"""platforms:
  wecom:
    enabled: true
    api_base: {qyapi.base_url}
    corp_id: {qyapi.corp_id}
    kf:
      - name: kf
        secret: {app.secret}
        token: {app.token}
        encoding_aes_key: {app.encoding_aes_key}
        open_kfids: [{KFID}]
        servicers: [lisi]

{HELP}
"""
    )
    printing = asyncio.create_task(_print_shown(kf))
    try:
        async for line in typed_lines():
            await _do(kf, line)
    finally:
        printing.cancel()
        await qyapi.stop()


async def _do(kf: Kf, line: str) -> None:
    word, _, rest = line.partition(" ")
    match word:
        case "":
            return
        case "/enter":
            await kf.enter(USER)
        case "/press":
            await _press(kf, rest)
        case "/take":
            await kf.take(USER, rest or "lisi")
        case "/staff":
            await kf.staff_say(USER, rest)
        case "/end":
            await kf.end(USER)
        case "/state":
            session = kf.session(USER)
            _print(f"· state {session.state} {session.servicer}, {5 - session.used} messages left")
        case _:
            await kf.say(USER, line)


async def _press(kf: Kf, face: str) -> None:
    menu = next((shown for shown in reversed(kf.shown) if shown.items), None)
    faces = list(menu.items) if menu else []
    if face.isdigit() and 0 < int(face) <= len(faces):
        face = faces[int(face) - 1]
    if menu is None or face not in faces:
        _print(f"· no such item; there are: {', '.join(faces) or 'none'}")
        return
    await kf.press(menu, face)


async def _print_shown(kf: Kf) -> None:
    for number in range(1, sys.maxsize):
        _print(_told(await kf.until_shown(number, patience=1e9)))


def _told(shown: KfShown) -> str:
    lines = [f"◀ [{shown.kind}{' by code' if shown.code else ''}] {shown.text}"]
    lines += [f"   [{number}] {face}" for number, face in enumerate(shown.items, 1)]
    return "\n".join(lines)


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201
