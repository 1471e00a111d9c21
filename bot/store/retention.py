"""Retention: what has been kept long enough goes, in small steps, except what is under a legal hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, Select, delete, exists, func, or_, select, update

from bot.store import audit
from bot.store.schema import (
    attachments,
    conversations,
    customers,
    dead_letters,
    feedback,
    history,
    inbox,
    metadata,
    outbox,
    profiles,
    raw_payloads,
    subjects,
    tickets,
    vault,
)
from bot.store.schema import audit as audit_table

__all__ = ["BATCH", "Periods", "Step", "sealed_tables", "steps"]

BATCH = 200
"""Rows that one transaction removes: some milliseconds of the only writer."""
DAY_S = 86400.0


class Periods(Protocol):
    """Days per kind (`bot.config.trust.Retention`)."""

    @property
    def raw_payloads(self) -> int: ...
    @property
    def inbox(self) -> int: ...
    @property
    def history(self) -> int: ...
    @property
    def attachments(self) -> int: ...
    @property
    def vault(self) -> int: ...
    @property
    def tickets(self) -> int: ...
    @property
    def profiles(self) -> int: ...
    @property
    def audit(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of data."""

    name: str
    count: Callable[[Connection], int]
    """How many rows are due."""
    find: Callable[[Connection], Sequence[Any]]
    """Up to `BATCH` of them (a read: it may look through a whole table)."""
    remove: Callable[[Connection, Sequence[Any]], int]
    """Remove those that are still due; how many were."""


def steps(periods: Periods, now: float, audit_key: bytes) -> Iterator[Step]:
    """What is due at `now`, kind by kind."""

    def before(days: int) -> float:
        return now - days * DAY_S

    yield _removing(
        "raw payloads",
        raw_payloads,
        raw_payloads.c.ref,
        raw_payloads.c.received_at < before(periods.raw_payloads),
    )
    handled = inbox.c.status.in_(("done", "dead")) & (inbox.c.event != "")
    yield _blanking("inbox contents", inbox, handled & (inbox.c.done_at < before(periods.inbox)), "event")
    finished = outbox.c.status.in_(("sent", "refused", "withdrawn", "dead")) & (outbox.c.message != "")
    yield _blanking(
        "outbox contents", outbox, finished & (outbox.c.created_at < before(periods.inbox)), "message"
    )
    old = before(periods.history)
    yield _removing("history", history, history.c.id, history.c.at < old)
    yield _removing("feedback", feedback, feedback.c.id, feedback.c.at < old)
    done = inbox.c.status.in_(("done", "dead")) & (inbox.c.event == "") & (inbox.c.done_at < old)
    yield _removing("inbox", inbox, inbox.c.id, done)
    closed = outbox.c.status.in_(("sent", "refused", "withdrawn", "dead")) & (outbox.c.message == "")
    yield _removing("outbox", outbox, outbox.c.id, closed & (outbox.c.created_at < old))
    yield _removing("dead letters", dead_letters, dead_letters.c.id, dead_letters.c.at < old, held=False)
    silent = (
        conversations.c.subject.is_not(None)
        & conversations.c.head.is_(None)
        & (conversations.c.created_at < old)
        & ~exists(select(1).where(history.c.conversation == conversations.c.key))
    )
    yield _blanking("conversation states", conversations, silent, "state", "{}")
    yield _removing(
        "attachments", attachments, attachments.c.ref, attachments.c.at < before(periods.attachments)
    )
    yield _removing("vault", vault, vault.c.token, vault.c.at < before(periods.vault))
    stale = (tickets.c.summary != "") & (tickets.c.updated_at < before(periods.tickets))
    yield _blanking("tickets' summaries", tickets, stale, "summary")
    yield _removing("profiles", profiles, profiles.c.whose, profiles.c.updated_at < before(periods.profiles))
    yield _idle_keys(old)
    expired = before(periods.audit)

    def audit_due(connection: Connection) -> int:
        kept = select(func.min(audit_table.c.seq)).where(audit_table.c.at >= expired).scalar_subquery()
        due = select(func.count()).where(
            audit_table.c.at < expired, or_(kept.is_(None), audit_table.c.seq < kept)
        )
        return int(connection.execute(due).scalar_one())

    yield Step(
        "audit",
        audit_due,
        lambda c: range(min(audit_due(c), BATCH)),
        lambda c, _: audit.prune(c, audit_key, expired, BATCH),
    )


def held_subjects() -> Select[Any]:
    """Ids of the data keys of customers under legal hold."""
    return (
        select(subjects.c.id)
        .join(customers, customers.c.customer == subjects.c.customer)
        .where(customers.c.held_at.is_not(None))
    )


def _free(table: Any, condition: Any) -> Any:
    return condition & or_(table.c.subject.is_(None), table.c.subject.not_in(held_subjects()))


def _removing(name: str, table: Any, key: Any, condition: Any, *, held: bool = True) -> Step:
    due = _free(table, condition) if held else condition

    def remove(connection: Connection, ids: Sequence[Any]) -> int:
        return int(connection.execute(delete(table).where(key.in_(ids), due)).rowcount)

    return Step(name, _counting(table, due), _finding(key, due), remove)


def _blanking(name: str, table: Any, condition: Any, column: str, blank: str = "") -> Step:
    due, key = _free(table, condition), next(iter(table.primary_key))

    def remove(connection: Connection, ids: Sequence[Any]) -> int:
        values = {column: blank, "subject": None}
        return int(connection.execute(update(table).where(key.in_(ids), due).values(values)).rowcount)

    return Step(name, _counting(table, due), _finding(key, due), remove)


def sealed_tables() -> list[Any]:
    """Every table whose rows name a data key."""
    return [
        table
        for table in metadata.sorted_tables
        if any(reference.column is subjects.c.id for reference in table.foreign_keys)
    ]


def _idle_keys(before: float) -> Step:
    """Data keys that seal nothing any more."""
    due = (subjects.c.created_at < before) & ~subjects.c.subject.startswith("@")
    for table in sealed_tables():
        due &= ~exists(select(1).where(table.c.subject == subjects.c.id))

    def remove(connection: Connection, ids: Sequence[Any]) -> int:
        return int(connection.execute(delete(subjects).where(subjects.c.id.in_(ids), due)).rowcount)

    return Step("keys that seal nothing", _counting(subjects, due), _finding(subjects.c.id, due), remove)


def _finding(key: Any, due: Any) -> Callable[[Connection], Sequence[Any]]:
    query = select(key).where(due).limit(BATCH)
    return lambda connection: connection.execute(query).scalars().all()


def _counting(table: Any, due: Any) -> Callable[[Connection], int]:
    query = select(func.count()).select_from(table).where(due)
    return lambda connection: int(connection.execute(query).scalar_one())
