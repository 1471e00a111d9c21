"""Decides for each event whether it may be answered.

All memory is this process's own and bounded. It needs no clock: an event carries its time. An event is
counted once, however often its turn runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.config.limits import Limits
from bot.config.models import Config
from bot.limits.access import Gatekeeper
from bot.limits.admission import ADMITTED, Admission, Campaign, Why
from bot.limits.bucket import Bucket
from bot.limits.campaigns import Watch
from bot.limits.fingerprint import Fingerprint, fingerprint
from bot.limits.remembered import Remembered
from bot.limits.repeats import Said
from bot.metrics import Metrics
from bot.types import InboundEvent

__all__ = ["Meter"]

RESERVE = 0.2
"""Share of everybody's burst that is kept for senders who have used less than half of their own."""

MOST_NOTICES = 4
"""Notices that one burst of one sender gets, over all reasons."""
LONGEST_BACKLOG_S = 24 * 3600.0
"""How long platforms keep messages for us, at most."""
TYPED = ("message", "edit")
"""Kinds of events whose words count. A button pressed twice, or /start again, is no repetition."""


@dataclass(frozen=True, slots=True)
class _Decided:
    admission: Admission
    print: Fingerprint | None


class _Party:
    """A sender or a group: its rate, and what it was told."""

    __slots__ = ("bucket", "refused_at", "told")

    def __init__(self) -> None:
        self.bucket = Bucket()
        self.refused_at = float("-inf")
        self.told: set[str] = set()
        """What was explained in this burst: each reason, and each answered text, once."""

    def tell(self, what: str, at: float, quiet_s: float) -> bool:
        """Note a refusal; whether it is to be explained."""
        if at - self.refused_at >= quiet_s:
            self.told = set()
        self.refused_at = max(self.refused_at, at)
        if what in self.told or len(self.told) >= MOST_NOTICES:
            return False
        self.told.add(what)
        return True


class _Sender(_Party):
    __slots__ = ("said",)

    def __init__(self) -> None:
        super().__init__()
        self.said = Said()


