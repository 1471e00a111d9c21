"""Greet rail: someone joined or pressed start, and is shown what can be asked here."""

from __future__ import annotations

from bot.locales import say
from bot.rails.base import Context, Handler, reply
from bot.store import Outcome
from bot.types import Button, Buttons, InboundEvent, Text

__all__ = ["greet"]

COMMANDS = frozenset({"/start", "/help"})


async def greet(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
    asked = event.kind == "command" and event.value.split("@", 1)[0] in COMMANDS
    if event.kind != "join" and not asked:
        if event.kind != "command" or context.text:
            return await handler(event, context)
        text = say("unknown_command", context.language, command=event.value[:40])
        return Outcome(messages=(reply(event, context.language, Text(text), kind="notice"),))
    bank, language = context.config.bank, context.language
    choices = tuple(Button(s[language], f"say:{s[language]}") for s in bank.suggestions[:6])
    parts = (Text(bank.greeting[language]), *((Buttons(choices),) if choices else ()))
    return Outcome(messages=(reply(event, language, *parts),), seen=context.text, language=language)
