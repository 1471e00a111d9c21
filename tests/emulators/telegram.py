"""A Bot API server for tests: keeps chats, checks every call, and fails as told.

    async with TelegramEmulator() as api:
        customer = api.world.customer("王芳")
        customer.say("信用卡丢了怎么办？")
        reply = await api.sent(customer.chat)

By hand: python -m tests.emulators.telegram --port 8081
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import count
from typing import Any

import aiohttp
from aiohttp import web

from tests.emulators.telegram_flood import Flood
from tests.emulators.telegram_rules import ApiError, parse
from tests.emulators.telegram_sending import Sending
from tests.emulators.telegram_world import Chat, World

__all__ = ["TOKEN", "Call", "TelegramEmulator"]

TOKEN = "1234567890:AAF-an-emulated-bots-token-000000000"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
UNAUTHORIZED = ApiError(401, "Unauthorized")


@dataclass(frozen=True)
class Call:
    """One call the bot made."""

    method: str
    params: dict[str, Any]
    at: float


@dataclass
class Fault:
    method: str
    left: int
    error: ApiError | None = None
    chat: int | None = None
    drop: bool = False
    hang: bool = False
    trickle: bool = False


@dataclass
class Webhook:
    url: str = ""
    secret: str = ""
    allowed: list[str] = field(default_factory=list)
    error: str = ""
    error_at: int = 0


class TelegramEmulator:
    """One bot's API.

    Args:
        privacy: the bot's privacy mode, on as BotFather sets it.
        clock: seconds since the epoch, by which floods are judged.
        skew_s: how far the Date of its answers is ahead.
    """

    def __init__(
        self,
        token: str = TOKEN,
        username: str = "teller_bot",
        *,
        privacy: bool = True,
        clock: Callable[[], float] = time.time,
        skew_s: float = 0.0,
    ) -> None:
        self.token = token
        self.bot = {
            "id": 1234567890, "is_bot": True, "first_name": "Teller", "username": username,
            "can_join_groups": True, "can_read_all_group_messages": not privacy,
            "supports_inline_queries": False,
        }  # fmt: skip
        self.skew_s = skew_s
        self.world = World(self.bot, self._push, clock)
        self.flood = Flood(clock)
        self.sending = Sending(self.world, self.flood, self._was_sent)
        self.calls: list[Call] = []
        self.updates: dict[int, dict[str, Any]] = {}
        """Every update there was, by number."""
        self.pending: list[dict[str, Any]] = []
        self.deliveries: list[tuple[int, int]] = []
        """Webhook deliveries: update and the answer's status (0: none)."""
        self.webhook = Webhook()
        self.commands: dict[tuple[str, str], list[dict[str, str]]] = {}
        self.polling = self.most_polling = 0
        """getUpdates calls waiting now, and the most there ever were at once."""
        self.on_sent: Callable[[str, dict[str, Any]], None] = lambda what, message: None
        self.base_url = ""
        self._numbers = count(810_000_001)
        self.clock = clock
        self._faults: list[Fault] = []
        self._changed = asyncio.Condition()
        self._generation = 0
        self._unseen: deque[dict[str, Any]] = deque()
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._hung = asyncio.Event()

    # ── its life ──

    async def start(self, port: int = 0) -> None:
        application = web.Application(client_max_size=80_000_000)
        application.router.add_route("*", "/bot{token}/{method}", self._serve)
        application.router.add_get("/file/bot{token}/{path:.+}", self._file)
        self._runner = web.AppRunner(
            application, shutdown_timeout=0.1, handler_cancellation=True, access_log=None
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._spawn(self._deliver())

    async def stop(self) -> None:
        self._hung.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> TelegramEmulator:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # ── what a test does and sees ──

    def fail(
        self,
        method: str,
        status: int,
        description: str = "",
        *,
        times: int = 1,
        chat: int | None = None,
        retry_after: int = 0,
    ) -> None:
        """Answer the next calls of a method (`*`: any) with an error."""
        words = description or {429: f"Too Many Requests: retry after {retry_after}"}.get(status, "Failed")
        error = ApiError(status, words, {"retry_after": retry_after} if retry_after else {})
        self._faults.append(Fault(method, times, error, chat))

    def hang(self, method: str, *, times: int = 1) -> None:
        """Do what is asked, and never say so."""
        self._faults.append(Fault(method, times, hang=True))

    def drop(self, method: str, *, times: int = 1) -> None:
        """Do what is asked, and cut the connection instead of answering."""
        self._faults.append(Fault(method, times, drop=True))

    def trickle(self, method: str, *, times: int = 1) -> None:
        """Begin an answer and never end it, with a sign of life now and then: no read ever times out."""
        self._faults.append(Fault(method, times, trickle=True))

    def redeliver(self, update_id: int) -> None:
        """Deliver an update once more, as if its acknowledgement had been lost."""
        self.pending.append(self.updates[update_id])
        self._spawn(self._tell())

    async def sent(self, chat: Chat | None = None, *, patience: float = 10.0) -> dict[str, Any]:
        """The next message the bot sent (to `chat`) that hasn't been looked at. Raises TimeoutError."""
        async with asyncio.timeout(patience), self._changed:
            while True:
                for message in self._unseen:
                    if chat is None or message["chat"]["id"] == chat.id:
                        self._unseen.remove(message)
                        return message
                await self._changed.wait()

    async def called(self, method: str, times: int = 1, *, patience: float = 10.0) -> list[Call]:
        """The calls of a method, once there were so many. Raises TimeoutError."""
        async with asyncio.timeout(patience), self._changed:
            while len(made := self.made(method)) < times:
                await self._changed.wait()
            return made

    def made(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    async def drained(self, *, patience: float = 10.0) -> None:
        """Wait until every update has been taken by the bot."""
        async with asyncio.timeout(patience), self._changed:
            await self._changed.wait_for(lambda: not self.pending)

    # ── the server ──

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        given, files = await _given(request)
        fault: Fault | None = None
        try:
            if request.match_info["token"] != self.token:
                raise UNAUTHORIZED
            fault = self._fault(method, given)
            if fault is not None and fault.error is not None:
                raise fault.error
            if fault is not None and fault.trickle:
                return await self._trickled(request)
            params = parse(method, given, files)
            self.calls.append(Call(method, params, self.clock()))
            result = await self._handler(method)(params)
            answer = {"ok": True, "result": result}
            status = 200
        except ApiError as error:
            status = error.status
            answer = {"ok": False, "error_code": status, "description": error.description}
            if error.parameters:
                answer["parameters"] = error.parameters
        finally:
            await self._tell()
        if fault is not None and fault.drop and request.transport is not None:
            request.transport.close()
        if fault is not None and fault.hang:
            await self._hung.wait()
        date = formatdate(time.time() + self.skew_s, usegmt=True)
        return web.json_response(answer, status=status, headers={"Date": date})

    async def _trickled(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        async with self._waiting():
            await response.prepare(request)
            while not self._hung.is_set():
                await response.write(b" ")
                await asyncio.sleep(0.05)
        return response

    def _handler(self, method: str) -> Callable[[dict[str, Any]], Awaitable[Any]]:
        own: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "getMe": self._get_me,
            "getUpdates": self._get_updates,
            "setWebhook": self._set_webhook,
            "deleteWebhook": self._delete_webhook,
            "getWebhookInfo": self._webhook_info,
            "getMyCommands": self._get_commands,
            "setMyCommands": self._set_commands,
        }
        return own.get(method) or self.sending.handler(method)

    def _fault(self, method: str, given: dict[str, str]) -> Fault | None:
        for fault in self._faults:
            here = fault.chat is None or str(fault.chat) == given.get("chat_id")
            if fault.left > 0 and fault.method in (method, "*") and here:
                fault.left -= 1
                return fault
        return None

    async def _file(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != self.token:
            return web.json_response({"ok": False, "error_code": 401}, status=401)
        for path, data in self.world.files.values():
            if path == request.match_info["path"]:
                return web.Response(body=data)
        return web.json_response({"ok": False, "error_code": 404, "description": "Not Found"}, status=404)

    def _was_sent(self, what: str, message: dict[str, Any]) -> None:
        if what == "sent":
            self._unseen.append(message)
        self.on_sent(what, message)

    # ── updates ──

    def _push(self, update: dict[str, Any]) -> dict[str, Any]:
        update = {"update_id": next(self._numbers), **update}
        self.updates[update["update_id"]] = update
        self.pending.append(update)
        self._spawn(self._tell())
        return update

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _get_me(self, params: dict[str, Any]) -> Any:
        return self.bot

    async def _get_updates(self, params: dict[str, Any]) -> Any:
        if self.webhook.url:
            raise ApiError(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete "
                "the webhook first",
            )
        self._generation += 1
        mine = self._generation
        offset = params.get("offset", 0)
        self.pending = [update for update in self.pending if update["update_id"] >= offset]
        async with self._waiting():
            with suppress(TimeoutError):
                async with asyncio.timeout(params.get("timeout", 0) or 0.001), self._changed:
                    self._changed.notify_all()
                    await self._changed.wait_for(lambda: self.pending or self._generation != mine)
        if self._generation != mine:
            raise ApiError(
                409,
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance "
                "is running",
            )
        return self.pending[: params.get("limit", 100)]

    @asynccontextmanager
    async def _waiting(self) -> AsyncIterator[None]:
        self.polling += 1
        self.most_polling = max(self.most_polling, self.polling)
        try:
            yield
        finally:
            self.polling -= 1

    async def _set_webhook(self, params: dict[str, Any]) -> Any:
        self.webhook = Webhook(
            params["url"], params.get("secret_token", ""), params.get("allowed_updates", [])
        )
        return True

    async def _delete_webhook(self, params: dict[str, Any]) -> Any:
        self.webhook = Webhook()
        return True

    async def _webhook_info(self, params: dict[str, Any]) -> Any:
        hook = self.webhook
        info = {
            "url": hook.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self.pending),
            "allowed_updates": hook.allowed,
        }
        failed = {"last_error_date": hook.error_at, "last_error_message": hook.error}
        return {**info, **(failed if hook.error else {})}

    async def _deliver(self) -> None:
        """Post updates to the webhook, one by one; what isn't answered 2xx comes again."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda: self.webhook.url and self.pending)
                update = self.pending[0]
                status = await self._posted(session, update)
                self.deliveries.append((update["update_id"], status))
                if 200 <= status < 300:
                    self.pending.remove(update)
                    self.webhook.error = ""
                else:
                    self.webhook.error = f"Wrong response from the webhook: {status}"
                    self.webhook.error_at = int(self.clock())
                    await asyncio.sleep(0.05)
                await self._tell()

    async def _posted(self, session: aiohttp.ClientSession, update: dict[str, Any]) -> int:
        headers = {SECRET_HEADER: self.webhook.secret} if self.webhook.secret else {}
        try:
            async with session.post(self.webhook.url, json=update, headers=headers) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    # ── the menu ──

    async def _get_commands(self, params: dict[str, Any]) -> Any:
        return self.commands.get(_menu(params), [])

    async def _set_commands(self, params: dict[str, Any]) -> Any:
        for command in params["commands"]:
            name = command["command"]
            if not (1 <= len(name) <= 32 and name.isascii() and name == name.lower()):
                raise ApiError(400, "Bad Request: BOT_COMMAND_INVALID")
        self.commands[_menu(params)] = params["commands"]
        return True


def _menu(params: dict[str, Any]) -> tuple[str, str]:
    return json.dumps(params.get("scope", {"type": "default"}), sort_keys=True), params.get(
        "language_code", ""
    )


async def _given(request: web.Request) -> tuple[dict[str, str], dict[str, tuple[str, bytes]]]:
    """A call's parameters, however they were sent."""
    given, files = dict(request.query), {}
    if request.content_type == "application/json":
        body = await request.json()
        given |= {k: v if isinstance(v, str) else json.dumps(v) for k, v in body.items()}
    elif request.body_exists:
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                files[name] = (value.filename, await asyncio.to_thread(value.file.read))
            else:
                given[name] = str(value)
    return given, files


if __name__ == "__main__":
    from tests.emulators.telegram_console import main

    main()
