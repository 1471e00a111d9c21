"""Seal what versions before sealing left in clear: in small steps, resumable at any point.

A row is sealed only if it still holds what was read (turns work on meanwhile); one that changed is met
again in the next step. When a step finds nothing more, the database is marked and never searched again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, update

from bot.store.dialect import insert_or_ignore
from bot.store.history import history_row
from bot.store.inbox import inbox_row
from bot.store.schema import (
    attachments,
    conversations,
    history,
    inbox,
    notes,
    outbox,
    raw_payloads,
    trust_marks,
)
from bot.store.subjects import DataKeys, account_subject, customer_index, sender_subject
from bot.trust.sealing import BYTES_MARK, MARK, DataKey
from bot.types import InboundEvent, decode

__all__ = ["SEALED", "is_all_sealed", "seal_some"]

SEALED = "sealed"
"""Name of the mark that says that nothing is left in clear."""
STEP = 100
LOST = "@imported"
"""Subject of the few rows of which nothing says whose they are."""


def is_all_sealed(connection: Connection) -> bool:
    return connection.execute(select(trust_marks).where(trust_marks.c.name == SEALED)).first() is not None


def seal_some(connection: Connection, keys: DataKeys) -> int:
    """Seal up to some hundred rows; 0 when nothing is left in clear."""
    if is_all_sealed(connection):
        return 0
    for step in (_inbox, _raw, _history, _outbox, _conversations, _attachments, _notes):
        sealed = step(connection, keys)
        if sealed:
            return sealed
    connection.execute(insert_or_ignore(connection, trust_marks, {"name": SEALED, "value": "1"}))
    return 0


def _clear(connection: Connection, table: Any, column: Any) -> list[Any]:
    """Rows with something in clear in a text column."""
    query = select(table).where(column != "", func.substr(column, 1, 1) != MARK).limit(STEP)
    return list(connection.execute(query).all())


def _clear_bytes(connection: Connection, table: Any, column: Any) -> list[Any]:
    head = func.substr(column, 1, len(BYTES_MARK))
    return list(connection.execute(select(table).where(head != BYTES_MARK).limit(STEP)).all())


def _event_key(connection: Connection, keys: DataKeys, body: str, conversation: str) -> DataKey:
    """The key for an event in clear."""
    try:
        event = decode(body, InboundEvent)
    except msgspec.DecodeError:
        return keys.of(connection, conversation)
    customer = customer_index(keys.ring, event.platform, event.account, event.sender.id)
    return keys.of(connection, sender_subject(event), customer)


def _inbox(connection: Connection, keys: DataKeys) -> int:
    rows = _clear(connection, inbox, inbox.c.event)
    for row in rows:
        key = _event_key(connection, keys, row.event, row.conversation)
        name = inbox_row(row.platform, row.account, row.event_id)
        values = {"event": key.seal("inbox", "event", name, row.event), "subject": key.id}
        connection.execute(
            update(inbox).where(inbox.c.id == row.id, inbox.c.event == row.event).values(values)
        )
        _raw_of(connection, key, row.event)
    return len(rows)


def _raw_of(connection: Connection, key: DataKey, body: str) -> None:
    """The payload that an event came in: only the event says whose it is."""
    try:
        event = decode(body, InboundEvent)
    except msgspec.DecodeError:
        return
    ref = event.raw_ref or event.correlation_id
    payload = connection.execute(select(raw_payloads).where(raw_payloads.c.ref == ref)).first()
    if payload is not None and not payload.body.startswith(BYTES_MARK):
        values = {"body": key.seal_bytes("raw_payloads", "body", ref, payload.body), "subject": key.id}
        connection.execute(update(raw_payloads).where(raw_payloads.c.ref == ref).values(values))


def _raw(connection: Connection, keys: DataKeys) -> int:
    def subject(_row: Any) -> str:
        return LOST

    return _each_bytes(connection, keys, raw_payloads, raw_payloads.c.body, subject)


def _attachments(connection: Connection, keys: DataKeys) -> int:
    return _each_bytes(connection, keys, attachments, attachments.c.data, lambda row: row.conversation)


def _each_bytes(
    connection: Connection, keys: DataKeys, table: Any, column: Any, subject: Callable[[Any], str]
) -> int:
    rows = _clear_bytes(connection, table, column)
    for row in rows:
        key = keys.of(connection, subject(row))
        sealed = key.seal_bytes(table.name, column.name, row.ref, getattr(row, column.name))
        values = {column.name: sealed, "subject": key.id}
        connection.execute(update(table).where(table.c.ref == row.ref).values(values))
    return len(rows)


def _history(connection: Connection, keys: DataKeys) -> int:
    rows = _clear(connection, history, history.c.body)
    for row in rows:
        if row.role == "customer":
            key = _event_key(connection, keys, row.body, row.conversation)
        else:
            key = keys.of(connection, row.conversation)
        name = history_row(row.conversation, row.role, row.key)
        values = {
            "body": key.seal("history", "body", name, row.body),
            "text": key.seal("history", "text", name, row.text),
            "subject": key.id,
        }
        connection.execute(update(history).where(history.c.id == row.id).values(values))
    return len(rows)


def _outbox(connection: Connection, keys: DataKeys) -> int:
    rows = _clear(connection, outbox, outbox.c.message)
    for row in rows:
        key = keys.of(connection, row.conversation)
        sealed = key.seal("outbox", "message", row.idempotency_key, row.message)
        values = {"message": sealed, "subject": key.id}
        connection.execute(update(outbox).where(outbox.c.id == row.id).values(values))
    return len(rows)


def _conversations(connection: Connection, keys: DataKeys) -> int:
    state = conversations.c.state
    query = select(conversations).where(state != "{}", func.substr(state, 1, 1) != MARK).limit(STEP)
    rows = connection.execute(query).all()
    for row in rows:
        key = keys.of(connection, row.key)
        values = {"state": key.seal("conversations", "state", row.key, row.state), "subject": key.id}
        same = (conversations.c.key == row.key) & (state == row.state)
        connection.execute(update(conversations).where(same).values(values))
    return len(rows)


def _notes(connection: Connection, keys: DataKeys) -> int:
    rows = _clear(connection, notes, notes.c.value)
    for row in rows:
        key = keys.of(connection, account_subject(row.platform, row.account))
        name = f"{row.platform}|{row.account}|{row.key}"
        values = {"value": key.seal("notes", "value", name, row.value), "subject": key.id}
        same = (
            (notes.c.platform == row.platform)
            & (notes.c.account == row.account)
            & (notes.c.key == row.key)
            & (notes.c.value == row.value)
        )
        connection.execute(update(notes).where(same).values(values))
    return len(rows)
