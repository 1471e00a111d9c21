"""Pulling: the callback only says that there is something; `sync_msg` says what.

    nudge ─► noted ─► 200          (a crash from here on loses nothing: every start pulls)
               └─► page from the stored cursor ─► every item accepted ─► cursor stored ─► next page …

The cursor moves only behind items that the store has, so whatever fails is pulled again, and the
store takes each once. Nudges that come during a pull cause one more.

Source: 接收消息和事件 (developer.work.weixin.qq.com/document/path/94670).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
import structlog

from adapters.base import Notes
from adapters.wecom.api import WeComApi, WeComError, WeComRefused
from adapters.wecom.kf.events import customer_of
from adapters.wecom.kf.lease import Lease
from bot.errors import LeaseLost, QueueFull, RetryLater, SendError, StoreBusy

__all__ = ["Puller", "note_nudge"]

log = structlog.get_logger(__name__)

PAGE: Final = 256
"""Items asked for (1000 are allowed). Forwarded chats are long: where no page comes half as many are asked
for, as it may have been too much to read; with each page that is taken it is a few more again."""
MORE: Final = 8
LEASE_S: Final = 20.0
AT_ONCE: Final = 64
"""Customers whose items are accepted side by side."""
TOKEN_S: Final = 540.0
"""A nudge's token is good for 10 minutes; without one, pulls are strictly limited."""
BAD_TOKEN: Final = 95007
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
PATIENCE: Final = 3
"""Failures in a row after which health says so."""

Take = Callable[[str, Mapping[str, Any], float], Awaitable[None]]
"""Accepts one item of an account; `not_before`: older ones are left alone."""


class _Nudge(msgspec.Struct, frozen=True):
    token: str
    at: float
    id: str
    """Tells two nudges with one token apart."""


async def note_nudge(notes: Notes, open_kfid: str, token: str, at: float, id: str) -> None:
    """Durably: after this the callback may be acknowledged. Raises StoreBusy."""
    await notes.put(f"nudge:{open_kfid}", msgspec.json.encode(_Nudge(token, at, id)).decode())


