"""A real server on 127.0.0.1 that speaks the chat API, well or badly, as each test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from bot.errors import InferenceUnavailable
from bot.types import Exchange, GenerateRequest, Passage
from inference.remote import RemoteGenerator, RemoteOptions

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]
DONE = "data: [DONE]\n\n"


def request(id: str = "r", **changes: Any) -> GenerateRequest:
    given: dict[str, Any] = {
        "question": "What does a new card cost?",
        "language": "en",
        "passages": (Passage("card", "en", "New cards", "A new card costs CNY 8."),),
        "history": (Exchange("I lost my card.", "Please report it in the app."),),
        "deadline": 30.0,
    }
    return GenerateRequest(id=id, **{**given, **changes})


async def said(generator: RemoteGenerator, asked: GenerateRequest | None = None) -> list[str]:
    return [piece async for piece in generator.generate(asked or request())]


async def why_not(generator: RemoteGenerator, asked: GenerateRequest | None = None) -> str:
    """The reason of a reply that must not come."""
    try:
        pieces = await said(generator, asked)
    except InferenceUnavailable as error:
        return str(error)
    raise AssertionError(f"a reply came: {pieces}")


def chunk(content: str | None = None, finish: str | None = None, **more: Any) -> str:
    delta = {} if content is None else {"content": content}
    body = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


def reply(*texts: str, finish: str = "stop") -> tuple[str, ...]:
    return (*(chunk(text) for text in texts), chunk(finish=finish), DONE)


async def open_stream(asked: web.Request, **headers: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", **headers})
    await response.prepare(asked)
    return response


def streams(*parts: str | bytes) -> Behaviour:
    """Sends the parts and ends."""

    async def answer(asked: web.Request) -> web.StreamResponse:
        response = await open_stream(asked)
        for part in parts:
            await response.write(part if isinstance(part, bytes) else part.encode())
        return response

    return answer


def refuses(status: int, **headers: str) -> Behaviour:
    async def answer(asked: web.Request) -> web.StreamResponse:
        body = {"error": {"message": f"you sent {await asked.text()}"}}
        return web.json_response(body, status=status, headers=headers)

    return answer


class Server:
    """Behaves as told, call by call; the last behaviour is repeated."""

    def __init__(self, behaviours: Sequence[Behaviour]) -> None:
        self._behaviours = behaviours
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.peers: list[Any] = []

    async def answer(self, asked: web.Request) -> web.StreamResponse:
        behaviour = self._behaviours[min(len(self.bodies), len(self._behaviours) - 1)]
        self.bodies.append(await asked.json())
        self.headers.append(dict(asked.headers))
        assert asked.transport is not None
        self.peers.append(asked.transport.get_extra_info("peername"))
        return await behaviour(asked)


@asynccontextmanager
async def serving(*behaviours: Behaviour, ssl: Any = None) -> AsyncIterator[Server]:
    server = Server(behaviours)
    application = web.Application()
    application.add_routes([web.post("/v1/chat/completions", server.answer)])
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl)
    await site.start()
    server.url = f"{'https' if ssl else 'http'}://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(*answers: bytes) -> AsyncIterator[str]:
    """Writes each connection's bytes as they are and hangs up: for what a proper server can't do."""
    left = list(answers)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await server.wait_closed()


class Time:
    """What a generator waits by and reads the time from, in a test's hands."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.seconds = 0.0

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def monotonic(self) -> float:
        return self.seconds


@asynccontextmanager
async def asking(
    url: str, *, key: str = "", time: Time | None = None, **options: Any
) -> AsyncIterator[RemoteGenerator]:
    time = time or Time()
    generator = RemoteGenerator(
        RemoteOptions(url=url, **options),
        key,
        sleep=time.sleep,
        jitter=lambda: 1.0,
        monotonic=time.monotonic,
    )
    generator.start()
    try:
        yield generator
    finally:
        await generator.stop()
