"""What WeCom's error codes mean for a message: wait, give up, or tell the operator.

Source: 全局错误码 (developer.work.weixin.qq.com/document/path/90313).
"""

from __future__ import annotations

import re
from typing import Final

from bot.errors import RetryLater, SendError, SendRefused

__all__ = ["STALE", "WeComError", "WeComRefused", "error_of"]

STALE: Final = frozenset({40001, 40014, 42001})
"""The access token is refused: withdrawn, never valid, or past its end."""

_WAITS: Final = {
    45009: 60.0,  # calls a minute, an hour or a day: the answer doesn't say which
    45011: 60.0,
    45033: 2.0,  # calls at one time
}
"""Seconds to wait."""

_NO_MEMBER: Final = "no such member; has the customer left the corporation?"
_NOT_VISIBLE: Final = "the member isn't in the app's visible range (可见范围); add them in the admin console"
_CARD: Final = "the card is malformed; this is a fault of Teller's, please report it"

_REFUSALS: Final = {
    40003: _NO_MEMBER,
    40031: _NO_MEMBER,
    46004: _NO_MEMBER,
    60111: _NO_MEMBER,
    50002: _NOT_VISIBLE,
    60011: _NOT_VISIBLE,
    81013: _NOT_VISIBLE,
    92000: _NOT_VISIBLE,
    40056: "the agent id isn't this corporation's; check agent_id",
    301002: "the secret is another app's; take secret and agent id from the same app",
    48002: "the app may not call this; grant it the permission in the admin console",
    48006: "the permission was withdrawn; grant it again in the admin console",
    93000: "the webhook's key is wrong or its robot was taken out of the group; make a new one",
    93004: "the group's robot is disabled; enable it",
    93008: "the group's robot isn't in the group any more; make a new one",
    40004: "the file is of a type that WeCom doesn't take",
    40005: "the file is of a type that WeCom doesn't take",
    40006: "the file is too large or too small",
    40009: "the picture is too large",
    45001: "the file is too large",
    44001: "the file is empty",
    40007: "the file's media id is unknown or older than 3 days",
    40008: "this kind of message isn't known here",
    40033: "the text has characters that WeCom doesn't take",
    40058: "a parameter is wrong",
    44004: "the text is empty",
    45002: "the message is too long",
    45008: "there are too many articles",
    45034: "a link has no http:// or https://",
    40016: _CARD,
    42014: _CARD,
    42017: _CARD,
    42018: _CARD,
    42019: _CARD,
    42020: _CARD,
    42022: "the card's response code was used before",
}
"""Final, and what an operator can do."""

_IP: Final = re.compile(r"from ip:\s*([0-9a-fA-F.:]+)")


class WeComError(SendError):
    """WeCom answered with an error code that has no general meaning for a message."""

    def __init__(self, errcode: int, errmsg: str, hint: str = "") -> None:
        super().__init__(f"WeCom answers {errcode}: {hint or _short(errmsg)}")
        self.errcode = errcode
        self.errmsg = errmsg


class WeComRefused(SendRefused):
    """WeCom answered with an error code that is final."""

    def __init__(self, errcode: int) -> None:
        super().__init__(f"WeCom refuses ({errcode}): {_REFUSALS[errcode]}")
        self.errcode = errcode


def error_of(errcode: int, errmsg: str) -> SendError:
    """The error to raise for a code other than 0."""
    if errcode in _WAITS:
        return RetryLater(f"WeCom's rate limit ({errcode})", _WAITS[errcode])
    if errcode in _REFUSALS:
        return WeComRefused(errcode)
    if errcode == 60020:
        found = _IP.search(errmsg)
        address = found.group(1) if found else "this server's address"
        return WeComError(
            errcode,
            errmsg,
            f"{address} isn't a trusted IP (企业可信IP) of the app; add it in the admin console",
        )
    return WeComError(errcode, errmsg)


def _short(errmsg: str) -> str:
    """Without the trace that WeCom appends."""
    return errmsg.partition(", hint:")[0][:200]
