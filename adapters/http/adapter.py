"""The HTTP platform: the bank's own app, or any system that can post signed JSON.

In: `POST /webhooks/http` with a message; answered once it is stored. Out: one POST to
`deliver_url` for each reply. Both ways signed as in `signature.py`; docs/http.md has the contract.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from adapters.base import Attachment, Capabilities, Finding, Health, Host
from adapters.common.body import BodyRefused, read_body
from adapters.http.signature import sign, verify
from bot.errors import (
    QueueFull,
    RetryLater,
    SendAmbiguous,
    SendError,
    SendRefused,
    StoreBusy,
    UnknownAttachment,
)
from bot.types import (
    Button,
    Buttons,
    Card,
    Conversation,
    ConversationKind,
    Delivery,
    Draft,
    HandOver,
    InboundEvent,
    Language,
    OutboundMessage,
    Sender,
    Sources,
    Text,
    Votes,
)

__all__ = ["HttpAdapter", "InboundMessage"]


class InboundMessage(msgspec.Struct, frozen=True):
    """The JSON a system posts."""

    id: str
    """Stable across retries: the message is handled once however often it comes."""
    chat: str
    sender: str
    text: str = ""
    button: str = ""
    thread: str = ""
    kind: ConversationKind = "direct"
    sender_name: str = ""
    locale: str = ""
    occurred_at: datetime | None = None

    def __post_init__(self) -> None:
        for name, limit in (("id", 200), ("chat", 120), ("sender", 120), ("thread", 120)):
            value = getattr(self, name)
            if (not value and name != "thread") or len(value) > limit or not value.isprintable():
                raise ValueError(f"{name} must have 1 to {limit} printable characters")


class HttpAdapter:
    """One account of the HTTP platform."""

    name = "http"
    capabilities = Capabilities(
        repeatable=True,
        buttons=True,
        cards=True,
        threads=True,
        proactive=True,
        text_limit=100_000,
        text_unit="characters",
    )

    def __init__(
        self,
        secret: str,
        deliver_url: str,
        *,
        account: str = "default",
        timeout_s: float = 10.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.account = account
        self._secret = secret.encode()
        self._deliver_url = deliver_url
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._clock = clock
        self._host: Host | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def accounts(self) -> tuple[str, ...]:
        return (self.account,)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/webhooks/http", self._receive)]

    async def start(self, host: Host, *, receive: bool = True) -> None:
        self._host = host

    async def stop(self) -> None:
        self._host = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def health(self) -> Health:
        return Health(True)

    async def check(self, public_url: str) -> list[Finding]:
        """Whether `deliver_url` can be reached at all; a message isn't posted."""
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.head(self._deliver_url) as response,
            ):
                detail = f"{self._deliver_url} answers (status {response.status} to a HEAD)"
        except (TimeoutError, aiohttp.ClientError) as error:
            reason = str(error) or type(error).__name__
            return [Finding("deliver_url", False, f"{self._deliver_url} can't be reached: {reason}")]
        return [Finding("deliver_url", True, detail)]

    async def fetch(self, conversation: Conversation, ref: str) -> Attachment:
        raise UnknownAttachment("this wire carries no attachments")

    # ── in ──

    async def _receive(self, request: web.Request) -> web.Response:
        host = self._host
        if host is None:
            return _problem(503, "Teller is shutting down", retry=True)
        try:
            body = await read_body(request)
        except BodyRefused as error:
            host.refused(self.name, error.reason)
            return _problem(error.status, str(error))
        wrong = verify(
            self._secret,
            request.headers.get("X-Teller-Timestamp", ""),
            body,
            request.headers.get("X-Teller-Signature", ""),
            self._clock().timestamp(),
        )
        if wrong:
            host.refused(self.name, "bad_signature")
            return _problem(401, wrong)
        try:
            message = msgspec.json.decode(body, type=InboundMessage)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            host.refused(self.name, "malformed")
            return _problem(400, str(error))
        try:
            new = await host.accept(self._event(message, host), body)
        except (StoreBusy, QueueFull) as error:
            return _problem(503, str(error), retry=True)
        return web.json_response({"accepted": True, "duplicate": not new})

    def _event(self, message: InboundMessage, host: Host) -> InboundEvent:
        now = self._clock()
        correlation = host.new_id()
        return InboundEvent(
            event_id=message.id,
            conversation=Conversation(self.name, self.account, message.chat, message.thread, message.kind),
            sender=Sender(message.sender, message.sender_name, message.locale),
            kind="button" if message.button else "message",
            parts=(Text(message.text),) if message.text else (),
            occurred_at=message.occurred_at or now,
            received_at=now,
            correlation_id=correlation,
            value=message.button,
            raw_ref=correlation,
        )

    # ── out ──

    async def send(self, message: OutboundMessage) -> Delivery:
        body = msgspec.json.encode(payload(message))
        timestamp = str(int(self._clock().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": message.idempotency_key,
            "X-Teller-Timestamp": timestamp,
            "X-Teller-Signature": sign(self._secret, timestamp, body),
        }
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            async with self._session.post(self._deliver_url, data=body, headers=headers) as response:
                await response.read()
                _check(response)
        except aiohttp.ClientConnectorError as error:
            raise SendError(f"{self._deliver_url} can't be reached: {error.strerror}") from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise SendAmbiguous(f"{self._deliver_url} broke off after the request was sent") from error
        return Delivery(message.idempotency_key)

    async def draft(self, draft: Draft) -> None:
        """Drafts aren't delivered: each POST is a finished message."""

    async def typing(self, conversation: Conversation, language: Language) -> None:
        """There is no typing state on this wire."""


def payload(message: OutboundMessage) -> dict[str, Any]:
    """The JSON that is posted for a message: this wire's encoder."""
    sources: list[dict[str, str]] = []
    buttons: list[Button] = []
    texts: list[str] = []
    for part in message.parts:
        match part:
            case Text():
                texts.append(part.text)
            case Sources():
                sources += [{"id": c.id, "title": c.title, "excerpt": c.excerpt} for c in part.citations]
            case Buttons():
                texts += [part.prompt] if part.prompt else []
                buttons += part.choices
            case Card():
                lines = [part.title, part.text, *(f"{name}: {value}" for name, value in part.fields)]
                texts.append("\n".join(line for line in lines if line))
                buttons += part.buttons
            case HandOver() | Votes():
                pass
            case _:
                texts.append(getattr(part, "alt", "") or getattr(part, "name", ""))
    conversation = message.conversation
    return {
        "id": message.idempotency_key,
        "in_reply_to": message.in_reply_to,
        "chat": conversation.chat,
        "thread": conversation.thread,
        "kind": message.kind,
        "language": message.language,
        "text": "\n".join(texts),
        "sources": sources,
        "buttons": [{"label": b.label, "value": b.value} for b in buttons],
    }


def _check(response: aiohttp.ClientResponse) -> None:
    """Raise what a refusal means."""
    if response.status < 300:
        return
    if response.status in (429, 503):
        try:
            after = float(response.headers.get("Retry-After", "1"))
        except ValueError:
            after = 1.0
        raise RetryLater(f"status {response.status}", min(max(after, 0.1), 3600.0))
    if response.status >= 500:
        raise SendError(f"status {response.status}")
    raise SendRefused(f"status {response.status}")


def _problem(status: int, message: str, *, retry: bool = False) -> web.Response:
    headers = {"Retry-After": "1"} if retry else {}
    return web.json_response({"accepted": False, "error": message}, status=status, headers=headers)
