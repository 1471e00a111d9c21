"""Sender: takes committed messages from the outbox to their platforms, in order, and marks them.

The attempt is recorded before the call and the result after it. A crash between the two leaves
the message `attempting`; when its lease runs out it is sent again (at most one duplicate for each
crash), except a money confirmation, which a person must look at.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

import structlog

from bot.bus import Bus
from bot.errors import BusError, RetryLater, SendAmbiguous, SendError, SendRefused, StoreBusy
from bot.metrics import Metrics
from bot.pool import POLL_S, Pool
from bot.ports import Clock
from bot.store import Dispatch, Store
from bot.tickets.notice import instead, is_for_staff
from bot.turns import DRAFTS, SENDS
from bot.types import Conversation, Delivery, Draft, Language, OutboundMessage, decode

__all__ = ["Platform", "Sender"]

log = structlog.get_logger(__name__)

TRIES = 6
"""Failed attempts at one message after which it is given up as a dead letter."""
PREVIEWS = 256
"""Previews under way at most: one slow platform's calls must not hold up another's."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


class Abilities(Protocol):
    @property
    def repeatable(self) -> bool: ...


class Platform(Protocol):
    """The half of an adapter that the sender needs."""

    @property
    def capabilities(self) -> Abilities: ...

    async def send(self, message: OutboundMessage) -> Delivery: ...
    async def draft(self, draft: Draft) -> None: ...
    async def typing(self, conversation: Conversation, language: Language) -> None: ...


