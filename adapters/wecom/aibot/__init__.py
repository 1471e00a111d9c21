"""WeCom's AI bot 智能机器人, by callback or over a long connection."""

from adapters.wecom.aibot.connection import ConnectionBot
from adapters.wecom.aibot.link import Timing
from adapters.wecom.aibot.settings import WeComAibot
from adapters.wecom.aibot.webhook import CallbackBot

__all__ = ["CallbackBot", "ConnectionBot", "Timing", "WeComAibot", "aibot"]


def aibot(settings: WeComAibot) -> CallbackBot | ConnectionBot:
    """The adapter for one bot, in the mode that its settings say.

    Raises:
        ValueError: `encoding_aes_key` isn't one.
    """
    return ConnectionBot(settings) if settings.by_connection else CallbackBot(settings)
