"""The HTTP platform, over real sockets."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.http import HttpAdapter
from adapters.http.adapter import payload
from adapters.http.signature import sign, verify
from bot.errors import QueueFull, RetryLater, SendAmbiguous, SendError, SendRefused, StoreBusy
from bot.types import Button, Buttons, Card, Citation, HandOver, Sources, Text, Votes
from tests.adapters.host import MemoryHost
from tests.make import message

SECRET = "a very secret secret"


class Far:
    """The far side: notes what is delivered and answers as told."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.hang = False
        self.got: list[tuple[dict[str, str], bytes]] = []

    async def deliver(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        if self.hang:
            await asyncio.sleep(5)
        return web.Response(status=self.status, headers=self.headers)


class Wire:
    def __init__(self, adapter: HttpAdapter, host: MemoryHost, far: Far, url: str) -> None:
        self.adapter, self.host, self.far, self.url = adapter, host, far, url

    async def post(self, body: bytes, **headers: str) -> tuple[int, Any, Any]:
        stamp = str(int(time.time()))
        signed = {
            "X-Teller-Timestamp": stamp,
            "X-Teller-Signature": sign(SECRET.encode(), stamp, body),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url, data=io.BytesIO(body), headers=signed) as response,
        ):
            return response.status, await response.json(), response.headers

    async def say(self, **fields: object) -> tuple[int, Any, Any]:
        body = {"id": "1", "chat": "c", "sender": "s", "text": "你好", **fields}
        return await self.post(msgspec.json.encode(body))


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    far, host = Far(), MemoryHost()
    application = web.Application()
    application.router.add_post("/deliver", far.deliver)
    runner = web.AppRunner(application)
    adapter = HttpAdapter(SECRET, "http://127.0.0.1:1/", timeout_s=0.5)
    application.add_routes(adapter.routes())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    adapter._deliver_url = f"{base}/deliver"
    await adapter.start(host)
    yield Wire(adapter, host, far, f"{base}/webhooks/http")
    await adapter.close()
    await runner.cleanup()


async def test_a_signed_message_is_accepted_once(wire: Wire) -> None:
    assert (await wire.say())[:2] == (200, {"accepted": True, "duplicate": False})
    assert (await wire.say())[:2] == (200, {"accepted": True, "duplicate": True})
    [event] = wire.host.events
    assert (event.event_id, event.text, event.conversation.key) == ("1", "你好", "http|default|c|")


async def test_a_pressed_button_is_a_button_event(wire: Wire) -> None:
    await wire.say(text="", button="kb:cards.lost")
    [event] = wire.host.events
    assert (event.kind, event.value) == ("button", "kb:cards.lost")


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Teller_Signature": "sha256=" + "0" * 64},
        {"X_Teller_Signature": ""},
        {"X_Teller_Signature": "sha256=ünicode"},
        {"X_Teller_Timestamp": "1"},
        {"X_Teller_Timestamp": "soon"},
        {"X_Teller_Timestamp": ""},
    ],
)
async def test_a_wrong_missing_or_stale_signature_is_401(wire: Wire, headers: dict[str, str]) -> None:
    body = msgspec.json.encode({"id": "1", "chat": "c", "sender": "s"})
    status, answer, _ = await wire.post(body, **headers)
    assert status == 401
    assert answer["error"]
    assert wire.host.events == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"null", b'{"id":1,"chat":"c","sender":"s"}', b'{"id":"1"}',
     b'{"id":"","chat":"c","sender":"s"}', b'{"id":"1","chat":"c","sender":"s","kind":"cult"}',
     b'{"id":"' + b"x" * 300 + b'","chat":"c","sender":"s"}',
     b'{"id":"1","chat":"c","sender":"s","text":"\\ud800"}'],
)  # fmt: skip
async def test_signed_garbage_is_400_and_nothing_is_stored(wire: Wire, body: bytes) -> None:
    status, answer, _ = await wire.post(body)
    assert status == 400
    assert answer["accepted"] is False
    assert wire.host.events == []


