"""Slack's rate limits. https://docs.slack.dev/apis/web-api/rate-limits"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["Limits"]

TIER_2, TIER_3, TIER_4 = 20, 50, 100
PER_MINUTE = {
    "apps.connections.open": TIER_2,
    "assistant.threads.setStatus": 600,
    "auth.test": 300,
    "chat.appendStream": TIER_4,
    "chat.startStream": TIER_2,
    "chat.stopStream": TIER_2,
    "chat.update": TIER_3,
    "chat.delete": TIER_3,
    "conversations.history": TIER_3,
    "conversations.replies": TIER_3,
    "files.completeUploadExternal": TIER_4,
    "files.getUploadURLExternal": TIER_4,
    "files.info": TIER_4,
    "users.info": TIER_4,
}
POST_BURST = 3
"""Posts to one channel that go through at once; one a second from then on."""


class Limits:
    """A bucket a workspace and method, and one a channel for posts."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, ...], tuple[float, float]] = {}
        self.enforced = True

    def refuse(self, team: str, method: str, channel: str) -> int:
        """0, or the whole seconds of Retry-After."""
        if not self.enforced:
            return 0
        if method == "chat.postMessage":
            return self._take((team, method, channel), POST_BURST, 1.0)
        per_minute = PER_MINUTE.get(method, TIER_3)
        return self._take((team, method), per_minute, per_minute / 60)

    def _take(self, key: tuple[str, ...], size: float, per_second: float) -> int:
        now = self._clock()
        left, at = self._buckets.get(key, (size, now))
        left = min(size, left + (now - at) * per_second)
        if left < 1:
            self._buckets[key] = (left, now)
            return max(1, math.ceil((1 - left) / per_second))
        self._buckets[key] = (left - 1, now)
        return 0
