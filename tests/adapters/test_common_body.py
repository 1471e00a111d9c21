"""Request bodies over real sockets: whole, late, torn, too large."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from adapters.common import body as module
from adapters.common.body import BODY_LIMIT, BodyRefused, read_body
from tests.conftest import eventually

LIMIT = 2_000_000
"""Above aiohttp's own limit, which must not be what decides."""


class Wire:
    """A server that answers with what it read, and raw connections to it."""

    def __init__(self) -> None:
        self.read: list[bytes] = []
        self.refused: list[int] = []
        self.broken: list[BaseException] = []
        self.limit = LIMIT
        self.port = 0

    async def take(self, request: web.Request) -> web.Response:
        try:
            self.read.append(await read_body(request, self.limit))
        except BodyRefused as error:
            self.refused.append(error.status)
            return web.Response(status=error.status, text=str(error))
        except BaseException as error:
            self.broken.append(error)
            raise
        return web.Response(text=str(len(self.read[-1])))

    async def send(self, *pieces: bytes, pause: float = 0.0, hang_up: bool = False) -> bytes:
        """Send raw bytes; the answer's first line (the rest may wait for the rest of a refused body)."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
            return b"" if hang_up else await asyncio.wait_for(reader.readline(), 10)
        finally:
            writer.close()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    wire = Wire()
    app = web.Application()
    app.router.add_post("/", wire.take)
    # aiohttp goes on reading what follows a refusal; that isn't what is looked at here.
    runner = web.AppRunner(app, access_log=None, lingering_time=0.1, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    wire.port = runner.addresses[0][1]
    yield wire
    await runner.cleanup()


def head(length: int | None, *more: str) -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return "\r\n".join(["POST / HTTP/1.1", "Host: h", "Connection: close", framing, *more, "", ""]).encode()


def chunks(data: bytes, size: int) -> bytes:
    made = b"".join(
        b"%x\r\n%b\r\n" % (len(data[at : at + size]), data[at : at + size])
        for at in range(0, len(data), size)
    )
    return made + b"0\r\n\r\n"


async def test_a_body_that_comes_in_drops_is_read_whole(wire: Wire) -> None:
    text = "转账限额是多少？".encode()
    drops = [text[at : at + 1] for at in range(len(text))]
    answer = await wire.send(head(len(text)), *drops, pause=0.005)
    assert answer.startswith(b"HTTP/1.1 200")
    assert wire.read == [text]


async def test_a_chunked_body_is_read_whole(wire: Wire) -> None:
    data = bytes(range(256)) * 4000
    assert (await wire.send(head(None), chunks(data, 999))).startswith(b"HTTP/1.1 200")
    assert wire.read == [data]


async def test_an_empty_body_is_empty(wire: Wire) -> None:
    await wire.send(head(0))
    await wire.send(head(None), chunks(b"", 1))
    assert wire.read == [b"", b""]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_just_the_limit_is_taken_and_one_byte_more_is_not(wire: Wire, chunked: bool) -> None:
    for length in (LIMIT, LIMIT + 1):
        data = b"x" * length
        if chunked:
            await wire.send(head(None), chunks(data, 100_000))
        else:
            await wire.send(head(length), data)
    assert [len(data) for data in wire.read] == [LIMIT]
    assert wire.refused == [413]


async def test_a_body_announced_as_too_large_is_refused_before_it_is_sent(wire: Wire) -> None:
    assert (await wire.send(head(LIMIT + 1))).startswith(b"HTTP/1.1 413")


async def test_an_endless_body_is_refused_at_the_limit(wire: Wire) -> None:
    wire.limit = 50_000
    chunk = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    assert (await wire.send(head(None), *[chunk] * 6)).startswith(b"HTTP/1.1 413")


async def test_what_is_small_until_unpacked_is_measured_unpacked(wire: Wire) -> None:
    bomb = gzip.compress(b"\0" * (LIMIT * 20))
    assert len(bomb) < LIMIT
    await wire.send(head(len(bomb), "Content-Encoding: gzip"), bomb)
    assert (wire.read, wire.refused) == ([], [413])


async def test_a_body_that_never_ends_is_given_up(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_S", 0.2)
    # Every byte in time does not make the whole in time.
    answer = await wire.send(head(100), *[b"x"] * 5, pause=0.05)
    assert answer.startswith(b"HTTP/1.1 408")
    assert wire.refused == [408]


@pytest.mark.parametrize("half", [head(100) + b"x" * 50, head(None) + b"32\r\n" + b"x" * 50 + b"\r\n"])
async def test_half_a_body_is_never_taken_for_a_whole_one(wire: Wire, half: bytes) -> None:
    await wire.send(half, pause=0.05, hang_up=True)
    await eventually(lambda: wire.refused)
    assert (wire.read, wire.refused, wire.broken) == ([], [408], [])


@pytest.mark.parametrize("rubbish", [b"rubbish\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"zz\r\n"])
async def test_a_body_with_broken_chunks_is_never_taken(
    wire: Wire, rubbish: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_S", 0.2)
    await wire.send(head(None), b"5\r\nhello\r\n", rubbish, pause=0.02)
    assert (wire.read, wire.refused, wire.broken) == ([], [408], [])


async def test_a_body_that_is_not_packed_as_it_claims_is_refused(wire: Wire) -> None:
    answer = await wire.send(head(10, "Content-Encoding: gzip"), b"rubbish...")
    assert answer.startswith(b"HTTP/1.1 400")
    assert (wire.read, wire.refused, wire.broken) == ([], [400], [])


async def test_the_usual_limit_is_a_megabyte(wire: Wire) -> None:
    wire.limit = BODY_LIMIT
    await wire.send(head(1 << 20), b"x" * (1 << 20))
    await wire.send(head((1 << 20) + 1))
    assert [len(data) for data in wire.read] == [1 << 20]
    assert wire.refused == [413]
