"""Traditional characters to simplified ones."""

from __future__ import annotations

from functools import cache

from opencc import OpenCC

__all__ = ["simplified"]


@cache
def _converter() -> OpenCC:
    return OpenCC("t2s")


def simplified(text: str) -> str:
    """A text in simplified characters; it may be called from any thread."""
    result: str = _converter().convert(text)
    return result
