"""A generator for tests: says what it is told to, when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bot.errors import InferenceUnavailable
from bot.types import GenerateRequest

__all__ = ["FakeModel", "Script"]


@dataclass(frozen=True, slots=True)
class Script:
    """One reply: its pieces, `delay` seconds before each, and a failure after them (or none)."""

    pieces: tuple[str, ...]
    delay: float = 0.0
    failure: str = ""


@dataclass(slots=True)
class FakeModel:
    """A `bot.ports.Generator`. Replies come from `replies` in order; the last one is repeated.

    A plain string is a reply of one piece. Without replies every request fails.
    """

    replies: Sequence[str | Script] = ()
    ready: bool = True
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    requests: list[GenerateRequest] = field(default_factory=list)
    """Every request taken, in order."""
    cancelled: list[str] = field(default_factory=list)
    """Ids of the requests whose iterator was closed before the reply's end."""

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[str, None]:
        """The next scripted reply.

        Raises:
            InferenceUnavailable: not ready, nothing scripted, or a scripted failure.
        """
        if not self.ready or not self.replies:
            raise InferenceUnavailable("the fake model is not ready, or has no replies")
        reply = self.replies[min(len(self.requests), len(self.replies) - 1)]
        script = Script((reply,)) if isinstance(reply, str) else reply
        self.requests.append(request)
        ended = False
        try:
            for piece in script.pieces:
                await self.sleep(script.delay)
                yield piece
            ended = True
            if script.failure:
                raise InferenceUnavailable(script.failure)
        finally:
            if not ended:
                self.cancelled.append(request.id)
