"""What one open stream has yet to tell its page."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Mailbox", "Waiting"]

_DRAFTS: Final = 4


@dataclass(frozen=True, slots=True)
class Waiting:
    hinted: bool
    """The store may hold new messages."""
    drafts: dict[str, bytes] = field(default_factory=dict)
    """The latest draft of each key."""
    typing: bool = False


class Mailbox:
    """Bounded by what it keeps rather than by a length: one flag, one latest draft a key, one flag.
    However slow its page is, telling it takes no more memory and makes nobody wait."""

    def __init__(self) -> None:
        self._wake = asyncio.Event()
        self._hinted = False
        self._drafts: dict[str, bytes] = {}
        self._typing = False
        self.closed = False

    def hint(self) -> None:
        self._hinted = True
        self._wake.set()

    def draft(self, key: str, data: bytes) -> None:
        if key not in self._drafts and len(self._drafts) >= _DRAFTS:
            self._drafts.pop(next(iter(self._drafts)))
        self._drafts[key] = data
        self._wake.set()

    def type(self) -> None:
        self._typing = True
        self._wake.set()

    def close(self) -> None:
        self.closed = True
        self._wake.set()

    def take(self) -> Waiting:
        """All that waits, leaving nothing."""
        waiting = Waiting(self._hinted, self._drafts, self._typing)
        self._hinted, self._drafts, self._typing = False, {}, False
        self._wake.clear()
        return waiting

    async def wait(self, seconds: float) -> bool:
        """Until something waits (True) or `seconds` have passed (False)."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True