class Sender:
    """The sender of one process, for the (platform, account)s it has.

    Each platform has `concurrency` places of its own: one that hangs holds up no other. `mask` is for what
    platforms say of errors: it is kept in clear, and may quote the message. `fallback` is where staff are
    told of a ticket when their department's own channel can't be reached.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        platforms: Mapping[tuple[str, str], Platform],
        metrics: Metrics,
        clock: Clock,
        *,
        concurrency: int = 64,
        lease_s: float = 30.0,
        mask: Callable[[str], str] = str,
        fallback: Callable[[], Conversation | None] = lambda: None,
    ) -> None:
        self._mask = mask
        self._fallback = fallback
        self._store = store
        self._bus = bus
        self._platforms = platforms
        self._metrics = metrics
        self._clock = clock
        self._lease_s = lease_s
        self._previews: set[asyncio.Task[None]] = set()
        accounts: dict[str, list[tuple[str, str]]] = {}
        for platform, account in platforms:
            accounts.setdefault(platform, []).append((platform, account))
        self._pools = [
            Pool(
                bus,
                metrics,
                topic=SENDS,
                group=f"{SENDS}.{platform}",
                wants=partial(_is_of, platform),
                claim=partial(self._claim, own),
                handle=self._guarded_send,
                size=lambda: concurrency,
                pressed=lambda: store.pressed,
            )
            for platform, own in accounts.items()
        ]

    def now(self) -> float:
        return self._clock().timestamp()

    async def run(self) -> None:
        """Work until `stop`."""
        drafts = asyncio.create_task(self._show_drafts())
        try:
            await asyncio.gather(*(pool.run() for pool in self._pools))
        finally:
            for task in (drafts, *self._previews):
                task.cancel()
            await asyncio.gather(drafts, *self._previews, return_exceptions=True)

    async def stop(self, grace: float) -> None:
        """Take nothing more and let the calls under way end."""
        await asyncio.gather(*(pool.stop(grace) for pool in self._pools))

    async def _claim(self, accounts: Sequence[tuple[str, str]], free: int) -> list[Dispatch]:
        return await self._store.claim_sends(accounts, now=self.now(), lease_s=self._lease_s, limit=free)

    async def _show_drafts(self) -> None:
        """Previews only: without the bus there are none, and answers come all the same."""
        while True:
            with suppress(BusError):
                await self._show_until_lost()
            await asyncio.sleep(POLL_S)

    async def _show_until_lost(self) -> None:
        async with self._bus.subscribe(DRAFTS, group="senders") as hints:
            async for _, payload in hints:
                if len(self._previews) >= PREVIEWS:
                    continue
                task = asyncio.create_task(self._preview(payload))
                self._previews.add(task)
                task.add_done_callback(self._previews.discard)

    async def _preview(self, payload: bytes) -> None:
        try:
            draft = decode(payload, Draft)
            platform = self._platforms.get(_account(draft.conversation))
            if platform is None:
                return
            async with asyncio.timeout(self._lease_s):
                if draft.text:
                    await platform.draft(draft)
                else:
                    await platform.typing(draft.conversation, draft.language)
        except Exception as error:  # a preview must never hurt a delivery
            self._metrics.errors.labels("draft", type(error).__name__).inc()

    # ── one message ──

    async def _guarded_send(self, dispatch: Dispatch) -> None:
        try:
            await self._send(dispatch)
        except StoreBusy as error:
            # Delivered or not, it stays `attempting` and is looked at again when the lease ends.
            log.warning("send.not_recorded", outbox=dispatch.id, reason=str(error))

    async def _send(self, dispatch: Dispatch) -> None:
        message = dispatch.message
        name = message.conversation.platform
        if dispatch.interrupted and message.kind == "confirmation":
            await self._give_up(
                dispatch, "a money confirmation may have been sent before a crash; look, then retry"
            )
            return
        started = time.perf_counter()
        try:
            # An attempt must end before its lease does, or a second one would begin beside it.
            async with asyncio.timeout(self._lease_s * 0.8):
                delivery = await self._platforms[_account(message.conversation)].send(message)
        except TimeoutError:
            late = SendAmbiguous(f"no answer from the platform in {self._lease_s * 0.8:g} s")
            await self._not_sent(dispatch, late)
            return
        except Exception as error:
            await self._not_sent(dispatch, error)
            return
        await self._store.sent(dispatch, delivery.message_id, now=self.now())
        self._metrics.sends.labels(name, "sent").inc()
        self._metrics.send_seconds.labels(name).observe(time.perf_counter() - started)

    async def _not_sent(self, dispatch: Dispatch, error: Exception) -> None:
        message, name = dispatch.message, dispatch.message.conversation.platform
        reason = f"{type(error).__name__}: {self._mask(str(error)[:2000])}"[:500]
        note = log.info if isinstance(error, RetryLater) else log.warning
        note("send.failed", platform=name, outbox=dispatch.id, tries=dispatch.tries, reason=reason)
        self._metrics.sends.labels(name, type(error).__name__).inc()
        # It may have arrived. Once more is better than silence; again and again isn't, and never money.
        repeatable = self._platforms[_account(message.conversation)].capabilities.repeatable
        allowed = TRIES if repeatable else 1
        doubtful = isinstance(error, SendAmbiguous) and (
            message.kind == "confirmation" or dispatch.failures >= allowed
        )
        if isinstance(error, RetryLater):
            # The platform asked for patience with this chat: that is no failed try of ours.
            at = self.now() + error.retry_after
            await self._store.send_later(dispatch, reason, at=at, failed=False)
        elif isinstance(error, SendRefused) and not is_for_staff(message):
            await self._store.refused(dispatch, reason, now=self.now())
        elif isinstance(error, SendRefused) or dispatch.failures + 1 >= TRIES or doubtful:
            await self._give_up(dispatch, reason)
        else:
            if not isinstance(error, SendError | StoreBusy):
                log.error("send.crashed", platform=name, exc_info=error)
            pause = min(FIRST_PAUSE_S * 2**dispatch.failures, LONGEST_PAUSE_S)
            at = self.now() + pause * random.uniform(0.8, 1.2)
            await self._store.send_later(dispatch, reason, at=at, failed=True)

    async def _give_up(self, dispatch: Dispatch, reason: str) -> None:
        message = dispatch.message
        other = instead(message, self._fallback()) if is_for_staff(message) else None
        await self._store.give_up_send(dispatch, reason, now=self.now(), instead=other)
        self._metrics.sends.labels(message.conversation.platform, "given_up").inc()
        self._metrics.dead_letters.labels("message").inc()
        if is_for_staff(message):
            # A customer was promised that somebody comes, and nobody knows of it yet.
            place, told = message.conversation.platform, "none" if other is None else "default"
            self._metrics.staff_untold.labels(told).inc()
            log.error("staff.not_told", platform=place, outbox=dispatch.id, instead=told, reason=reason)
        if other is not None:
            await self._bus.publish(SENDS, other.conversation.key)


def _is_of(platform: str, key: str) -> bool:
    """Whether a conversation's key is one of this platform's (a hint without a key may be)."""
    return not key or key.startswith(f"{platform}|")


def _account(conversation: Conversation) -> tuple[str, str]:
    return conversation.platform, conversation.account
