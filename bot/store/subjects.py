"""Data keys: one for each subject (whose data a row is), wrapped by a master key, cached unwrapped.

A key is made in the transaction that first seals with it, and cached once that is committed. One that
another process erases meanwhile is found out by the foreign key of the rows that it would have sealed
(`key_is_gone`): the writer forgets it and asks again.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, func, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from bot.errors import KeyringError, SealBroken
from bot.store import audit
from bot.store.dialect import insert_or_ignore
from bot.store.schema import subjects, trust_marks
from bot.store.work import work_of
from bot.trust.keyring import ENVIRONMENT, FixedKeys, Keyring, KeySource, find_keys
from bot.trust.sealing import DataKey, is_sealed, new_data_key, unwrap, wrap
from bot.types import Conversation, InboundEvent

__all__ = [
    "CACHED",
    "DataKeys",
    "account_subject",
    "conversation_subject",
    "customer_index",
    "default_keys",
    "establish",
    "key_is_gone",
    "sender_subject",
    "versions_in_use",
]

log = structlog.get_logger(__name__)

CACHED = 4096
"""Unwrapped keys held in memory, at some 300 bytes each."""


def conversation_subject(conversation: Conversation) -> str:
    """Whose data the bot's words in a conversation are."""
    return conversation.key


def sender_subject(event: InboundEvent) -> str:
    """Whose data an event is: in a group, the member's own."""
    if event.conversation.kind == "direct":
        return event.conversation.key
    return event.conversation.key + "|" + event.sender.id


def account_subject(platform: str, account: str) -> str:
    """Whose data an account's notes are."""
    return f"@{platform}|{account}"


def customer_index(ring: Keyring, platform: str, account: str, sender: str) -> str:
    return ring.blind("customer", platform, account, sender)


def key_is_gone(error: IntegrityError) -> bool:
    """Whether a write failed because its data key was erased meanwhile."""
    state = str(getattr(error.orig, "sqlstate", "") or "")
    return state == "23503" or "FOREIGN KEY constraint failed" in str(error.orig)


