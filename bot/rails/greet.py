"""Greet rail: someone joined or pressed start, and is shown what can be asked here."""

from __future__ import annotations

from bot.locales import say
from bot.rails.base import Context, Handler, reply
from bot.store import Outcome
from bot.types import Button, Buttons, InboundEvent, Text

__all__ = ["greet"]

COMMANDS = frozenset({"/start", "/help", "/teller"})
"""`/teller` is what a bank registers in Slack, where every command has to be."""


async def greet(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
    asked = event.kind == "command" and event.value.split("@", 1)[0] in COMMANDS
    if event.kind != "join" and not asked:
        if event.kind != "command" or context.text:
            return await handler(event, context)
        text = say("unknown_command", context.language, command=event.value[:40])
        return Outcome(
            messages=(reply(event, context.language, Text(text), *_suggestions(context), kind="notice"),)
        )
    bank, language = context.config.bank, context.language
    message = reply(event, language, Text(bank.greeting[language]), *_suggestions(context))
    return Outcome(messages=(message,), seen=context.text, language=language)


def _suggestions(context: Context) -> tuple[Buttons, ...]:
    """What the bank suggests to ask, as buttons."""
    asked = [suggestion[context.language] for suggestion in context.config.bank.suggestions[:6]]
    return (Buttons(tuple(Button(text, f"say:{text}") for text in asked)),) if asked else ()
