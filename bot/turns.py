"""Turns: claim the next event of a conversation, let the rails decide, commit all of it at once.

One conversation is handled strictly in order, under a lease; different ones run side by side. A
turn that fails is tried again after a pause, and after `turns.tries` failures its event is parked
as a dead letter, so that the conversation goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import structlog

from bot.bus import Bus
from bot.config import LiveConfig
from bot.errors import LeaseLost, StoreBusy
from bot.feedback.vote import is_vote
from bot.limits.load import Load
from bot.locales import say
from bot.metrics import Metrics
from bot.pool import Pool
from bot.ports import Clock, Masker, NoteTaker
from bot.rails.base import Context, Handler, reply
from bot.rails.normalise import clean, detect_language
from bot.rails.privacy import secrets_of
from bot.store import AuditEntry, Claim, Outcome, Store
from bot.store.vault import Secret
from bot.suitability.profile import Profile
from bot.tickets.open import open_ticket, subject_of
from bot.tickets.report import report
from bot.types import Draft, InboundEvent, Language, Text, encode

__all__ = ["DRAFTS", "SENDS", "TURNS", "Turns"]

log = structlog.get_logger(__name__)

TURNS = "turns"
"""Bus topic: an event was accepted. Key: the conversation."""
SENDS = "sends"
"""Bus topic: a message was committed to the outbox."""
LONGEST_TURN_S = 30.0
"""Seconds a turn may take besides the model's own deadline; then it counts as failed."""
CRASHES = 25
"""Claims of one event that neither finished nor failed, after which it is parked: it kills its process.
(A process that is killed for other reasons takes what it holds along, so this is generous.)"""
APOLOGY = 99
"""Number of the apology among the replies to an event."""
LONGEST_PARKED = 4000
"""Characters of a parked message that are kept for a person."""
DRAFTS = "drafts"
"""Bus topic: a growing preview. Payload: `Draft`."""


