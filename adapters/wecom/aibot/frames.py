"""Frames of the long connection: `{cmd, headers: {req_id}, body}`, and the answers to ours, without `cmd`.

Source: 智能机器人长连接 (developer.work.weixin.qq.com/document/path/101463) and Tencent's
@wecom/aibot-node-sdk 1.x; the error codes are the ones that its users report.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from adapters.wecom.errcodes import error_of
from bot.errors import RetryLater, SendError

__all__ = ["BadFrame", "BubbleGone", "Frame", "NotSubscribed", "raise_for", "read_frame", "write_frame"]

# Tencent's own SDK drops these before it parses: they come unescaped.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f]")

_OVER: Final = frozenset({846608, 6000})
"""The bubble takes no more: it is finished, or its six minutes are over."""
_GONE: Final = _OVER | {846604, 846605}
"""… or the message is too old to be answered, or its req_id isn't known (any more)."""
_NOT_SUBSCRIBED: Final = 846609
_WAITS: Final = {846601: 2.0, 846602: 2.0, 846607: 30.0}
"""Seconds to wait: WeCom is busy, or this conversation has had its 30 messages a minute."""


class BadFrame(ValueError):
    """It isn't a frame."""


class BubbleGone(SendError):
    """The message can't be answered in its own bubble (any more). `over`: there was one."""

    def __init__(self, code: int) -> None:
        super().__init__(f"WeCom refuses ({code}): this message can't be answered in its bubble any more")
        self.over = code in _OVER


class NotSubscribed(SendError):
    """The socket is open, but WeCom has forgotten whose it is."""


class _Headers(msgspec.Struct, frozen=True):
    req_id: str = ""


class Frame(msgspec.Struct, frozen=True):
    cmd: str = ""
    """Empty: an answer."""
    headers: _Headers = _Headers()
    body: msgspec.Raw = msgspec.Raw(b"null")
    errcode: int | None = None
    errmsg: str = ""

    @property
    def req_id(self) -> str:
        return self.headers.req_id


def read_frame(data: str) -> Frame:
    """
    Raises:
        BadFrame
    """
    try:
        return msgspec.json.decode(_CONTROLS.sub("", data).encode(), type=Frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadFrame(type(error).__name__) from None


def write_frame(cmd: str, req_id: str, body: Any = None) -> str:
    frame: dict[str, Any] = {"cmd": cmd, "headers": {"req_id": req_id}}
    if body is not None:
        frame["body"] = body
    return msgspec.json.encode(frame).decode()


def raise_for(frame: Frame) -> None:
    """Raise what the answer's error code means, if it has one.

    Raises:
        BubbleGone, NotSubscribed, RetryLater, SendRefused, SendError
    """
    code = frame.errcode
    if code == 0:
        return
    if code is None:
        raise SendError("WeCom's answer has no errcode")
    if code in _GONE:
        raise BubbleGone(code)
    if code == _NOT_SUBSCRIBED:
        raise NotSubscribed("WeCom has dropped the subscription (846609); connecting again")
    if code in _WAITS:
        raise RetryLater(f"WeCom asks for patience ({code})", _WAITS[code])
    raise error_of(code, frame.errmsg)
