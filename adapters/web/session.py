"""Who is asking: an anonymous browser, known by a random cookie; and whether it is asking itself."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from adapters.web.refusals import Refusal
from adapters.web.settings import WebSettings

__all__ = ["COOKIE", "chat_of", "new_token", "remember", "require_same_origin", "token_of"]

COOKIE: Final = "teller_chat"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{24,64}")
_TOKEN_BYTES: Final = 24


def new_token() -> str:
    """A cookie value of 192 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def chat_of(token: str) -> str:
    """The conversation's `chat` behind a cookie.

    A digest (128 bits) rather than the cookie itself: `chat` is part of event ids, logs and staff's
    screens, and none of those may let their reader speak as the customer.
    """
    return hashlib.sha256(token.encode()).hexdigest()[:32]


def token_of(request: web.Request) -> str | None:
    """The request's well-formed cookie, if it has one."""
    token = request.cookies.get(COOKIE, "")
    return token if _TOKEN.fullmatch(token) else None


def remember(response: web.StreamResponse, request: web.Request, token: str, settings: WebSettings) -> None:
    """Set the cookie: out of scripts' reach, and not sent along by other sites' forms."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=settings.session_seconds,
        httponly=True,
        samesite="Lax",
        secure=settings.secure_cookies or request.secure,
        path="/",
    )


def require_same_origin(request: web.Request) -> None:
    """Refuse what another site's page makes a browser send.

    A browser names the page in Origin on every POST; clients that send none carry no one's cookie
    by accident. Only host and port are compared: behind a TLS proxy we see http for https.

    Raises:
        Refusal: 403.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise Refusal(403, "forbidden")
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
        raise Refusal(403, "forbidden")
