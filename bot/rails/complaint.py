"""Complaint rail: a clear complaint goes to its department, with a number and a date, instead of an answer.

Stands between `human` and `confirm`. A grumble that is really a question goes on to its answer; displeasure
that names nothing is first asked what happened. What a risk rule has taken care of is left to it.
"""

from __future__ import annotations

from typing import Any, get_args

import structlog

from bot.locales import say
from bot.ports import ComplaintFound, ComplaintRouter
from bot.rails.base import Context, Handler, Rail, reply
from bot.rails.human import escalation, human_button
from bot.store import AuditEntry, Outcome
from bot.tickets.open import subject_of
from bot.tickets.ticket import Department, Severity, TicketDraft
from bot.tickets.unsure import UNSURE
from bot.types import Buttons, InboundEvent, Text

__all__ = ["COMPLAINT", "complaint"]

log = structlog.get_logger(__name__)

COMPLAINT = "complaint"
"""Key of the conversation's state: when each subject last complained, or was asked what about."""
SAME_CASE_S = 24 * 3600.0
"""For so long what a customer adds belongs to the case that is open, whatever department it names."""
_MEMBERS = 50
"""Members of a group whose last complaint is remembered."""
_AT_ONCE = frozenset({"funds_moving", "takeover", "scammed"})
_IN_NEED = "self_harm"
_SEVERITIES = frozenset(get_args(Severity))
_DEPARTMENTS = frozenset(get_args(Department))


def complaint(router: ComplaintRouter | None) -> Rail:
    """Args:
    router: None passes everything on.
    """

    async def rail(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
        if router is None or not _is_read(event, context):
            return await handler(event, context)
        try:
            found = await router.route(context.text)
        except Exception as error:  # a complaint is then answered like anything else, never lost
            log.error("complaint.failed", exc_info=error)
            return await handler(event, context)
        if found.is_complaint < context.config.complaints.at_least:
            return await handler(event, context)
        if not found.named and not _before(event, context):
            # Nothing that any department could look into yet.
            return await _what_happened(handler, event, context, found)
        return _opened(event, context, found)

    return rail


def _is_read(event: InboundEvent, context: Context) -> bool:
    """Whether a complaint is looked for: in a customer's words that no rule has answered. A classifier's
    word of caution isn't an answer."""
    if event.kind not in ("message", "edit") or not context.text.strip() or context.owner.id:
        return False
    risk = context.risk
    answered = risk is not None and risk.action != "none" and bool(risk.rules)
    return context.config.complaints.route and not answered


def _before(event: InboundEvent, context: Context) -> dict[str, Any]:
    """What is remembered of this customer's last complaint, while it is of use."""
    known: dict[str, Any] = context.state.get(COMPLAINT, {}).get(subject_of(event), {})
    fresh = bool(known) and _now(event, context) - known["at"] <= SAME_CASE_S
    return known if fresh else {}


def _opened(event: InboundEvent, context: Context, found: ComplaintFound) -> Outcome:
    again = bool(_before(event, context).get("opened"))
    state = _noted(event, context, opened=True)
    return Outcome(
        seen=context.text,
        language=context.language,
        state={key: value for key, value in state.items() if key != UNSURE},
        tickets=(_ticket(event, context, found, again=again),),
        audit=(AuditEntry("complaint.routed", audit_of(found)),),
    )


def _ticket(event: InboundEvent, context: Context, found: ComplaintFound, *, again: bool) -> TicketDraft:
    known = found.department in _DEPARTMENTS and found.severity in _SEVERITIES
    return escalation(
        event,
        context,
        department=found.department if known else "consumer_protection",  # type: ignore[arg-type]
        reason="complaint",
        severity=found.severity if known else "P3",  # type: ignore[arg-type]
        before=_words(context, found, again=again),
        complaint=True,
        joins=again,
    )


def _words(context: Context, found: ComplaintFound, *, again: bool) -> str:
    language, hotline = context.language, context.config.bank.hotline
    lines = [say("complaints.added" if again else "complaints.taken", language)]
    if _IN_NEED in found.reasons:
        lines = [say("complaints.in_need", language, hotline=hotline)]
    elif _AT_ONCE.intersection(found.reasons):
        lines.insert(0, say("complaints.at_once", language, hotline=hotline))
    return "\n".join(lines)


async def _what_happened(
    handler: Handler, event: InboundEvent, context: Context, found: ComplaintFound
) -> Outcome:
    """Ask what it is about; a bare wish to complain gets the ways to do so instead."""
    if "demand" in found.reasons:
        return await handler(event, context)
    language = context.language
    message = reply(
        event,
        language,
        Text(say("complaints.what", language)),
        Buttons((human_button(language),)),
    )
    return Outcome(
        messages=(message,),
        seen=context.text,
        language=language,
        state=_noted(event, context, opened=False),
        audit=(AuditEntry("complaint.asked", audit_of(found)),),
    )


def _noted(event: InboundEvent, context: Context, *, opened: bool) -> dict[str, Any]:
    """The state with this complaint in it, and without those that are of no use any more."""
    now, subject = _now(event, context), subject_of(event)
    known = context.state.get(COMPLAINT, {})
    fresh = {k: v for k, v in known.items() if k != subject and now - v["at"] <= SAME_CASE_S}
    kept = dict(list(fresh.items())[-(_MEMBERS - 1) :])
    return {**context.state, COMPLAINT: {**kept, subject: {"at": now, "opened": opened}}}


def _now(event: InboundEvent, context: Context) -> float:
    return (context.now or event.received_at).timestamp()


def audit_of(found: ComplaintFound) -> dict[str, object]:
    """What it was taken for and why; never the words."""
    return {
        "department": found.department,
        "severity": found.severity,
        "probability": round(found.is_complaint, 4),
        "reasons": list(found.reasons),
    }
