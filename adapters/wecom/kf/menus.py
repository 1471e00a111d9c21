"""Menu ids: what a pressed menu item comes back with.

WeCom advises letters, digits and underscores, and documents variously 64 and 128 bytes at most. A
short value is spelled in base32; a longer one is noted under its hash.

Source: 发送消息, 菜单消息 (developer.work.weixin.qq.com/document/path/94677).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from adapters.base import Notes

__all__ = ["LONGEST", "keep_value", "menu_id", "value_of"]

LONGEST: Final = 64
"""Bytes of a menu id."""
KEPT_S: Final = 30 * 24 * 3600.0
_SPELLED: Final = "b_"
_NOTED: Final = "h_"


def menu_id(value: str) -> str:
    """The id that stands for a button's value."""
    raw = value.encode("utf-8", "replace")
    spelled = _SPELLED + base64.b32encode(raw).decode().rstrip("=")
    return spelled if len(spelled) <= LONGEST else _NOTED + hashlib.sha256(raw).hexdigest()[:40]


async def keep_value(notes: Notes, value: str) -> None:
    """Note the value if its id doesn't spell it. Before the menu is shown."""
    id_ = menu_id(value)
    if id_.startswith(_NOTED):
        await notes.put(f"menu:{id_}", value, ttl_s=KEPT_S)


async def value_of(notes: Notes, id_: str) -> str:
    """The value behind an id; empty if it isn't one of ours, or is forgotten."""
    if id_.startswith(_NOTED) and len(id_) <= LONGEST:
        return await notes.get(f"menu:{id_}") or ""
    if not id_.startswith(_SPELLED):
        return ""
    spelled = id_.removeprefix(_SPELLED)
    try:
        value = base64.b32decode(spelled + "=" * (-len(spelled) % 8)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
    return value if menu_id(value) == id_ else ""
