"""Limits, in two rails: the meter decides first of all, the gate refuses only where an answer would begin.

Between them stand privacy and risk, which see every message of every sender: a limited customer who is
being cheated is still warned, a threat still reaches staff. What is refused is the answer, and its cost.

    meter ► choices ► normalise ► privacy ► risk ► vote ► owner ► unread ► gate ► greet ► flows ► answer
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec

from bot.limits.admission import Admission
from bot.limits.meter import Meter
from bot.locales import say
from bot.rails.base import Context, Handler, Rail, reply
from bot.rails.normalise import clean, detect_language
from bot.store import AuditEntry, Outcome
from bot.types import InboundEvent, OutboundMessage, Text

__all__ = ["Exempt", "gate", "meter", "refusal"]

Exempt = Callable[[InboundEvent, Context], bool]
"""What is handled for a limited sender too."""


def meter(decide: Meter) -> Rail:
    """The first rail: puts the decision into the context, and a campaign into the audit."""

    async def rail(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
        admission = decide.admit(event, context.config)
        context = replace(context, admission=admission)
        if admission.limited and event.kind in ("message", "edit"):
            if not any(c.isalnum() for c in event.text):
                # Nothing for privacy and risk to read, and no notice about each of a hundred stickers.
                language = detect_language("", context.known_language, event.sender.locale)
                return refusal(event, replace(context, language=language))
            event = _cut(event, context.config.limits.message_chars)
        outcome = await handler(event, context)
        if admission.campaign is None:
            return outcome
        data = {"senders": admission.campaign.senders, "mark": admission.campaign.mark}
        return replace(outcome, audit=(AuditEntry("limits.campaign", data), *outcome.audit))

    return rail


def gate(decide: Meter, exempt: Exempt = lambda event, context: False) -> Rail:
    """The rail where answers begin.

    Args:
        exempt: what is let through for a limited sender who isn't denied: asking for a person, the answer
            to a pending confirmation.
    """

    async def rail(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
        admission = context.admission
        if admission.limited and (admission.why == "denied" or not exempt(event, context)):
            return refusal(event, context)
        # An empty draft: "is typing". Not earlier, for a silent refusal would leave it standing.
        await context.show("")
        outcome = await handler(event, context)
        if outcome.passages:
            decide.answered(event)
        return outcome

    return rail


def refusal(event: InboundEvent, context: Context) -> Outcome:
    """Seen and recorded; answered with a notice or not at all (never over staff)."""
    admission, language = context.admission, context.language
    messages: tuple[OutboundMessage, ...] = ()
    if admission.notice and not context.owner.id:
        text = _words(admission, context)
        messages = (reply(event, language, Text(text), kind="notice"),)
    entry = AuditEntry("limits.refused", {"why": admission.why, "notice": admission.notice})
    return Outcome(messages=messages, seen=context.text, language=language, audit=(entry,))


def _words(admission: Admission, context: Context) -> str:
    hotline = context.config.bank.hotline
    return say(f"limits.{admission.why}", context.language, hotline=hotline)


def _cut(event: InboundEvent, limit: int) -> InboundEvent:
    """An event whose text is short enough to pass `normalise`, so that risk reads its beginning instead
    of the sender getting one more notice."""
    raw = event.text
    text = clean(raw[: limit * 2])
    if len(raw) <= limit and len(text) <= limit:
        return event
    return msgspec.structs.replace(event, parts=(Text(text[:limit]),), dropped=0)
