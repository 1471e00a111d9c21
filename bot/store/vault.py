"""The vault's rows: personal data that was masked everywhere else, sealed by its customer's key."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from bot.errors import NotAllowed
from bot.store.dialect import insert_or_ignore
from bot.store.schema import subjects
from bot.store.schema import vault as table
from bot.store.subjects import DataKeys

__all__ = ["NEVER_KEPT", "Held", "Revealed", "Secret", "get", "new_token", "of_subjects", "put"]

NEVER_KEPT = frozenset({"OTP", "PIN", "CVV", "PASSWORD"})
"""Kinds that are never stored at all (JR/T 0171-2020: authentication data)."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One piece of personal data on its way into the vault.

    Raises:
        NotAllowed: it is of a kind that is never stored.
    """

    token: str
    kind: str
    value: str = field(repr=False)
    masked: str = ""

    def __post_init__(self) -> None:
        if self.kind.upper() in NEVER_KEPT:
            raise NotAllowed(f"{self.kind.upper()} is never stored, not even in the vault")


@dataclass(frozen=True, slots=True)
class Revealed:
    kind: str
    masked: str
    value: str = field(repr=False)
    customer: str = ""
    """Blind index of whose it is."""


@dataclass(frozen=True, slots=True)
class Held:
    """What may be seen of one piece without revealing it."""

    token: str
    kind: str
    masked: str
    at: float
    """Epoch seconds."""


def of_subjects(connection: Connection, names: Sequence[str]) -> list[Held]:
    """What is kept of these subjects, the newest first."""
    query = select(table.c.token, table.c.kind, table.c.masked, table.c.at).join(
        subjects, subjects.c.id == table.c.subject
    )
    rows = connection.execute(query.where(subjects.c.subject.in_(names)).order_by(table.c.at.desc()))
    return [Held(row.token, row.kind, row.masked, row.at) for row in rows]


def new_token() -> str:
    return "v_" + secrets.token_hex(12)


def put(connection: Connection, keys: DataKeys, subject: str, items: Sequence[Secret], now: float) -> None:
    """Keep them; the same token twice is one."""
    if not items:
        return
    seal = keys.of(connection, subject)
    for item in items:
        values = {
            "token": item.token,
            "kind": item.kind.upper()[:20],
            "masked": item.masked[:200],
            "value": seal.seal("vault", "value", item.token, item.value),
            "at": now,
            "subject": seal.id,
        }
        connection.execute(insert_or_ignore(connection, table, values))


def get(connection: Connection, keys: DataKeys, token: str) -> Revealed | None:
    query = (
        select(table, subjects.c.customer)
        .outerjoin(subjects, subjects.c.id == table.c.subject)
        .where(table.c.token == token)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    value = keys.open(connection, row.subject, "vault", "value", token, row.value)
    return Revealed(row.kind, row.masked, value, row.customer or "")
