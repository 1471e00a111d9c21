"""What WeCom tells an AI bot, by callback or over the long connection: the same JSON either way.

Sources: 接收消息 (developer.work.weixin.qq.com/document/path/100719), 接收事件 (…/101027), 智能机器人
长连接 (…/101463), and the types of Tencent's @wecom/aibot-node-sdk.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from bot.types import Conversation, EventKind, File, Image, InboundEvent, Part, Sender, Text

__all__ = ["Incoming", "Malformed", "Reader"]

Kind = Literal["message", "pressed", "entered", "poll", "evicted", "own", "unknown"]

ID_LIMIT: Final = 128
CHAT_LIMIT: Final = 120
URL_LIMIT: Final = 4000
PARTS_LIMIT: Final = 100
# Tencent's own SDK drops these before it parses: they come unescaped. Escaped, no database takes them.
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0b-\x1f]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_COMMAND: Final = re.compile(r"(/[A-Za-z][\w-]{0,31})(?:@\S+)?(?:\s+(.*))?", re.S)
_MENTION: Final = re.compile(r"^\s*@[^\s@]{1,64}(?=\s)\s*|^\s*@[^\s@]{1,64}\s*$")


class Malformed(ValueError):
    """It isn't what WeCom documents."""


class _From(msgspec.Struct, frozen=True):
    userid: str | None = None


class _Content(msgspec.Struct, frozen=True):
    content: str | None = None


class _Media(msgspec.Struct, frozen=True):
    url: str | None = None
    aeskey: str | None = None
    """The file's own key, over the long connection; by callback it is the bot's."""
    filename: str | None = None


class _Item(msgspec.Struct, frozen=True):
    msgtype: str = ""
    text: _Content | None = None
    voice: _Content | None = None
    """Already recognised: there is no sound to fetch."""
    image: _Media | None = None
    file: _Media | None = None
    video: _Media | None = None


class _Mixed(msgspec.Struct, frozen=True):
    msg_item: list[_Item] = []


class _Stream(msgspec.Struct, frozen=True):
    id: str = ""


class _CardEvent(msgspec.Struct, frozen=True):
    event_key: str | None = None
    task_id: str | None = None


class _Event(msgspec.Struct, frozen=True):
    eventtype: str = ""
    template_card_event: _CardEvent | None = None
    event_key: str | None = None
    task_id: str | None = None


class _Body(_Item, frozen=True, kw_only=True):
    from_: _From | None = msgspec.field(default=None, name="from")
    msgid: str | None = None
    aibotid: str | None = None
    chatid: str | None = None
    chattype: str | None = None
    create_time: Any = None
    response_url: str | None = None
    mixed: _Mixed | None = None
    stream: _Stream | None = None
    event: _Event | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    kind: Kind
    event: InboundEvent | None = None
    """For `message` and `pressed`."""
    response_url: str = ""
    """Takes one message within an hour."""
    stream_id: str = ""
    """For `poll`."""
    task_id: str = ""
    """For `pressed`: the card."""
    what: str = ""
    """For `unknown`: the type, as WeCom calls it."""


