"""The rails: what every event passes, one file each, in this order.

meter ► choices ► normalise ► privacy ► risk ► owner ► gate ► greet ► human ► confirm ► answer

The meter only marks the context, and the gate is where a limited sender's *answer* is refused, so that the
privacy and risk rails see every message of everybody.
"""

from bot.answering import Answering
from bot.rails.answer import AnswerRail
from bot.rails.base import Context, Handler, Rail, chain
from bot.rails.choices import choices
from bot.rails.confirm import confirm, is_reply
from bot.rails.greet import greet
from bot.rails.human import HUMAN, human
from bot.rails.limits import gate, meter
from bot.rails.normalise import normalise
from bot.rails.owner import owner
from bot.rails.privacy import privacy
from bot.rails.risk import RiskRail
from bot.safeguards import Safeguards
from bot.tickets.request import asks_for_person
from bot.types import InboundEvent

__all__ = ["Context", "Handler", "Rail", "build_handler", "chain", "rails"]


def rails(safe: Safeguards) -> tuple[Rail, ...]:
    """All rails before the answer."""
    return (
        meter(safe.meter),
        choices,
        normalise,
        privacy(safe.masker),
        RiskRail(safe.rules, safe.metrics, safe.clock, safe.attention),
        owner,
        gate(safe.meter, exempt=_is_let_through),
        greet,
        human,
        confirm(safe.clock),
    )


def build_handler(answering: Answering, safe: Safeguards) -> Handler:
    return chain(rails(safe), AnswerRail(answering))


def _is_let_through(event: InboundEvent, context: Context) -> bool:
    """What a limited sender may do all the same: ask for a person, and say yes or no to what was asked."""
    return event.value == HUMAN or asks_for_person(context.text) or is_reply(event, context)
