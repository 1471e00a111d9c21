"""A conversation's lines as the page reads them.

line  {id, role: customer|bot|staff, at: ISO 8601 UTC, parts: [part],
       kind?, language?, n?            (bot and staff; n: its number in the stream)
       value?}                         (customer: the pressed button's value)
part  the fields of bot.types' parts with `type`; what can be fetched also has `url`
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from adapters.base import Line
from bot.types import OutboundMessage, OutPart, Part

__all__ = ["event_id", "line_json", "message_json"]


def event_id(chat: str, id: str) -> str:
    """The inbox's id of a message that a page named `id`."""
    return f"{chat}:{id}"


def line_json(line: Line, *, chat: str, n: int | None = None) -> dict[str, Any]:
    """One line of the transcript; `n` is its number in the stream, if it has one yet."""
    if line.message is not None:
        return message_json(line.message, role=line.role, at=line.at, n=n)
    # A page knows its own messages by the id it made, so that a reload finds them again.
    own = line.id.removeprefix(event_id(chat, ""))
    value: dict[str, Any] = {"id": own, "role": line.role, "at": _iso(line.at), "parts": []}
    if line.event is not None:
        value["parts"] = [_part(part) for part in line.event.parts]
        if line.event.kind == "button":
            value["value"] = line.event.value
    return value


def message_json(message: OutboundMessage, *, role: str, at: datetime, n: int | None) -> dict[str, Any]:
    value: dict[str, Any] = {
        "id": message.idempotency_key,
        "role": role,
        "at": _iso(at),
        "kind": message.kind,
        "language": message.language,
        "parts": [_part(part) for part in message.parts],
    }
    if n is not None:
        value["n"] = n
    return value


def _part(part: Part | OutPart) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(part)
    if ref := value.get("ref"):
        value["url"] = f"api/uploads/{quote(ref, safe='')}"
    return value


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
