"""The plain, frozen data that crosses Teller's borders.

Everything here is immutable, serialises to JSON with `encode` and comes back with `decode`, and
names no platform. An event holds no live client: it can be stored, replayed and audited.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec

__all__ = [
    "Assessment",
    "Button",
    "Buttons",
    "Card",
    "Citation",
    "Conversation",
    "ConversationKind",
    "Delivery",
    "Draft",
    "EventKind",
    "Exchange",
    "File",
    "FileOut",
    "Fired",
    "GenerateRequest",
    "HandOver",
    "Hit",
    "Image",
    "ImageOut",
    "InboundEvent",
    "Language",
    "Location",
    "MessageKind",
    "OutPart",
    "OutboundMessage",
    "Part",
    "Passage",
    "RiskAction",
    "SearchResult",
    "Sender",
    "Sources",
    "Sticker",
    "SystemEvent",
    "Text",
    "Voice",
    "Votes",
    "decode",
    "encode",
]

Language = Literal["zh", "en"]
EventKind = Literal["message", "command", "button", "edit", "join", "system"]
ConversationKind = Literal["direct", "group"]
SystemEvent = Literal["desk_taken", "desk_returned", "blocked", "unblocked"]
"""What a platform reports besides messages: a person at the platform's own desk took the conversation
over or gave it back; the customer blocked the bot or let it write again."""
MessageKind = Literal["answer", "warning", "confirmation", "notice", "digest"]

T = TypeVar("T")


class Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=False, omit_defaults=True):
    """Base of all boundary types: frozen, comparable, JSON in and out."""


# ── what comes in ────────────────────────────────────────────────────────────────────────────────


class Conversation(Plain, frozen=True):
    """Where a message belongs. Order is kept, and state is held, per conversation."""

    platform: str
    account: str
    """Which bot, app or workspace of that platform received it."""
    chat: str
    thread: str = ""
    kind: ConversationKind = "direct"

    @property
    def key(self) -> str:
        """The one string that names this conversation in the store and on the bus."""
        return "|".join((self.platform, self.account, self.chat, self.thread))


class Sender(Plain, frozen=True):
    id: str
    name: str = ""
    locale: str = ""
    """The platform's own idea of the person's language (BCP 47), where it has one."""
    is_bot: bool = False


class Text(Plain, frozen=True, tag="text"):
    text: str


class Image(Plain, frozen=True, tag="image"):
    """A picture, by lazy reference: `ref` is fetched through the adapter that made it."""

    ref: str
    mime: str = ""
    size: int = 0
    name: str = ""


class File(Plain, frozen=True, tag="file"):
    ref: str
    mime: str = ""
    size: int = 0
    name: str = ""


class Voice(Plain, frozen=True, tag="voice"):
    ref: str
    mime: str = ""
    size: int = 0
    seconds: float = 0.0


class Location(Plain, frozen=True, tag="location"):
    latitude: float
    longitude: float
    label: str = ""


class Sticker(Plain, frozen=True, tag="sticker"):
    ref: str
    emoji: str = ""


Part = Text | Image | File | Voice | Location | Sticker


class InboundEvent(Plain, frozen=True):
    """One thing that happened on a platform, normalised.

    `event_id` is the platform's own stable id and, with platform and account, is what intake
    de-duplicates by; it is never random.
    """

    event_id: str
    conversation: Conversation
    sender: Sender
    kind: EventKind
    parts: tuple[Part, ...]
    occurred_at: datetime
    received_at: datetime
    correlation_id: str
    value: str = ""
    """For `button`: the pressed button's value. For `command`: the command with its slash (its
    arguments are the text). For `system`: a `SystemEvent`."""
    in_reply_to: str = ""
    raw_ref: str = ""
    hidden: tuple[str, ...] = ()
    """Kinds of secrets (OTP, PIN, CVV, PASSWORD) that were taken out before it was stored."""
    dropped: int = 0
    """Characters at the end of the text that were not stored: it was far longer than what is read."""

    @property
    def platform(self) -> str:
        return self.conversation.platform

    @property
    def account(self) -> str:
        return self.conversation.account

    @property
    def text(self) -> str:
        """All text parts, joined by newlines."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))


# ── what goes out ────────────────────────────────────────────────────────────────────────────────


class Citation(Plain, frozen=True):
    """Where an answer comes from: a knowledge entry or a section of a document."""

    id: str
    title: str
    excerpt: str = ""
    uri: str = ""
    mark: tuple[int, int] | None = None
    """Start and end, in code points of `excerpt`, of the words that answer; None where that isn't clear."""


class Button(Plain, frozen=True):
    label: str
    value: str
    """Comes back as `InboundEvent.value` of a `button` event."""


class Buttons(Plain, frozen=True, tag="buttons"):
    """Quick replies. Without buttons a platform shows numbered choices."""

    choices: tuple[Button, ...]
    prompt: str = ""


class Card(Plain, frozen=True, tag="card"):
    title: str
    fields: tuple[tuple[str, str], ...] = ()
    text: str = ""
    buttons: tuple[Button, ...] = ()
    uri: str = ""


class ImageOut(Plain, frozen=True, tag="image"):
    ref: str
    alt: str
    mime: str = "image/png"


class FileOut(Plain, frozen=True, tag="file"):
    ref: str
    name: str
    mime: str = "application/octet-stream"


