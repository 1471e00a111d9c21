"""The store: every durable thing Teller knows, behind one object of typed operations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from bot.errors import QueueFull, UnknownAttachment
from bot.feedback.vote import Vote, is_vote
from bot.store import (
    audit,
    feedback,
    history,
    inbox,
    letters,
    notes,
    outbox,
    profiles,
    sealer,
    tickets,
    vault,
)
from bot.store.engine import make_blocking_engine, make_engine, store_errors
from bot.store.inbox import Claim
from bot.store.letters import DeadLetter
from bot.store.migrate import upgrade
from bot.store.notes import Account
from bot.store.outbox import Dispatch
from bot.store.reader import Reader
from bot.store.retention import Periods, Step, sealed_tables, steps
from bot.store.schema import NEW_SQL, OPEN_SQL, attachments, dead_letters
from bot.store.schema import audit as audit_table
from bot.store.subjects import (
    DataKeys,
    account_subject,
    conversation_subject,
    default_keys,
    establish,
    key_is_gone,
    sender_subject,
)
from bot.store.vault import Secret
from bot.store.work import Work
from bot.store.writer import Writer
from bot.suitability.profile import Profile, ProfileChange
from bot.tickets.ticket import Change, Committed, Ticket, TicketDraft
from bot.trust.keyring import KeySource
from bot.types import Conversation, Exchange, InboundEvent, OutboundMessage, encode

__all__ = ["AuditEntry", "Depths", "Outcome", "Store", "StoredFile"]

log = structlog.get_logger(__name__)

T = TypeVar("T")
RETENTION_S = 3600.0
"""Seconds between two looks for what was kept long enough."""


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
    tickets: tuple[TicketDraft, ...] = ()
    """What a person must look at; customers and staff are told in the same transaction."""
    secrets: tuple[Secret, ...] = ()
    """Personal data that was masked, for the vault."""
    profile: ProfileChange | None = None
    """What the customer's profile learns."""
    vote: Vote | None = None
    """The event is a 👍 or 👎 to be counted."""


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

    def __init__(self, url: str, *, keys: KeySource | None = None, busy_ms: int = 4000) -> None:
        self.url = url
        self.keys = DataKeys(keys or default_keys(url))
        self._kept_until = 0.0
        self._engine = make_engine(url, busy_ms=busy_ms)
        self._blocking = make_blocking_engine(url, busy_ms=busy_ms)
        self._writer = Writer(self._engine, self._blocking, finish=self._record, committed=self._cache_keys)
        self._reader = Reader(self._engine, self._blocking)

    @classmethod
    async def open(cls, url: str, *, keys: KeySource | None = None, busy_ms: int = 4000) -> Store:
        """Connect and bring the tables up to date.

        Args:
            keys: where the keyring comes from. Without it, TELLER_KEYRING, or a `keyring.json` beside
                an embedded database; a server's database then gets one that ends with this process,
                which is for tests only.

        Raises:
            StoreBusy, StoreError: the database can't be reached, or is newer than this program.
            KeyringError: the keyring is missing, broken, open to others, or another database's.
        """
        store = cls(url, keys=keys, busy_ms=busy_ms)
        try:
            await upgrade(store._engine, lambda connection: establish(connection, store.keys))
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
        new = await self._seal(
            (sender_subject(event),),
            lambda c: inbox.accept(c, self.keys, event, raw, queue_limit, now),
            urgent=True,
        )
        if new is None:
            raise QueueFull(f"{queue_limit} messages wait already; try again in a moment")
        return new

    # ── turns ──

    async def claim(self, *, now: float, lease_s: float, limit: int) -> list[Claim]:
        return await self._writer.run(lambda c: inbox.claim(c, self.keys, now, lease_s, limit))

    async def renew(self, claim: Claim, *, until: float) -> None:
        await self._writer.run(lambda c: inbox.renew(c, claim, until))

    async def release(self, claim: Claim) -> None:
        """Give an unfinished event back without counting anything. Raises LeaseLost."""
        await self._writer.run(lambda c: inbox.release(c, claim))

    async def complete(self, claim: Claim, outcome: Outcome, *, now: float) -> list[Committed]:
        """Commit a turn: inbox done, state, history, outbox, tickets and audit in one transaction.

        Returns:
            What became of each of `outcome.tickets`.

        Raises:
            LeaseLost: someone else holds the conversation; nothing was written.
        """

        def write(connection: Connection) -> list[Committed]:
            inbox.fence(connection, claim)
            event = claim.event
            decided = outcome
            if outcome.vote is not None:
                decided = self._cast(connection, claim, outcome, outcome.vote, now)
            profiles.used(connection, sender_subject(event), now)
            if outcome.profile is not None:
                profiles.apply(connection, self.keys, outcome.profile, now)
            opened = self._write_turn(connection, claim, decided, now)
            changes: dict[str, Any] = {}
            if outcome.state is not None:
                key = event.conversation.key
                seal = self.keys.of(connection, conversation_subject(event.conversation))
                changes["state"] = seal.seal("conversations", "state", key, encode(outcome.state).decode())
                changes["subject"] = seal.id
            if outcome.language:
                changes["language"] = outcome.language
            if outcome.owner is not None and outcome.owner != claim.owner.id:
                inbox.change_owner(connection, event.conversation.key, outcome.owner)
            inbox.finish(connection, claim, now, **changes)
            return opened

        return await self._seal(_subjects_of(claim, outcome), write)

    async def fail(self, claim: Claim, error: str, *, retry_at: float) -> None:
        await self._writer.run(lambda c: inbox.fail(c, claim, error, retry_at))

    async def park(self, claim: Claim, error: str, outcome: Outcome, *, now: float) -> list[Committed]:
        """Give up on one event: dead letter, `outcome.messages` (an apology) go out, and its tickets are
        opened."""

        def write(connection: Connection) -> list[Committed]:
            inbox.fence(connection, claim)
            opened = self._write_turn(connection, claim, outcome, now)
            inbox.park(connection, claim, error, now)
            return opened

        return await self._seal(_subjects_of(claim, outcome), write)

    async def set_owner(self, conversation: Conversation, owner: str, *, now: float) -> int:
        """Who speaks from now on (empty: the bot). Returns the new owner version."""

        def write(connection: Connection) -> int:
            inbox.open_conversation(connection, conversation, now)
            return inbox.change_owner(connection, conversation.key, owner)

        return await self._writer.run(write)

    async def exchanges(self, conversation: str, *, limit: int, since: float) -> list[Exchange]:
        return await self._read(lambda c: history.exchanges(c, self.keys, conversation, limit, since))

    async def customer_texts(self, *, since: float) -> list[str]:
        """What customers have written since then, oldest first, as later turns may see it (masked)."""
        return await self._read(lambda c: history.customer_texts(c, self.keys, since))

    async def recover(self) -> None:
        """End all leases. Only for a process that knows itself alone on this database."""
        await self._writer.run(inbox.end_leases)
        await self._writer.run(outbox.end_leases)

    # ── sending ──

    async def claim_sends(
        self, accounts: Sequence[tuple[str, str]], *, now: float, lease_s: float, limit: int
    ) -> list[Dispatch]:
        return await self._writer.run(lambda c: outbox.claim(c, self.keys, accounts, now, lease_s, limit))

    async def post(self, message: OutboundMessage, *, now: float) -> None:
        """Queue a message that no turn decided on: a digest, a notice. The same key twice is one."""

        def write(connection: Connection) -> None:
            self._post(connection, message, now)

        await self._seal((conversation_subject(message.conversation),), write)

    async def sent(self, dispatch: Dispatch, delivery: str, *, now: float) -> None:
        print_ = self._print(dispatch.message)
        await self._writer.run(lambda c: outbox.sent(c, dispatch, delivery, print_, now))

    async def refused(self, dispatch: Dispatch, reason: str, *, now: float) -> None:
        await self._writer.run(lambda c: outbox.refused(c, dispatch, reason, now))

    async def send_later(self, dispatch: Dispatch, reason: str, *, at: float, failed: bool) -> None:
        await self._writer.run(lambda c: outbox.later(c, dispatch, reason, at, failed=failed))

    async def give_up_send(
        self, dispatch: Dispatch, reason: str, *, now: float, instead: OutboundMessage | None = None
    ) -> None:
        """Keep a message as a dead letter.

        Args:
            instead: what is sent in its place, queued in the same transaction; the same person's data.
        """

        def write(connection: Connection) -> None:
            if outbox.give_up(connection, dispatch, reason, now) and instead is not None:
                subject = outbox.subject_of(connection, dispatch)
                self._post(connection, instead, now, subject=subject, correlation_id=dispatch.correlation_id)

        await self._writer.run(write)

    # ── what adapters read ──

    async def transcript(self, conversation: str, *, limit: int) -> list[history.Row]:
        return await self._read(lambda c: history.transcript(c, self.keys, conversation, limit))

    async def released(self, conversation: str, *, after: int) -> list[tuple[int, OutboundMessage]]:
        return await self._read(lambda c: history.released(c, self.keys, conversation, after))

    async def keep_attachment(
        self, ref: str, conversation: Conversation, file: StoredFile, *, now: float
    ) -> None:
        subject = conversation_subject(conversation)

        def write(connection: Connection) -> None:
            seal = self.keys.of(connection, subject)
            values = {
                "ref": ref,
                "conversation": conversation.key,
                "name": file.name,
                "mime": file.mime,
                "data": seal.seal_bytes("attachments", "data", ref, file.data),
                "subject": seal.id,
                "at": now,
            }
            connection.execute(insert(attachments).values(values))

        await self._seal((subject,), write)

    async def attachment(self, ref: str, conversation: Conversation) -> StoredFile:
        """Raises UnknownAttachment unless it was kept for this very conversation."""
        query = select(attachments).where(
            attachments.c.ref == ref, attachments.c.conversation == conversation.key
        )

        def read(connection: Connection) -> StoredFile | None:
            row = connection.execute(query).first()
            if row is None:
                return None
            data = self.keys.open_bytes(connection, row.subject, "attachments", "data", ref, row.data)
            return StoredFile(row.name, row.mime, data)

        file = await self._read(read)
        if file is None:
            raise UnknownAttachment("there is no such file in this conversation")
        return file

    async def note(self, account: Account, key: str, *, now: float) -> str | None:
        return await self._read(lambda c: notes.get(c, self.keys, account, key, now))

    async def put_note(self, account: Account, key: str, value: str, *, until: float | None) -> None:
        await self._seal(
            (account_subject(*account),), lambda c: notes.put(c, self.keys, account, key, value, until)
        )

    async def add_note(
        self, account: Account, key: str, value: str, *, until: float | None, now: float
    ) -> bool:
        return await self._seal(
            (account_subject(*account),), lambda c: notes.add(c, self.keys, account, key, value, until, now)
        )

    async def drop_note(self, account: Account, key: str) -> None:
        await self._writer.run(lambda c: notes.drop(c, account, key))

    async def sweep(self, *, now: float, retention: Periods | None = None) -> None:
        """Remove what has expired; with `retention`, once an hour, also what was kept long enough, and
        seal what earlier versions left in clear. In small steps, that rest while intake waits."""
        await self._writer.run(lambda c: notes.sweep(c, now))
        if retention is None or now < self._kept_until:
            return
        self._kept_until = now + RETENTION_S
        for step in steps(retention, now, self.keys.ring.audit):
            await self.remove_due(step)
        while await self.seal_some():
            await self._rest()

    async def remove_due(self, step: Step) -> int:
        """Remove all that a retention step finds; how many rows."""
        total = 0
        while ids := await self._read(step.find):
            removed = await self._writer.run(partial(_apply, step, ids))
            total += removed
            if not removed:
                break
            await self._rest()
        if total:
            log.info("retention.removed", what=step.name, rows=total)
        return total

    async def seal_some(self) -> int:
        """Seal some of what earlier versions left in clear; 0 when all is sealed."""
        try:
            return await self._writer.run(lambda c: sealer.seal_some(c, self.keys))
        except IntegrityError as error:
            if not key_is_gone(error):
                raise
            self.keys.clear()
            return 1

    async def _rest(self) -> None:
        """Let others write first."""
        await asyncio.sleep(0.2 if self.pressed else 0)

    # ── operators ──

    async def letters(self, *, every: bool = False) -> list[DeadLetter]:
        return await self._read(lambda c: letters.list_letters(c, every=every))

    async def letter(self, id: int) -> DeadLetter | None:
        return await self._read(lambda c: letters.show(c, self.keys, id))

    async def retry_letter(self, id: int) -> bool:
        return await self._writer.run(lambda c: letters.retry(c, id))

    async def tickets(
        self,
        *,
        every: bool = False,
        department: str = "",
        conversation: str = "",
        overdue_at: float | None = None,
    ) -> list[Ticket]:
        """The most urgent first; see `bot.store.tickets.list_tickets`."""
        return await self._read(
            lambda c: tickets.list_tickets(
                c,
                self.keys,
                every=every,
                department=department,
                conversation=conversation,
                overdue_at=overdue_at,
            )
        )

    async def ticket(self, number: str) -> tuple[Ticket, list[Change]] | None:
        """A ticket with its history, by the number as `bot.tickets.numbers.parse` gives it."""

        def read(connection: Connection) -> tuple[Ticket, list[Change]] | None:
            found = tickets.find(connection, self.keys, number)
            return None if found is None else (found, tickets.changes(connection, number))

        return await self._read(read)

    async def profile(self, subject: str) -> Profile:
        """What is on file about a subject (`sender_subject`); an empty profile for a stranger."""
        return await self._read(lambda c: profiles.get(c, self.keys, subject))

    async def change_profile(self, change: ProfileChange, *, now: float) -> None:
        await self._seal((change.subject,), lambda c: profiles.apply(c, self.keys, change, now))

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
        return await self._read(
            lambda c: c.execute(select(func.count()).select_from(audit_table)).scalar_one()
        )

    async def verify_audit(self) -> audit.Finding:
        """Walk the record's chain."""
        return await self._read(lambda c: audit.verify(c, self.keys.ring.audit))

    async def note_audit(
        self, kind: str, data: dict[str, Any], *, now: float, conversation: str = ""
    ) -> None:
        """Put something on the record that no turn did; committed on return."""
        await self._writer.run(lambda c: audit.note(c, now, kind, conversation, "", data))

    async def read(self, function: Callable[[Connection], T]) -> T:
        """For the store's own neighbours (`bot.store.custody`): run a read."""
        return await self._read(function)

    async def write(self, function: Callable[[Connection], T]) -> T:
        """For the store's own neighbours: run a write, in a transaction."""
        return await self._writer.run(function)

    async def scrub(self, *, compact: bool = False) -> None:
        """Let what was deleted leave the files too: SQLite's log is emptied (freed pages are overwritten
        anyway), PostgreSQL's dead rows are vacuumed. With `compact` SQLite's file is rewritten."""
        with store_errors():
            if self._blocking is not None:
                await asyncio.to_thread(_scrub_file, self._blocking, compact)
                return
            async with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                for table in ("subjects", *(table.name for table in sealed_tables())):
                    await connection.exec_driver_sql(f"VACUUM {table}")

    # ── inside ──

    async def _read(self, function: Callable[[Connection], T]) -> T:
        return await self._reader.run(function)

    async def _seal(
        self, subjects: Sequence[str], write: Callable[[Connection], T], *, urgent: bool = False
    ) -> T:
        """Run a write that seals for these subjects. If another process has erased one of their keys
        meanwhile, the write failed by its foreign key: once more, with a new key."""
        try:
            return await self._writer.run(write, urgent=urgent)
        except IntegrityError as error:
            if not key_is_gone(error):
                raise
        self.keys.forget(subjects)
        return await self._writer.run(write, urgent=urgent)

    def _write_turn(
        self, connection: Connection, claim: Claim, outcome: Outcome, now: float
    ) -> list[Committed]:
        """Write down what was said on both sides, queue the answers, and open the tickets: what a finished
        turn and a parked one have in common. The caller has fenced."""
        event, version, id = claim.event, claim.owner.version, claim.event.correlation_id
        # A press says nothing that a later turn should know, and neither do the thanks for it.
        voted = is_vote(event)
        if not voted:
            history.add_event(connection, self.keys, event, outcome.seen, now)
        for message in outcome.messages:
            role: history.Kept = "aside" if voted else "bot"
            history.add_message(connection, self.keys, message, outcome.passages, now, role)
        outbox.put(connection, self.keys, outcome.messages, version, now, correlation_id=id)
        self._note(connection, claim, outcome, now)
        vault.put(connection, self.keys, sender_subject(event), outcome.secrets, now)
        return tickets.commit(connection, self.keys, outcome.tickets, version, now, correlation_id=id)

    def _cast(
        self, connection: Connection, claim: Claim, outcome: Outcome, vote: Vote, now: float
    ) -> Outcome:
        """Count a vote; the outcome with what the customer is told of it, and its entry for the record. What
        changes nothing isn't recorded: whatever a client made up would stand there in clear, for years."""
        cast = feedback.cast(connection, self.keys, claim.event, vote, claim.inbox_id, now)
        if cast not in ("new", "changed"):
            return outcome
        told = vote.thanks if cast == "new" else vote.changed
        entry = AuditEntry("feedback.voted", {"on": vote.event_id, "verdict": vote.verdict, "cast": cast})
        messages = (*outcome.messages, told) if told is not None else outcome.messages
        return replace(outcome, messages=messages, audit=(*outcome.audit, entry))

    def _post(
        self,
        connection: Connection,
        message: OutboundMessage,
        now: float,
        *,
        subject: str = "",
        correlation_id: str = "",
    ) -> None:
        """Queue a message outside of a turn; `subject` as in `outbox.put`."""
        inbox.open_conversation(connection, message.conversation, now)
        version = inbox.owner_version(connection, message.conversation.key)
        queued = outbox.put(
            connection, self.keys, [message], version, now, correlation_id=correlation_id, subject=subject
        )
        if queued:
            history.add_message(connection, self.keys, message, (), now, subject=subject)

    def _note(self, connection: Connection, claim: Claim, outcome: Outcome, now: float) -> None:
        """Put a turn's entries on the record. The first names the event and what was decided to be sent."""
        event = claim.event
        first: dict[str, Any] = {"event": event.event_id}
        if outcome.messages:
            first["messages"] = [[m.idempotency_key, self._print(m)] for m in outcome.messages]
        # A greeting or a notice is nobody's decision, but it was said.
        told = (AuditEntry("turn.replied", {}),) if outcome.messages else ()
        for entry in outcome.audit or told:
            data, first = {**first, **entry.data}, {}
            audit.note(connection, now, entry.kind, event.conversation.key, event.correlation_id, data)

    def _print(self, message: OutboundMessage) -> str:
        return audit.fingerprint(self.keys.ring.audit, encode(message))

    def _record(self, connection: Connection, work: Work) -> None:
        if work.facts:
            audit.append(connection, self.keys.ring.audit, work.facts)

    def _cache_keys(self, work: Work) -> None:
        if work.keys:
            self.keys.keep(work.keys.values())


def _scrub_file(engine: Engine, compact: bool) -> None:
    # On the driver's own connection: the engine would begin a transaction, and neither works in one.
    raw = engine.raw_connection()
    try:
        connection: Any = raw.driver_connection
        if compact:
            connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        raw.close()


def _apply(step: Step, ids: Sequence[Any], connection: Connection) -> int:
    return step.remove(connection, ids)


def _subjects_of(claim: Claim, outcome: Outcome) -> list[str]:
    """Whose keys a turn's commit may seal with."""
    subjects = {sender_subject(claim.event), conversation_subject(claim.event.conversation)}
    subjects |= {conversation_subject(message.conversation) for message in outcome.messages}
    if outcome.profile is not None:
        subjects.add(outcome.profile.subject)
    for draft in outcome.tickets:
        subjects |= {draft.subject, *([conversation_subject(draft.channel)] if draft.channel else [])}
    return [*subjects]
