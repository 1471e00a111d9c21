"""WeCom's side of an AI bot in callback mode: posts what customers do and comes again for the answers."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.emulators.aibot_wire import (
    AES_KEY,
    TOKEN,
    Bubble,
    Refused,
    Watched,
    check_card,
    check_keys,
    check_markdown,
    check_stream,
    decrypt,
    dumps,
    encrypt,
    encrypt_bytes,
    event,
    message,
    need,
    signature,
)

__all__ = ["AibotCallback"]

TRIES = 3
"""Posts of one callback that isn't answered with 200 in 5 s."""


class AibotCallback(Watched):
    """The platform. `callback` is the bot's address, set before a customer does anything.

    Tests turn its knobs: `polling` (does it come for answers), `life_s`, `clock`, `failures` (statuses
    that the next response_url posts are answered with), `hang_up`.
    """

    def __init__(
        self, *, token: str = TOKEN, aes_key: str = AES_KEY, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self.token, self.aes_key, self.clock = token, aes_key, clock
        self.callback = ""
        self.polling = True
        self.poll_s = 0.02
        self.life_s = 360.0
        self.patience_s = 5.0
        self.bubbles: dict[str, Bubble] = {}
        """By message id."""
        self.responses: list[dict[str, Any]] = []
        """What was posted to response_urls and taken."""
        self.shown: defaultdict[str, list[str]] = defaultdict(list)
        """By customer: finished bubbles and what came by response_url, as they came."""
        self.refusals: list[str] = []
        """What the bot got wrong."""
        self.polls = 0
        self.failures: list[int] = []
        self.hang_up = 0
        """So many of the next response_url posts are taken and not answered."""
        self._urls: dict[str, tuple[float, str]] = {}
        """When a response_url was given out, and to whose message."""
        self._used: set[str] = set()
        self._files: dict[str, tuple[bytes, str]] = {}
        self._bodies: dict[str, bytes] = {}
        self._numbers = count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> None:
        app = web.Application()
        app.router.add_post("/cgi-bin/aibot/response", self._response)
        app.router.add_get("/files/{id}", self._file)
        self._server = TestServer(app, port=port)
        await self._server.start_server()
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.patience_s))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
        await self._server.close()

    # ── customers ──

    async def say(
        self, text: str, *, user: str = "wang", chat: str = "", msgid: str = "", **more: Any
    ) -> Bubble:
        return await self.send("text", {"content": text}, user=user, chat=chat, msgid=msgid, **more)

    async def send_picture(self, data: bytes, *, user: str = "wang", name: str = "a.png") -> Bubble:
        return await self.send("image", {"url": self.file(data, name)}, user=user)

    async def send(
        self,
        kind: str,
        content: dict[str, Any],
        *,
        user: str = "wang",
        chat: str = "",
        msgid: str = "",
        **more: Any,
    ) -> Bubble:
        msgid = msgid or f"MSG{next(self._numbers)}"
        body = (
            message(kind, content, msgid=msgid, user=user, chat=chat)
            | {"response_url": self.url(user)}
            | more
        )
        self._bodies[msgid] = dumps(body)
        bubble = self.bubbles.setdefault(msgid, Bubble(user=user))
        await self._deliver(msgid, bubble)
        return bubble

    async def redeliver(self, msgid: str) -> int:
        """The same callback again; the answer's status."""
        return await self._deliver(msgid, self.bubbles[msgid])

    async def enter(self, user: str = "wang") -> str:
        """Open the bot; what it greets with."""
        msgid = f"EVT{next(self._numbers)}"
        status, reply = await self.post(
            dumps(event("enter_chat", {}, msgid=msgid, user=user, at=self._now()))
        )
        need(status == 200, -1, f"status {status}")
        if reply is None:
            return ""
        check_keys(reply, {"msgtype": str, "text": dict})
        return str(reply["text"]["content"])

    async def press(self, card: dict[str, Any], key: str, *, user: str = "wang") -> dict[str, Any] | None:
        """Press a card's button; the card that takes its place, if any."""
        details = {"card_type": card["card_type"], "event_key": key, "task_id": card["task_id"]}
        msgid = f"EVT{next(self._numbers)}"
        body = event("template_card_event", details, msgid=msgid, user=user, at=self._now())
        status, reply = await self.post(dumps(body | {"response_url": self.url(user)}))
        need(status == 200, -1, f"status {status}")
        if reply is None:
            return None
        check_keys(reply, {"response_type": str, "template_card": dict}, {"userids": list})
        need(reply["response_type"] == "update_template_card", 40058, "response_type")
        check_card(reply["template_card"])
        need(reply["template_card"]["task_id"] == card["task_id"], 42014, "another task_id")
        return dict(reply["template_card"])

    def url(self, user: str = "wang") -> str:
        code = secrets.token_urlsafe(16)
        self._urls[code] = (self.clock(), user)
        return f"{self.base_url}/cgi-bin/aibot/response?response_code={code}"

    def file(self, data: bytes, name: str) -> str:
        id = secrets.token_hex(8)
        self._files[id] = (data, name)
        return f"{self.base_url}/files/{id}"

    # ── the wire ──

    async def verify_url(self) -> tuple[int, bytes, str]:
        """The check when the callback is set up: status, body, content type; and what was expected."""
        plain = str(secrets.randbits(60))
        cipher = encrypt(plain.encode(), self.aes_key)
        async with self._session.get(
            self.callback, params=self._query(cipher) | {"echostr": cipher}
        ) as response:
            return response.status, await response.read(), plain

    async def post(self, plain: bytes) -> tuple[int, Any]:
        """One callback; the status and the decrypted reply, None for an empty one."""
        cipher = encrypt(plain, self.aes_key)
        query = self._query(cipher)
        async with self._session.post(
            self.callback, params=query, data=io.BytesIO(dumps({"encrypt": cipher}))
        ) as response:
            body = await response.read()
            if response.status != 200 or not body:
                return response.status, None
        reply = json.loads(body)
        check_keys(reply, {"encrypt": str, "msgsignature": str, "timestamp": int, "nonce": str})
        need(reply["nonce"] == query["nonce"], -40010, "another nonce")
        expected = signature(self.token, str(reply["timestamp"]), reply["nonce"], reply["encrypt"])
        need(reply["msgsignature"] == expected, -40001, "bad signature")
        opened, receive_id = decrypt(reply["encrypt"], self.aes_key)
        need(receive_id == "", -40005, "receive id")
        return 200, json.loads(opened)

    def _query(self, cipher: str) -> dict[str, str]:
        stamp, nonce = str(self._now()), secrets.token_hex(5)
        signed = signature(self.token, stamp, nonce, cipher)
        return {"msg_signature": signed, "timestamp": stamp, "nonce": nonce}

    def _now(self) -> int:
        return int(self.clock())

    async def _deliver(self, msgid: str, bubble: Bubble) -> int:
        status = 0
        for _ in range(TRIES):
            try:
                status, reply = await self.post(self._bodies[msgid])
            except (TimeoutError, aiohttp.ClientError):
                continue
            if status == 200:
                if reply is not None:
                    self._show(bubble, reply)
                    self._come_again(bubble)
                break
        await self.changed()
        return status

    def _show(self, bubble: Bubble, reply: Any) -> None:
        try:
            need(reply.get("msgtype") in ("stream", "stream_with_template_card"), 40008, "msgtype")
            check_keys(reply, {"msgtype": str, "stream": dict}, {"template_card": dict})
            check_stream(reply["stream"], items=True)
            need(bubble.id in ("", reply["stream"]["id"]), 40058, "another stream.id for the same message")
            if "template_card" in reply:
                need(reply["msgtype"] == "stream_with_template_card", 40008, "msgtype")
                check_card(reply["template_card"])
                bubble.card = reply["template_card"]
        except Refused as error:
            self.refusals.append(str(error))
            return
        bubble.id, was_finished = reply["stream"]["id"], bubble.finished
        bubble.show(reply["stream"])
        if bubble.finished and not was_finished:
            self.shown[bubble.user].append(bubble.text)

    def _come_again(self, bubble: Bubble) -> None:
        if not bubble.finished:
            task = asyncio.create_task(self._poll(bubble, self.clock()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _poll(self, bubble: Bubble, since: float) -> None:
        while not bubble.finished:
            await asyncio.sleep(self.poll_s)
            if self.clock() - since > self.life_s:
                return
            if not self.polling:
                continue
            await self.poll_once(bubble)

    async def poll_once(self, bubble: Bubble) -> int:
        self.polls += 1
        ask = message("", {}, msgid=f"POLL{next(self._numbers)}", user="wang")
        ask |= {"msgtype": "stream", "stream": {"id": bubble.id}}
        try:
            status, reply = await self.post(dumps(ask))
        except (TimeoutError, aiohttp.ClientError):
            return 0
        if reply is not None:
            self._show(bubble, reply)
        await self.changed()
        return status

    # ── what the bot calls ──

    async def _response(self, request: web.Request) -> web.Response:
        code = request.query.get("response_code", "")
        body = await request.json()
        if self.failures and (status := self.failures.pop(0)):
            return web.Response(status=status)
        try:
            given, user = self._urls.get(code, (-1e9, ""))
            need(given > self.clock() - 3600, 40058, "response_code expired")
            need(code not in self._used, 40058, "response_code was used")
            need(body.get("msgtype") in ("markdown", "template_card"), 40008, "msgtype")
            if body["msgtype"] == "markdown":
                check_markdown(body)
            else:
                check_card(body["template_card"])
        except Refused as error:
            self.refusals.append(str(error))
            return web.json_response({"errcode": error.errcode, "errmsg": error.errmsg})
        self._used.add(code)
        self.responses.append(body)
        self.shown[user].append(body.get("markdown", {}).get("content", ""))
        await self.changed()
        if self.hang_up and request.transport is not None:
            self.hang_up -= 1
            request.transport.close()
        return web.json_response({"errcode": 0, "errmsg": "ok"})

    async def _file(self, request: web.Request) -> web.Response:
        data, name = self._files[request.match_info["id"]]
        sealed = encrypt_bytes(data, base64.b64decode(self.aes_key + "="))
        return web.Response(body=sealed, headers={"Content-Disposition": f'attachment; filename="{name}"'})
