"""The store: every durable thing Teller knows, behind one object of typed operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, func, insert, select, text

from bot.errors import QueueFull, UnknownAttachment
from bot.store import history, inbox, letters, notes, outbox
from bot.store.engine import make_blocking_engine, make_engine
from bot.store.inbox import Claim
from bot.store.letters import DeadLetter
from bot.store.migrate import upgrade
from bot.store.notes import Account
from bot.store.outbox import Dispatch
from bot.store.reader import Reader
from bot.store.schema import NEW_SQL, OPEN_SQL, attachments, audit, dead_letters
from bot.store.writer import Writer
from bot.types import Conversation, Exchange, InboundEvent, OutboundMessage, encode

__all__ = ["AuditEntry", "Depths", "Outcome", "Store", "StoredFile"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One fact for the record; `data` is plain JSON without message texts."""

    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that one turn wants done, committed together or not at all."""

    messages: tuple[OutboundMessage, ...] = ()
    passages: tuple[str, ...] = ()
    """Ids of the passages the answer stands on."""
    seen: str = ""
    """The customer's text as later turns may see it."""
    state: dict[str, Any] | None = None
    """New conversation state; None leaves it."""
    language: str = ""
    owner: str | None = None
    """Who speaks from now on (empty: the bot); None leaves it."""
    audit: tuple[AuditEntry, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class StoredFile:
    name: str
    mime: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Depths:
    """How much waits, for metrics and back-pressure."""

    inbox: int
    outbox: int
    dead_letters: int


class Store:
    """Opened by `Store.open`; safe to use from many tasks. All times are epoch seconds.

    Writes raise StoreBusy when the database is locked, full or gone, and then nothing was written.
    """

    def __init__(self, url: str, *, busy_ms: int = 4000) -> None:
        self.url = url
        self._engine = make_engine(url, busy_ms=busy_ms)
        self._blocking = make_blocking_engine(url, busy_ms=busy_ms)
        self._writer = Writer(self._engine, self._blocking)
        self._reader = Reader(self._engine, self._blocking)

    @classmethod
    async def open(cls, url: str, *, busy_ms: int = 4000) -> Store:
        """Connect and bring the tables up to date."""
        store = cls(url, busy_ms=busy_ms)
        try:
            await upgrade(store._engine)
        except BaseException:
            await store._engine.dispose()
            raise
        return store

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()
        await self._engine.dispose()

    @property
    def pressed(self) -> bool:
        """Whether intake had to wait just now: what can wait should."""
        return self._writer.pressed

    async def ping(self) -> None:
        """Raises StoreBusy if the database can't be reached."""
        await self._read(lambda connection: connection.execute(text("SELECT 1")).scalar())

    # ── intake ──

    async def accept(self, event: InboundEvent, raw: bytes, *, queue_limit: int, now: float) -> bool:
        """Store one event durably; True if it was new. Returns after the commit.

        Raises:
            QueueFull: `queue_limit` events wait; nothing was written.
        """
        new = await self._writer.run(lambda c: inbox.accept(c, event, raw, queue_limit, now), urgent=True)
        if new is None:
            raise QueueFull(f"{queue_limit} messages wait already; try again in a moment")
        return new

    # ── turns ──

    async def claim(self, *, now: float, lease_s: float, limit: int) -> list[Claim]:
        return await self._writer.run(lambda c: inbox.claim(c, now, lease_s, limit))

    async def renew(self, claim: Claim, *, until: float) -> None:
        await self._writer.run(lambda c: inbox.renew(c, claim, until))

    async def release(self, claim: Claim) -> None:
        """Give an unfinished event back without counting anything. Raises LeaseLost."""
        await self._writer.run(lambda c: inbox.release(c, claim))

    async def complete(self, claim: Claim, outcome: Outcome, *, now: float) -> None:
        """Commit a turn: inbox done, state, history, outbox and audit in one transaction.

        Raises:
            LeaseLost: someone else holds the conversation; nothing was written.
        """

        def write(connection: Connection) -> None:
            inbox.fence(connection, claim)
            event = claim.event
            history.add_event(connection, event, outcome.seen, now)
            for message in outcome.messages:
                history.add_message(connection, message, outcome.passages, now)
            outbox.put(connection, outcome.messages, claim.owner.version, now)
            for entry in outcome.audit:
                _note(connection, event, entry, now)
            changes: dict[str, Any] = {}
            if outcome.state is not None:
                changes["state"] = encode(outcome.state).decode()
            if outcome.language:
                changes["language"] = outcome.language
            if outcome.owner is not None and outcome.owner != claim.owner.id:
                inbox.change_owner(connection, event.conversation.key, outcome.owner)
            inbox.finish(connection, claim, now, **changes)

        await self._writer.run(write)

    async def fail(self, claim: Claim, error: str, *, retry_at: float) -> None:
        await self._writer.run(lambda c: inbox.fail(c, claim, error, retry_at))

    async def park(self, claim: Claim, error: str, outcome: Outcome, *, now: float) -> None:
        """Give up on one event: dead letter, and `outcome.messages` (an apology) go out."""

        def write(connection: Connection) -> None:
            inbox.fence(connection, claim)
            history.add_event(connection, claim.event, outcome.seen, now)
            for message in outcome.messages:
                history.add_message(connection, message, (), now)
            outbox.put(connection, outcome.messages, claim.owner.version, now)
            for entry in outcome.audit:
                _note(connection, claim.event, entry, now)
            inbox.park(connection, claim, error, now)

        await self._writer.run(write)

    async def set_owner(self, conversation: Conversation, owner: str, *, now: float) -> int:
        """Who speaks from now on (empty: the bot). Returns the new owner version."""

        def write(connection: Connection) -> int:
            inbox.open_conversation(connection, conversation, now)
            return inbox.change_owner(connection, conversation.key, owner)

        return await self._writer.run(write)

    async def exchanges(self, conversation: str, *, limit: int, since: float) -> list[Exchange]:
        return await self._read(lambda c: history.exchanges(c, conversation, limit, since))

    async def recover(self) -> None:
        """End all leases. Only for a process that knows itself alone on this database."""
        await self._writer.run(inbox.end_leases)
        await self._writer.run(outbox.end_leases)

    # ── sending ──

    async def claim_sends(
        self, accounts: Sequence[tuple[str, str]], *, now: float, lease_s: float, limit: int
    ) -> list[Dispatch]:
        return await self._writer.run(lambda c: outbox.claim(c, accounts, now, lease_s, limit))

    async def post(self, message: OutboundMessage, *, now: float) -> None:
        """Queue a message that no turn decided on: a digest, a notice. The same key twice is one."""

        def write(connection: Connection) -> None:
            inbox.open_conversation(connection, message.conversation, now)
            version = inbox.owner_version(connection, message.conversation.key)
            if outbox.put(connection, [message], version, now):
                history.add_message(connection, message, (), now)

        await self._writer.run(write)

    async def sent(self, dispatch: Dispatch, delivery: str, *, now: float) -> None:
        await self._writer.run(lambda c: outbox.sent(c, dispatch, delivery, now))

    async def refused(self, dispatch: Dispatch, reason: str) -> None:
        await self._writer.run(lambda c: outbox.refused(c, dispatch, reason))

    async def send_later(self, dispatch: Dispatch, reason: str, *, at: float, failed: bool) -> None:
        await self._writer.run(lambda c: outbox.later(c, dispatch, reason, at, failed=failed))

    async def give_up_send(self, dispatch: Dispatch, reason: str, *, now: float) -> None:
        await self._writer.run(lambda c: outbox.give_up(c, dispatch, reason, now))

    # ── what adapters read ──

    async def transcript(self, conversation: str, *, limit: int) -> list[history.Row]:
        return await self._read(lambda c: history.transcript(c, conversation, limit))

    async def released(self, conversation: str, *, after: int) -> list[tuple[int, OutboundMessage]]:
        return await self._read(lambda c: history.released(c, conversation, after))

    async def keep_attachment(
        self, ref: str, conversation: Conversation, file: StoredFile, *, now: float
    ) -> None:
        values = {
            "ref": ref,
            "conversation": conversation.key,
            "name": file.name,
            "mime": file.mime,
            "data": file.data,
            "at": now,
        }
        await self._writer.run(lambda c: c.execute(insert(attachments).values(values)))

    async def attachment(self, ref: str, conversation: Conversation) -> StoredFile:
        """Raises UnknownAttachment unless it was kept for this very conversation."""
        query = select(attachments.c.name, attachments.c.mime, attachments.c.data).where(
            attachments.c.ref == ref, attachments.c.conversation == conversation.key
        )
        row = await self._read(lambda c: c.execute(query).first())
        if row is None:
            raise UnknownAttachment("there is no such file in this conversation")
        return StoredFile(row.name, row.mime, row.data)

    async def note(self, account: Account, key: str, *, now: float) -> str | None:
        return await self._read(lambda c: notes.get(c, account, key, now))

    async def put_note(self, account: Account, key: str, value: str, *, until: float | None) -> None:
        await self._writer.run(lambda c: notes.put(c, account, key, value, until))

    async def add_note(
        self, account: Account, key: str, value: str, *, until: float | None, now: float
    ) -> bool:
        return await self._writer.run(lambda c: notes.add(c, account, key, value, until, now))

    async def drop_note(self, account: Account, key: str) -> None:
        await self._writer.run(lambda c: notes.drop(c, account, key))

    async def sweep(self, *, now: float) -> None:
        """Remove what has expired."""
        await self._writer.run(lambda c: notes.sweep(c, now))

    # ── operators ──

    async def letters(self, *, every: bool = False) -> list[DeadLetter]:
        return await self._read(lambda c: letters.list_letters(c, every=every))

    async def letter(self, id: int) -> DeadLetter | None:
        return await self._read(lambda c: letters.show(c, id))

    async def retry_letter(self, id: int) -> bool:
        return await self._writer.run(lambda c: letters.retry(c, id))

    async def depths(self) -> Depths:
        def count(connection: Connection) -> Depths:
            numbers = [
                connection.execute(text(f"SELECT count(*) FROM {table} WHERE {condition}")).scalar_one()  # noqa: S608
                for table, condition in (
                    ("inbox", NEW_SQL),
                    ("outbox", OPEN_SQL),
                    (dead_letters.name, "status = 'open'"),
                )
            ]
            return Depths(*numbers)

        return await self._read(count)

    async def audit_count(self) -> int:
        return await self._read(lambda c: c.execute(select(func.count()).select_from(audit)).scalar_one())

    async def _read(self, function: Callable[[Connection], T]) -> T:
        return await self._reader.run(function)


def _note(connection: Connection, event: InboundEvent, entry: AuditEntry, now: float) -> None:
    values = {
        "at": now,
        "kind": entry.kind,
        "conversation": event.conversation.key,
        "correlation_id": event.correlation_id,
        "data": encode(entry.data).decode(),
    }
    connection.execute(insert(audit).values(values))
