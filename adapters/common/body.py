"""Reading a request's body, no further than allowed."""

from __future__ import annotations

import asyncio

from aiohttp import web

__all__ = ["BODY_LIMIT", "BodyRefused", "read_body"]

BODY_LIMIT = 1 << 20
"""Bytes a platform may post at once; more is refused with 413."""
READ_S = 60.0


class BodyRefused(Exception):
    """The body is too large (413), came too slowly or broke off (408), or can't be unpacked (400)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = {413: "too_large", 408: "too_slow"}.get(status, "malformed")
        """The word to count it under (`Host.refused`)."""


async def read_body(request: web.Request, limit: int = BODY_LIMIT) -> bytes:
    """The whole body.

    Raises:
        BodyRefused: 413 above `limit` bytes (unpacked), 408 when it isn't there in a minute or breaks
            off, 400 when it isn't in the `Content-Encoding` it claims.
    """
    if (request.content_length or 0) > limit:
        raise BodyRefused(413, f"at most {limit} bytes are taken")
    body = bytearray()
    try:
        async with asyncio.timeout(READ_S):
            # A read gives what has arrived so far: the body is whole only at its end.
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > limit:
                    raise BodyRefused(413, f"at most {limit} bytes are taken")
    except TimeoutError:
        raise BodyRefused(408, f"the body wasn't there after {READ_S:.0f} s") from None
    except ConnectionError:
        raise BodyRefused(408, "the connection ended before the body did") from None
    except web.RequestPayloadError:
        raise BodyRefused(400, "the body isn't in its Content-Encoding") from None
    return bytes(body)
