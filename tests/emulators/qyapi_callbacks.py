"""How WeCom calls back: encrypted, signed, and again when nobody acknowledges."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final
from xml.sax.saxutils import escape

import aiohttp

from tests.emulators.qyapi_crypto import seal, signature
from tests.emulators.qyapi_state import App

__all__ = ["Callbacks", "as_xml"]

TRIES: Final = 4
"""The first delivery and three more."""


class Callbacks:
    """The half of the emulator that speaks first."""

    apps: list[App]

    def __init__(self, corp_id: str, clock: Callable[[], float], patience: float) -> None:
        self.corp_id = corp_id
        self.clock = clock
        self.patience = patience
        self.skew = 0.0
        """Seconds that the callbacks' timestamps are ahead."""
        self.delivered: list[tuple[App, str]] = []
        """What was called back, decrypted, oldest first."""
        self._ids = count(7_400_000_000_000_000_001)
        self._session: aiohttp.ClientSession | None = None

    async def say(self, user: str, text: str, *, app: App | None = None) -> list[int]:
        """A member writes; the statuses that the callback met (one, if it was acknowledged at once)."""
        return await self.message(user, "text", app=app, Content=text)

    async def message(self, user: str, kind: str, *, app: App | None = None, **fields: Any) -> list[int]:
        """A message of any type, by its XML fields."""
        return await self.call_back(
            app or self.apps[0],
            {
                "ToUserName": self.corp_id,
                "FromUserName": user,
                "CreateTime": int(self.clock()),
                "MsgType": kind,
                **fields,
                "MsgId": next(self._ids),
                "AgentID": (app or self.apps[0]).agent_id,
            },
        )

    async def event(self, user: str, event: str, *, app: App | None = None, **fields: Any) -> list[int]:
        """An event, by its XML fields."""
        return await self.call_back(
            app or self.apps[0],
            {
                "ToUserName": self.corp_id,
                "FromUserName": user,
                "CreateTime": int(self.clock()),
                "MsgType": "event",
                "Event": event,
                **fields,
                "AgentID": (app or self.apps[0]).agent_id,
            },
        )

    async def call_back(self, app: App, fields: Mapping[str, Any]) -> list[int]:
        """Post the fields as XML."""
        return await self.deliver(app, as_xml(fields))

    async def redeliver(self, number: int = -1) -> list[int]:
        """Post again what was called back before."""
        app, plain = self.delivered[number]
        return await self.deliver(app, plain)

    async def deliver(self, app: App, plain: str) -> list[int]:
        """Post until it is acknowledged, four times at most; the statuses, 0 for no answer in time."""
        self.delivered.append((app, plain))
        met: list[int] = []
        for _ in range(TRIES):
            query, body = self.sealed(app, plain)
            met.append(await self._post(app.callback_url, query, body))
            if met[-1] == 200:
                break
        return met

    def sealed(self, app: App, plain: str) -> tuple[dict[str, str], bytes]:
        """Query and body of a callback."""
        query, encrypted = self._signed(app, plain)
        body = {"ToUserName": self.corp_id, "Encrypt": encrypted, "AgentID": app.agent_id}
        return query, as_xml(body).encode()

    async def check_address(self, app: App, plain: str = "5927782489442352469") -> tuple[int, bytes]:
        """What WeCom does when the callback is saved in the admin console: status and body it gets."""
        query, encrypted = self._signed(app, plain)
        async with self._open().get(app.callback_url, params=query | {"echostr": encrypted}) as response:
            return response.status, await response.read()

    async def close_callbacks(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _signed(self, app: App, plain: str) -> tuple[dict[str, str], str]:
        encrypted = seal(app.encoding_aes_key, self.corp_id, plain)
        timestamp, nonce = str(int(self.clock() + self.skew)), secrets.token_hex(5)
        signed = signature(app.token, timestamp, nonce, encrypted)
        return {"msg_signature": signed, "timestamp": timestamp, "nonce": nonce}, encrypted

    async def _post(self, url: str, query: Mapping[str, str], body: bytes) -> int:
        timeout = aiohttp.ClientTimeout(total=self.patience)
        headers = {"Content-Type": "text/xml"}
        try:
            async with self._open().post(
                url, params=query, data=body, headers=headers, timeout=timeout
            ) as response:
                content = await response.read()
                # An acknowledgement is empty; anything else would be shown to the member or refused.
                return response.status if response.status != 200 or not content else -1
        except (TimeoutError, aiohttp.ClientError):
            return 0

    def _open(self) -> aiohttp.ClientSession:
        self._session = self._session or aiohttp.ClientSession()
        return self._session


def as_xml(fields: Mapping[str, Any]) -> str:
    """As WeCom writes it: numbers bare, texts as CDATA."""

    def element(name: str, value: Any) -> str:
        if isinstance(value, int):
            return f"<{name}>{value}</{name}>"
        if isinstance(value, Mapping):
            return f"<{name}>{''.join(element(n, v) for n, v in value.items())}</{name}>"
        text = str(value)
        return f"<{name}>{escape(text) if ']]>' in text else f'<![CDATA[{text}]]>'}</{name}>"

    return f"<xml>{''.join(element(name, value) for name, value in fields.items())}</xml>"
