"""WeCom's side of an AI bot's long connection: one socket a bot, frames that are checked and answered."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Callable
from itertools import count
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from tests.emulators.aibot_wire import (
    Bubble,
    Refused,
    Watched,
    check_card,
    check_keys,
    check_markdown,
    check_stream,
    encrypt_bytes,
    event,
    message,
    need,
)

__all__ = ["AibotSocket"]

SECRET = "aibot-secret"
STREAM_S = 360.0
CHUNK = 512 << 10


class AibotSocket(Watched):
    """The platform.

    Tests make it fail: `fail(cmd, errcode)`, `swallow(cmd)` (done, but not answered), `close(code)`,
    `forget()` (the subscription), `expire()` (bubbles), `secret` (another one is refused), `mute` (no
    answers at all, pings included).
    """

    def __init__(
        self, *, bot_id: str = "BOT", secret: str = SECRET, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self.bot_id, self.secret, self.clock = bot_id, secret, clock
        self.frames: list[dict[str, Any]] = []
        """All that were received, in order."""
        self.pushed: list[dict[str, Any]] = []
        """Bodies of `aibot_send_msg` that were taken."""
        self.bubbles: dict[str, Bubble] = {}
        """By req_id."""
        self.welcomes: list[str] = []
        self.updates: list[dict[str, Any]] = []
        self.media: dict[str, bytes] = {}
        self.refusals: list[str] = []
        self.subscribed = 0
        """Subscriptions taken since the beginning."""
        self.open = 0
        """Sockets open now."""
        self.most_open = 0
        self.mute = False
        self.limit = 30
        self._socket: web.WebSocketResponse | None = None
        self._forgotten = False
        self._failures: defaultdict[str, deque[int]] = defaultdict(deque)
        self._swallow: defaultdict[str, int] = defaultdict(int)
        self._asked: dict[str, tuple[str, float]] = {}
        """By req_id: whose conversation, and when."""
        self._events: dict[str, tuple[str, float]] = {}
        self._chats: set[str] = set()
        self._bodies: dict[str, dict[str, Any]] = {}
        self._opened: dict[str, float] = {}
        self._taken: defaultdict[str, deque[float]] = defaultdict(deque)
        self._uploads: dict[str, dict[str, Any]] = {}
        self._files: dict[str, tuple[bytes, str]] = {}
        self._numbers = count(1)

    async def start(self, port: int = 0) -> None:
        app = web.Application()
        app.router.add_get("/", self._connect)
        app.router.add_get("/files/{id}", self._file)
        self._server = TestServer(app, port=port)
        await self._server.start_server()

    async def stop(self) -> None:
        await self.close(1001)
        await self._server.close()

    @property
    def ws_url(self) -> str:
        return self.base_url.replace("http", "ws", 1)

    # ── faults ──

    def fail(self, cmd: str, errcode: int, times: int = 1) -> None:
        self._failures[cmd].extend([errcode] * times)

    def swallow(self, cmd: str, times: int = 1) -> None:
        self._swallow[cmd] += times

    async def close(self, code: int = 1000) -> None:
        if self._socket is not None:
            await self._socket.close(code=code)

    def forget(self) -> None:
        self._forgotten = True

    def expire(self) -> None:
        for req_id in self._opened:
            self._opened[req_id] = -1e9

    async def evict(self) -> None:
        """As if another client subscribed."""
        await self._callback("aibot_event_callback", event("disconnected_event", {}, msgid="", user="", at=0))
        await self.close(1000)

    # ── customers ──

    async def connected(self, times: int = 1) -> None:
        """Until so many subscriptions were taken and one is in force."""
        await self.until(lambda: self.subscribed >= times and self._socket is not None)

    async def say(
        self, text: str, *, user: str = "wang", chat: str = "", msgid: str = "", **more: Any
    ) -> Bubble:
        return await self.send("text", {"content": text}, user=user, chat=chat, msgid=msgid, **more)

    async def send_picture(self, data: bytes, *, user: str = "wang", name: str = "a.png") -> Bubble:
        id, key = secrets.token_hex(8), secrets.token_bytes(32)
        self._files[id] = (encrypt_bytes(data, key), name)
        aeskey = base64.b64encode(key).decode().rstrip("=")
        return await self.send("image", {"url": f"{self.base_url}/files/{id}", "aeskey": aeskey}, user=user)

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
        body = message(kind, content, msgid=msgid, user=user, chat=chat) | more
        req_id = secrets.token_hex(8)
        self._asked[req_id] = (chat or user, self.clock())
        self._chats.add(chat or user)
        bubble = self.bubbles[req_id] = Bubble()
        self._bodies[req_id] = body
        await self._callback("aibot_msg_callback", body, req_id)
        return bubble

    async def redeliver(self, req_id: str) -> None:
        """The same callback again, which WeCom isn't known to do."""
        await self._callback("aibot_msg_callback", self._bodies[req_id], req_id)

    async def enter(self, user: str = "wang") -> None:
        await self._event(
            event("enter_chat", {}, msgid=f"EVT{next(self._numbers)}", user=user, at=self._now())
        )

    async def press(self, card: dict[str, Any], key: str, *, user: str = "wang") -> None:
        details = {"card_type": card["card_type"], "event_key": key, "task_id": card["task_id"]}
        msgid = f"EVT{next(self._numbers)}"
        await self._event(event("template_card_event", details, msgid=msgid, user=user, at=self._now()))

    async def raw(self, data: str | bytes) -> None:
        """Anything at all."""
        assert self._socket is not None
        await (self._socket.send_str(data) if isinstance(data, str) else self._socket.send_bytes(data))

    async def _event(self, body: dict[str, Any]) -> None:
        req_id = secrets.token_hex(8)
        self._events[req_id] = (body["event"]["eventtype"], self.clock())
        await self._callback("aibot_event_callback", body, req_id)

    async def _callback(self, cmd: str, body: dict[str, Any], req_id: str = "") -> None:
        assert self._socket is not None, "the bot isn't connected"
        frame = {"cmd": cmd, "headers": {"req_id": req_id or secrets.token_hex(8)}, "body": body}
        await self._socket.send_str(json.dumps(frame, ensure_ascii=False))

    def _now(self) -> int:
        return int(self.clock())

    # ── the wire ──

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(status=400)
        socket = web.WebSocketResponse(max_msg_size=8 << 20)
        await socket.prepare(request)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            async for received in socket:
                if received.type is WSMsgType.TEXT:
                    await self._received(socket, json.loads(received.data))
        finally:
            self.open -= 1
            if self._socket is socket:
                self._socket = None
            await self.changed()
        return socket

    async def _received(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        cmd, req_id = frame.get("cmd", ""), frame.get("headers", {}).get("req_id", "")
        answer: dict[str, Any] = {"headers": {"req_id": req_id}, "errcode": 0, "errmsg": "ok"}
        try:
            check_keys(frame, {"cmd": str, "headers": dict}, {"body": dict})
            need(bool(req_id), 40058, "headers.req_id")
            if failures := self._failures[cmd]:
                raise Refused(failures.popleft(), "told to")
            need(socket is self._socket or cmd == "aibot_subscribe", 846609, "aibot websocket not subscribed")
            need(not self._forgotten or cmd in ("aibot_subscribe", "ping"), 846609, "not subscribed")
            body = await self._handle(socket, cmd, req_id, frame.get("body", {}))
            answer |= {"body": body} if body else {}
        except Refused as error:
            self.refusals.append(f"{cmd} {error}")
            answer |= {"errcode": error.errcode, "errmsg": error.errmsg}
        if self._swallow[cmd]:
            self._swallow[cmd] -= 1
        elif not self.mute and not socket.closed:
            await socket.send_str(json.dumps(answer))
        await self.changed()

    async def _handle(
        self, socket: web.WebSocketResponse, cmd: str, req_id: str, body: dict[str, Any]
    ) -> dict[str, Any] | None:
        match cmd:
            case "aibot_subscribe":
                check_keys(body, {"bot_id": str, "secret": str})
                need((body["bot_id"], body["secret"]) == (self.bot_id, self.secret), 853000, "invalid secret")
                before, self._socket, self._forgotten = self._socket, socket, False
                self.subscribed += 1
                if before is not None:
                    gone = event("disconnected_event", {}, msgid="", user="", at=self._now())
                    frame = {"cmd": "aibot_event_callback", "headers": {"req_id": "x"}, "body": gone}
                    await before.send_str(json.dumps(frame))
                    await before.close(code=1000)
            case "ping":
                need(not body, 40058, "ping has no body")
            case "aibot_respond_msg":
                self._respond(req_id, body)
            case "aibot_respond_welcome_msg":
                self._in_time(req_id, "enter_chat")
                check_keys(body, {"msgtype": str, "text": dict})
                check_keys(body["text"], {"content": str})
                self.welcomes.append(body["text"]["content"])
            case "aibot_respond_update_msg":
                self._in_time(req_id, "template_card_event")
                check_keys(body, {"response_type": str, "template_card": dict}, {"userids": list})
                check_card(body["template_card"])
                self.updates.append(body["template_card"])
            case "aibot_send_msg":
                self._push(body)
            case "aibot_upload_media_init" | "aibot_upload_media_chunk" | "aibot_upload_media_finish":
                return self._upload(cmd, body)
            case _:
                raise Refused(40008, "unknown cmd")
        return None

    def _respond(self, req_id: str, body: dict[str, Any]) -> None:
        check_keys(body, {"msgtype": str, "stream": dict})
        need(body["msgtype"] == "stream", 40008, "invalid message type")
        check_stream(body["stream"], items=False)
        asked = self._asked.get(req_id)
        need(asked is not None, 846605, "invalid req_id")
        bubble = self.bubbles[req_id]
        opened = self._opened.setdefault(req_id, self.clock())
        need(self.clock() - opened <= STREAM_S, 846608, "stream message update expired")
        need(not bubble.finished, 846608, "stream message update expired")
        need(bubble.id in ("", body["stream"]["id"]), 40058, "another stream.id")
        assert asked is not None
        self._count(asked[0])
        bubble.id = body["stream"]["id"]
        bubble.show(body["stream"])

    def _push(self, body: dict[str, Any]) -> None:
        contents = {"markdown": dict, "template_card": dict, "image": dict, "file": dict}
        check_keys(body, {"chatid": str, "msgtype": str}, {"chat_type": int, **contents})
        need(body["chatid"] in self._chats, 93006, "invalid chatid")
        need(body.get("chat_type", 0) in (0, 1, 2), 40058, "chat_type")
        kind = body["msgtype"]
        need(kind in contents and set(body) & set(contents) == {kind}, 40008, "invalid message type")
        if kind == "markdown":
            check_markdown(body)
        elif kind == "template_card":
            check_card(body["template_card"])
        else:
            need(body[kind].get("media_id") in self.media, 40007, "invalid media_id")
        self._count(body["chatid"])
        self.pushed.append(body)

    def _upload(self, cmd: str, body: dict[str, Any]) -> dict[str, Any]:
        if cmd.endswith("init"):
            sizes = {"total_size": int, "total_chunks": int}
            check_keys(body, {"type": str, "filename": str, **sizes}, {"md5": str})
            need(body["type"] in ("image", "file", "voice", "video"), 40004, "invalid media type")
            need(body["total_chunks"] == -(-body["total_size"] // CHUNK) <= 100, 40058, "total_chunks")
            upload_id = secrets.token_hex(8)
            self._uploads[upload_id] = body | {"chunks": {}}
            return {"upload_id": upload_id}
        upload = self._uploads.get(body.get("upload_id", ""))
        need(upload is not None, 40058, "upload_id")
        assert upload is not None
        if cmd.endswith("chunk"):
            check_keys(body, {"upload_id": str, "chunk_index": int, "base64_data": str})
            data = base64.b64decode(body["base64_data"], validate=True)
            need(len(data) <= CHUNK and 0 <= body["chunk_index"] < upload["total_chunks"], 40058, "chunk")
            upload["chunks"][body["chunk_index"]] = data
            return {}
        check_keys(body, {"upload_id": str})
        data = b"".join(upload["chunks"][index] for index in sorted(upload["chunks"]))
        need(len(data) == upload["total_size"], 40058, "total_size")
        need(hashlib.md5(data).hexdigest() == upload.get("md5"), 301019, "media MD5 not match")  # noqa: S324
        media_id = secrets.token_hex(8)
        self.media[media_id] = data
        return {"type": upload["type"], "media_id": media_id, "created_at": str(self._now())}

    def _in_time(self, req_id: str, eventtype: str) -> None:
        kind, at = self._events.get(req_id, ("", 0.0))
        need(kind == eventtype, 846605, "invalid req_id")
        need(self.clock() - at <= 5.0, 846604, "response timeout")

    def _count(self, chat: str) -> None:
        taken = self._taken[chat]
        while taken and taken[0] <= self.clock() - 60:
            taken.popleft()
        need(len(taken) < self.limit, 846607, "freq limit")
        taken.append(self.clock())

    async def _file(self, request: web.Request) -> web.Response:
        kept = self._files.get(request.match_info["id"])
        if kept is None:
            return web.Response(status=403)
        data, name = kept
        return web.Response(body=data, headers={"Content-Disposition": f'attachment; filename="{name}"'})
