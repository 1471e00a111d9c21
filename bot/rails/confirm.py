"""Confirm rail: the customer's yes or no to what the risk rules asked back."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import msgspec

from bot.locales import say
from bot.ports import Clock
from bot.rails.base import Context, Handler, Rail, reply
from bot.rails.risk import CONFIRM
from bot.store import AuditEntry, Outcome
from bot.tickets.open import subject_of
from bot.types import InboundEvent, Text

__all__ = ["confirm", "is_reply"]

_YES = re.compile(
    r"(?:我)?(?:确认|确定|是本人|是我本人|是的?|对|继续|yes|y|confirm(?:ed)?|i confirm)[。.!]?", re.I
)
_NO = re.compile(r"(?:取消|不是|不用了?|算了|不办了?|否|no|n|cancel|stop)[。.!]?", re.I)


def is_reply(event: InboundEvent, context: Context) -> bool:
    """Whether an event answers what was asked back."""
    return bool(_answer(event, context)[0])


def confirm(clock: Clock) -> Rail:
    async def rail(handler: Handler, event: InboundEvent, context: Context) -> Outcome:
        answer, reference = _answer(event, context)
        if not answer:
            return await handler(event, context)
        language, waiting = context.language, _waiting(event, context)
        if not waiting or reference != waiting["reference"]:
            text = say("risk.confirm_gone", language)
            return Outcome(messages=(reply(event, language, Text(text), kind="notice"),), seen=context.text)
        state = _without(event, context)
        data = {"reference": reference, "rule": waiting["rule"]}
        if clock().timestamp() > waiting["until"]:
            text, answer = say("risk.confirm_late", language, reference=reference), "late"
        elif answer == "no":
            text = say("risk.confirm_cancelled", language, reference=reference)
        else:
            return await _go_on(handler, event, replace(context, state=state), waiting, data)
        message = reply(event, language, Text(text), kind="notice")
        entry = AuditEntry("confirm." + ("expired" if answer == "late" else "cancelled"), data)
        return Outcome(messages=(message,), seen=context.text, language=language, state=state, audit=(entry,))

    return rail


async def _go_on(
    handler: Handler, event: InboundEvent, context: Context, waiting: dict[str, Any], data: dict[str, Any]
) -> Outcome:
    """Answer what had been asked, now that it is confirmed."""
    asked = msgspec.structs.replace(event, kind="message", value="", parts=(Text(waiting["text"]),))
    kinds = frozenset(waiting["kinds"])
    outcome = await handler(asked, replace(context, text=waiting["text"], kinds=kinds))
    state = context.state if outcome.state is None else outcome.state
    entry = AuditEntry("confirm.given", data)
    return replace(outcome, state=state, audit=(entry, *outcome.audit))


def _answer(event: InboundEvent, context: Context) -> tuple[str, str]:
    """("yes", "no" or "", the reference it is about)."""
    if event.kind == "button" and event.value.startswith(CONFIRM + ":"):
        pieces = event.value.split(":")
        if len(pieces) == 3 and pieces[2] in ("yes", "no"):
            return pieces[2], pieces[1]
    waiting = _waiting(event, context)
    now = (context.now or event.received_at).timestamp()
    # A "yes" that is typed later is about something else.
    if event.kind == "message" and waiting and now <= waiting["until"]:
        for answer, pattern in (("yes", _YES), ("no", _NO)):
            if pattern.fullmatch(context.text.strip()):
                return answer, waiting["reference"]
    return "", ""


def _waiting(event: InboundEvent, context: Context) -> dict[str, Any]:
    """What waits for this customer's answer; empty where nothing does."""
    waiting: dict[str, Any] = context.state.get(CONFIRM, {}).get(subject_of(event), {})
    return waiting


def _without(event: InboundEvent, context: Context) -> dict[str, Any]:
    """The state in which this customer's answer isn't waited for any more."""
    others = {k: v for k, v in context.state[CONFIRM].items() if k != subject_of(event)}
    rest = {key: value for key, value in context.state.items() if key != CONFIRM}
    return {**rest, CONFIRM: others} if others else rest
