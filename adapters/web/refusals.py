"""How the API says no: one JSON shape, in both languages, with a code for the page to act on."""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from adapters.web.strings import say
from bot.errors import QueueFull, StoreBusy
from bot.types import encode

__all__ = ["SECURITY_HEADERS", "Handler", "Refusal", "answered", "reply"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)

SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NOTHING_RUNS: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"
_BUSY_SECONDS: Final = 2.0


class Refusal(Exception):
    """Ends a request with `status` and the error `code` of adapters.web.strings."""

    def __init__(self, status: int, code: str, *, retry_after: float = 0.0, **values: object) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.values = values


def reply(value: object, status: int = 200) -> web.Response:
    """`value` as JSON that no cache keeps."""
    headers = {**SECURITY_HEADERS, "Cache-Control": "no-store", "Content-Security-Policy": _NOTHING_RUNS}
    return web.Response(body=encode(value), status=status, content_type="application/json", headers=headers)


def _refuse(refusal: Refusal) -> web.Response:
    limits = {k: v for k, v in refusal.values.items() if isinstance(v, (int, str))}
    error = {"code": refusal.code, "message": say(refusal.code, **refusal.values), **limits}
    response = reply({"error": error}, refusal.status)
    if refusal.retry_after > 0:
        response.headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    return response


def answered(handler: Handler) -> Handler:
    """`handler` with every failure turned into this API's JSON."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as refusal:
            return _refuse(refusal)
        except (StoreBusy, QueueFull):
            return _refuse(Refusal(503, "busy", retry_after=_BUSY_SECONDS))
        except (web.HTTPException, ConnectionError):
            raise
        except Exception as error:
            # No message of the error: a database's may quote what the customer wrote.
            where = "".join(traceback.format_tb(error.__traceback__))
            kind = type(error).__name__
            log.error("the web chat failed on %s %s: %s\n%s", request.method, request.path, kind, where)
            return _refuse(Refusal(500, "failed"))

    return answer