class Turns:
    """The turn worker of one process."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        live: LiveConfig,
        handler: Handler,
        metrics: Metrics,
        clock: Clock,
        *,
        masker: Masker,
        load: Load | None = None,
        notes: NoteTaker | None = None,
    ) -> None:
        self._load = load
        self._notes = notes
        self._masker = masker
        self._store = store
        self._bus = bus
        self._live = live
        self._handler = handler
        self._metrics = metrics
        self._clock = clock
        self._pool = Pool(
            bus,
            metrics,
            topic=TURNS,
            claim=self._claim,
            handle=self._guarded_turn,
            size=lambda: live.config.turns.concurrency,
            pressed=lambda: store.pressed,
        )

    def now(self) -> float:
        return self._clock().timestamp()

    async def run(self) -> None:
        """Work until `stop`."""
        await self._pool.run()

    async def stop(self, grace: float) -> None:
        """Claim nothing more; let running turns finish for `grace` seconds, then release them."""
        await self._pool.stop(grace)

    async def _claim(self, free: int) -> list[Claim]:
        lease_s = self._live.config.turns.lease_s
        return await self._store.claim(now=self.now(), lease_s=lease_s, limit=free)

    # ── one turn ──

    async def _guarded_turn(self, claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(correlation=claim.event.correlation_id):
            try:
                if claim.crashes >= CRASHES:
                    await self._park(claim, f"it ended the process {claim.crashes} times")
                    return
                async with self._kept_alive(claim):
                    await self._turn(claim)
            except LeaseLost:
                self._metrics.turns.labels("lease_lost").inc()
                log.warning("turn.lease_lost")
            except StoreBusy as error:
                # Nothing was written: the lease runs out and the event comes again.
                self._metrics.turns.labels("store_busy").inc()
                log.warning("turn.store_busy", reason=str(error))
            except asyncio.CancelledError:
                await self._release(claim)
                raise
            except Exception as error:
                self._metrics.errors.labels("turn", type(error).__name__).inc()
                await self._failed(claim, error)

    async def _turn(self, claim: Claim) -> None:
        started, event = time.perf_counter(), claim.event
        waited = max(0.0, self.now() - event.received_at.timestamp())
        self._metrics.wait_seconds.observe(waited)
        if self._load is not None:
            self._load.claimed(waited)
        # Whatever hangs must end some day: its lease is renewed for as long as it runs.
        async with asyncio.timeout(self._live.config.inference.deadline_s + LONGEST_TURN_S):
            outcome = await self._handler(event, await self._context(claim))
        # Whichever rail wrote it: later turns, models and staff see no personal data in what was said.
        outcome = replace(outcome, seen=self._masked(outcome.seen))
        report(await self._store.complete(claim, outcome, now=self.now()), self._metrics)
        self._metrics.turns.labels("done").inc()
        took = time.perf_counter() - started
        self._metrics.turn_seconds.observe(took)
        if self._load is not None:
            self._load.turned(took)
        if outcome.messages or outcome.tickets or outcome.vote is not None:
            await self._bus.publish(SENDS, event.conversation.key)
        log.debug("turn.done", messages=len(outcome.messages))

    async def _context(self, claim: Claim) -> Context:
        config = self._live.config
        event = claim.event
        since = self.now() - config.answers.forget_after_minutes * 60
        history = await self._store.exchanges(
            event.conversation.key, limit=config.answers.history, since=since
        )
        # The key of the final reply, so that the platform puts it in the draft's place.
        key = reply(event, "zh").idempotency_key
        shown, language = 0, _language(event, claim.language)

        async def show(text: str) -> None:
            nonlocal shown
            draft = Draft(event.conversation, key, text, shown, event.event_id, language)
            shown += 1
            await self._bus.publish(DRAFTS, event.conversation.key, encode(draft))

        return Context(
            config=config,
            history=tuple(history),
            owner=claim.owner,
            state=claim.state,
            known_language=claim.language,
            show=show,
            profile=await self._profile(event),
            staff=self._live.current.staff,
            disclaimers=self._live.current.disclaimers,
            now=self._clock(),
            notes=self._notes,
        )

    async def _profile(self, event: InboundEvent) -> Profile:
        """What is on file about the customer, under the house's own limits."""
        house = self._live.config.suitability
        profile = await self._store.profile(subject_of(event))
        return profile.under(valid_months=house.valid_months, elder_age=house.elder_age)

    @asynccontextmanager
    async def _kept_alive(self, claim: Claim) -> AsyncIterator[None]:
        """Renew the lease while a long turn runs."""
        lease_s = self._live.config.turns.lease_s

        async def renew() -> None:
            while True:
                await asyncio.sleep(lease_s / 3)
                with suppress(StoreBusy, LeaseLost):
                    await self._store.renew(claim, until=self.now() + lease_s)

        task = asyncio.create_task(renew())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _masked(self, text: str) -> str:
        return self._masker.mask(text).text if text else ""

    # ── what goes wrong ──

    def _reason(self, error: Exception) -> str:
        """What is kept in clear of an error: some quote what they choked on."""
        try:
            return f"{type(error).__name__}: {self._masked(str(error)[:4000])}"[:500]
        except Exception:
            return type(error).__name__

    async def _failed(self, claim: Claim, error: Exception) -> None:
        settings = self._live.config.turns
        tries = claim.tries + 1
        reason = self._reason(error)
        log.error("turn.failed", tries=tries, event_id=claim.event.event_id, exc_info=error)
        try:
            if tries >= settings.tries:
                await self._park(claim, reason)
            else:
                pause = settings.retry_s * 2 ** (tries - 1)
                await self._store.fail(claim, reason, retry_at=self.now() + pause)
                self._metrics.turns.labels("failed").inc()
        except (LeaseLost, StoreBusy) as second:
            log.warning("turn.not_recorded", reason=str(second))

    async def _park(self, claim: Claim, reason: str) -> None:
        event, bank = claim.event, self._live.config.bank
        entry = AuditEntry("turn.parked", {"reason": reason.split(":", 1)[0], "tries": claim.tries + 1})
        if is_vote(event):  # nobody waits for an answer to it
            await self._store.park(claim, reason, Outcome(audit=(entry,)), now=self.now())
            await self._parked(event)
            return
        language = _language(event, claim.language)
        seen, secrets = self._parked_words(event)
        apology = say("apology", language, hotline=bank.hotline, reference=event.correlation_id[-8:])
        # A key of its own: a retry by hand must be able to send the real answer under the usual one.
        message = reply(event, language, Text(apology), kind="notice", number=APOLOGY)
        messages = () if claim.owner.id else (message,)
        outcome = Outcome(messages=messages, seen=seen, secrets=secrets, audit=(entry,))
        try:
            ticket = open_ticket(
                event,
                staff=self._live.current.staff,
                now=self._clock(),
                department="contact_center",
                reason="unanswered",
                severity="P2",
                text=seen,
                language=language,
                owner=claim.owner.id,
                hotline=bank.hotline,
                before=apology,
                joins=True,
                # Of its own, as the apology's key is: the ticket of a turn retried by hand must be taken.
                number=APOLOGY,
            )
            told = replace(outcome, messages=(), tickets=(ticket,))
            report(await self._store.park(claim, reason, told, now=self.now()), self._metrics)
        except (LeaseLost, StoreBusy):
            raise
        except Exception as error:  # whatever it is: the customer hears of it at least
            log.error("turn.parked_without_ticket", event_id=event.event_id, exc_info=error)
            await self._store.park(claim, reason, outcome, now=self.now())
        await self._parked(event)

    async def _parked(self, event: InboundEvent) -> None:
        self._metrics.turns.labels("parked").inc()
        self._metrics.dead_letters.labels("event").inc()
        await self._bus.publish(SENDS, event.conversation.key)

    def _parked_words(self, event: InboundEvent) -> tuple[str, tuple[Secret, ...]]:
        """(the words masked, what was masked in them); nothing where they can't even be masked: that may be
        why the turn failed, and it must not keep the event from being parked."""
        words = clean(event.text[:LONGEST_PARKED])
        try:
            masked = self._masker.mask(words)
        except Exception as error:
            log.error("turn.not_masked", event_id=event.event_id, error=type(error).__name__)
            return "", ()
        return masked.text, secrets_of(masked, words)

    async def _release(self, claim: Claim) -> None:
        """Give an unfinished turn back at shutdown, without counting a failure."""
        with suppress(LeaseLost, StoreBusy):
            await asyncio.shield(self._store.release(claim))


def _language(event: InboundEvent, known: str) -> Language:
    return detect_language(clean(event.text[:1000]), known, event.sender.locale)