class Meter:
    """Rates, repetitions, campaigns and lists, for one process.

    Args:
        is_staff: staff are never limited.
    """

    def __init__(
        self, metrics: Metrics | None = None, is_staff: Callable[[InboundEvent], bool] = lambda event: False
    ) -> None:
        self._metrics = metrics
        self._is_staff = is_staff
        size = Limits().remembered
        self._senders: Remembered[str, _Sender] = Remembered(size)
        self._groups: Remembered[str, _Party] = Remembered(size)
        self._decided: Remembered[str, _Decided] = Remembered(size)
        self._watch = Watch(size)
        self._everyone = Bucket()
        self._gatekeeper = Gatekeeper(Limits().access)
        self._suggested: tuple[Config | None, frozenset[int]] = (None, frozenset())

    def admit(self, event: InboundEvent, config: Config) -> Admission:
        """Decide, and count; the same event again gets the same decision and isn't counted."""
        self._resize(config.limits.remembered)
        known = self._decided.get(_event_key(event))
        if known is not None:
            return known.admission
        print = fingerprint(event.text) if event.kind in TYPED else None
        admission = self._decide(event, print, config)
        self._decided.put(_event_key(event), _Decided(admission, print))
        if self._metrics is not None:
            self._metrics.admissions.labels(admission.why or "admitted").inc()
            if admission.campaign is not None:
                self._metrics.campaigns.inc()
        return admission

    def answered(self, event: InboundEvent) -> None:
        """An admitted event got an answer that stands on something: the same words again needn't."""
        known, sender = self._decided.get(_event_key(event)), self._senders.get(_sender_key(event))
        if known is not None and known.print is not None and sender is not None:
            sender.said.answered(known.print, _at(event))

    def sizes(self) -> dict[str, int]:
        """How much is remembered, of each kind."""
        return {
            "senders": len(self._senders),
            "groups": len(self._groups),
            "events": len(self._decided),
            "texts": len(self._watch.texts),
        }

    # ── deciding ──

    def _decide(self, event: InboundEvent, print: Fingerprint | None, config: Config) -> Admission:
        limits = config.limits
        if event.kind == "system" or self._is_staff(event):
            return ADMITTED
        if self._gatekeeper.access is not limits.access:
            self._gatekeeper = Gatekeeper(limits.access)
        standing = self._gatekeeper.standing(event)
        if standing.denied:
            return self._refuse(event, "denied", limits, tell=standing.notice)
        if not limits.enabled or standing.unlimited:
            return ADMITTED
        campaign = None if print is None else self._campaign(event, print, config)
        why = self._over_rate(event, limits) or self._repeats(event, print, limits)
        if why:
            what = f"{why} {print.whole}" if print and why == "answered" else why
            return self._refuse(event, why, limits, what=what, campaign=campaign)
        return Admission(campaign=campaign) if campaign else ADMITTED

    def _over_rate(self, event: InboundEvent, limits: Limits) -> Why:
        at, sender = _at(event), self._sender(event)
        busy = sender.bucket.left(limits.sender, at) < limits.sender.burst / 2
        if not sender.bucket.take(limits.sender, at):
            return "rate"
        if event.conversation.kind == "group" and not self._group(event).bucket.take(limits.group, at):
            return "group_rate"
        reserve = limits.everyone.burst * RESERVE if busy else 0.0
        return "" if self._everyone.take(limits.everyone, at, reserve=reserve) else "crowd"

    def _repeats(self, event: InboundEvent, print: Fingerprint | None, limits: Limits) -> Why:
        if print is None or not print.length:
            return ""
        return self._sender(event).said.judge(print, _at(event), limits.repeats)

    def _campaign(self, event: InboundEvent, print: Fingerprint, config: Config) -> Campaign | None:
        if print.whole in self._suggestions(config):
            return None  # the bank itself put these words into people's mouths
        return self._watch.note(print, _sender_key(event), _at(event), config.limits.campaigns)

    def _refuse(
        self,
        event: InboundEvent,
        why: Why,
        limits: Limits,
        *,
        tell: bool = True,
        what: str = "",
        campaign: Campaign | None = None,
    ) -> Admission:
        # A group that is raided by a hundred members is told once, not a hundred times.
        party = self._group(event) if why == "group_rate" else self._sender(event)
        notice = tell and party.tell(what or why, _at(event), limits.quiet_s)
        return Admission(why, notice, campaign)

    # ── memory ──

    def _sender(self, event: InboundEvent) -> _Sender:
        return self._senders.get_or_make(_sender_key(event), _Sender)

    def _group(self, event: InboundEvent) -> _Party:
        key = f"{event.platform}|{event.account}|{event.conversation.chat}"
        return self._groups.get_or_make(key, _Party)

    def _suggestions(self, config: Config) -> frozenset[int]:
        if self._suggested[0] is not config:
            texts = (text for s in config.bank.suggestions for text in (s.zh, s.en))
            self._suggested = config, frozenset(fingerprint(text).whole for text in texts)
        return self._suggested[1]

    def _resize(self, size: int) -> None:
        for memory in (self._senders, self._groups, self._decided, self._watch.texts):
            memory.size = size


def _sender_key(event: InboundEvent) -> str:
    return f"{event.platform}|{event.account}|{event.sender.id}"


def _event_key(event: InboundEvent) -> str:
    return f"{event.platform}|{event.account}|{event.event_id}"


def _at(event: InboundEvent) -> float:
    """When it was said, in epoch seconds: never later than it was received, nor a day earlier (a platform's
    clock that stands still must not stop anybody's rate)."""
    received = event.received_at.timestamp()
    return min(max(event.occurred_at.timestamp(), received - LONGEST_BACKLOG_S), received)
