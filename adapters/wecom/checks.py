"""What `teller check --online` asks WeCom for every face of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from adapters.base import Finding
from adapters.wecom.api import WeComApi
from bot.errors import SendError

__all__ = ["SKEW_S", "asked", "check_clock", "check_token"]

SKEW_S: Final = 60.0
"""A clock that is further off makes signatures look stale."""


async def check_token(api: WeComApi) -> Finding:
    """Whether corporation and secret are right."""
    return await asked("token", api.token, lambda _: "WeCom gives an access token for corp_id and secret")


def check_clock(skew_s: float | None) -> Finding:
    """Whether our clock agrees with WeCom's."""
    if skew_s is None:
        return Finding("clock", False, "WeCom's time isn't known: no answer came")
    if abs(skew_s) > SKEW_S:
        way = "behind" if skew_s > 0 else "ahead of"
        return Finding(
            "clock", False, f"this clock is {abs(skew_s):.0f} s {way} WeCom's; synchronise it (NTP)"
        )
    return Finding("clock", True, f"within {max(1.0, abs(skew_s)):.0f} s of WeCom's")


async def asked(what: str, ask: Callable[[], Awaitable[Any]], found: Callable[[Any], str]) -> Finding:
    """A finding from one call: what `found` says of its answer, or why it failed."""
    try:
        return Finding(what, True, found(await ask()))
    except SendError as error:
        return Finding(what, False, str(error))
