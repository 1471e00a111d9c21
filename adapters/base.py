"""The boundary between Teller and a platform.

An adapter verifies and parses what its platform sends into `InboundEvent`s and hands them to its
`Host`; and it turns `OutboundMessage`s into the platform's calls. Nothing outside an adapter's own
folder knows its platform's wire.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from aiohttp import web

from bot.types import (
    Conversation,
    Delivery,
    Draft,
    InboundEvent,
    Language,
    OutboundMessage,
)

__all__ = ["Adapter", "Attachment", "Capabilities", "Finding", "Health", "Host", "Line", "Notes", "TextUnit"]

TextUnit = Literal["characters", "utf16", "utf8"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can do. What it can't, its encoder degrades."""

    streaming: bool = False
    """A growing draft can be shown (`Adapter.draft`)."""
    editing: bool = False
    buttons: bool = False
    cards: bool = False
    images: bool = False
    files: bool = False
    typing: bool = False
    threads: bool = False
    proactive: bool = False
    """A conversation can be written to without its having just written."""
    text_limit: int = 4000
    """Longest single text, in `text_unit`; longer ones are split at sentence ends."""
    text_unit: TextUnit = "characters"
    reply_window: float | None = None
    """Seconds after a customer's message in which the platform accepts replies; None: no limit."""
    votes: bool = False
    """Small 👍 and 👎 can stand under an answer (`Votes`); elsewhere they are left out."""
    repeatable: bool = False
    """A message that is sent twice is shown once: the platform, or the adapter, recognises it."""
    connection_bound: bool = False
    """Sends only over the connection that also receives, so one process must do both."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A fetched attachment."""

    name: str
    mime: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a conversation as its customer sees it."""

    id: str
    """Event id or idempotency key."""
    role: Literal["customer", "bot", "staff"]
    at: datetime
    event: InboundEvent | None = None
    """Set for `customer`."""
    message: OutboundMessage | None = None
    """Set for `bot` and `staff`."""


@dataclass(frozen=True, slots=True)
class Health:
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `teller check --online` looked at."""

    what: str
    ok: bool
    detail: str = ""
    """What was found; where it isn't ok, what to do about it."""


class Notes(Protocol):
    """A small durable memory of one account, common to all processes: cursors, tokens, handles.

    A note with a `ttl_s` is gone after so many seconds.
    All raise StoreBusy when the database can't be reached.
    """

    async def get(self, key: str) -> str | None: ...

    async def put(self, key: str, value: str, *, ttl_s: float | None = None) -> None: ...

    async def add(self, key: str, value: str, *, ttl_s: float | None = None) -> bool:
        """Put it unless there is one; True if this call put it. Exactly one of several callers wins."""
        ...

    async def drop(self, key: str) -> None: ...


class Host(Protocol):
    """What Teller offers an adapter."""

    async def accept(self, event: InboundEvent, raw: bytes = b"") -> bool:
        """Store the event durably. True: new; False: already known. Acknowledge only after this.

        Raises:
            StoreBusy, QueueFull: nothing was stored; answer 503 so that the platform retries.
        """
        ...

    async def transcript(self, conversation: Conversation, *, limit: int = 100) -> list[Line]:
        """The latest lines, oldest first, accepted but unanswered customer messages included."""
        ...

    async def outgoing(self, conversation: Conversation, *, after: int) -> list[tuple[int, OutboundMessage]]:
        """Messages released to this conversation with a number above `after`, in order. Numbers
        grow within a conversation and are stable, so they serve as Last-Event-ID."""
        ...

    async def keep_attachment(self, conversation: Conversation, attachment: Attachment) -> str:
        """Store an uploaded attachment, after it was examined; returns its reference.

        Raises:
            AttachmentRefused: a program, an archive bomb, a picture of absurd size …; nothing was stored.
            StoreBusy: nothing was stored.
        """
        ...

    async def attachment(self, conversation: Conversation, ref: str) -> Attachment:
        """A kept attachment of this very conversation.

        Raises:
            UnknownAttachment: no such one here.
        """
        ...

    def notes(self, platform: str, account: str) -> Notes:
        """The durable memory of one account."""
        ...

    def refused(self, platform: str, reason: str) -> None:
        """Count a request that was turned away or ignored: `reason` is a short fixed word such as
        `bad_signature`, `stale`, `malformed`, `too_large`, `unknown_type`, `own_message`."""
        ...

    async def push(self, topic: str, payload: bytes) -> None:
        """Tell all processes that run this adapter something transient (lossy)."""
        ...

    def pushed(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Listen to `push` from any process, this one included."""
        ...

    def now(self) -> datetime: ...

    def new_id(self) -> str:
        """A fresh unique id, for correlation; never for `event_id`."""
        ...


class Adapter(Protocol):
    """One account on one platform."""

    name: str
    """The platform, as in `Conversation.platform`."""
    account: str
    """What the operator calls this account; with `name` it names the adapter in `/readyz`."""
    capabilities: Capabilities

    @property
    def accounts(self) -> Collection[str]:
        """All values of `Conversation.account` whose messages it delivers."""
        ...

    def routes(self) -> list[web.RouteDef]:
        """HTTP routes this adapter serves, if any."""
        ...

    async def start(self, host: Host, *, receive: bool = True) -> None:
        """Get ready to send; and, in the process whose role it is, begin to receive (sockets,
        polling, the routes). Every process that sends starts its adapters; one receives."""
        ...

    async def stop(self) -> None:
        """Stop receiving; let what is being accepted finish. Sends may still come."""
        ...

    async def close(self) -> None:
        """End for good: sessions, sockets."""
        ...

    async def send(self, message: OutboundMessage) -> Delivery:
        """Deliver one message, degraded to what the platform can show.

        Raises:
            RetryLater, SendRefused, SendAmbiguous
        """
        ...

    async def fetch(self, conversation: Conversation, ref: str) -> Attachment:
        """The attachment behind an inbound part's `ref`.

        Raises:
            UnknownAttachment: it isn't there (any more).
            AttachmentRefused: it is larger than is taken.
            SendError: the platform can't be reached now.
        """
        ...

    async def draft(self, draft: Draft) -> None:
        """Show a growing preview; best effort, never raises for the platform's sake."""
        ...

    async def typing(self, conversation: Conversation, language: Language) -> None:
        """Show that an answer is being prepared; best effort."""
        ...

    async def health(self) -> Health: ...

    async def check(self, public_url: str) -> list[Finding]:
        """Ask the platform whether tokens, scopes, callback and clock are right; changes nothing and
        needs no `start`. `public_url` is where the platform reaches this server, or empty."""
        ...
