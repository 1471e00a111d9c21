"""One item of `sync_msg`, normalised: what a customer sent, or what happened to the conversation.

Pure: an item goes in, a value comes out, and nothing that WeCom could send makes it fail.

Source: 接收消息和事件 (developer.work.weixin.qq.com/document/path/94670).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from adapters.wecom.kf.chat import Chat, is_id
from adapters.wecom.kf.parts import mapping, parts_of, text_of
from bot.types import (
    Conversation,
    EventKind,
    InboundEvent,
    Part,
    Sender,
    SystemEvent,
    Text,
)

__all__ = [
    "Change",
    "Entered",
    "Failed",
    "Ignored",
    "Item",
    "Reader",
    "Said",
    "customer_of",
    "menu_of",
    "raw_of",
    "sent_at",
]

CUSTOMER: Final = 3
SYSTEM: Final = 4
SERVICER: Final = 5
"""`origin`: who sent it."""

_COMMAND: Final = re.compile(r"(/[a-z][a-z_]{0,31})(?:\s+(.*))?", re.DOTALL | re.ASCII)
LONGEST_ID: Final = 120


@dataclass(frozen=True, slots=True)
class Said:
    """The customer sent something: the reply window opens."""

    chat: Chat
    event: InboundEvent
    known: bool = True
    """False: a kind of message we don't know; it is passed on, so that it is answered."""


@dataclass(frozen=True, slots=True)
class Entered:
    """The customer opened the chat, and may be welcomed."""

    chat: Chat
    event: InboundEvent
    code: str
    at: float


@dataclass(frozen=True, slots=True)
class Change:
    """A person at the desk took the conversation, or ended it."""

    chat: Chat
    event: InboundEvent
    taken: bool
    code: str
    """For one message more; only with the end."""
    at: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A message that WeCom had taken didn't reach the customer."""

    chat: Chat
    msgid: str
    fail_type: int
    event: InboundEvent | None
    """Set where the customer refuses messages: they blocked the bot."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing to do; `reason` is the word for `Host.refused`."""

    reason: str


Item = Said | Entered | Change | Failed | Ignored


def sent_at(item: Mapping[str, Any]) -> float:
    """When it was sent, in seconds since the epoch; 0 if it doesn't say."""
    at = item.get("send_time")
    good = isinstance(at, int | float) and not isinstance(at, bool) and math.isfinite(at) and 0 < at < 2**33
    return float(at) if good else 0.0  # type: ignore[arg-type]


def menu_of(item: Mapping[str, Any]) -> str:
    """The id of the menu item that was pressed, if any."""
    return text_of(mapping(item.get("text")), "menu_id")


def customer_of(item: Mapping[str, Any]) -> str:
    """Whose conversation an item belongs to; empty where it is nobody's."""
    user = mapping(item.get("event")).get("external_userid") or item.get("external_userid")
    return user if isinstance(user, str) else ""


