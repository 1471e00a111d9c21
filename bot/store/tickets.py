"""Tickets in the store: committed with the turn that decided on them, read by staff.

A customer's open case is reused: what comes later is added to it, and can raise its severity. The same
cause (an event's key) is taken once, however often its turn is run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, text, update

from bot.store import audit, history, inbox, outbox
from bot.store.dialect import insert_or_ignore
from bot.store.schema import TICKET_OPEN_SQL, ticket_changes, ticket_counts, tickets
from bot.store.subjects import DataKeys
from bot.tickets import notice, numbers
from bot.tickets.ticket import Change, ChangeKind, Committed, Ticket, TicketDraft, more_severe
from bot.types import Conversation, decode, encode

__all__ = ["changes", "commit", "find", "forget", "list_tickets"]


def commit(
    connection: Connection,
    keys: DataKeys,
    drafts: Sequence[TicketDraft],
    owner_version: int,
    now: float,
    *,
    correlation_id: str = "",
) -> list[Committed]:
    """Open or add to tickets, and queue what customers and staff are told. The caller has fenced.

    Args:
        owner_version: of the conversation's owner when the turn began.
    """
    done = []
    for draft in drafts:
        known = select(ticket_changes.c.number).where(ticket_changes.c.cause == draft.cause)
        number = connection.execute(known).scalar()
        if number is not None:
            ticket = find(connection, keys, number)
            assert ticket is not None  # noqa: S101 (a change has its ticket)
            done.append(Committed(ticket, "repeated", draft.channel is not None))
            continue
        row = _open_one(connection, draft)
        new_reason = False
        if row is None:
            committed = _open(connection, keys, draft, now)
        else:
            new_reason = draft.reason not in _reasons(connection, row)
            committed = _add(connection, keys, row, draft, now)
        done.append(committed)
        data: dict[str, Any] = {"ticket": committed.ticket.number, "severity": committed.ticket.severity}
        data |= {"department": draft.department, "reason": draft.reason, "rules": list(draft.rules)}
        key, told = draft.conversation.key, notice.messages(draft, committed, new_reason)
        data["messages"] = [[m.idempotency_key, audit.fingerprint(keys.ring.audit, encode(m))] for m in told]
        audit.note(connection, now, f"ticket.{committed.outcome}", key, correlation_id, data)
        for message in told:
            # What staff are told of a customer is the customer's data: it goes when they are erased.
            version, subject = owner_version, ""
            if message.conversation.key != draft.conversation.key:
                inbox.open_conversation(connection, message.conversation, now)
                version = inbox.owner_version(connection, message.conversation.key)
                subject = draft.subject
            queued = outbox.put(
                connection, keys, [message], version, now, correlation_id=correlation_id, subject=subject
            )
            if queued:
                history.add_message(connection, keys, message, (), now, subject=subject)
    return done


def find(connection: Connection, keys: DataKeys, number: str) -> Ticket | None:
    row = connection.execute(select(tickets).where(tickets.c.number == number)).first()
    return None if row is None else _ticket(connection, keys, row)


def list_tickets(
    connection: Connection,
    keys: DataKeys,
    *,
    every: bool = False,
    department: str = "",
    conversation: str = "",
    overdue_at: float | None = None,
    limit: int = 200,
) -> list[Ticket]:
    """Tickets, the most urgent first: by severity, then by deadline.

    Args:
        every: resolved and closed ones too.
        overdue_at: only open ones whose deadline was before this.
    """
    query = select(tickets).order_by(tickets.c.severity, tickets.c.due, tickets.c.id).limit(limit)
    if not every:
        query = query.where(text(TICKET_OPEN_SQL))
    if department:
        query = query.where(tickets.c.department == department)
    if conversation:
        query = query.where(tickets.c.conversation == conversation)
    if overdue_at is not None:
        query = query.where(tickets.c.status == "open", tickets.c.due < overdue_at)
    rows = connection.execute(query).all()
    keys.preload(connection, [row.subject for row in rows])
    return [_ticket(connection, keys, row) for row in rows]


def changes(connection: Connection, number: str) -> list[Change]:
    """A ticket's history, oldest first."""
    query = select(ticket_changes).where(ticket_changes.c.number == number).order_by(ticket_changes.c.id)
    return [
        Change(row.at, row.kind, row.author, json.loads(row.data)) for row in connection.execute(query).all()
    ]


def forget(connection: Connection, subject: str) -> int:
    """Blank what a subject's tickets say of what was written; number, department, severity and times
    stay as the record. How many there were."""
    return connection.execute(
        update(tickets).where(tickets.c.whose == subject).values(summary="", subject=None)
    ).rowcount


# ── opening and adding ──


