"""WeCom's callbacks: what comes in is checked and decrypted here, for the apps, 微信客服 and the AI bot.

    GET   ?msg_signature&timestamp&nonce&echostr  → the bare plain text of echostr (when it is set up)
    POST  ?msg_signature&timestamp&nonce          ← XML `<Encrypt>` (apps, kf) or JSON `encrypt` (AI bot)

Functions over query and body only: no web framework, no state. A refusal says which status answers it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

import aiohttp
import msgspec
from aiohttp import web

from adapters.base import Finding
from adapters.wecom.crypto import Crypto, CryptoError, Envelope
from adapters.wecom.xml import XmlError, read_xml

__all__ = [
    "MAX_AGE_S",
    "XML_LIMIT",
    "CallbackRefused",
    "answer_url_check",
    "check_callback",
    "check_url",
    "make_crypto",
    "open_json",
    "open_xml",
    "query_of",
    "seal_json",
]

XML_LIMIT: Final = 128 << 10
"""Bytes of a callback in XML; WeCom's have a few thousand. It is parsed before its signature is known, and
a parser is slow enough for a stranger's megabyte to hold up everybody else."""
MAX_AGE_S: Final = 300.0
"""Seconds a signed callback stays valid, either way.

WeCom repeats an unacknowledged callback within about 15 s, so even a repeat that carries the first
timestamp is far inside. The store refuses what it has seen already; this bounds how long a captured
request could be tried after that. A clock that is 5 minutes off is named by `teller check --online`.
"""
CHECK_TIMEOUT_S: Final = 10.0

_STATUS: Final = {"bad_signature": 401, "stale": 401, "wrong_receiver": 403, "malformed": 400}


def make_crypto(
    account: str, token: str, encoding_aes_key: str, receive_id: str, clock: Callable[[], float]
) -> Crypto:
    """
    Raises:
        ValueError: `encoding_aes_key` isn't one; says whose.
    """
    try:
        return Crypto(token, encoding_aes_key, receive_id, clock=clock)
    except ValueError as error:
        raise ValueError(f"wecom: {account!r}: encoding_aes_key is wrong: {error}") from None


class CallbackRefused(Exception):
    """A callback that is turned away.

    `reason` is the word for `Host.refused`: bad_signature, stale, wrong_receiver or malformed;
    `status` the HTTP status to answer with.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = _STATUS[reason]


class _JsonEnvelope(msgspec.Struct, frozen=True):
    encrypt: str


def check_url(crypto: Crypto, query: Mapping[str, str], *, max_age_s: float = MAX_AGE_S) -> bytes:
    """The plain text to answer the check of a callback's address with: as it is, nothing around it.

    Raises:
        CallbackRefused
    """
    # An unescaped + arrives as a blank, and base64 has no blanks.
    cipher = query.get("echostr", "").replace(" ", "+")
    return _open(crypto, query, cipher, max_age_s)


def open_xml(crypto: Crypto, query: Mapping[str, str], body: bytes, *, max_age_s: float = MAX_AGE_S) -> bytes:
    """The decrypted XML of a callback to an app or to 微信客服.

    Raises:
        CallbackRefused
    """
    try:
        cipher = read_xml(body).get("Encrypt", "")
    except XmlError as error:
        raise CallbackRefused("malformed", str(error)) from None
    return _open(crypto, query, cipher.strip(), max_age_s)


def open_json(
    crypto: Crypto, query: Mapping[str, str], body: bytes, *, max_age_s: float = MAX_AGE_S
) -> bytes:
    """The decrypted JSON of a callback to an AI bot.

    Raises:
        CallbackRefused
    """
    try:
        envelope = msgspec.json.decode(body, type=_JsonEnvelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CallbackRefused("malformed", 'the body must be {"encrypt": "…"}') from None
    return _open(crypto, query, envelope.encrypt, max_age_s)


def seal_json(crypto: Crypto, plain: bytes, nonce: str) -> bytes:
    """The body of an encrypted reply to an AI bot's callback; `nonce` is the request's."""
    sealed: Envelope = crypto.seal(plain, nonce)
    return msgspec.json.encode(
        {
            "encrypt": sealed.encrypt,
            "msgsignature": sealed.signature,
            "timestamp": int(sealed.timestamp),
            "nonce": sealed.nonce,
        }
    )


def query_of(request: web.Request) -> dict[str, str]:
    """The request's query; of a name given twice, the first."""
    query: dict[str, str] = {}
    for name, value in request.query.items():
        query.setdefault(name, value)
    return query


def answer_url_check(crypto: Crypto, request: web.Request) -> web.Response:
    """The whole answer to a GET.

    Raises:
        CallbackRefused
    """
    # No charset, byte-order mark or line end: WeCom compares byte for byte.
    return web.Response(body=check_url(crypto, query_of(request)), content_type="text/plain")


def _open(crypto: Crypto, query: Mapping[str, str], cipher: str, max_age_s: float) -> bytes:
    signature, timestamp = query.get("msg_signature", ""), query.get("timestamp", "")
    try:
        crypto.verify(signature, timestamp, query.get("nonce", ""), cipher)
    except CryptoError as error:
        raise CallbackRefused(error.reason, str(error)) from None
    _check_age(crypto, timestamp, max_age_s)
    try:
        return crypto.decrypt(cipher)
    except CryptoError as error:
        raise CallbackRefused(error.reason, str(error)) from None


def _check_age(crypto: Crypto, timestamp: str, max_age_s: float) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise CallbackRefused("malformed", "timestamp must be whole seconds since the epoch")
    age = crypto.now() - int(timestamp)
    if abs(age) > max_age_s:
        raise CallbackRefused(
            "stale", f"signed {age:.0f} s ago; at most {max_age_s:.0f} s are allowed (check the clock)"
        )


async def check_callback(url: str, crypto: Crypto, *, what: str = "callback") -> list[Finding]:
    """Ask a callback's public address what WeCom would ask when it is set up.

    Changes nothing. Says whether the address answers, to our own token and key, with the bare plain
    text, within the second that WeCom allows.
    """
    plain = secrets.token_hex(10).encode()
    sealed = crypto.seal(plain, secrets.token_hex(8))
    query = {
        "msg_signature": sealed.signature,
        "timestamp": sealed.timestamp,
        "nonce": sealed.nonce,
        "echostr": sealed.encrypt,
    }
    timeout = aiohttp.ClientTimeout(total=CHECK_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url}?{urlencode(query)}", allow_redirects=False) as response,
        ):
            return [_judged(what, url, response.status, await response.content.read(4096), plain)]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        detail = (
            f"{url} can't be reached ({type(error).__name__}). Is public_url right, and does the proxy in "
            "front pass /webhooks/ on to Teller?"
        )
        return [Finding(what, False, detail)]


def _judged(what: str, url: str, status: int, body: bytes, plain: bytes) -> Finding:
    if status == 200 and body == plain:
        return Finding(what, True, f"{url} answers WeCom's address check")
    if status == 200:
        detail = f"{url} answers, but not with the bare plain text: something in front changes the body"
    elif status in (401, 403):
        detail = (
            f"{url} refuses our own signature ({status}): another token, key or corporation is in force "
            "there. Is the running Teller configured as this one is?"
        )
    else:
        detail = f"{url} answers {status}. Is Teller running behind it, with this account?"
    return Finding(what, False, detail)
