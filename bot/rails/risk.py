"""Risk rail: what the rules say of a message is done before anything else is.

    none      the message goes on
    warn      a warning stands before the answer
    confirm   asked back, with a reference number; the question is answered once the customer says yes
    escalate  told what to do now, and a person is fetched
    block     refused kindly, with the way to object; nothing behind this rail sees the message

Rules never depend on a model, on staff or on the sender's limits. If they themselves fail, a person looks.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from bot.locales import say
from bot.metrics import Metrics
from bot.ports import Attention, Clock, RiskRules
from bot.rails.base import Context, Handler, reply
from bot.rails.human import escalation
from bot.store import AuditEntry, Outcome
from bot.suitability.levels import rank
from bot.tickets.open import subject_of
from bot.types import Assessment, Button, Buttons, InboundEvent, OutboundMessage, Text

__all__ = ["CONFIRM", "RiskRail", "reference_of"]

log = structlog.get_logger(__name__)

MEMORY = "risk"
"""Key of the conversation's state: what the rules remember, by subject."""
CONFIRM = "confirm"
"""Key of the conversation's state, and beginning of button values: what waits for a customer's yes, by
subject."""
WARNED = "warned"
WARNING, CONFIRMATION = 1, 2
"""Numbers of these among the replies to an event."""
_REPEAT_S = 1800.0
"""A warning that was given within this time is repeated in brief."""
_READ = ("message", "edit", "command")
_RAISABLE = ("none", "warn", "confirm")
"""What the classifier may raise: a person who comes, or a refusal, is the rules' last word."""
_ATTENTION_S = 3.0
"""Seconds that a message waits for the classifier; then the rules stand alone."""
_MEMBERS = 50
"""Members of a group whose last messages are remembered, and whose questions wait for a yes."""
_LATE_S = 86400.0
"""For so long a button that is pressed too late is told so."""


class RiskRail:
    """Assesses every message of every customer, limited or not, owned by staff or not."""

    def __init__(
        self, rules: RiskRules, metrics: Metrics, clock: Clock, attention: Attention | None = None
    ) -> None:
        self._rules = rules
        self._metrics = metrics
        self._clock = clock
        self._attention = attention

    async def __call__(self, handler: Handler, event: InboundEvent, context: Context) -> Outcome:
        words = context.spoken or context.text
        if event.kind not in _READ or not any(c.isalnum() for c in words):
            return await handler(event, context)
        assessment = await self._assess(event, context)
        context = replace(context, risk=assessment)
        outcome = await self._act(handler, event, context, assessment)
        return _noted(outcome, event, context, assessment)

    # ── assessing ──

    async def _assess(self, event: InboundEvent, context: Context) -> Assessment:
        memory = context.state.get(MEMORY, {}).get(subject_of(event), {})
        try:
            found = self._rules.assess(
                context.spoken or context.text,
                facts=facts_of(event, context, self._clock()),
                pasted=context.kinds,
                memory=memory,
                now=self._clock(),
                kept=context.text,
            )
        except Exception as error:  # whatever it is: a message that wasn't assessed must not pass
            self._metrics.rules.labels("failed").inc()
            log.error("risk.failed", exc_info=error)
            return Assessment(
                action="escalate", severity="P2", department="fraud_risk", reason="rule_error",
                errors=("engine",), memory=dict(memory),
            )  # fmt: skip
        for _ in found.errors:
            self._metrics.rules.labels("error").inc()
        if found.errors:
            log.error("risk.rule_error", rules=found.errors)
        if self._attention is not None and found.action in _RAISABLE and context.config.risk.attention:
            found = await self._raised(self._attention, context.spoken or context.text, found)
        self._metrics.rules.labels(found.action).inc()
        return found

    async def _raised(self, attention: Attention, text: str, found: Assessment) -> Assessment:
        """What the classifier makes of it; the rules' own assessment if it can't be asked."""
        try:
            async with asyncio.timeout(_ATTENTION_S):
                return await attention.raise_for(text, found)
        except Exception as error:  # whatever it is: the rules have spoken, and stand without it
            self._metrics.rules.labels("attention_failed").inc()
            log.error("risk.attention_failed", exc_info=error)
            return found

    # ── acting ──

    async def _act(
        self, handler: Handler, event: InboundEvent, context: Context, found: Assessment
    ) -> Outcome:
        if context.owner.id and found.action in ("warn", "confirm"):
            return await handler(event, context)
        if found.action == "warn":
            return await self._warn(handler, event, context, found)
        if found.action == "confirm":
            return self._confirm(event, context, found)
        if found.action == "escalate":
            return self._escalate(event, context, found)
        if found.action == "block":
            return self._block(event, context, found)
        return await handler(event, context)

    async def _warn(
        self, handler: Handler, event: InboundEvent, context: Context, found: Assessment
    ) -> Outcome:
        outcome = await handler(event, context)
        now, warned = self._clock().timestamp(), dict(context.state.get(WARNED, {}))
        again = now - warned.get(found.template, 0.0) < _REPEAT_S
        text = self._again(context) if again else self._words(event, context, found)
        warned = {name: at for name, at in warned.items() if now - at < _REPEAT_S} | {found.template: now}
        warning = reply(event, context.language, Text(text), kind="warning", number=WARNING)
        state = context.state if outcome.state is None else outcome.state
        return replace(
            outcome,
            messages=(warning, *outcome.messages),
            seen=outcome.seen or context.text,
            state={**state, WARNED: warned},
        )

    def _confirm(self, event: InboundEvent, context: Context, found: Assessment) -> Outcome:
        language, reference = context.language, reference_of(event)
        minutes = context.config.risk.confirm_minutes
        text = self._words(event, context, found)
        ask = say("risk.confirm", language, reference=reference, minutes=minutes)
        choices = Buttons(
            (
                Button(say("risk.confirm_yes", language), f"{CONFIRM}:{reference}:yes"),
                Button(say("risk.confirm_no", language), f"{CONFIRM}:{reference}:no"),
            ),
            ask,
        )
        message = reply(event, language, Text(text), choices, kind="confirmation", number=CONFIRMATION)
        waiting = {
            "reference": reference,
            "text": context.text,
            "kinds": sorted(context.kinds),
            "rule": found.rules[0].id if found.rules else "",
            "until": self._clock().timestamp() + minutes * 60,
        }
        return Outcome(
            messages=(message,),
            seen=context.text,
            language=language,
            state={**context.state, CONFIRM: self._waiting(event, context, waiting)},
        )

    def _waiting(self, event: InboundEvent, context: Context, new: dict[str, Any]) -> dict[str, Any]:
        """What waits, by subject, with `new` for this one."""
        subject, now = subject_of(event), self._clock().timestamp()
        known: dict[str, dict[str, Any]] = context.state.get(CONFIRM, {})
        others = {k: v for k, v in known.items() if k != subject and now - v["until"] <= _LATE_S}
        return {**dict(list(others.items())[-(_MEMBERS - 1) :]), subject: new}

    def _escalate(self, event: InboundEvent, context: Context, found: Assessment) -> Outcome:
        ticket = escalation(
            event,
            context,
            department=found.department or "fraud_risk",  # type: ignore[arg-type]
            reason=found.reason,
            severity=found.severity or "P2",  # type: ignore[arg-type]
            before=self._words(event, context, found),
            rules=tuple(rule.id for rule in found.rules),
        )
        return Outcome(seen=context.text, language=context.language, tickets=(ticket,))

    def _block(self, event: InboundEvent, context: Context, found: Assessment) -> Outcome:
        messages: tuple[OutboundMessage, ...] = ()
        if not context.owner.id:
            text = self._words(event, context, found)
            messages = (reply(event, context.language, Text(text), kind="notice"),)
        # What was asked isn't shown to a model as history either.
        seen = say("risk.blocked_words", context.language)
        return Outcome(messages=messages, seen=seen, language=context.language)

    # ── words ──

    def _words(self, event: InboundEvent, context: Context, found: Assessment) -> str:
        """What the customer is told. The rules may have been swapped since the message was assessed, and the
        template gone with them: then another one for the same action, or the house's own words."""
        bank, language = context.config.bank, context.language
        if not found.template:
            return say("risk.failed", language, hotline=bank.hotline)
        others = (rule.template for rule in found.rules if rule.action == found.action)
        for template in dict.fromkeys((found.template, *others)):
            try:
                return self._rules.says(
                    template,
                    language,
                    hotline=bank.hotline,
                    bank=bank.name[language],
                    reference=reference_of(event),
                )
            except Exception as error:  # whatever it is: the customer must hear something
                self._metrics.rules.labels("no_template").inc()
                log.error("risk.no_template", template=template, exc_info=error)
        return say(f"risk.plain.{found.action}", language, hotline=bank.hotline)

    def _again(self, context: Context) -> str:
        return say("risk.warn_again", context.language, hotline=context.config.bank.hotline)


