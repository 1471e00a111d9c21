"""Last rail: answer from the bank's knowledge, and put the answer into messages."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec

from bot.answering import Answer, Answering
from bot.config.disclaimers import disclaimers_for
from bot.feedback.vote import votes_under
from bot.locales import say
from bot.rails.base import Context, reply
from bot.rails.excerpt import excerpt
from bot.rails.human import escalation
from bot.rails.normalise import SAY
from bot.store import AuditEntry, Outcome
from bot.tickets.open import subject_of
from bot.tickets.unsure import note_confidence
from bot.types import Button, Buttons, Citation, InboundEvent, OutPart, Passage, Sources, Text

__all__ = ["ABOUT", "AnswerRail", "cite", "parts_of"]

ABOUT = "kb:"
"""Button values that name a passage."""
_MASKED = re.compile(r"[A-Za-z0-9.]{0,6}\*{2,}[A-Za-z0-9@.]*|\[[^\[\]]*(?:隐去|removed)\]")
"""What masking leaves of a number: nothing to search by."""


class AnswerRail:
    """The handler at the end of the chain."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def __call__(self, event: InboundEvent, context: Context) -> Outcome:
        answer, asked = await self._answer(event, context)
        data = audit_of(answer, self._answering.retriever.version)
        entry = AuditEntry("turn.answered", data | {"disclaimers": context.disclaimers.version})
        unsure = answer.source in ("unknown", "choices")
        if unsure and context.risk is not None and context.risk.action == "warn":
            # The warning is the answer; "I don't know" under it would only weaken it.
            return Outcome(seen=asked, language=context.language, audit=(entry,))
        state, person_due = note_confidence(
            context.state,
            sure=not unsure,
            subject=subject_of(event),
            now=(context.now or event.received_at).timestamp(),
            forget_s=context.config.answers.forget_after_minutes * 60,
        )
        outcome = Outcome(
            seen=asked,
            language=context.language,
            state=None if state == context.state else state,
            audit=(entry,),
        )
        if person_due:
            ticket = escalation(
                event,
                context,
                department="contact_center",
                reason="unsure_twice",
                severity="P3",
                before=say("tickets.unsure_before", context.language),
                joins=True,
            )
            return replace(outcome, tickets=(ticket,))
        passages = tuple(passage.id for passage in answer.passages)
        parts = parts_of(answer, context)
        if not unsure and context.config.feedback.votes:
            parts = (*parts, votes_under(event))
        message = reply(event, answer.language, *parts)
        if not unsure and (due := due_under(answer, context)):
            message = msgspec.structs.replace(message, appended=due)
        return replace(outcome, messages=(message,), passages=passages)

    async def _answer(self, event: InboundEvent, context: Context) -> tuple[Answer, str]:
        """(the answer, the question in words)."""
        question = _MASKED.sub(" ", context.text).strip() if context.kinds else context.text
        if event.kind == "button" and event.value.startswith(ABOUT):
            id = event.value.removeprefix(ABOUT)
            answer = self._answering.about(id, context.language)
            if answer is not None:
                return answer, answer.passages[0].title
        if not question.strip():
            return Answer("unknown", context.language), ""
        answer = await self._answering.answer(
            question,
            language=context.language,
            config=context.config,
            history=context.history,
            show=context.show,
        )
        return answer, question


def parts_of(answer: Answer, context: Context) -> tuple[OutPart, ...]:
    """An answer as message parts: text, sources, and buttons for what may come next."""
    language, bank = answer.language, context.config.bank
    if answer.source == "unknown":
        choices = tuple(Button(s[language], SAY + s[language]) for s in bank.suggestions[:4])
        text = say("unknown", language, hotline=bank.hotline)
        return (Text(text), *((Buttons(choices, say("suggestions", language)),) if choices else ()))
    buttons = tuple(Button(passage.title, ABOUT + passage.id) for passage in answer.choices)
    if answer.source == "choices":
        return (Text(say("did_you_mean", language)), Buttons(buttons))
    text = "\n\n".join((answer.text, *due_under(answer, context)))
    cited = tuple(cite(passage, answer.marks.get(passage.id)) for passage in answer.passages)
    parts: list[OutPart] = [Text(text), Sources(cited)]
    if buttons:
        parts.append(Buttons(buttons, say("next_questions", language)))
    return tuple(parts)


def due_under(answer: Answer, context: Context) -> tuple[str, ...]:
    """The disclaimers that stand under an answer."""
    return disclaimers_for(
        answer.passages,
        answer.text,
        answer.language,
        context.config.bank.jurisdiction,
        disclaimers=context.disclaimers,
        today=None if context.now is None else context.staff.calendar("retail").local(context.now).date(),
    )


def cite(passage: Passage, mark: tuple[int, int] | None = None) -> Citation:
    """A passage as a source, showing the part around `mark`, in code points of its text."""
    shown = excerpt(passage.text, mark)
    return Citation(passage.id, passage.title, shown.text, mark=shown.mark)


def audit_of(answer: Answer, knowledge: str) -> dict[str, object]:
    """What an auditor needs of an answer, without its words."""
    return {
        "source": answer.source,
        "language": answer.language,
        "passages": [passage.id for passage in answer.passages],
        "confidence": round(answer.confidence, 4),
        "intent": answer.intent,
        "guard": answer.guard,
        "knowledge": knowledge,
    }
