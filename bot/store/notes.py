"""Notes: what adapters must remember across processes and restarts, such as cursors and tokens."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, delete, select, update

from bot.store.dialect import insert_or_ignore
from bot.store.schema import notes
from bot.store.subjects import DataKeys, account_subject

__all__ = ["Account", "add", "drop", "get", "put", "sweep"]

Account = tuple[str, str]
"""(platform, account)"""


def get(connection: Connection, keys: DataKeys, account: Account, key: str, now: float) -> str | None:
    row = connection.execute(
        select(notes.c.value, notes.c.subject, notes.c.expires_at).where(_is(account, key))
    ).first()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        return None
    return keys.open(connection, row.subject, "notes", "value", _row(account, key), row.value)


def put(
    connection: Connection, keys: DataKeys, account: Account, key: str, value: str, until: float | None
) -> None:
    values = _values(connection, keys, account, key, value, until)
    if not connection.execute(insert_or_ignore(connection, notes, values)).rowcount:
        connection.execute(update(notes).where(_is(account, key)).values(**values))


def add(
    connection: Connection,
    keys: DataKeys,
    account: Account,
    key: str,
    value: str,
    until: float | None,
    now: float,
) -> bool:
    """Put it unless a living one is there; True if it was put."""
    connection.execute(delete(notes).where(_is(account, key), notes.c.expires_at <= now))
    values = _values(connection, keys, account, key, value, until)
    return bool(connection.execute(insert_or_ignore(connection, notes, values)).rowcount)


def drop(connection: Connection, account: Account, key: str) -> None:
    connection.execute(delete(notes).where(_is(account, key)))


def sweep(connection: Connection, now: float) -> None:
    connection.execute(delete(notes).where(notes.c.expires_at <= now))


def _values(
    connection: Connection, keys: DataKeys, account: Account, key: str, value: str, until: float | None
) -> dict[str, Any]:
    seal = keys.of(connection, account_subject(*account))
    return {
        "platform": account[0],
        "account": account[1],
        "key": key,
        "value": seal.seal("notes", "value", _row(account, key), value),
        "expires_at": until,
        "subject": seal.id,
    }


def _row(account: Account, key: str) -> str:
    return "|".join((*account, key))


def _is(account: Account, key: str) -> Any:
    return and_(notes.c.platform == account[0], notes.c.account == account[1], notes.c.key == key)