class Reader:
    """Reads what comes for one bot.

    Args:
        platform, account: of the events.
        bot_name: whose @mention is taken out in groups.
        new_id: gives correlation ids.
        clock: the time now, in UTC.
    """

    def __init__(
        self,
        platform: str,
        account: str,
        *,
        bot_name: str = "",
        new_id: Callable[[], str],
        clock: Callable[[], datetime],
    ) -> None:
        self._platform = platform
        self._account = account
        self._new_id = new_id
        self._clock = clock
        name = re.escape(bot_name)
        self._mention = re.compile(rf"\s*@{name}(?=\s|$)\s*|@{name}\s*") if bot_name else _MENTION

    def read(self, data: bytes) -> Incoming:
        """What `data`, the decrypted body, says.

        Raises:
            Malformed
        """
        try:
            body = msgspec.json.decode(_CONTROLS.sub(b"", data), type=_Body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"not a callback's JSON: {type(error).__name__}") from None
        if body.msgtype == "stream":
            return Incoming("poll", stream_id=_name(body.stream.id if body.stream else "", "stream.id"))
        if body.msgtype == "event":
            return self._event(body)
        if body.msgtype not in ("text", "image", "mixed", "voice", "file", "video"):
            return Incoming("unknown", what=body.msgtype)
        return self._message(body)

    def _event(self, body: _Body) -> Incoming:
        event = body.event or _Event()
        if event.eventtype == "enter_chat":
            return Incoming("entered")
        if event.eventtype == "disconnected_event":
            return Incoming("evicted")
        if event.eventtype != "template_card_event":
            return Incoming("unknown", what=event.eventtype)
        # Documented nested, typed flat in the SDK; both are seen.
        detail = event.template_card_event or _CardEvent(event.event_key, event.task_id)
        if not detail.event_key:
            raise Malformed("a pressed button must have an event_key")
        made = self._made(body, "button", (), value=_clean(detail.event_key))
        return Incoming("pressed", made, _url(body.response_url), task_id=detail.task_id or "")

    def _message(self, body: _Body) -> Incoming:
        if body.from_ and body.from_.userid and body.from_.userid == body.aibotid:
            return Incoming("own")
        items = body.mixed.msg_item if body.mixed and body.msgtype == "mixed" else [body]
        if len(items) > PARTS_LIMIT:
            raise Malformed(f"more than {PARTS_LIMIT} parts")
        parts = tuple(part for item in items if (part := self._part(item)) is not None)
        if body.chattype == "group":
            parts = self._without_mention(parts)
        made = self._command(body, parts) or self._made(body, "message", parts)
        return Incoming("message", made, _url(body.response_url))

    def _command(self, body: _Body, parts: tuple[Part, ...]) -> InboundEvent | None:
        if len(parts) != 1 or not isinstance(parts[0], Text):
            return None
        found = _COMMAND.fullmatch(parts[0].text.strip())
        if found is None:
            return None
        rest = (found[2] or "").strip()
        return self._made(body, "command", (Text(rest),) if rest else (), value=found[1])

    def _part(self, item: _Item) -> Part | None:
        match item.msgtype:
            case "text" if item.text and item.text.content:
                return Text(_clean(item.text.content))
            case "voice" if item.voice and item.voice.content:
                return Text(_clean(item.voice.content))
            case "image" if item.image:
                return Image(_ref(item.image))
            case "file" if item.file:
                return File(_ref(item.file), name=_clean(item.file.filename or "")[:200])
            case "video" if item.video:
                return File(_ref(item.video), mime="video/mp4", name=_clean(item.video.filename or "")[:200])
            case _:
                return None

    def _without_mention(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """In a group a message comes only with the bot's @mention, which is no part of the question."""
        bare = (
            Text(self._mention.sub(" ", part.text).strip()) if isinstance(part, Text) else part
            for part in parts
        )
        return tuple(part for part in bare if not isinstance(part, Text) or part.text)

    def _made(
        self, body: _Body, kind: EventKind, parts: tuple[Part, ...], *, value: str = ""
    ) -> InboundEvent:
        userid = _name(body.from_.userid if body.from_ else None, "from.userid", CHAT_LIMIT)
        group = body.chattype == "group"
        if body.chattype not in ("group", "single", None):
            raise Malformed("chattype must be single or group")
        chat = _name(body.chatid, "chatid", CHAT_LIMIT) if group else userid
        now, correlation = self._clock(), self._new_id()
        return InboundEvent(
            event_id=_name(body.msgid, "msgid"),
            conversation=Conversation(
                self._platform, self._account, chat, kind="group" if group else "direct"
            ),
            sender=Sender(userid),
            kind=kind,
            parts=parts,
            occurred_at=_time(body.create_time, now),
            received_at=now,
            correlation_id=correlation,
            value=value,
            raw_ref=correlation,
        )


def _clean(text: str) -> str:
    return _CONTROL.sub("", text)


def _name(value: str | None, what: str, limit: int = ID_LIMIT) -> str:
    if not value or len(value) > limit or not value.isprintable():
        raise Malformed(f"{what} must have 1 to {limit} printable characters")
    return value


def _url(value: str | None) -> str:
    """A URL, or nothing: that a reply is possible is no condition for taking a message."""
    if not value or len(value) > URL_LIMIT or not value.startswith(("https://", "http://")):
        return ""
    return value


def _ref(media: _Media) -> str:
    """All that fetching takes: the file's key, if it has one of its own, and its URL."""
    url = _url(media.url)
    if not url:
        raise Malformed("a file must have a url")
    key = media.aeskey or ""
    if len(key) > 100 or not (key == "" or key.isprintable()):
        raise Malformed("aeskey is too long")
    return f"{key} {url}"


def _time(value: Any, now: datetime) -> datetime:
    """`create_time`, where it makes sense."""
    # In whole numbers: one of WeCom's may be too large for any other.
    if isinstance(value, int) and abs(int(now.timestamp()) - value) < 7 * 24 * 3600:
        return datetime.fromtimestamp(value, UTC)
    return now
