"""What is in a customer's message, by its kind.

Source: 接收消息和事件, 消息类型 (developer.work.weixin.qq.com/document/path/94670).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from bot.types import File, Image, Location, Part, Text, Voice

__all__ = ["mapping", "parts_of", "text_of"]

_MIME: Final = {"image": "image/jpeg", "voice": "audio/amr", "video": "video/mp4"}
NESTED: Final = 100
"""Lines of a forwarded chat that are read."""


def parts_of(kind: str, body: Mapping[str, Any]) -> tuple[tuple[Part, ...], bool]:
    """Its parts (never none), and whether the kind is known."""
    read = _PARTS.get(kind)
    return (read(kind, body), True) if read else ((_unreadable(kind),), False)


def _attachment(kind: str, body: Mapping[str, Any]) -> tuple[Part, ...]:
    ref = text_of(body, "media_id")[:512]
    if kind == "image":
        return (Image(ref, mime=_MIME[kind]),)
    if kind == "voice":
        return (Voice(ref, mime=_MIME[kind]),)
    return (File(ref, mime=_MIME.get(kind, "")),)


def _location(kind: str, body: Mapping[str, Any]) -> tuple[Part, ...]:
    latitude, longitude = _degrees(body, "latitude", 90), _degrees(body, "longitude", 180)
    label = " ".join(text for text in (text_of(body, "name"), text_of(body, "address")) if text)
    if latitude is None or longitude is None:
        return (Text(label),) if label else (_unreadable(kind),)
    return (Location(latitude, longitude, label),)


def _link(kind: str, body: Mapping[str, Any]) -> tuple[Part, ...]:
    return _lines(kind, (text_of(body, "title"), text_of(body, "desc"), text_of(body, "url")))


def _miniprogram(kind: str, body: Mapping[str, Any]) -> tuple[Part, ...]:
    return _lines(kind, (text_of(body, "title"),))


def _forwarded(kind: str, body: Mapping[str, Any]) -> tuple[Part, ...]:
    """A chat the customer had elsewhere, passed on: a fraud is often reported so."""
    lines = [text_of(body, "title")]
    for at, entry in enumerate(_entries(body)):
        if at >= NESTED:
            break
        content = entry.get("msg_content")
        if isinstance(content, str):
            content = _decoded(content)
        said = text_of(mapping(mapping(content).get("text")), "content")
        if said:
            lines.append(": ".join(text for text in (text_of(entry, "sender_name"), said) if text))
    return _lines(kind, lines)


def _card(kind: str, body: Mapping[str, Any]) -> tuple[Part, ...]:
    # It names a member of the corporation by their internal id: nothing to read.
    return (_unreadable(kind),)


_PARTS: Final[Mapping[str, Callable[[str, Mapping[str, Any]], tuple[Part, ...]]]] = {
    "image": _attachment,
    "voice": _attachment,
    "video": _attachment,
    "file": _attachment,
    "location": _location,
    "link": _link,
    "miniprogram": _miniprogram,
    "merged_msg": _forwarded,
    "business_card": _card,
    "channels_shop_product": _miniprogram,
    "channels_shop_order": _card,
}


def _unreadable(kind: str) -> Part:
    """Something without text or file: the core says that it can't read it."""
    return File("", mime=f"application/x-wecom-{kind.lower()}")


def _lines(kind: str, lines: Sequence[str]) -> tuple[Part, ...]:
    text = "\n".join(line for line in lines if line)
    return (Text(text),) if text else (_unreadable(kind),)


def _entries(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    entries = body.get("item")
    for entry in entries if isinstance(entries, list) else ():
        yield mapping(entry)


def _degrees(body: Mapping[str, Any], name: str, most: float) -> float | None:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= most:
        return None
    return float(value)


def _decoded(content: str) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {"text": {"content": content}}


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def text_of(body: Mapping[str, Any], name: str) -> str:
    """A string without lone surrogates, which no database takes; empty for anything else."""
    value = body.get(name)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
