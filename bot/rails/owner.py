"""Owner rail: while staff own the conversation the bot records, and stays silent."""

from __future__ import annotations

from bot.rails.base import Context, Handler
from bot.store import AuditEntry, Outcome
from bot.types import InboundEvent

__all__ = ["owner"]


async def owner(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
    if not context.owner.id:
        return await handler(event, context)
    return Outcome(
        seen=context.text,
        language=context.language,
        audit=(AuditEntry("turn.left_to_staff", {"owner": context.owner.id}),),
    )