class DataKeys:
    """The keyring and the data keys under it. Safe to use from several threads."""

    def __init__(self, source: KeySource) -> None:
        self.source = source
        self._ring: Keyring | None = None
        self._lock = threading.Lock()
        self._by_id: OrderedDict[int, DataKey] = OrderedDict()
        self._by_subject: dict[str, int] = {}

    # ── the keyring ──

    @property
    def ring(self) -> Keyring:
        if self._ring is None:
            self._ring = self.source.load()
        return self._ring

    def load(self, *, create: bool) -> Keyring:
        self._ring = self.source.load(create=create)
        return self._ring

    def newest(self) -> Keyring:
        """The keyring as it is now: another process may have rotated it."""
        if self.source.changed():
            self._ring = self.source.load()
        return self.ring

    def _ring_with(self, version: int) -> Keyring:
        return self.ring if version in self.ring.master else self.newest()

    # ── the cache ──

    def forget(self, wanted: Iterable[str]) -> None:
        with self._lock:
            for subject in wanted:
                id = self._by_subject.pop(subject, None)
                if id is not None:
                    self._by_id.pop(id, None)

    def clear(self) -> None:
        with self._lock:
            self._by_id.clear()
            self._by_subject.clear()

    def keep(self, keys: Iterable[DataKey]) -> None:
        """Cache keys whose rows are committed."""
        with self._lock:
            for key in keys:
                self._by_id[key.id] = key
                self._by_subject[key.subject] = key.id
            while len(self._by_id) > CACHED:
                id, oldest = self._by_id.popitem(last=False)
                if self._by_subject.get(oldest.subject) == id:
                    del self._by_subject[oldest.subject]

    def _cached(self, id: int | None) -> DataKey | None:
        with self._lock:
            key = None if id is None else self._by_id.get(id)
            if key is not None:
                self._by_id.move_to_end(key.id)
            return key

    def _ready(self, connection: Connection, row: Any) -> DataKey:
        """The key of a row, cached now or when the running transaction has been committed."""
        ring = self._ring_with(row.key_version)
        cipher = AESGCM(unwrap(ring, row.key_version, row.subject, row.wrapped_key))
        key = DataKey(row.id, row.subject, ring.tenant, cipher, row.customer)
        work = work_of(connection)
        if work is None:
            self.keep([key])
        else:
            work.keys[key.id] = key
        return key

    # ── with the database ──

    def of(self, connection: Connection, subject: str, customer: str = "") -> DataKey:
        """The key of a subject, made where there is none; for a transaction that writes.

        Args:
            customer: the blind index of the person, where it is known.
        """
        key = self._cached(self._by_subject.get(subject)) or _under_way(connection, subject)
        if key is not None and (key.customer or not customer):
            return key
        query = select(subjects).where(subjects.c.subject == subject)
        row = connection.execute(query).first()
        if row is None:
            ring = self.newest()
            values = {
                "subject": subject,
                "customer": customer,
                "wrapped_key": wrap(ring, ring.current, subject, new_data_key()),
                "key_version": ring.current,
                "created_at": time.time(),
            }
            connection.execute(insert_or_ignore(connection, subjects, values))
            row = connection.execute(query).one()
        elif customer and not row.customer:
            changed = update(subjects).where(subjects.c.id == row.id).values(customer=customer)
            connection.execute(changed)
            row = connection.execute(query).one()
        return self._ready(connection, row)

    def by_id(self, connection: Connection, id: int) -> DataKey | None:
        """The key with that id; None if it was erased."""
        work = work_of(connection)
        key = self._cached(id) or (None if work is None else work.keys.get(id))
        if key is not None:
            return key
        row = connection.execute(select(subjects).where(subjects.c.id == id)).first()
        return None if row is None else self._ready(connection, row)

    def preload(self, connection: Connection, ids: Iterable[int | None]) -> None:
        """Fetch the keys of many rows with one query."""
        missing = {id for id in ids if id is not None and self._cached(id) is None}
        wanted = list(missing)[: CACHED // 2]
        if len(wanted) > 1:
            for row in connection.execute(select(subjects).where(subjects.c.id.in_(wanted))).all():
                # One that can't be opened is its own row's trouble, and is met again there.
                with suppress(SealBroken):
                    self._ready(connection, row)

    def open(
        self, connection: Connection, id: int | None, table: str, column: str, row: str, value: str
    ) -> str:
        """A text field as it was before it was sealed (or as it stands, where it never was).

        Raises:
            SealBroken: changed, moved, or its key is gone.
            KeyringError: the keyring can't open the key.
        """
        if not is_sealed(value):
            return value
        return self._key_of(connection, id, table, row).open(table, column, row, value)

    def open_bytes(
        self, connection: Connection, id: int | None, table: str, column: str, row: str, value: bytes
    ) -> bytes:
        if not is_sealed(value):
            return value
        return self._key_of(connection, id, table, row).open_bytes(table, column, row, value)

    def _key_of(self, connection: Connection, id: int | None, table: str, row: str) -> DataKey:
        key = None if id is None else self.by_id(connection, id)
        if key is None:
            raise SealBroken(f"{table} row {row!r} can't be opened: its key was erased")
        return key

    # ── rotation ──

    def rewrap(self, connection: Connection, limit: int) -> int:
        """Wrap up to `limit` data keys by the current master key; how many there were to do."""
        ring = self.newest()
        rows = connection.execute(
            select(subjects)
            .where(subjects.c.key_version != ring.current)
            .order_by(subjects.c.id)
            .limit(limit)
            .with_for_update()
        ).all()
        for row in rows:
            key = unwrap(ring, row.key_version, row.subject, row.wrapped_key)
            connection.execute(
                update(subjects)
                .where(subjects.c.id == row.id)
                .values(wrapped_key=wrap(ring, ring.current, row.subject, key), key_version=ring.current)
            )
        return len(rows)


def versions_in_use(connection: Connection) -> dict[int, int]:
    """Master key version → how many data keys it wraps."""
    query = select(subjects.c.key_version, func.count()).group_by(subjects.c.key_version)
    return {row[0]: row[1] for row in connection.execute(query).all()}


def _under_way(connection: Connection, subject: str) -> DataKey | None:
    """A key that this very transaction has read or made."""
    work = work_of(connection)
    if work is None:
        return None
    return next((key for key in work.keys.values() if key.subject == subject), None)


def establish(connection: Connection, keys: DataKeys) -> None:
    """Bring keyring and database together: the first time they are tied to each other (a missing keyring is
    made), later they must belong to each other. In the transaction that upgraded the tables.

    Raises:
        KeyringError: the keyring is missing, broken, open to others, or another database's.
    """
    marks = {row.name: row.value for row in connection.execute(select(trust_marks)).all()}
    ring = keys.load(create=not marks)
    values = ring.check_values()
    for name in values.keys() & marks.keys():
        if values[name] != marks[name]:
            what = f"master key version {name.split(':')[1]}" if ":" in name else f"the {name} key"
            raise KeyringError(
                f"{keys.source.name}: {what} isn't the one that this database is sealed with; give Teller "
                "the keyring that belongs to it (trust.keyring or TELLER_KEYRING), or restore it from backup"
            )
    missing = sorted(set(versions_in_use(connection)) - set(ring.versions))
    if missing:
        raise KeyringError(
            f"{keys.source.name}: the keyring has no master key version {missing[0]} (it has "
            f"{list(ring.versions)}), and data keys are wrapped by it; restore the newest keyring"
        )
    for name in values.keys() - marks.keys():
        mark = {"name": name, "value": values[name]}
        connection.execute(insert_or_ignore(connection, trust_marks, mark))
    audit.adopt(connection, ring.audit)


_EPHEMERAL = FixedKeys(name="this process's memory")


def default_keys(url: str) -> KeySource:
    """The keys of a store that was opened without any: TELLER_KEYRING, or a file beside an embedded
    database; for a server's, keys that end with this process."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return find_keys(Path(parsed.database).with_name("keyring.json"))
    if os.environ.get(ENVIRONMENT):
        return find_keys(Path())
    log.warning("keyring.ephemeral", note="what is sealed can't be read after this process; pass keys")
    return _EPHEMERAL
