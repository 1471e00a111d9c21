"""The generator over the bus: whoever hosts a worker serves it, whoever runs turns asks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import cast

from bot.bus import Bus
from bot.errors import BusError, InferenceUnavailable
from bot.ports import Clock, Generator
from bot.types import GenerateRequest, decode, encode

__all__ = ["BusGenerator", "serve_generator"]

GENERATE = "inference.generate"
ALIVE = "inference.alive"
BEAT_S = 1.0
MISSED_BEATS = 5


@asynccontextmanager
async def serve_generator(bus: Bus, generator: Generator) -> AsyncIterator[None]:
    """Answer generation requests from the bus, and tell that it can be asked."""

    async def answer(payload: bytes) -> AsyncGenerator[bytes, None]:
        pieces = cast("AsyncGenerator[str, None]", generator.generate(decode(payload, GenerateRequest)))
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece.encode()

    async def beat() -> None:
        while True:
            if generator.ready:
                await bus.publish(ALIVE)
            await asyncio.sleep(BEAT_S)

    async with bus.serve(GENERATE, answer):
        beating = asyncio.create_task(beat())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)


class BusGenerator:
    """A `Generator` somewhere behind the bus."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._heard = 0.0

    @property
    def ready(self) -> bool:
        return self._clock().timestamp() - self._heard < BEAT_S * MISSED_BEATS

    async def listen(self) -> None:
        """Follow the workers' heartbeats until cancelled."""
        while True:
            with suppress(BusError):
                async with self._bus.subscribe(ALIVE) as beats:
                    async for _ in beats:
                        self._heard = self._clock().timestamp()
            await asyncio.sleep(BEAT_S)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[str, None]:
        if not self.ready:
            raise InferenceUnavailable("no inference worker is ready")
        replies = cast(
            "AsyncGenerator[bytes, None]",
            self._bus.request(GENERATE, encode(request), patience=request.deadline),
        )
        try:
            async with aclosing(replies):
                async for reply in replies:
                    yield reply.decode()
        except BusError as error:
            raise InferenceUnavailable(str(error)) from error
