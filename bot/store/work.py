"""What one transaction of the `Writer` leaves for its end.

Entries for the record are appended last, all at once, so that the chain's head is locked for a moment
only and always after any conversation; and data keys that were read or made inside the transaction are
cached only once it is on disk, so that no cache holds a key that a rollback took back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from bot.trust.sealing import DataKey

__all__ = ["Fact", "Work", "begin_work", "end_work", "work_of"]

NAME = "teller_work"


@dataclass(frozen=True, slots=True)
class Fact:
    """An entry for the record, before it has its place in the chain."""

    at: float
    kind: str
    conversation: str
    correlation_id: str
    data: str
    """JSON."""


@dataclass(slots=True)
class Work:
    facts: list[Fact] = field(default_factory=list)
    keys: dict[int, DataKey] = field(default_factory=dict)


def begin_work(connection: Connection) -> Work:
    work = Work()
    connection.info[NAME] = work
    return work


def end_work(connection: Connection) -> None:
    connection.info.pop(NAME, None)


def work_of(connection: Connection) -> Work | None:
    """The running transaction's work; None outside of the `Writer`."""
    work: Work | None = connection.info.get(NAME)
    return work
