"""Socket Mode of the emulated Slack: connections, envelopes, acknowledgements, redelivery."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web

from tests.emulators.slack_web import WebApi

__all__ = ["Sockets"]

MOST = 10


class Sockets:
    """All connections of the app. Each envelope goes to one of them, in turn."""

    def __init__(self, api: WebApi) -> None:
        self._api = api
        self.open: list[web.WebSocketResponse] = []
        self.opened = 0
        self.most_at_once = 0
        self.unacknowledged: dict[str, dict[str, Any]] = {}
        self.acknowledged: list[str] = []
        self.wrong_acks: list[object] = []
        self.deliveries: Counter[str] = Counter()
        """Envelope id → how often it was sent."""
        self.answers_pings = True
        self.ghosts = 0
        """Connections that Slack counts besides ours."""
        self.says_hello = True

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._api.tickets:
            raise web.HTTPForbidden(text="the ticket was used, or never given")
        self._api.tickets.discard(ticket)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.open.append(socket)
        self.opened += 1
        self.most_at_once = max(self.most_at_once, len(self.open))
        try:
            if self.says_hello:
                count = len(self.open) + self.ghosts
                await socket.send_json(
                    {
                        "type": "hello",
                        "num_connections": count,
                        "debug_info": {"host": "applink-emulator", "approximate_connection_time": 18060},
                        "connection_info": {"app_id": "A0001"},
                    }
                )
            await self._api.tell()
            await self._read(socket)
        finally:
            self.open.remove(socket)
            await self._api.tell()
        return socket

    async def _read(self, socket: web.WebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.PING:
                if self.answers_pings:
                    await socket.pong(frame.data)
            elif frame.type is aiohttp.WSMsgType.TEXT:
                await self._acknowledge(json.loads(frame.data))

    async def _acknowledge(self, message: Any) -> None:
        known = isinstance(message, dict) and set(message) <= {"envelope_id", "payload"}
        envelope = message.get("envelope_id") if known else None
        if envelope not in self.unacknowledged:
            self.wrong_acks.append(message)
        else:
            del self.unacknowledged[envelope]
            self.acknowledged.append(envelope)
        await self._api.tell()

    # ── what a test does ──

    async def send(self, kind: str, payload: dict[str, Any]) -> str:
        """Deliver a payload; the envelope's id. Without a connection it waits for the next one."""
        envelope = {
            "envelope_id": f"envelope-{self._api.number()}",
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": 0, "retry_reason": ""}
        self.unacknowledged[str(envelope["envelope_id"])] = envelope
        await self._deliver(envelope)
        return str(envelope["envelope_id"])

    async def redeliver(self) -> None:
        """Send again what wasn't acknowledged: the same envelope, as Slack does, retry_attempt 0 included."""
        for envelope in list(self.unacknowledged.values()):
            await self._deliver(envelope)

    async def _deliver(self, envelope: dict[str, Any]) -> None:
        live = [socket for socket in self.open if not socket.closed]
        if live:
            self.deliveries[envelope["envelope_id"]] += 1
            await live[len(self.deliveries) % len(live)].send_json(envelope)

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        for socket in list(self.open):
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {}})

    async def close(self, code: int = 1000) -> None:
        for socket in list(self.open):
            await socket.close(code=code)

    async def until(self, condition: Callable[[], bool], patience: float = 10.0) -> None:
        async with asyncio.timeout(patience), self._api.changed:
            await self._api.changed.wait_for(condition)
