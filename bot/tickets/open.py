"""The decision that a person must look at this: a draft of a ticket, as data for the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.config.staff import Staff
from bot.ports import NoteTaker
from bot.tickets import deadlines
from bot.tickets.summary import summarise
from bot.tickets.ticket import Department, Severity, TicketDraft
from bot.types import Exchange, InboundEvent, Language

__all__ = ["open_ticket", "subject_of"]


def subject_of(event: InboundEvent) -> str:
    """Whose data an event is: the conversation's, in a group the sender's in it."""
    key = event.conversation.key
    return key if event.conversation.kind == "direct" else f"{key}|{event.sender.id}"


def open_ticket(
    event: InboundEvent,
    *,
    staff: Staff,
    now: datetime,
    department: Department,
    reason: str,
    severity: Severity,
    text: str,
    history: Sequence[Exchange] = (),
    language: Language = "zh",
    owner: str = "",
    hotline: str = "",
    before: str = "",
    complaint: bool = False,
    joins: bool = False,
    rules: tuple[str, ...] = (),
    number: int = 0,
    notes: NoteTaker | None = None,
) -> TicketDraft:
    """Decide on a ticket. Nothing happens until `Outcome.tickets` is committed.

    Args:
        reason: a key under `tickets.reason.` of the locales, or words for staff; never the customer's.
        text: what the customer says now, masked. So must be what `history` holds; of a group's, only what
            the customer said themselves and was answered is noted.
        owner: who speaks in the conversation; if it isn't the bot, the customer is told nothing.
        before: a text that the customer reads first, in the same message.
        complaint: the legal limit for complaints runs too.
        joins: adds to whichever case of the customer is open, instead of opening one in `department`.
        number: tells apart several tickets of one event.
        notes: heads the summary with what the conversation is about.
    """
    calendar = staff.calendar(department)
    due = deadlines.due(now, severity, department, calendar)
    waits = not deadlines.round_the_clock(severity, department)
    opens = calendar.next_opening(now) if waits else None
    limit = deadlines.complaint_due(now, calendar) if complaint else None
    channel = staff.channel(department)
    desk = (event.platform, event.account) in staff.desks
    subject = subject_of(event)
    if event.conversation.kind == "group":
        history = [exchange for exchange in history if exchange.asker == subject]
    local = calendar.local(now)
    offset = local.utcoffset()
    return TicketDraft(
        cause=f"{event.platform}|{event.account}|{event.event_id}|{number}",
        conversation=event.conversation,
        subject=subject,
        department=department,
        reason=reason,
        severity=severity,
        at=now.timestamp(),
        due=due.timestamp(),
        day=local.date().isoformat(),
        summary=summarise(history, text, staff.file.language, notes),
        complaint_due=None if limit is None else limit.timestamp(),
        opens=None if opens is None else opens.timestamp(),
        joins=joins,
        tell=not owner,
        promise=channel is not None or desk,
        before=before,
        in_reply_to=event.event_id,
        language=language,
        utc_offset_s=0 if offset is None else int(offset.total_seconds()),
        hotline=hotline,
        channel=channel,
        staff_language=staff.file.language,
        rules=rules,
    )
