"""Owner rail: while staff own the conversation the bot records, and stays silent.

A platform's own desk (WeCom kf has one) takes a conversation over and gives it back by system events.
"""

from __future__ import annotations

from bot.rails.base import Context, Handler
from bot.store import AuditEntry, Outcome
from bot.types import InboundEvent

__all__ = ["owner"]


async def owner(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
    if event.kind == "system":
        return _reported(event, context)
    if not context.owner.id:
        return await handler(event, context)
    return Outcome(
        seen=context.text,
        language=context.language,
        audit=(AuditEntry("turn.left_to_staff", {"owner": context.owner.id}),),
    )


def _reported(event: InboundEvent, context: Context) -> Outcome:
    """Record what the platform reports; its desk's changes change who speaks."""
    desk = f"desk:{event.sender.id}"
    owner = {"desk_taken": desk, "desk_returned": ""}.get(event.value)
    if event.value == "desk_returned" and not context.owner.id.startswith("desk:"):
        owner = None  # staff who took over by command keep it
    return Outcome(owner=owner, audit=(AuditEntry(f"system.{event.value}", {"by": event.sender.id}),))
