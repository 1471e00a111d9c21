"""Human rail: who asks for a person gets one: a ticket, a number, and when to expect somebody.

Stands between `greet` and `answer`, so that warnings come first and staff who own the conversation are
left alone.
"""

from __future__ import annotations

from bot.locales import say
from bot.rails.base import Context, Handler
from bot.store import AuditEntry, Outcome
from bot.tickets.open import open_ticket
from bot.tickets.request import asks_for_person
from bot.tickets.ticket import Department, Severity, TicketDraft
from bot.tickets.unsure import UNSURE
from bot.types import Button, InboundEvent, Language

__all__ = ["HUMAN", "escalation", "human", "human_button"]

HUMAN = "human:"
"""Value of a button that asks for a person."""
ASKED = "asked_for_person"


def human_button(language: Language) -> Button:
    """For any message under which a person should be one tap away."""
    return Button(say("tickets.button", language), HUMAN)


async def human(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
    pressed = event.kind == "button" and event.value == HUMAN
    said = event.kind in ("message", "edit") and asks_for_person(context.text)
    if not pressed and not said:
        return await handler(event, context)
    draft = escalation(event, context, department="contact_center", reason=ASKED, severity="P3", joins=True)
    state = context.state
    if UNSURE in state:
        state = {key: value for key, value in state.items() if key != UNSURE}
    return Outcome(
        seen=context.text,
        language=context.language,
        state=None if state is context.state else state,
        tickets=(draft,),
        audit=(AuditEntry("turn.escalated", {"reason": ASKED, "by": "button" if pressed else "words"}),),
    )


def escalation(
    event: InboundEvent,
    context: Context,
    *,
    department: Department,
    reason: str,
    severity: Severity,
    before: str = "",
    complaint: bool = False,
    joins: bool = False,
    rules: tuple[str, ...] = (),
    number: int = 0,
) -> TicketDraft:
    """`open_ticket` with what the context knows; `context.text` and its history must be masked."""
    return open_ticket(
        event,
        staff=context.staff,
        now=context.now or event.received_at,
        department=department,
        reason=reason,
        severity=severity,
        text=context.text,
        history=context.history,
        language=context.language,
        owner=context.owner.id,
        hotline=context.config.bank.hotline,
        before=before,
        complaint=complaint,
        joins=joins,
        rules=rules,
        number=number,
        notes=context.notes,
    )