def facts_of(event: InboundEvent, context: Context, now: datetime) -> dict[str, Any]:
    """What is known beside the words."""
    facts: dict[str, Any] = {"chat.platform": event.platform}
    if event.conversation.kind == "group":
        facts["chat.group"] = True
    profile = context.profile
    if profile is not None:
        if profile.age:
            facts["customer.age"] = profile.age
        rating = profile.rating(now)
        if rating is not None:
            facts["customer.level"] = rank(rating.level)
    return facts


def reference_of(event: InboundEvent) -> str:
    """Eight characters that name this turn to the customer and to staff: the same when it runs again."""
    key = f"{event.platform}|{event.account}|{event.event_id}"
    return hashlib.blake2b(key.encode(), digest_size=5).hexdigest()[:8].upper()


def _noted(outcome: Outcome, event: InboundEvent, context: Context, found: Assessment) -> Outcome:
    """The outcome with the rules' memory in its state and what fired in its audit."""
    state = context.state if outcome.state is None else outcome.state
    members: dict[str, Any] = {k: v for k, v in state.get(MEMORY, {}).items() if k != subject_of(event)}
    for stale in list(members)[: max(0, len(members) - _MEMBERS + 1)]:
        del members[stale]
    members[subject_of(event)] = found.memory
    audit = outcome.audit
    if found.action != "none" or found.shadow or found.errors:
        audit = (AuditEntry("risk.assessed", audit_of(found)), *audit)
    return replace(outcome, state={**state, MEMORY: members}, audit=audit)


def audit_of(found: Assessment) -> dict[str, object]:
    """Which rule, which version and which span; never the words."""
    return {
        "action": found.action,
        "rules": [
            {"id": r.id, "version": r.version, "action": r.action, "spans": [list(s) for s in r.spans]}
            for r in found.rules
        ],
        "reason": found.reason,
        "severity": found.severity,
        "shadow": list(found.shadow),
        "errors": list(found.errors),
        "attention": round(found.attention, 4),
        "rules_version": found.version,
    }
