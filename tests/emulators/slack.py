"""An emulated Slack: Web API, Socket Mode, signed HTTP requests with retries, files.

async with SlackEmulator() as slack:
    adapter = SlackAdapter(SlackSettings(..., base_url=slack.base_url))
    await slack.say("信用卡丢了怎么办？", channel="D1")
    message = (await slack.replies("D1"))[0]

By hand: `python -m tests.emulators.slack --port 8040` and type what a customer would.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from adapters.slack.signature import sign
from tests.emulators.slack_events import block_actions, event_callback, message_event, slash_command
from tests.emulators.slack_socket import Sockets
from tests.emulators.slack_state import Call, Failure, Message, Team
from tests.emulators.slack_web import WebApi
from tests.emulators.typed import run_console, typed_lines

__all__ = ["SlackEmulator"]

Json = dict[str, Any]


class SlackEmulator:
    """One app in one or several workspaces.

    Args:
        events_url: where signed HTTP requests go; empty: payloads go over Socket Mode.
        retries_s: pauses before the retries of an event that wasn't acknowledged.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        events_url: str = "",
        retries_s: tuple[float, ...] = (0.01, 0.05, 0.1),
        patience_s: float = 3.0,
        port: int = 0,
    ) -> None:
        self.api = WebApi(clock)
        self.sockets = Sockets(self.api)
        self.team = self.add_team(Team())
        self.signing_secret = "emulated-signing-secret"
        self.events_url = events_url
        self.statuses: list[int] = []
        """What HTTP requests were answered with; 0 where no answer came in time."""
        self.responses: list[Json] = []
        """What came to a response_url."""
        self._retries_s = retries_s
        self._patience_s = patience_s
        self._port = port
        self._uses: dict[str, int] = {}
        self._last: tuple[str, Json] = ("", {})
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._deliveries: set[asyncio.Task[None]] = set()

    def add_team(self, team: Team) -> Team:
        self.api.teams[team.token] = team
        return team

    # ── life ──

    async def start(self) -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/api/{method}", self.api.handle)
        app.router.add_get("/api/{method}", self.api.handle)
        app.router.add_post("/upload/v1/{file}", self.api.upload)
        app.router.add_get("/files-pri/{file}/{name}", self.api.download)
        app.router.add_post("/response/{id}", self._response)
        app.router.add_get("/link/", self.sockets.connect)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.api.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._patience_s))

    async def stop(self) -> None:
        self.api.hanging.set()
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        await self.sockets.close(1001)
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def base_url(self) -> str:
        return f"{self.api.url}/api/"

    # ── what a customer does ──

    async def say(
        self,
        text: str,
        *,
        channel: str = "D1",
        user: str = "U1",
        thread: str = "",
        files: list[Json] | None = None,
    ) -> str:
        """Write a message; its timestamp. In a channel that names the bot, two events come of it."""
        ts = self.api.ts()
        self.api.channels[channel].append(Message(channel, ts, user, text, thread=thread, files=files or []))
        more: Json = {"subtype": "file_share", "files": files, "upload": False} if files else {}
        event = message_event(self.team, channel, user, text, ts, thread, **more)
        if f"<@{self.team.bot_user}>" in text and not channel.startswith("D"):
            mention = {k: v for k, v in event.items() if k not in ("channel_type", "subtype")}
            await self.event({**mention, "type": "app_mention"})
        await self.event(event)
        return ts

    async def edit(self, channel: str, ts: str, text: str, *, by: str = "U1") -> None:
        message = next(m for m in self.api.channels[channel] if m.ts == ts)
        inner = message_event(self.team, channel, message.user, text, ts, message.thread)
        before = {**inner, "text": message.text}
        at, message.text = self.api.ts(), text
        inner |= {"edited": {"user": by, "ts": at}}
        await self.event(
            {
                "type": "message",
                "subtype": "message_changed",
                "hidden": True,
                "message": inner,
                "previous_message": before,
                "channel": channel,
                "ts": at,
                "event_ts": at,
                "channel_type": "im" if channel.startswith("D") else "channel",
            }
        )

    async def press(self, value: str, *, channel: str = "D1", user: str = "U1") -> None:
        """Press a button of a message of the bot."""
        for message in reversed(self.api.channels[channel]):
            for button in message.buttons:
                if button.get("value") == value:
                    shown = message.shown(metadata=False)
                    number, at = self.api.number(), self.api.ts()
                    url = self._response_url()
                    made = block_actions(self.team, number, button, shown, channel, user, at, url)
                    await self.deliver("interactive", made)
                    return
        raise AssertionError(f"no button with the value {value!r} in {channel}")

    async def command(self, command: str, text: str = "", *, channel: str = "D1", user: str = "U1") -> None:
        number, url = self.api.number(), self._response_url()
        await self.deliver(
            "slash_commands", slash_command(self.team, number, command, text, channel, user, url)
        )

    async def event(self, event: Json) -> None:
        """Deliver any event."""
        made = event_callback(self.team, self.api.number(), event, self.api.clock())
        await self.deliver("events_api", made)

    def host_file(self, name: str, mime: str, data: bytes) -> Json:
        """A file as it stands in a message's `files`."""
        file = f"F{self.api.number():06d}"
        self.api.bytes[file] = data
        made = {"id": file, "name": name, "mimetype": mime, "size": len(data), "mode": "hosted"}
        made |= {"url_private": f"{self.api.url}/files-pri/{file}/{name}"}
        self.api.files[file] = made
        return made

    # ── delivery ──

    async def deliver(self, kind: str, payload: Json) -> None:
        self._last = (kind, payload)
        if not self.events_url:
            await self.sockets.send(kind, payload)
            return
        task = asyncio.create_task(self._post_until_taken(kind, payload))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def redeliver(self) -> None:
        """The last payload once more, as if its acknowledgement had been lost."""
        await self.deliver(*self._last)

    async def delivered(self) -> None:
        """Until every HTTP request was answered or given up."""
        while self._deliveries:
            await asyncio.gather(*self._deliveries)

    async def _post_until_taken(self, kind: str, payload: Json) -> None:
        retries = self._retries_s if kind == "events_api" else ()
        for number, pause in enumerate((0.0, *retries)):
            await asyncio.sleep(pause)
            retry = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": "http_error"} if number else {}
            status, headers = await self.post(kind, payload, retry)
            self.statuses.append(status)
            if status == 200 or headers.get("X-Slack-No-Retry") == "1":
                return

    async def post(self, kind: str, payload: Json, more: dict[str, str] | None = None) -> tuple[int, Any]:
        """One signed HTTP request; status 0 where no answer came in time."""
        if kind == "events_api":
            body, mime = json.dumps(payload).encode(), "application/json"
        else:
            form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
            body, mime = urlencode(form).encode(), "application/x-www-form-urlencoded"
        stamp = str(int(self.api.clock()))
        headers = {
            "Content-Type": mime,
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": sign(self.signing_secret, stamp, body),
            **(more or {}),
        }
        assert self._session is not None
        try:
            async with self._session.post(self.events_url, data=body, headers=headers) as response:
                text = await response.text()
                # An answer to a command is shown to the person: ours must be empty.
                assert response.status != 200 or not text, f"acknowledged with {text!r}"
                return response.status, response.headers
        except (TimeoutError, aiohttp.ClientError):
            return 0, {}

    def _response_url(self) -> str:
        number = str(self.api.number())
        self._uses[number] = 5
        return f"{self.api.url}/response/{number}"

    async def _response(self, request: web.Request) -> web.Response:
        left = self._uses.get(request.match_info["id"], 0)
        if left < 1:
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        self._uses[request.match_info["id"]] = left - 1
        self.responses.append(await request.json())
        await self.api.tell()
        return web.Response(text="ok")

    # ── failures, and what the bot did ──

    def fail(self, method: str, how: str, *, times: int = 1, retry_after: int = 1, channel: str = "") -> None:
        """See `slack_state.Failure`."""
        self.api.failures[method].append(Failure(how, times, retry_after, channel))

    def calls(self, method: str) -> list[Call]:
        return [call for call in self.api.calls if call.method == method]

    def by_bot(self, channel: str) -> list[Message]:
        """The bot's messages there, as they are now."""
        return [m for m in self.api.channels[channel] if m.user == self.team.bot_user]

    async def replies(self, channel: str, count: int = 1, *, patience: float = 10.0) -> list[Message]:
        """The bot's messages there once there are so many and none is still streaming."""
        await self.sockets.until(
            lambda: len(self.by_bot(channel)) >= count and not any(m.streaming for m in self.by_bot(channel)),
            patience,
        )
        return self.by_bot(channel)

    async def until(self, condition: Callable[[], bool], patience: float = 10.0) -> None:
        await self.sockets.until(condition, patience)