async def test_a_body_that_arrives_in_pieces_is_read_whole(wire: Wire) -> None:
    body = msgspec.json.encode({"id": "1", "chat": "c", "sender": "s", "text": "长" * 1000})
    stamp = str(int(time.time()))
    head = (
        f"POST /webhooks/http HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        f"X-Teller-Timestamp: {stamp}\r\nX-Teller-Signature: {sign(SECRET.encode(), stamp, body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", int(wire.url.split(":")[2].split("/")[0]))
    for piece in (head.encode(), body[:7], body[7:900], body[900:]):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05)
    assert b"200 OK" in await reader.readline()
    writer.close()
    assert wire.host.events[0].text == "长" * 1000


async def test_a_giant_body_is_413(wire: Wire) -> None:
    assert (await wire.post(b"x" * ((1 << 20) + 1)))[0] == 413


@pytest.mark.parametrize("failure", [StoreBusy("locked"), QueueFull("full")])
async def test_what_cannot_be_stored_is_503_with_retry_after(wire: Wire, failure: Exception) -> None:
    wire.host.failure = failure
    status, _, headers = await wire.say()
    assert status == 503
    assert headers["Retry-After"]
    wire.host.failure = None
    assert (await wire.say())[0] == 200


async def test_after_its_stop_it_takes_nothing_but_still_sends(wire: Wire) -> None:
    await wire.adapter.stop()
    assert (await wire.say())[0] == 503
    await wire.adapter.send(message("bye"))
    assert len(wire.far.got) == 1


async def test_a_reply_is_delivered_signed_and_with_everything_in_it(wire: Wire) -> None:
    parts = (
        Text("挂失"),
        Sources((Citation("cards.lost", "卡丢了", "…"),)),
        Buttons((Button("补卡", "kb:r"),), "还想问"),
        Card("卡片", (("费用", "15元"),), buttons=(Button("办理", "go"),)),
    )
    sent = msgspec.structs.replace(message(key="k1"), parts=parts, in_reply_to="1")
    assert (await wire.adapter.send(sent)).message_id == "k1"
    [(headers, body)] = wire.far.got
    stamp, signature = headers["X-Teller-Timestamp"], headers["X-Teller-Signature"]
    assert verify(SECRET.encode(), stamp, body, signature, time.time()) == ""
    assert headers["Idempotency-Key"] == "k1"
    got = msgspec.json.decode(body)
    assert got["text"] == "挂失\n还想问\n卡片\n费用: 15元"
    assert got["sources"][0]["id"] == "cards.lost"
    assert [b["value"] for b in got["buttons"]] == ["kb:r", "go"]
    assert got["in_reply_to"] == "1"


@pytest.mark.parametrize(
    ("status", "error"), [(400, SendRefused), (410, SendRefused), (500, SendError), (502, SendError)]
)
async def test_refusals_and_failures_are_told_apart(wire: Wire, status: int, error: type[Exception]) -> None:
    wire.far.status = status
    with pytest.raises(error) as caught:
        await wire.adapter.send(message())
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("nonsense", 1.0), ("-5", 0.1), ("99999999", 3600.0)]
)
async def test_retry_after_is_honoured_within_reason(wire: Wire, value: str, seconds: float) -> None:
    wire.far.status, wire.far.headers = 429, {"Retry-After": value}
    with pytest.raises(RetryLater) as caught:
        await wire.adapter.send(message())
    assert caught.value.retry_after == seconds


async def test_a_time_out_is_ambiguous_and_no_connection_is_not(wire: Wire) -> None:
    wire.far.hang = True
    with pytest.raises(SendAmbiguous):
        await wire.adapter.send(message())
    wire.adapter._deliver_url = "http://127.0.0.1:1/"
    with pytest.raises(SendError) as caught:
        await wire.adapter.send(message())
    assert not isinstance(caught.value, SendAmbiguous)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300), stamp=st.text(max_size=12), signature=st.text(max_size=80))
def test_verification_never_crashes_and_never_accepts_what_was_not_signed(
    body: bytes, stamp: str, signature: str
) -> None:
    assert verify(SECRET.encode(), stamp, body, signature, 1e9)


def test_what_this_wire_does_not_show_leaves_no_trace_in_the_text() -> None:
    said = msgspec.structs.replace(
        message("限额 5 万元。"), parts=(Text("限额 5 万元。"), Votes("u", "d"), HandOver())
    )
    assert payload(said)["text"] == "限额 5 万元。"
