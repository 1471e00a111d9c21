"""One puller at a time, of whatever process."""

from __future__ import annotations

from adapters.base import Notes
from bot.errors import LeaseLost

__all__ = ["Lease"]


class Lease:
    """A place that one owner holds for `ttl_s` seconds after it last renewed.

    It saves work, and correctness doesn't rest on it: two who pull the same page offer the same
    events, of which the store takes each once.
    """

    def __init__(self, notes: Notes, key: str, owner: str, ttl_s: float) -> None:
        self._notes = notes
        self._key = key
        self._owner = owner
        self._ttl_s = ttl_s

    async def take(self) -> bool:
        """Whether it is ours now."""
        if await self._notes.add(self._key, self._owner, ttl_s=self._ttl_s):
            return True
        return await self._notes.get(self._key) == self._owner

    async def renew(self) -> None:
        """Raises LeaseLost when it ran out and another has it."""
        if not await self.take():
            raise LeaseLost("another process pulls this account")
        await self._notes.put(self._key, self._owner, ttl_s=self._ttl_s)

    async def drop(self) -> None:
        if await self._notes.get(self._key) == self._owner:
            await self._notes.drop(self._key)