class Puller:
    """Pulls one account.

    Args:
        take: accepts an item; raises StoreBusy or QueueFull when it can't.
        owner: names this process in the lease.
        max_age_s: of a message at the very first pull.
        every_s: pull so often unasked; 0: never.
        pause_s: before the first retry; it doubles.
    """

    def __init__(
        self,
        open_kfid: str,
        *,
        api: WeComApi,
        notes: Notes,
        take: Take,
        clock: Callable[[], float],
        owner: str,
        max_age_s: float,
        every_s: float,
        pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self.open_kfid = open_kfid
        self._api = api
        self._notes = notes
        self._take = take
        self._clock = clock
        self._max_age_s = max_age_s
        self._every_s = every_s
        self._pause_s = pause_s
        self._lease = Lease(notes, f"lease:{open_kfid}", owner, LEASE_S)
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._due = True
        """Pull whether or not there is a nudge: at the start, and when `every_s` is over."""
        self._limit = PAGE
        self._failures = 0
        self._reason = ""

    def wake(self) -> None:
        """There is a new nudge."""
        self._wake.set()

    def stop(self) -> None:
        """Take no further item; what is being accepted ends."""
        self._stopping.set()
        self._wake.set()

    @property
    def trouble(self) -> str:
        """What keeps it from pulling, when that lasts."""
        return self._reason if self._failures >= PATIENCE else ""

    async def run(self) -> None:
        """Until `stop`."""
        while not self._stopping.is_set():
            self._wake.clear()
            pause = await self._round()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
                continue
            self._due = True

    async def _round(self) -> float | None:
        """Pull what there is; how long to rest then (None: until woken)."""
        try:
            if not await self._lease.take():
                return self._pause_s
            try:
                await self._drain()
            finally:
                with suppress(StoreBusy):
                    await self._lease.drop()
        except RetryLater as error:
            return self._failed(error, error.retry_after)
        except (SendError, StoreBusy, QueueFull) as error:
            return self._failed(error, min(self._pause_s * 2 ** min(self._failures, 16), LONGEST_PAUSE_S))
        except LeaseLost:
            return self._pause_s
        except Exception as error:  # a bug must not end the pulling: without it the bot is deaf
            log.error("wecom.kf.pull_crashed", exc_info=error)
            return self._failed(error, LONGEST_PAUSE_S)
        self._failures, self._reason = 0, ""
        return self._every_s or None

    def _failed(self, error: Exception, pause: float) -> float:
        self._failures += 1
        self._reason = f"{type(error).__name__}: {error}"[:300]
        log.warning("wecom.kf.pull_failed", tries=self._failures, reason=self._reason)
        return pause

    async def _drain(self) -> None:
        """Pull until no nudge is left that came after the pull began."""
        while not self._stopping.is_set():
            nudge = await self._notes.get(f"nudge:{self.open_kfid}") or ""
            if not self._due and nudge == await self._notes.get(f"done:{self.open_kfid}"):
                return
            await self._pages(self._token(nudge))
            if self._stopping.is_set():
                return
            self._due = False
            await self._notes.put(f"done:{self.open_kfid}", nudge)

    def _token(self, nudge: str) -> str:
        with suppress(msgspec.MsgspecError):
            read = msgspec.json.decode(nudge, type=_Nudge)
            return read.token if self._clock() - read.at < TOKEN_S else ""
        return ""

    async def _pages(self, token: str) -> None:
        not_before = await self._begun() - self._max_age_s
        more = True
        while more and not self._stopping.is_set():
            await self._lease.renew()
            cursor = await self._notes.get(f"cursor:{self.open_kfid}") or ""
            answer, token = await self._sync(cursor, token)
            items = answer.get("msg_list")
            await self._take_all(items if isinstance(items, list) else [], not_before)
            if self._stopping.is_set():
                return
            following = answer.get("next_cursor")
            moved = isinstance(following, str) and following not in ("", cursor)
            if moved:
                await self._notes.put(f"cursor:{self.open_kfid}", str(following))
                self._limit = min(PAGE, self._limit + MORE)
                self._failures, self._reason = 0, ""
            # A page may be short, or empty, and not the last.
            more = answer.get("has_more") == 1
            if more and not moved:
                raise SendError("WeCom's sync_msg says that there is more, but not from where")

    async def _take_all(self, items: Sequence[Any], not_before: float) -> None:
        """Accept a page: each customer's items in order, different customers side by side (every item
        takes several commits, which many share). What one raises is raised when all have ended."""
        chains: dict[str, list[Mapping[str, Any]]] = {}
        for item in items:
            sound = item if isinstance(item, dict) else {}
            chains.setdefault(customer_of(sound), []).append(sound)
        room = asyncio.Semaphore(AT_ONCE)

        async def take(chain: Sequence[Mapping[str, Any]]) -> None:
            async with room:
                for item in chain:
                    if self._stopping.is_set():
                        return
                    await self._take(self.open_kfid, item, not_before)

        taking = asyncio.gather(*(take(chain) for chain in chains.values()), return_exceptions=True)
        try:
            while not (await asyncio.wait({taking}, timeout=LEASE_S / 4))[0]:
                await self._lease.renew()
        finally:
            # Whatever ends the waiting early, a lost lease or a stop that waits no longer, ends them, too:
            # none goes on beside the next pull, or after the store is closed.
            if not taking.done():
                taking.cancel()
                await asyncio.gather(taking, return_exceptions=True)
        failed = [error for error in await taking if isinstance(error, BaseException)]
        if failed:
            raise failed[0]

    async def _begun(self) -> float:
        """When the very first pull began; kept for ever, so that a lost cursor doesn't look like one."""
        note, now = f"begun:{self.open_kfid}", self._clock()
        if await self._notes.add(note, f"{now:.0f}"):
            return now
        return float(await self._notes.get(note) or now)

    async def _sync(self, cursor: str, token: str) -> tuple[dict[str, Any], str]:
        """A page, and the token to go on with."""
        asked = {"open_kfid": self.open_kfid, "limit": self._limit, "voice_format": 0}
        asked |= {name: value for name, value in (("cursor", cursor), ("token", token)) if value}
        try:
            return await self._page(asked), token
        except WeComError as error:
            if error.errcode != BAD_TOKEN or not token:
                raise
        del asked["token"]
        return await self._page(asked), ""

    async def _page(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return await self._api.call("POST", "kf/sync_msg", json=asked, repeatable=True)
        except (RetryLater, WeComError, WeComRefused):
            # An answer, so it wasn't the page's size.
            raise
        except SendError:
            self._limit = max(1, self._limit // 2)
            raise
