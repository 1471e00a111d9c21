"""Vote rail: 👍 or 👎 under an answer is kept for review, and thanked for. It stands before the owner rail,
because an answer can be voted on while staff speak; then, and towards a limited sender, it says nothing. The
vote of a denied sender isn't counted."""

from __future__ import annotations

from bot.feedback.vote import Vote, is_vote, pressed
from bot.locales import say
from bot.rails.base import Context, Handler, reply
from bot.store import Outcome
from bot.types import InboundEvent, Text

__all__ = ["vote"]


async def vote(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
    if not is_vote(event):
        return await handler(event, context)
    if context.admission.why == "denied":
        return Outcome()
    about, verdict = pressed(event)
    if context.owner.id or context.admission.limited:
        return Outcome(vote=Vote(about, verdict))
    thanks, changed = (
        reply(event, context.language, Text(say(f"feedback.{key}.{verdict}", context.language)))
        for key in ("thanks", "changed")
    )
    return Outcome(vote=Vote(about, verdict, thanks, changed))
