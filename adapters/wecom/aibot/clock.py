"""How far WeCom's clock is ahead of ours, from the Date of any answer."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime

import aiohttp

__all__ = ["skew_of"]


async def skew_of(session: aiohttp.ClientSession, url: str, clock: Callable[[], float]) -> float | None:
    """Seconds, ± 1; None if `url` doesn't answer or says no time. Whatever it answers will do."""
    try:
        async with session.head(url, allow_redirects=False) as response:
            return parsedate_to_datetime(response.headers["Date"]).timestamp() - clock()
    except (aiohttp.ClientError, TimeoutError, OSError, KeyError, ValueError):
        return None
