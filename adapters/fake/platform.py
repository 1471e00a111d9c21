"""A platform that lives in memory, for tests: of Teller's own and of those who build on it.

platform = FakePlatform()
async with counter(platform): ...          # give it to the app as an adapter
await platform.say("信用卡丢了怎么办？", chat="wang")
reply = await platform.reply()
assert "挂失" in reply.text
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import count

from aiohttp import web

from adapters.base import Attachment, Capabilities, Finding, Health, Host
from bot.types import (
    Conversation,
    Delivery,
    Draft,
    EventKind,
    InboundEvent,
    Language,
    OutboundMessage,
    Part,
    Sender,
    Text,
)

__all__ = ["FakePlatform"]


class FakePlatform:
    """An adapter whose customers are method calls.

    `failures` are raised by the next sends, one each; None stands for a send that works.
    """

    def __init__(
        self,
        name: str = "fake",
        account: str = "test",
        *,
        capabilities: Capabilities | None = None,
        failures: Iterable[Exception | None] = (),
    ) -> None:
        self.name = name
        self.account = account
        self.capabilities = capabilities or Capabilities(streaming=True, buttons=True, typing=True)
        self.failures = deque(failures)
        self.sent: list[OutboundMessage] = []
        self.drafts: list[Draft] = []
        self.typed: list[Conversation] = []
        self._replies: asyncio.Queue[OutboundMessage] = asyncio.Queue()
        self._numbers = count(1)
        self._host: Host | None = None

    # ── what a test does ──

    async def say(
        self,
        text: str,
        *,
        chat: str = "customer",
        id: str = "",
        kind: EventKind = "message",
        value: str = "",
        parts: tuple[Part, ...] = (),
        locale: str = "",
    ) -> bool:
        """Send one event as a customer. True if it was new. `id` is fresh unless given.

        Raises:
            StoreBusy, QueueFull: what a real platform would see as 503.
        """
        if self._host is None:
            raise RuntimeError("the app isn't started")
        now = self._host.now()
        event = InboundEvent(
            event_id=id or f"{chat}-{next(self._numbers)}",
            conversation=self.conversation(chat),
            sender=Sender(chat, locale=locale),
            kind=kind,
            parts=((Text(text),) if text else ()) + parts,
            occurred_at=now,
            received_at=now,
            correlation_id=self._host.new_id(),
            value=value,
        )
        return await self._host.accept(event)

    async def press(self, value: str, *, chat: str = "customer") -> bool:
        """Press a button that carries `value`."""
        return await self.say("", chat=chat, kind="button", value=value)

    async def reply(self, *, patience: float = 10.0) -> OutboundMessage:
        """The next message that was sent. Raises TimeoutError."""
        async with asyncio.timeout(patience):
            return await self._replies.get()

    def conversation(self, chat: str = "customer") -> Conversation:
        return Conversation(self.name, self.account, chat)

    # ── the adapter ──

    @property
    def accounts(self) -> tuple[str, ...]:
        return (self.account,)

    def routes(self) -> list[web.RouteDef]:
        return []

    async def start(self, host: Host, *, receive: bool = True) -> None:
        self._host = host

    async def stop(self) -> None:
        self._host = None

    async def close(self) -> None:
        """Nothing is open."""

    async def send(self, message: OutboundMessage) -> Delivery:
        failure = self.failures.popleft() if self.failures else None
        if failure is not None:
            raise failure
        self.sent.append(message)
        self._replies.put_nowait(message)
        return Delivery(f"fake-{len(self.sent)}")

    async def fetch(self, conversation: Conversation, ref: str) -> Attachment:
        if self._host is None:
            raise RuntimeError("the app isn't started")
        return await self._host.attachment(conversation, ref)

    async def check(self, public_url: str) -> list[Finding]:
        return []

    async def draft(self, draft: Draft) -> None:
        self.drafts.append(draft)

    async def typing(self, conversation: Conversation, language: Language) -> None:
        self.typed.append(conversation)

    async def health(self) -> Health:
        return Health(True, datetime.now(UTC).isoformat())
