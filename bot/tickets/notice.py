"""What a ticket makes Teller say: to the customer that a person comes and when, to staff what it is about.

Rendered when the ticket is committed, since only then its number is known.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.locales import catalogue, say
from bot.tickets.ticket import Committed, Ticket, TicketDraft
from bot.tickets.when import at, before, stamp
from bot.types import Card, Conversation, HandOver, Language, OutboundMessage, OutPart, Text

__all__ = ["department_name", "for_customer", "for_staff", "instead", "is_for_staff", "messages"]

_STAFF = "|staff"
"""End of the keys of what staff are told."""
_INSTEAD = "|staff|default"
"""End of the keys of what the default channel is told because another one couldn't be."""


def messages(draft: TicketDraft, done: Committed, new_reason: bool = False) -> list[OutboundMessage]:
    """All that is to be sent, the customer's first.

    Args:
        new_reason: it was added to an open case for a reason the case didn't have.
    """
    made = []
    if draft.tell:
        made.append(for_customer(draft, done))
    worth_telling = done.outcome in ("opened", "raised") or new_reason or done.ticket.overdue(draft.at)
    if draft.channel is not None and worth_telling:
        made.append(for_staff(draft, done))
    return made


def for_customer(draft: TicketDraft, done: Committed) -> OutboundMessage:
    ticket, language = done.ticket, draft.language
    parts: list[OutPart] = [Text("\n".join(filter(None, (draft.before, *_lines(draft, done)))))]
    parts.append(HandOver(ticket.department))
    return OutboundMessage(
        conversation=draft.conversation,
        parts=tuple(parts),
        idempotency_key=f"{draft.cause}|ticket",
        kind="warning" if draft.before else "notice",
        in_reply_to=draft.in_reply_to,
        language=language,
    )


def _lines(draft: TicketDraft, done: Committed) -> list[str]:
    ticket, language = done.ticket, draft.language
    values: Mapping[str, object] = {"number": ticket.number, "hotline": draft.hotline}
    new = done.outcome == "opened"
    if not draft.promise:
        return [say("tickets.unposted" if new else "tickets.unposted_again", language, **values)]
    if ticket.due <= draft.at:
        # A claimed case is being worked on; an open one is late, and its department was told again.
        late = "tickets.claimed" if ticket.status == "claimed" else "tickets.late"
        return [say(late, language, **values)]
    when = before(ticket.due, draft.at, draft.utc_offset_s, language)
    lines = [say("tickets.opened" if new else "tickets.added", language, when=when, **values)]
    if draft.opens is not None:
        opens = at(draft.opens, draft.at, draft.utc_offset_s, language)
        lines.append(say("tickets.closed_now", language, opens=opens, **values))
    elif ticket.severity in ("P1", "P2"):
        lines.append(say("tickets.urgent", language, **values))
    return lines


def for_staff(draft: TicketDraft, done: Committed) -> OutboundMessage:
    assert draft.channel is not None  # noqa: S101 (narrowing: the caller looked)
    ticket, language = done.ticket, draft.staff_language
    fields = [
        (say("tickets.field.severity", language), _severity(ticket, language)),
        (say("tickets.field.department", language), department_name(ticket.department, language)),
        (say("tickets.field.reason", language), reason_name(draft.reason, language)),
        (say("tickets.field.due", language), stamp(ticket.due, draft.utc_offset_s)),
    ]
    if ticket.complaint_due is not None:
        # Midnight at the end of a day belongs to that day.
        last = stamp(ticket.complaint_due - 60, draft.utc_offset_s)
        fields.append((say("tickets.field.complaint_due", language), last))
    fields.append((say("tickets.field.where", language), where(draft)))
    if draft.rules:
        fields.append((say("tickets.field.rules", language), ", ".join(draft.rules)))
    key = "opened" if done.outcome == "opened" else "raised" if done.outcome == "raised" else "again"
    title = say(f"tickets.title.{key}", language, number=ticket.number, severity=ticket.severity)
    card = Card(title, tuple(fields), draft.summary)
    return OutboundMessage(
        conversation=draft.channel,
        parts=(card,),
        idempotency_key=draft.cause + _STAFF,
        kind="notice",
        language=language,
    )


def is_for_staff(message: OutboundMessage) -> bool:
    """Whether staff are told of a ticket by it: if it isn't delivered, a promise to a customer is void."""
    return message.idempotency_key.endswith((_STAFF, _INSTEAD))


def instead(message: OutboundMessage, channel: Conversation | None) -> OutboundMessage | None:
    """What the default channel is told where a department's own couldn't be; None where there is no other
    channel, or it was tried already."""
    if channel is None or channel == message.conversation or not message.idempotency_key.endswith(_STAFF):
        return None
    return OutboundMessage(
        conversation=channel,
        parts=(Text(say("tickets.undelivered", message.language)), *message.parts),
        idempotency_key=message.idempotency_key.removesuffix(_STAFF) + _INSTEAD,
        kind=message.kind,
        language=message.language,
    )


def where(draft: TicketDraft) -> str:
    """The conversation as staff find it: platform, account, chat, thread, and in a group the sender."""
    place = draft.conversation
    text = f"{place.platform}/{place.account} · {place.chat}"
    if place.thread:
        text += f" · {place.thread}"
    sender = draft.subject.removeprefix(place.key).removeprefix("|")
    return f"{text} · {sender}" if sender else text


def department_name(department: str, language: Language) -> str:
    return say(f"tickets.department.{department}", language)


def reason_name(reason: str, language: Language) -> str:
    """A known reason in words; anything else is words already."""
    return catalogue(language).get(f"tickets.reason.{reason}", reason)


def _severity(ticket: Ticket, language: Language) -> str:
    return f"{ticket.severity} · {say(f'tickets.severity.{ticket.severity}', language)}"
