"""Privacy rail: from here on nobody sees personal data, neither models nor logs nor what is kept in clear.

The event keeps the message as it came (sealed in the store); everything behind this rail works with
`Context.text`. Only the risk rules and the risk classifier read the words as they were, and they neither keep
nor show them. What was masked goes into the vault, sealed, where people in charge may look it up for a
stated reason.
"""

from __future__ import annotations

from dataclasses import replace

from bot.ports import Masked, Masker
from bot.rails.base import Context, Handler, Rail
from bot.store import Outcome
from bot.trust.vault import NEVER_KEPT, Secret, new_token
from bot.types import InboundEvent

__all__ = ["privacy", "secrets_of"]


def privacy(masker: Masker) -> Rail:
    async def rail(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
        masked = masker.mask(context.text)
        kinds = masked.kinds | frozenset(event.hidden)
        outcome = await handler(event, replace(context, text=masked.text, spoken=context.text, kinds=kinds))
        kept = secrets_of(masked, context.text)
        return replace(outcome, secrets=(*outcome.secrets, *kept)) if kept else outcome

    return rail


def secrets_of(masked: Masked, raw: str) -> tuple[Secret, ...]:
    """What was masked in `raw`, for the vault; without the kinds that are never kept."""
    return tuple(
        Secret(new_token(), kind, value, shown)
        for kind, value, shown in dict.fromkeys(masked.pieces(raw))
        if kind not in NEVER_KEPT
    )