class Sources(Plain, frozen=True, tag="sources"):
    """The citations under an answer. A platform without cards shows them as footnotes."""

    citations: tuple[Citation, ...]


class HandOver(Plain, frozen=True, tag="hand_over"):
    """After what comes before it is shown, give the conversation to a person at the platform's own
    desk, where it has one. Elsewhere it shows nothing."""

    department: str = ""


class Votes(Plain, frozen=True, tag="votes"):
    """👍 and 👎 under an answer. Where a platform doesn't show them, nothing stands in their place."""

    up: str
    """Comes back as `InboundEvent.value` of a `button` event when 👍 is pressed."""
    down: str


OutPart = Text | Buttons | Card | ImageOut | FileOut | Sources | HandOver | Votes


class OutboundMessage(Plain, frozen=True):
    """One message to a customer or a staff channel, in no platform's format.

    `idempotency_key` is derived from the event that caused it, so that a turn run twice makes the
    same message, and a draft streamed earlier is finished by it rather than repeated.
    """

    conversation: Conversation
    parts: tuple[OutPart, ...]
    idempotency_key: str
    kind: MessageKind
    in_reply_to: str = ""
    language: Language = "zh"
    appended: tuple[str, ...] = ()
    """Paragraphs of the text that code put under an answer (disclaimers), and that nobody is to learn."""

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))


class Draft(Plain, frozen=True):
    """A growing preview of an answer: lossy, plain text, replaced whole by each later one.

    The `OutboundMessage` with the same `idempotency_key` ends it. `text` is all text so far.
    """

    conversation: Conversation
    idempotency_key: str
    text: str
    sequence: int
    in_reply_to: str = ""
    """Id of the event that is being answered."""
    language: Language = "zh"


class Delivery(Plain, frozen=True):
    """What a platform said about one send."""

    message_id: str
    """The platform's id of the (last) message it made."""


# ── knowledge and inference ──────────────────────────────────────────────────────────────────────


class Passage(Plain, frozen=True):
    """A piece of the bank's knowledge that can be cited: an entry's answer, or a document section."""

    id: str
    """Entry id, or `document-id#section-slug`."""
    language: Language
    title: str
    text: str
    topic: str = ""
    kind: Literal["entry", "document"] = "entry"
    related: tuple[str, ...] = ()
    """Ids of passages a customer is likely to want next."""
    group: str = ""
    """Passages with equal non-empty group give the same answer (evaluation counts them as one)."""


class Hit(Plain, frozen=True):
    passage: Passage
    score: float
    """Fused relevance, higher is better; comparable inside one search only."""


class SearchResult(Plain, frozen=True):
    hits: tuple[Hit, ...]
    """Best first, at most one per passage id."""
    confidence: float
    """Calibrated probability (0–1) that the first hit answers the question."""
    query: str
    """The query as searched, after a follow-up was resolved against history."""
    version: str = ""
    """Hash of the index that answered."""


class Exchange(Plain, frozen=True):
    """One earlier question and its answer, as a follow-up is resolved against it."""

    question: str
    answer: str
    passages: tuple[str, ...] = ()
    """Ids of the passages the answer cited."""
    asker: str = ""
    """Which member of a group asked, as the store names whose data it is; empty in a direct conversation."""


class GenerateRequest(Plain, frozen=True):
    """Ask the worker for an answer grounded on passages and on the conversation so far."""

    id: str
    question: str
    language: Language
    passages: tuple[Passage, ...]
    history: tuple[Exchange, ...] = ()
    max_tokens: int = 160
    deadline: float = 20.0
    """Seconds from receipt after which the worker gives up and says so."""


# ── risk ─────────────────────────────────────────────────────────────────────────────────────────


RiskAction = Literal["none", "warn", "confirm", "escalate", "block"]


class Fired(Plain, frozen=True):
    """A rule that fired, and where: enough for an auditor to see why."""

    id: str
    version: int
    action: RiskAction
    reason: str
    template: str
    spans: tuple[tuple[int, int], ...] = ()
    """Start and end, in code points of the text that was assessed, of the words that fired it."""


class Assessment(Plain, frozen=True):
    """What the risk rules say of one message."""

    action: RiskAction
    rules: tuple[Fired, ...] = ()
    """Those that fired, the strictest first."""
    severity: str = ""
    """P1 (now) to P4; empty where nothing fired."""
    department: str = ""
    reason: str = ""
    template: str = ""
    shadow: tuple[str, ...] = ()
    """Drafts and rules not yet approved that would have fired."""
    errors: tuple[str, ...] = ()
    """Rules that could not be evaluated; then the action is at least `escalate`."""
    attention: float = 0.0
    """What the risk classifier thinks (0 to 1), where it was asked; it may only raise the action."""
    memory: dict[str, Any] = {}
    """What to hand in with the conversation's next message."""
    version: str = ""
    """Hash of the rule set."""


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────

_encoder = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """JSON bytes of any boundary type (or of plain containers of them)."""
    return _encoder.encode(value)


def decode(data: bytes | str, type: type[T]) -> T:
    """The inverse of `encode`.

    Raises:
        msgspec.ValidationError: the JSON doesn't describe a `type`.
    """
    return msgspec.json.decode(data, type=type)
