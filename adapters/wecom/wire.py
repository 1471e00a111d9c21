"""One HTTP request to WeCom: what is sent, what comes back, and which of our errors it is.

Keys, secrets and tokens travel in query strings, and the HTTP client's errors quote those: none of them
is ever passed on.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal, NoReturn

import aiohttp
import msgspec

from adapters.wecom.errcodes import error_of
from bot.errors import AttachmentRefused, SendAmbiguous, SendError

__all__ = ["API_BASE", "Download", "Form", "Method", "Request", "Wire"]

API_BASE: Final = "https://qyapi.weixin.qq.com"
ANSWER_LIMIT: Final = 4 << 20
"""Bytes of a JSON answer; a page of 1000 customer messages has a tenth of that."""

Method = Literal["GET", "POST"]
Form = Callable[[], aiohttp.FormData]
"""Makes a multipart body; a fresh one for each attempt, as each can be sent only once."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file as WeCom gave it."""

    data: bytes
    mime: str
    disposition: str
    """The Content-Disposition header, which has its name."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call to `/cgi-bin/<path>`."""

    method: Method
    path: str
    params: Mapping[str, str] = field(repr=False)
    json: Any = field(default=None, repr=False)
    form: Form | None = field(default=None, repr=False)
    repeatable: bool = False
    """Nothing is shown twice if it is made again, so a timeout isn't ambiguous."""
    timeout_s: float = 10.0


class Wire:
    """Sends requests and reads answers.

    Args:
        base: scheme and host; paths below `/cgi-bin/` are appended.
        session: gives the HTTP session, which its owner closes.
        clock: seconds since the epoch.
    """

    def __init__(
        self, base: str, session: Callable[[], aiohttp.ClientSession], clock: Callable[[], float]
    ) -> None:
        self._base = base.rstrip("/") + "/cgi-bin/"
        self._session = session
        self._clock = clock
        self.skew_s: float | None = None
        """How far WeCom's clock is ahead of ours, by the last answer's Date; ± 1 s."""

    async def ask(self, request: Request) -> dict[str, Any]:
        """The JSON answer, whose errcode is 0.

        Raises:
            RetryLater, WeComRefused, WeComError: an errcode; see errcodes.py.
            SendAmbiguous: no answer, after the request may have been taken.
            SendError: WeCom can't be reached, or is at fault.
        """
        try:
            answer = await self._send(request, ANSWER_LIMIT)
        except AttachmentRefused:
            _unreadable(request)
        return _json(request, answer.data)

    async def fetch(self, request: Request, limit: int) -> Download:
        """The file that is asked for.

        Raises:
            AttachmentRefused: it has more than `limit` bytes.
            RetryLater, WeComRefused, WeComError, SendError: as `ask`.
        """
        answer = await self._send(request, limit)
        if not answer.disposition:
            # An error, with status 200 all the same.
            _json(request, answer.data)
            _unreadable(request)
        return answer

    async def _send(self, request: Request, file_limit: int) -> Download:
        # WeCom refuses \uXXXX in JSON (errcode 40033): it must be UTF-8 as it is.
        data: Any = request.form() if request.form is not None else None
        headers = {}
        if request.json is not None:
            data = io.BytesIO(msgspec.json.encode(request.json))
            headers["Content-Type"] = "application/json"
        timeout = aiohttp.ClientTimeout(total=request.timeout_s, sock_connect=5.0)
        try:
            async with self._session().request(
                request.method,
                self._base + request.path,
                params=request.params,
                data=data,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                self._note_time(response)
                if response.status >= 300:
                    raise SendError(f"WeCom's {request.path} answers with status {response.status}")
                disposition = response.headers.get("Content-Disposition", "")
                # What isn't a file is JSON, and tells of an error however small a file was asked for.
                limit = file_limit if disposition else ANSWER_LIMIT
                return Download(await _read(response, limit), response.content_type, disposition)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise SendError(f"WeCom can't be reached: {type(error).__name__}") from None
        except (TimeoutError, aiohttp.ClientError) as error:
            late = SendError if request.repeatable else SendAmbiguous
            raise late(f"WeCom's {request.path} broke off: {type(error).__name__}") from None

    def _note_time(self, response: aiohttp.ClientResponse) -> None:
        try:
            theirs = parsedate_to_datetime(response.headers["Date"]).timestamp()
        except (KeyError, ValueError):
            return
        self.skew_s = theirs - self._clock()


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit:
            raise AttachmentRefused(f"at most {limit} bytes are taken")
    return bytes(body)


def _json(request: Request, body: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("errcode", 0), int):
        _unreadable(request)
    if errcode := answer.get("errcode", 0):
        raise error_of(errcode, str(answer.get("errmsg", "")))
    return answer


def _unreadable(request: Request) -> NoReturn:
    """What can't be read says nothing of what was done."""
    late = SendError if request.repeatable else SendAmbiguous
    raise late(f"WeCom's {request.path} gave an answer that can't be read")
