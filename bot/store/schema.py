"""The tables. The database is the truth: what isn't here didn't happen.

Times are seconds since the epoch, UTC. Events and messages are stored as the JSON of `bot.types`.
Migrations under `migrations/` make exactly these tables; a test holds the two together.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

__all__ = [
    "HEAD",
    "NEW_SQL",
    "OPEN_SQL",
    "attachments",
    "audit",
    "conversations",
    "dead_letters",
    "history",
    "inbox",
    "metadata",
    "notes",
    "outbox",
    "raw_payloads",
]

HEAD = "0002"
"""The newest migration; a database at it needs no upgrade."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

# Conditions in literal SQL: a planner can match a partial index only to constants, not parameters.
NEW_SQL = "status = 'new'"
OPEN_SQL = "status IN ('pending', 'attempting')"

Serial = BigInteger().with_variant(Integer, "sqlite")

conversations = Table(
    "conversations",
    metadata,
    Column("key", String(400), primary_key=True),
    Column("conversation", Text, nullable=False),
    Column("language", String(8), nullable=False, server_default=""),
    # Who speaks: empty for the bot, else the staff member who took over. The version grows with
    # each change of owner, so that a late answer can't speak over staff.
    Column("owner", String(200), nullable=False, server_default=""),
    Column("owner_version", Integer, nullable=False, server_default="0"),
    Column("state", Text, nullable=False, server_default="{}"),
    # Id of the lowest unfinished inbox event; null when nothing waits.
    Column("head", BigInteger),
    # Claimable from then on: the end of a lease, of a back-off, or long ago.
    Column("ready_at", Float, nullable=False, server_default="0"),
    # Fencing token: grows with each claim; only the latest holder may commit.
    Column("lease", Integer, nullable=False, server_default="0"),
    Column("created_at", Float, nullable=False),
    Index(
        "ix_conversations_waiting",
        "head",
        sqlite_where=text("head IS NOT NULL"),
        postgresql_where=text("head IS NOT NULL"),
    ),
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("account", String(120), nullable=False),
    Column("event_id", String(240), nullable=False),
    Column("conversation", String(400), nullable=False),
    Column("event", Text, nullable=False),
    Column("status", String(8), nullable=False, server_default="new"),  # new | done | dead
    # Failed tries; and how often it was claimed at all, which also counts turns that killed the process.
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("claims", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    Column("received_at", Float, nullable=False),
    Column("done_at", Float),
    UniqueConstraint("platform", "account", "event_id"),
    Index("ix_inbox_new", "conversation", "id", sqlite_where=text(NEW_SQL), postgresql_where=text(NEW_SQL)),
    sqlite_autoincrement=True,
)

raw_payloads = Table(
    "raw_payloads",
    metadata,
    Column("ref", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Float, nullable=False, index=True),
)

history = Table(
    "history",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("conversation", String(400), nullable=False),
    Column("role", String(8), nullable=False),  # customer | bot | staff
    Column("key", String(300), nullable=False),  # event id or idempotency key
    Column("body", Text, nullable=False),  # InboundEvent or OutboundMessage
    Column("text", Text, nullable=False),
    Column("passages", Text, nullable=False, server_default="[]"),
    Column("at", Float, nullable=False),
    Index("ix_history_conversation_id", "conversation", "id"),
    sqlite_autoincrement=True,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("idempotency_key", String(300), nullable=False, unique=True),
    Column("platform", String(40), nullable=False),
    Column("account", String(120), nullable=False, server_default=""),
    Column("conversation", String(400), nullable=False),
    Column("message", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    # pending → attempting → sent | refused | withdrawn | dead
    Column("status", String(12), nullable=False, server_default="pending"),
    # Attempts begun (the fencing token), and how many of them failed or were interrupted.
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("ready_at", Float, nullable=False, server_default="0"),
    Column("owner_version", Integer, nullable=False),
    Column("delivery", String(300), nullable=False, server_default=""),
    Column("error", Text, nullable=False, server_default=""),
    Column("created_at", Float, nullable=False),
    Column("sent_at", Float),
    Index(
        "ix_outbox_unfinished",
        "conversation",
        "id",
        sqlite_where=text(OPEN_SQL),
        postgresql_where=text(OPEN_SQL),
    ),
    Index("ix_outbox_conversation_id", "conversation", "id"),
    sqlite_autoincrement=True,
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("kind", String(8), nullable=False),  # event | message
    Column("ref", BigInteger, nullable=False),  # inbox.id or outbox.id
    Column("conversation", String(400), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("status", String(8), nullable=False, server_default="open"),  # open | retried
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("conversation", String(400), nullable=False, index=True),
    Column("correlation_id", String(64), nullable=False),
    Column("data", Text, nullable=False),
    sqlite_autoincrement=True,
)

attachments = Table(
    "attachments",
    metadata,
    Column("ref", String(64), primary_key=True),
    Column("conversation", String(400), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("mime", String(100), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
)

notes = Table(
    "notes",
    metadata,
    Column("platform", String(40), primary_key=True),
    Column("account", String(120), primary_key=True),
    Column("key", String(240), primary_key=True),
    Column("value", Text, nullable=False),
    Column("expires_at", Float, index=True),
)