def _open_one(connection: Connection, draft: TicketDraft) -> Row[Any] | None:
    """The open case that a draft belongs to."""
    query = (
        select(tickets)
        .where(tickets.c.whose == draft.subject, text(TICKET_OPEN_SQL))
        .order_by(tickets.c.severity, tickets.c.id)
        .limit(1)
        .with_for_update()
    )
    if not draft.joins:
        query = query.where(tickets.c.department == draft.department)
    return connection.execute(query).first()


def _open(connection: Connection, keys: DataKeys, draft: TicketDraft, now: float) -> Committed:
    number = _next_number(connection, draft.day)
    seal = keys.of(connection, draft.subject)
    ticket = Ticket(
        number=number,
        conversation=draft.conversation,
        subject=draft.subject,
        department=draft.department,
        reason=draft.reason,
        severity=draft.severity,
        status="open",
        opened_at=draft.at,
        due=draft.due,
        complaint_due=draft.complaint_due,
        summary=draft.summary,
        updated_at=now,
    )
    values = {
        "number": number,
        "conversation": draft.conversation.key,
        "place": encode(draft.conversation).decode(),
        "whose": draft.subject,
        "department": draft.department,
        "reason": draft.reason[:200],
        "severity": draft.severity,
        "opened_at": draft.at,
        "due": draft.due,
        "complaint_due": draft.complaint_due,
        "summary": seal.seal("tickets", "summary", number, draft.summary),
        "updated_at": now,
        "subject": seal.id,
    }
    connection.execute(insert(tickets).values(values))
    _note(connection, number, "opened", draft, now, {"due": draft.due})
    return Committed(ticket, "opened", draft.channel is not None)


def _add(connection: Connection, keys: DataKeys, row: Row[Any], draft: TicketDraft, now: float) -> Committed:
    severity = more_severe(row.severity, draft.severity)
    raised = severity != row.severity
    due = min(row.due, draft.due) if raised else row.due
    complaint_due = row.complaint_due or draft.complaint_due
    seal = keys.of(connection, draft.subject)
    connection.execute(
        update(tickets)
        .where(tickets.c.id == row.id)
        .values(
            severity=severity,
            due=due,
            complaint_due=complaint_due,
            summary=seal.seal("tickets", "summary", row.number, draft.summary),
            subject=seal.id,
            updated_at=now,
        )
    )
    kind: Literal["raised", "added"] = "raised" if raised else "added"
    _note(connection, row.number, kind, draft, now, {"was": row.severity, "due": due} if raised else {})
    # The text as it is now, not the sealed one of the row.
    ticket = replace(
        _plain(row),
        severity=severity,
        due=due,
        complaint_due=complaint_due,
        summary=draft.summary,
        updated_at=now,
    )
    return Committed(ticket, kind, draft.channel is not None)


def _next_number(connection: Connection, day: str) -> str:
    connection.execute(insert_or_ignore(connection, ticket_counts, {"day": day, "last": 0}))
    count = connection.execute(
        update(ticket_counts)
        .where(ticket_counts.c.day == day)
        .values(last=ticket_counts.c.last + 1)
        .returning(ticket_counts.c.last)
    ).scalar_one()
    return numbers.make(date.fromisoformat(day), count)


def _note(
    connection: Connection,
    number: str,
    kind: ChangeKind,
    draft: TicketDraft,
    now: float,
    more: dict[str, Any],
) -> None:
    data: dict[str, Any] = {"reason": draft.reason, "severity": draft.severity, **more}
    if draft.rules:
        data["rules"] = list(draft.rules)
    values = {
        "number": number,
        "at": now,
        "kind": kind,
        "cause": draft.cause,
        "data": json.dumps(data, ensure_ascii=False),
    }
    connection.execute(insert(ticket_changes).values(values))


def _reasons(connection: Connection, row: Row[Any]) -> set[str]:
    """Why a case is open, all causes together."""
    return {row.reason, *(str(change.data.get("reason", "")) for change in changes(connection, row.number))}


def _ticket(connection: Connection, keys: DataKeys, row: Row[Any]) -> Ticket:
    summary = keys.open(connection, row.subject, "tickets", "summary", row.number, row.summary)
    return replace(_plain(row), summary=summary)


def _plain(row: Row[Any]) -> Ticket:
    """A ticket without its summary."""
    return Ticket(
        number=row.number,
        conversation=decode(row.place, Conversation),
        subject=row.whose,
        department=row.department,
        reason=row.reason,
        severity=row.severity,
        status=row.status,
        opened_at=row.opened_at,
        due=row.due,
        complaint_due=row.complaint_due,
        owner=row.owner,
        updated_at=row.updated_at,
    )
