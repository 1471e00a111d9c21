"""A structlog processor: no personal data in a log line, whatever was put into it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from inference.privacy.masking import mask

__all__ = ["MaskEvent", "mask_event"]

_LONGEST = 4_000
_DEEPEST = 4
_WIDEST = 64
_ALWAYS_CLEAN = frozenset({"level", "timestamp", "logger"})


class MaskEvent:
    """Masks every string in an event, at bounded cost.

    A string is cut at `longest` characters, a container at 64 items and 4 levels; keys in `exempt` are
    passed on as they are (ids that Teller made itself).
    """

    def __init__(self, *, longest: int = _LONGEST, exempt: frozenset[str] = frozenset()) -> None:
        self._longest = longest
        self._exempt = exempt | _ALWAYS_CLEAN

    def __call__(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for key, value in event.items():
            if key not in self._exempt:
                event[key] = self._clean(value, _DEEPEST)
        return event

    def _clean(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes):
            return self._text(value[: self._longest].decode("utf-8", "replace"))
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**10:
            text = str(value)
            masked = mask(text).text
            return value if masked == text else masked
        if isinstance(value, dict):
            if depth == 0:
                return "[…]"
            return {
                self._text(key) if isinstance(key, str) else key: self._clean(item, depth - 1)
                for key, item in list(value.items())[:_WIDEST]
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._clean(item, depth - 1) for item in list(value)[:_WIDEST]] if depth else "[…]"
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {self._text(str(value))}"
        return value

    def _text(self, text: str) -> str:
        cut = len(text) - self._longest
        masked = mask(text[: self._longest] if cut > 0 else text).text
        return f"{masked}… [{cut} more]" if cut > 0 else masked


mask_event = MaskEvent()
"""The processor with its defaults."""
