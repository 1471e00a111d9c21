"""Reading a payload that may be anything: a wrong shape is `Malformed`, never a crash."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

__all__ = ["Fields", "Malformed", "decode_object", "moment"]

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_TIMESTAMP = re.compile(r"[0-9]{1,11}\.[0-9]{1,9}", re.ASCII)


class Malformed(Exception):
    """The payload isn't what Slack documents."""


def decode_object(data: bytes | str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Malformed: it is something else.
    """
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    return value


class Fields:
    """One object of a payload. Absent and null are the same, as they are to Slack."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def __contains__(self, key: str) -> bool:
        return self._data.get(key) is not None

    def text(self, key: str) -> str:
        """A string, or empty."""
        value = self._data.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise Malformed(f"{key} isn't a string")
        # Neither a lone surrogate nor NUL can be stored as text everywhere.
        return value.encode("utf-8", "replace").decode().replace("\x00", "")

    def id(self, key: str) -> str:
        """An identifier as Slack makes them, or empty."""
        value = self.text(key)
        if value and not _ID.fullmatch(value):
            raise Malformed(f"{key} isn't an identifier")
        return value

    def need_id(self, key: str) -> str:
        value = self.id(key)
        if not value:
            raise Malformed(f"{key} is missing")
        return value

    def ts(self, key: str) -> str:
        """A message's timestamp, which is its id in its channel, or empty."""
        value = self.text(key)
        if value and not _TIMESTAMP.fullmatch(value):
            raise Malformed(f"{key} isn't a timestamp")
        return value

    def need_ts(self, key: str) -> str:
        value = self.ts(key)
        if not value:
            raise Malformed(f"{key} is missing")
        return value

    def number(self, key: str) -> int:
        value = self._data.get(key)
        return value if isinstance(value, int) and 0 <= value < 1 << 53 else 0

    def sub(self, key: str) -> Fields:
        """An object; an empty one where there is none."""
        value = self._data.get(key)
        if value is None:
            return Fields({})
        if not isinstance(value, dict):
            raise Malformed(f"{key} isn't an object")
        return Fields(value)

    def subs(self, key: str) -> list[Fields]:
        """A list of objects, or none."""
        value = self._data.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise Malformed(f"{key} isn't a list of objects")
        return [Fields(item) for item in value]


def moment(ts: str) -> datetime:
    """When a timestamp says that it was."""
    return datetime.fromtimestamp(float(ts), UTC)
