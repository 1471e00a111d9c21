"""Texts as WeCom's JSON takes them."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["TEXT_LIMIT", "clean"]

TEXT_LIMIT: Final = 2048
"""Bytes of UTF-8 in a text message of an app, of 微信客服 or of a group's webhook."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def clean(text: str) -> str:
    """Without control characters: WeCom refuses what JSON must escape as \\uXXXX (errcode 40033)."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
