"""The rails: what every event passes, one file each, in this order.

meter ► choices ► normalise ► privacy ► risk ► vote ► owner ► unread ► gate ► greet ► human ► complaint
    ► confirm ► suitability ► answer

The meter only marks the context, and the gate is where a limited sender's *answer* is refused, so that the
privacy and risk rails see every message of everybody.
"""

from collections.abc import Callable

from bot.answering import Answering
from bot.rails.answer import AnswerRail
from bot.rails.base import Context, Handler, Rail, chain
from bot.rails.choices import choices
from bot.rails.complaint import complaint
from bot.rails.confirm import confirm, is_reply
from bot.rails.greet import greet
from bot.rails.human import HUMAN, human
from bot.rails.limits import gate, meter
from bot.rails.normalise import normalise, unread
from bot.rails.owner import owner
from bot.rails.privacy import privacy
from bot.rails.risk import RiskRail
from bot.rails.suitability import SuitabilityRail
from bot.rails.vote import vote
from bot.safeguards import Safeguards
from bot.suitability.flow import PREFIX
from bot.suitability.shelf import Counter
from bot.tickets.request import asks_for_person
from bot.types import InboundEvent

__all__ = ["Context", "Handler", "Rail", "build_handler", "chain", "rails"]


def rails(safe: Safeguards, wealth: Callable[[], Counter] | None = None) -> tuple[Rail, ...]:
    """All rails before the answer.

    Args:
        wealth: questionnaire and products in force; None leaves suitability out.
    """
    flows: tuple[Rail, ...] = (confirm(safe.clock),)
    if wealth is not None:
        flows = (*flows, SuitabilityRail(wealth))
    return (
        meter(safe.meter),
        choices,
        normalise,
        privacy(safe.masker),
        RiskRail(safe.rules, safe.metrics, safe.clock, safe.attention),
        vote,
        owner,
        unread,
        gate(safe.meter, exempt=_is_let_through),
        greet,
        human,
        complaint(safe.complaints),
        *flows,
    )


def build_handler(
    answering: Answering, safe: Safeguards, wealth: Callable[[], Counter] | None = None
) -> Handler:
    return chain(rails(safe, wealth), AnswerRail(answering))


def _is_let_through(event: InboundEvent, context: Context) -> bool:
    """What a limited sender may do all the same: ask for a person, say yes or no, and press on in a test."""
    return (
        event.value == HUMAN
        or event.value.startswith(PREFIX)
        or asks_for_person(context.text)
        or is_reply(event, context)
    )
