"""WeCom's server API and its callbacks, for tests and for trying Teller out by hand.

    async with Qyapi() as qyapi:
        app = qyapi.add_app(callback_url="http://…/webhooks/wecom/app")
        await qyapi.say("zhangsan", "信用卡丢了怎么办？")      # encrypts, signs, posts, repeats like WeCom
        shown = await qyapi.shown(1)                          # the first message that a member saw

By hand: `python -m tests.emulators.qyapi --events http://127.0.0.1:8080/webhooks/wecom/app`
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import Any, Final

from aiohttp import web

from tests.emulators.qyapi_callbacks import Callbacks
from tests.emulators.qyapi_checks import ApiError
from tests.emulators.qyapi_methods import Methods
from tests.emulators.qyapi_state import Answer, App, Call, Failure, Group, Handler, Shown, Upload

__all__ = ["App", "Call", "Group", "Qyapi", "Shown", "Upload"]

CORP_ID: Final = "ww1234567890abcdef"
TOKEN_S: Final = 7200


class Qyapi(Callbacks, Methods):
    """The emulator.

    Args:
        clock: seconds since the epoch; tokens, limits and media expire by it.
        patience: seconds to wait for a callback's acknowledgement; WeCom's are 5.
    """

    def __init__(
        self, *, corp_id: str = CORP_ID, clock: Callable[[], float] = time.time, patience: float = 5.0
    ) -> None:
        Callbacks.__init__(self, corp_id, clock, patience)
        Methods.__init__(self)
        self.apps: list[App] = []
        self.calls: Counter[str] = Counter()
        """Calls by path, failed ones included."""
        self.untrusted_ip = ""
        self.base_url = ""
        self._failures: dict[str, list[Failure]] = defaultdict(list)
        self._handlers: dict[tuple[str, str], tuple[Handler, bool]] = {}
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self._release = asyncio.Event()
        for method, path, handler, with_token in (
            ("GET", "gettoken", self._gettoken, False),
            ("POST", "message/send", self._send, True),
            ("POST", "message/update_template_card", self._update, True),
            ("POST", "media/upload", self._upload, True),
            ("GET", "media/get", self._media_get, True),
            ("GET", "agent/get", self._agent, True),
            ("GET", "getcallbackip", lambda call: {"ip_list": ["101.226.103.*", "101.226.62.*"]}, True),
            ("POST", "webhook/send", self._webhook_send, False),
            ("POST", "webhook/upload_media", self._webhook_upload, False),
        ):
            self.register(method, path, handler, with_token=with_token)

    def register(self, method: str, path: str, handler: Handler, *, with_token: bool = True) -> None:
        """Serve `/cgi-bin/<path>`. A handler raises ApiError; what it returns gets errcode 0."""
        self._handlers[method, path] = (handler, with_token)

    # ── what a test does ──

    async def __aenter__(self) -> Qyapi:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/cgi-bin/{path:.+}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        self._release.set()
        if self._runner is not None:
            await self._runner.cleanup()
        await self.close_callbacks()

    def add_app(self, **settings: Any) -> App:
        app = App(**settings)
        self.apps.append(app)
        return app

    def fail(self, path: str, times: int = 1, **how: Any) -> None:
        """Let the next calls of `path` fail: errcode=…, errmsg=…, status=…, hang=True or garbage=b"…"; after
        `skip` that work."""
        self._failures[path].append(Failure(times, **how))

    def expire_tokens(self) -> None:
        """Every token given so far is refused from now on."""
        for app in self.apps:
            app.stale.add(app.access_token)
            app.access_token = ""

    def heal(self) -> None:
        """No call fails any more."""
        self._failures.clear()

    async def shown(self, number: int, *, patience: float = 5.0) -> Shown:
        """The `number`-th message that a member saw (from 1), once it is there."""
        async with asyncio.timeout(patience), self._changed:
            await self._changed.wait_for(lambda: len(self.messages) >= number)
        return self.messages[number - 1]

    async def until(self, condition: Callable[[], bool], *, patience: float = 5.0) -> None:
        """Wait for something that a call brings about."""
        async with asyncio.timeout(patience), self._changed:
            await self._changed.wait_for(condition)

    async def press(self, shown: Shown, face: str) -> list[int]:
        """Press a card's button as the member who sees it; the statuses that the callback met."""
        code = self._new_code(shown)
        return await self.event(
            shown.to,
            "template_card_event",
            app=next(a for a in self.apps if a.agent_id == shown.agent_id),
            EventKey=shown.buttons[face],
            TaskId=shown.body["task_id"],
            CardType=shown.body["card_type"],
            ResponseCode=code,
        )

    # ── serving ──

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.calls[path] += 1
        failure = self._next_failure(path)
        if failure is not None and failure.status:
            return web.Response(status=failure.status, text="told to fail")
        try:
            if failure is not None and failure.errcode:
                raise ApiError(failure.errcode, failure.errmsg)
            answer = await self._handled(request, path)
        except ApiError as error:
            hint = "hint: [1700000000_1_abc], from ip: 127.0.0.1"
            more = f"more info at https://open.work.weixin.qq.com/devtool/query?e={error.errcode}"
            answer = {"errcode": error.errcode, "errmsg": f"{error.errmsg}, {hint}, {more}"}
        async with self._changed:
            self._changed.notify_all()
        if failure is not None and failure.hang:
            await self._release.wait()
        if failure is not None and failure.garbage is not None:
            return web.Response(body=failure.garbage, content_type="application/json")
        return self._finished(answer)

    async def _handled(self, request: web.Request, path: str) -> Answer:
        handler, with_token = self._handlers.get((request.method, path), (None, False))
        if handler is None:
            raise ApiError(40058, f"no such api: {request.method} {path}")
        params = dict(request.query)
        app = self._whose(params.get("access_token", "")) if with_token else App()
        if with_token and self.untrusted_ip:
            raise ApiError(60020, f"not allow to access from your ip, from ip: {self.untrusted_ip}")
        upload, body = None, {}
        if request.content_type.startswith("multipart/"):
            upload = await self._read_upload(request, params)
        elif request.method == "POST":
            body = _read_json(await request.read())
        answer = handler(Call(path, params, body, app, upload))
        return await answer if isinstance(answer, Awaitable) else answer

    def _finished(self, answer: Answer) -> web.StreamResponse:
        if isinstance(answer, web.Response):
            response = answer
        else:
            response = web.json_response({"errcode": 0, "errmsg": "ok", **answer})
        response.headers["Date"] = formatdate(self.clock(), usegmt=True)
        return response

    def _next_failure(self, path: str) -> Failure | None:
        waiting = self._failures[path]
        if not waiting:
            return None
        if waiting[0].skip > 0:
            waiting[0].skip -= 1
            return None
        waiting[0].times -= 1
        return waiting.pop(0) if waiting[0].times <= 0 else waiting[0]

    async def _read_upload(self, request: web.Request, params: Mapping[str, str]) -> Upload:
        part = await (await request.multipart()).next()
        if part is None or part.name != "media" or not part.filename:  # type: ignore[union-attr]
            raise ApiError(41005, "missing media data")
        data = bytes(await part.read())  # type: ignore[union-attr]
        mime = part.headers.get("Content-Type", "")
        # The name as it was on the wire, not as aiohttp decodes it.
        raw = part.headers["Content-Disposition"].encode("utf-8", "surrogateescape").decode()
        name = raw.partition('filename="')[2].partition('"')[0]
        return Upload(name, mime, data, params.get("type", ""), self.clock())

    # ── tokens ──

    def _gettoken(self, call: Call) -> Answer:
        if call.params.get("corpid") != self.corp_id:
            raise ApiError(40013, "invalid corpid")
        app = next((a for a in self.apps if a.secret == call.params.get("corpsecret")), None)
        if app is None:
            raise ApiError(40001, "invalid credential")
        if not app.access_token or app.expires_at <= self.clock():
            app.stale.add(app.access_token)
            app.access_token = f"token-{app.agent_id}-{next(self._numbers)}"
            app.expires_at = self.clock() + TOKEN_S
        return {"access_token": app.access_token, "expires_in": int(app.expires_at - self.clock())}

    def _whose(self, token: str) -> App:
        if not token:
            raise ApiError(41001, "access_token missing")
        for app in self.apps:
            if token == app.access_token and app.expires_at > self.clock():
                return app
            if token in app.stale or token == app.access_token:
                raise ApiError(42001, "access_token expired")
        raise ApiError(40014, "invalid access_token")


def _read_json(raw: bytes) -> dict[str, Any]:
    if rb"\u" in raw:
        raise ApiError(40033, "invalid charset, \\uxxxx isn't taken")
    try:
        body = json.loads(raw)
    except ValueError:
        raise ApiError(47001, "data format error") from None
    if not isinstance(body, dict):
        raise ApiError(47001, "data format error")
    return body


if __name__ == "__main__":
    from tests.emulators.qyapi_console import main

    main()
