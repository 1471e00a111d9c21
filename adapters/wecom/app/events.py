"""From the XML of a callback to an event.

Source: 接收消息与事件 (developer.work.weixin.qq.com/document/path/90238 to 90240).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bot.types import Conversation, EventKind, File, Image, InboundEvent, Location, Part, Sender, Text, Voice

__all__ = ["Ignored", "Malformed", "Wrong", "to_event"]

_COMMAND: Final = re.compile(r"(/[A-Za-z0-9_-]{1,32})(?:@\S*)?(?:\s+(.*))?", re.DOTALL)
_PRESSES: Final = frozenset({"click", "template_card_event", "template_card_menu_event"})
_LATEST: Final = 1 << 33
"""Seconds since the epoch; later is no time that a message was made."""
_USER_ID: Final = re.compile(r"[0-9A-Za-z_.@-]{1,64}")
"""What WeCom lets a member's id have. `|` and `@all` would address others."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A callback that is acknowledged and left at that; `reason` is the word for `Host.refused`."""

    reason: str


class Malformed(ValueError):
    """Signed, but not a callback as WeCom makes them."""


class Wrong(ValueError):
    """A callback of another app."""


def to_event(
    fields: Mapping[str, str], *, account: str, agent_id: int, received_at: datetime, correlation_id: str
) -> InboundEvent | Ignored:
    """The event that a callback reports.

    Raises:
        Malformed, Wrong
    """
    kind, value, parts, identity = _content(fields) or ("system", "", (), "")
    if not identity:
        return Ignored("unknown_type")
    if fields.get("AgentID", "") != str(agent_id):
        raise Wrong("the callback is another app's; has each app its own address?")
    user = fields.get("FromUserName", "")
    if not _USER_ID.fullmatch(user) or user.lower() == "@all":
        raise Malformed("FromUserName isn't a member's id")
    return InboundEvent(
        event_id=identity,
        conversation=Conversation("wecom", account, user),
        sender=Sender(user),
        kind=kind,
        parts=parts,
        occurred_at=_time(fields),
        received_at=received_at,
        correlation_id=correlation_id,
        value=value,
        raw_ref=correlation_id,
    )


Content = tuple[EventKind, str, tuple[Part, ...], str]
"""Kind, value, parts and the id to de-duplicate by."""


def _content(fields: Mapping[str, str]) -> Content | None:
    """None: of a kind that isn't handled."""
    kind = fields.get("MsgType", "")
    if not kind:
        raise Malformed("without MsgType")
    if kind == "event":
        return _event(fields)
    parts = _parts(kind, fields)
    if parts is None:
        return None
    identity = fields.get("MsgId", "")
    if not identity or len(identity) > 64 or not identity.isprintable():
        raise Malformed("without MsgId")
    if kind == "text" and (found := _COMMAND.fullmatch(fields.get("Content", "").strip())):
        rest = (found.group(2) or "").strip()
        return "command", found.group(1).lower(), (Text(rest),) if rest else (), identity
    return "message", "", parts, identity


def _parts(kind: str, fields: Mapping[str, str]) -> tuple[Part, ...] | None:
    match kind:
        case "text":
            return (Text(fields.get("Content", "")),)
        case "image":
            return (Image(_media(fields)),)
        case "voice":
            form = fields.get("Format", "").lower()
            return (Voice(_media(fields), mime=f"audio/{form}" if form.isalnum() else ""),)
        case "video":
            return (File(_media(fields), mime="video/mp4"),)
        case "file":
            return (File(_media(fields), name=fields.get("FileName", "")[:200]),)
        case "location":
            latitude, longitude = _degrees(fields, "Location_X", 90), _degrees(fields, "Location_Y", 180)
            return (Location(latitude, longitude, fields.get("Label", "")[:500]),)
        case "link":
            lines = (fields.get(name, "") for name in ("Title", "Description", "Url"))
            return (Text("\n".join(line for line in lines if line)),)
    return None


def _event(fields: Mapping[str, str]) -> Content | None:
    name, key = fields.get("Event", ""), fields.get("EventKey", "")
    identity = _event_id(fields)
    if name == "enter_agent":
        return "join", "", (), identity
    # Members come into an app's range and leave it by the thousand: that is no reason to greet them.
    if name in ("subscribe", "unsubscribe"):
        return "system", "unblocked" if name == "subscribe" else "blocked", (), identity
    if name not in _PRESSES:
        return None
    if not key:
        raise Malformed("a press without EventKey")
    if name == "click" and (found := _COMMAND.fullmatch(key)):
        return "command", found.group(1).lower(), (), identity
    return "button", key, (), identity


def _event_id(fields: Mapping[str, str]) -> str:
    """Events have no id of their own: who, when and what stand for it, as WeCom advises."""
    names = ("FromUserName", "CreateTime", "Event", "EventKey", "TaskId")
    what = "\x00".join(fields.get(name, "") for name in names)
    digest = hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"event-{digest}"


def _media(fields: Mapping[str, str]) -> str:
    media_id = fields.get("MediaId", "")
    if not media_id or len(media_id) > 512 or not media_id.isprintable():
        raise Malformed("without MediaId")
    return media_id


def _degrees(fields: Mapping[str, str], name: str, most: int) -> float:
    try:
        degrees = float(fields.get(name, ""))
    except ValueError:
        degrees = math.nan
    if not -most <= degrees <= most:
        raise Malformed(f"{name} isn't in degrees")
    return degrees


def _time(fields: Mapping[str, str]) -> datetime:
    created = fields.get("CreateTime", "")
    if not (created.isascii() and created.isdigit() and len(created) <= 12 and int(created) < _LATEST):
        raise Malformed("CreateTime isn't in seconds since the epoch")
    return datetime.fromtimestamp(int(created), UTC)