class Reader:
    """Args: name the account in events; now and new_id are the host's."""

    def __init__(self, account: str, now: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._account = account
        self._now = now
        self._new_id = new_id

    def read(self, item: Mapping[str, Any], *, open_kfid: str, value: str = "") -> Item:
        """What it is.

        Args:
            open_kfid: the account it was pulled for; an item of another one is malformed.
            value: the value behind the pressed menu item.
        """
        event = mapping(item.get("event"))
        is_event = item.get("msgtype") == "event"
        source = event if is_event else item
        user, kfid = source.get("external_userid"), source.get("open_kfid", open_kfid)
        if item.get("origin") == SERVICER and not is_event:
            return Ignored("servicer_message")
        if is_event and text_of(event, "event_type") in _ABOUT_NOBODY:
            return Ignored(text_of(event, "event_type"))
        if not is_id(user) or kfid != open_kfid:
            return Ignored("malformed")
        chat = Chat(open_kfid, str(user))
        if is_event:
            return self._happened(item, event, chat)
        if item.get("origin") != CUSTOMER:
            return Ignored("own_message")
        return self._said(item, chat, value)

    # ── messages ──

    def _said(self, item: Mapping[str, Any], chat: Chat, value: str) -> Item:
        kind = item.get("msgtype")
        if not isinstance(kind, str) or not kind.isprintable() or not 0 < len(kind) <= 40:
            return Ignored("malformed")
        body = mapping(item.get(kind))
        if kind == "text":
            return Said(chat, self._text_event(item, chat, text_of(body, "content"), value))
        parts, known = parts_of(kind, body)
        return Said(chat, self._event(item, chat, "message", parts), known=known)

    def _text_event(self, item: Mapping[str, Any], chat: Chat, text: str, value: str) -> InboundEvent:
        parts = (Text(text),) if text else ()
        if value:
            return self._event(item, chat, "button", parts, value)
        if found := _COMMAND.fullmatch(text.strip()):
            rest = (found.group(2) or "").strip()
            return self._event(item, chat, "command", (Text(rest),) if rest else (), found.group(1))
        return self._event(item, chat, "message", parts)

    # ── events ──

    def _happened(self, item: Mapping[str, Any], event: Mapping[str, Any], chat: Chat) -> Item:
        match text_of(event, "event_type"):
            case "enter_session":
                # Without a code nothing can be said: they were here within the last 48 hours.
                code = text_of(event, "welcome_code")
                joined = self._event(item, chat, "join", ())
                return Entered(chat, joined, code, sent_at(item)) if code else Ignored("entered_again")
            case "session_status_change":
                return self._changed(item, event, chat)
            case "msg_send_fail":
                return self._failed(item, event, chat)
            case "user_recall_msg" | "servicer_recall_msg" | "reject_customer_msg_switch_change" as known:
                return Ignored(known)
            case _:
                return Ignored("unknown_type")

    def _changed(self, item: Mapping[str, Any], event: Mapping[str, Any], chat: Chat) -> Item:
        change = event.get("change_type")
        if change not in (1, 2, 3, 4) or isinstance(change, bool):
            return Ignored("unknown_type")
        # 1 taken from the queue, 2 passed to a colleague, 3 ended, 4 taken up again.
        value: SystemEvent = "desk_returned" if change == 3 else "desk_taken"
        code = text_of(event, "msg_code") if change == 3 else ""
        happened = self._event(item, chat, "system", (), value)
        return Change(chat, happened, change != 3, code, sent_at(item))

    def _failed(self, item: Mapping[str, Any], event: Mapping[str, Any], chat: Chat) -> Item:
        kind = event.get("fail_type")
        kind = kind if isinstance(kind, int) and not isinstance(kind, bool) else 0
        blocked = self._event(item, chat, "system", (), "blocked") if kind == REFUSED_BY_CUSTOMER else None
        return Failed(chat, text_of(event, "fail_msgid")[:64], kind, blocked)

    # ── what is common to all ──

    def system(self, chat: Chat, event_id: str, value: SystemEvent) -> InboundEvent:
        """Something we found out ourselves, that WeCom tells nobody of."""
        return self._event({"msgid": event_id}, chat, "system", (), value)

    def _event(
        self, item: Mapping[str, Any], chat: Chat, kind: EventKind, parts: tuple[Part, ...], value: str = ""
    ) -> InboundEvent:
        now, correlation, at = self._now(), self._new_id(), sent_at(item)
        return InboundEvent(
            event_id=_event_id(item),
            conversation=Conversation("wecom", self._account, str(chat)),
            sender=Sender(chat.user),
            kind=kind,
            parts=parts,
            occurred_at=datetime.fromtimestamp(at, UTC) if at else now,
            received_at=now,
            correlation_id=correlation,
            value=value,
            raw_ref=correlation,
        )


REFUSED_BY_CUSTOMER: Final = 10
"""`fail_type`: the customer doesn't take messages."""
_ABOUT_NOBODY: Final = frozenset({"servicer_status_change"})
"""Events that name no customer."""


def _event_id(item: Mapping[str, Any]) -> str:
    """WeCom's id. Events may come without: then what they say, which is the same in every pull."""
    msgid = item.get("msgid")
    if isinstance(msgid, str) and 0 < len(msgid) <= LONGEST_ID and msgid.isprintable():
        return msgid
    return "sha-" + hashlib.sha256(raw_of(item)).hexdigest()[:40]


def raw_of(item: Mapping[str, Any]) -> bytes:
    """The item as JSON, the same bytes for the same item."""
    return json.dumps(item, sort_keys=True, ensure_ascii=True, default=str).encode()
