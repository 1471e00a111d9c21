"""WeCom's server API: one access token, kept fresh, and calls that carry it.

    call ─► token (memory ─► notes ─► gettoken) ─► request ─► errcode 0: the answer
                       ▲                              │ 40014, 42001, 40001: once
                       └──────────── renewed ◄────────┘

Source: 获取access_token (developer.work.weixin.qq.com/document/path/91039).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from adapters.base import Notes
from adapters.wecom.errcodes import STALE, WeComError, WeComRefused
from adapters.wecom.wire import API_BASE, Download, Form, Method, Request, Wire
from bot.errors import SendError

__all__ = ["API_BASE", "Download", "Form", "WeComApi", "WeComError", "WeComRefused"]

EARLY_S: Final = 300.0
"""A token is given up so many seconds before its end, so that none ends on its way."""

T = TypeVar("T")


class WeComApi:
    """One secret of one corporation.

    Args:
        api_base: scheme and host; paths below `/cgi-bin/` are appended.
        notes: where the token is kept for all processes; None: in this object only.
        session: gives the HTTP session, which its owner closes.
        clock: seconds since the epoch.
        timeout_s: for a whole request.
    """

    def __init__(
        self,
        *,
        api_base: str,
        corp_id: str,
        secret: str,
        notes: Notes | None,
        session: Callable[[], aiohttp.ClientSession],
        clock: Callable[[], float],
        timeout_s: float = 10.0,
    ) -> None:
        self._wire = Wire(api_base, session, clock)
        self._corp_id = corp_id
        self._secret = secret
        self._notes = notes
        self._clock = clock
        self._timeout_s = timeout_s
        # Apps of one corporation have tokens of their own: the note is named after the secret.
        self._note = f"token:{hashlib.sha256(f'{corp_id}|{secret}'.encode()).hexdigest()[:16]}"
        self._token = _Token("", 0.0)
        self._fetching = asyncio.Lock()
        self.trouble = ""
        """Why WeCom refuses this server at all (secret, corporation, IP address); empty: it doesn't."""

    @property
    def skew_s(self) -> float | None:
        """How far WeCom's clock is ahead of ours, by the last answer's Date; ± 1 s."""
        return self._wire.skew_s

    async def call(
        self,
        method: Method,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Form | None = None,
        repeatable: bool | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """The answer of a call to `/cgi-bin/<path>`, whose errcode is 0.

        Args:
            repeatable: nothing is shown twice if it is made again, so a timeout isn't ambiguous;
                GETs are unless told otherwise.

        Raises:
            RetryLater: over a rate limit.
            WeComRefused: refused for good (a SendRefused).
            WeComError: any other errcode (a SendError).
            SendAmbiguous: no answer, after the request may have been taken.
            SendError: WeCom can't be reached, or is at fault.
            StoreBusy: the notes can't be reached.
        """
        request = Request(
            method,
            path,
            params or {},
            json=json,
            form=form,
            repeatable=method == "GET" if repeatable is None else repeatable,
            timeout_s=timeout_s or self._timeout_s,
        )
        return await self._with_token(self._wire.ask, request)

    async def download(
        self, path: str, *, params: Mapping[str, str], limit: int, timeout_s: float = 30.0
    ) -> Download:
        """A file of at most `limit` bytes.

        Raises:
            AttachmentRefused: it is larger.
            RetryLater, WeComRefused, WeComError, SendError, StoreBusy: as `call`.
        """
        request = Request("GET", path, params, repeatable=True, timeout_s=timeout_s)
        return await self._with_token(lambda request: self._wire.fetch(request, limit), request)

    async def token(self) -> str:
        """A valid token.

        Raises:
            SendError: there is none to be had; says why.
            StoreBusy: the notes can't be reached.
        """
        return await self._fresh("")

    async def _with_token(self, send: Callable[[Request], Awaitable[T]], request: Request) -> T:
        token = await self._fresh("")
        try:
            return await self._send(send, request, token)
        except WeComError as error:
            if error.errcode not in STALE:
                raise
        # Once: a second refusal isn't the token's age, and asking on would use up the quota.
        return await self._send(send, request, await self._fresh(token))

    async def _send(self, send: Callable[[Request], Awaitable[T]], request: Request, token: str) -> T:
        try:
            answer = await send(replace(request, params={**request.params, "access_token": token}))
        except WeComError as error:
            if error.errcode == 60020:
                self.trouble = str(error)
            raise
        self.trouble = ""
        return answer

    async def _fresh(self, refused: str) -> str:
        """A token that isn't `refused`; concurrent callers make one gettoken."""
        if self._usable(self._token, refused):
            return self._token.value
        async with self._fetching:
            if not self._usable(self._token, refused):
                noted = await self._noted()
                # Processes may ask at the same time: WeCom gives all of them the same token.
                self._token = noted if self._usable(noted, refused) else await self._get_token()
            return self._token.value

    def _usable(self, token: _Token, refused: str) -> bool:
        return token.value not in ("", refused) and token.until > self._clock()

    async def _noted(self) -> _Token:
        kept = None if self._notes is None else await self._notes.get(self._note)
        try:
            return msgspec.json.decode(kept, type=_Token) if kept else _Token("", 0.0)
        except msgspec.MsgspecError:
            return _Token("", 0.0)

    async def _get_token(self) -> _Token:
        params = {"corpid": self._corp_id, "corpsecret": self._secret}
        try:
            answer = await self._wire.ask(
                Request("GET", "gettoken", params, repeatable=True, timeout_s=self._timeout_s)
            )
        except WeComError as error:
            wrong = {40001: "secret", 40013: "corp_id", 40091: "secret"}.get(error.errcode)
            if wrong is None:
                raise
            self.trouble = f"WeCom refuses {wrong} ({error.errcode}); copy it again from the admin console"
            raise WeComError(error.errcode, error.errmsg, f"{wrong} is wrong; copy it again") from None
        token = self._read_token(answer)
        if self._notes is not None:
            lasts_s = token.until - self._clock()
            await self._notes.put(self._note, msgspec.json.encode(token).decode(), ttl_s=lasts_s)
        return token

    def _read_token(self, answer: Mapping[str, Any]) -> _Token:
        value, lasts = answer.get("access_token"), answer.get("expires_in", 7200)
        if not isinstance(value, str) or not value or not isinstance(lasts, int):
            raise SendError("WeCom's gettoken gave no token")
        return _Token(value, self._clock() + max(lasts - EARLY_S, lasts / 2))


class _Token(msgspec.Struct, frozen=True):
    value: str
    until: float
    """Seconds since the epoch."""

    def __repr__(self) -> str:
        return f"_Token(…, until={self.until})"
