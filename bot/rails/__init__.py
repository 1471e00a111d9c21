"""The rails: what every event passes, one file each, in this order."""

from bot.answering import Answering
from bot.rails.answer import AnswerRail
from bot.rails.base import Context, Handler, Rail, chain
from bot.rails.choices import choices
from bot.rails.greet import greet
from bot.rails.normalise import normalise
from bot.rails.owner import owner

__all__ = ["RAILS", "Context", "Handler", "Rail", "build_handler", "chain"]

RAILS: tuple[Rail, ...] = (choices, normalise, owner, greet)
"""Privacy and risk rails belong between `normalise` and `owner`."""


def build_handler(answering: Answering) -> Handler:
    return chain(RAILS, AnswerRail(answering))