# ── by hand ──

SETUP = """\
platforms:
  slack:
    enabled: true
    base_url: {base_url}
    apps:
      - name: default
        signing_secret: {secret}
        {app_token}workspaces:
          - name: emulator
            bot_token: {token}
"""


async def _console(port: int, events_url: str) -> None:
    slack = SlackEmulator(events_url=events_url, port=port)
    async with slack:
        app_token = "" if events_url else f"app_token: {slack.api.app_token}\n        "
        setup = SETUP.format(
            base_url=slack.base_url, secret=slack.signing_secret, token=slack.team.token, app_token=app_token
        )
        _print(
            f"{setup}\nType messages; `/word` is a slash-command, `#value` presses a button. Ctrl-D ends.\n"
        )
        printer = asyncio.create_task(_print_replies(slack))
        async for text in typed_lines():
            try:
                if text.startswith("/"):
                    command, _, rest = text.partition(" ")
                    await slack.command(command, rest)
                elif text.startswith("#"):
                    await slack.press(text[1:])
                elif text:
                    await slack.say(text)
            except AssertionError as error:
                _print(f"! {error}")
        printer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await printer


async def _print_replies(slack: SlackEmulator) -> None:
    shown: dict[str, str] = {}
    while True:
        async with slack.api.changed:
            await slack.api.changed.wait()
        for message in slack.by_bot("D1"):
            buttons = "".join(f"\n  [{b['text']['text']}] #{b.get('value', '')}" for b in message.buttons)
            now = message.seen + buttons + ("".join(f"\n  (file {f['name']})" for f in message.files))
            if not message.streaming and shown.get(message.ts) != now:
                shown[message.ts] = now
                _print(f"< {now}")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8040)
    parser.add_argument("--events", default="", metavar="URL", help="deliver over HTTP to this URL")
    options = parser.parse_args()
    run_console(_console(options.port, options.events))


if __name__ == "__main__":
    main()
