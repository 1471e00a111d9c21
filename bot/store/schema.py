"""The tables. The database is the truth: what isn't here didn't happen.

Times are seconds since the epoch, UTC. Events and messages are stored as the JSON of `bot.types`.
What people said is sealed (`bot.trust.sealing`): a column marked "sealed" holds it so, under the data key
that the row's `subject` names, once the row was written by a version that seals. Migrations under
`migrations/` make exactly these tables; a test holds the two together.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
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
    "TICKET_OPEN_SQL",
    "attachments",
    "audit",
    "audit_head",
    "conversations",
    "customers",
    "dead_letters",
    "feedback",
    "history",
    "inbox",
    "metadata",
    "notes",
    "outbox",
    "profiles",
    "raw_payloads",
    "subjects",
    "ticket_changes",
    "ticket_counts",
    "tickets",
    "trust_marks",
    "vault",
]

HEAD = "0006"
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


def _subject(*, index: bool = True) -> Column[int]:
    """Id of the data key that seals a row; null while nothing in it is sealed. The foreign key makes a
    write fail, rather than be lost, whose key another process has just erased."""
    return Column("subject", Serial, ForeignKey("subjects.id"), index=index)


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
    Column("state", Text, nullable=False, server_default="{}"),  # sealed
    # Id of the lowest unfinished inbox event; null when nothing waits.
    Column("head", BigInteger),
    # Claimable from then on: the end of a lease, of a back-off, or long ago.
    Column("ready_at", Float, nullable=False, server_default="0"),
    # Fencing token: grows with each claim; only the latest holder may commit.
    Column("lease", Integer, nullable=False, server_default="0"),
    Column("created_at", Float, nullable=False),
    _subject(),
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
    Column("event", Text, nullable=False),  # sealed; empty once it was blanked
    Column("status", String(8), nullable=False, server_default="new"),  # new | done | dead
    # Failed tries; and how often it was claimed at all, which also counts turns that killed the process.
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("claims", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    Column("received_at", Float, nullable=False),
    Column("done_at", Float),
    _subject(),
    UniqueConstraint("platform", "account", "event_id"),
    Index("ix_inbox_new", "conversation", "id", sqlite_where=text(NEW_SQL), postgresql_where=text(NEW_SQL)),
    sqlite_autoincrement=True,
)

raw_payloads = Table(
    "raw_payloads",
    metadata,
    Column("ref", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),  # sealed
    Column("received_at", Float, nullable=False, index=True),
    _subject(),
)

history = Table(
    "history",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("conversation", String(400), nullable=False),
    Column("role", String(8), nullable=False),  # customer | bot | staff | aside
    Column("key", String(300), nullable=False),  # event id or idempotency key
    Column("body", Text, nullable=False),  # InboundEvent or OutboundMessage, sealed
    Column("text", Text, nullable=False),  # sealed
    Column("passages", Text, nullable=False, server_default="[]"),
    Column("at", Float, nullable=False),
    _subject(),
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
    Column("message", Text, nullable=False),  # sealed; empty once it was blanked
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
    _subject(),
    # Of the event that it answers, so that the record can be followed from question to delivery.
    Column("correlation_id", String(64), nullable=False, server_default=""),
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
    # The chain (bot/store/audit.py): place in it, and the code over the entry and the code before.
    Column("seq", BigInteger),
    Column("mac", String(64), nullable=False, server_default=""),
    Column("origin", String(8), nullable=False, server_default=""),  # imported | empty
    Index("ix_audit_seq", "seq", unique=True),
    sqlite_autoincrement=True,
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("count", BigInteger, nullable=False),  # seq of the last entry
    Column("mac", String(64), nullable=False),  # of the last entry
    # The chain begins after this entry: earlier ones outlived their retention.
    Column("base", BigInteger, nullable=False, server_default="0"),
    Column("base_mac", String(64), nullable=False, server_default=""),
    Column("seal", String(64), nullable=False),  # authenticates this row
)

attachments = Table(
    "attachments",
    metadata,
    Column("ref", String(64), primary_key=True),
    Column("conversation", String(400), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("mime", String(100), nullable=False),
    Column("data", LargeBinary, nullable=False),  # sealed
    Column("at", Float, nullable=False),
    _subject(),
)

notes = Table(
    "notes",
    metadata,
    Column("platform", String(40), primary_key=True),
    Column("account", String(120), primary_key=True),
    Column("key", String(240), primary_key=True),
    Column("value", Text, nullable=False),  # sealed, by a key of the account's
    Column("expires_at", Float, index=True),
    _subject(index=False),
)

subjects = Table(
    "subjects",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    # Whose data: a conversation's key; in a group `conversation key|sender`; `@platform|account` for notes.
    Column("subject", String(640), nullable=False, unique=True),
    # Blind index of (platform, account, sender); empty where no single person is meant.
    Column("customer", String(64), nullable=False, server_default="", index=True),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("key_version", Integer, nullable=False, index=True),  # of the master key
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

customers = Table(
    "customers",
    metadata,
    Column("customer", String(64), primary_key=True),  # blind index
    Column("held_at", Float),  # under legal hold since
    Column("hold_reason", Text, nullable=False, server_default=""),
    Column("held_by", String(200), nullable=False, server_default=""),
    Column("erased_at", Float),  # last erased
)

vault = Table(
    "vault",
    metadata,
    Column("token", String(40), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("masked", String(200), nullable=False),
    Column("value", Text, nullable=False),  # sealed
    Column("at", Float, nullable=False, index=True),
    _subject(),
)

# Which keys this database belongs to, and what has been sealed.
trust_marks = Table(
    "trust_marks",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(64), nullable=False),
)

TICKET_OPEN_SQL = "status IN ('open', 'claimed')"

tickets = Table(
    "tickets",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("number", String(32), nullable=False, unique=True),
    Column("conversation", String(400), nullable=False, index=True),
    Column("place", Text, nullable=False),  # Conversation
    # As in `subjects.subject`; it stays when the key is erased.
    Column("whose", String(640), nullable=False),
    Column("department", String(24), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("severity", String(2), nullable=False),  # P1 … P4
    Column("status", String(8), nullable=False, server_default="open"),  # open | claimed | resolved | closed
    Column("owner", String(200), nullable=False, server_default=""),  # id of the staff member
    Column("opened_at", Float, nullable=False),
    Column("due", Float, nullable=False),
    Column("complaint_due", Float),
    Column("summary", Text, nullable=False, server_default=""),  # masked, and sealed
    Column("updated_at", Float, nullable=False),
    _subject(),
    Index(
        "ix_tickets_open",
        "whose",
        sqlite_where=text(TICKET_OPEN_SQL),
        postgresql_where=text(TICKET_OPEN_SQL),
    ),
    sqlite_autoincrement=True,
)

ticket_changes = Table(
    "ticket_changes",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("number", String(32), nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("author", String(200), nullable=False, server_default=""),  # staff id; empty: Teller
    Column("cause", String(400), unique=True),  # the event that caused it, taken once
    Column("data", Text, nullable=False, server_default="{}"),
    sqlite_autoincrement=True,
)

# How many tickets a day has had.
ticket_counts = Table(
    "ticket_counts",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("last", Integer, nullable=False),
)

profiles = Table(
    "profiles",
    metadata,
    Column("whose", String(640), primary_key=True),  # as in `subjects.subject`
    Column("data", Text, nullable=False),  # Profile, sealed
    Column("updated_at", Float, nullable=False),  # or last used, to the day
    _subject(),
)

# What was thought of an answer, or said in its place; nothing of it is used before it was reviewed.
feedback = Table(
    "feedback",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("conversation", String(400), nullable=False),
    Column("event_id", String(240), nullable=False),  # of the customer's message that was answered
    Column("reply", String(300), nullable=False, server_default=""),  # key of the bot's line; empty: none
    Column("kind", String(12), nullable=False),  # vote | correction | resolution
    # A vote: as in `subjects.subject`. Otherwise: id of the staff member.
    Column("whose", String(640), nullable=False),
    Column("verdict", String(4), nullable=False, server_default=""),  # up | down
    Column("text", Text, nullable=False, server_default=""),  # masked, and sealed
    Column("passages", Text, nullable=False, server_default="[]"),  # what a correction stands on
    # Inbox id of the press: an older one that is retried doesn't undo a newer one.
    Column("position", BigInteger, nullable=False, server_default="0"),
    Column(
        "status", String(8), nullable=False, server_default="new", index=True
    ),  # new | approved | rejected
    Column("reviewed_by", String(200), nullable=False, server_default=""),
    Column("reviewed_at", Float),
    Column("at", Float, nullable=False),  # said, or changed
    _subject(),
    UniqueConstraint("conversation", "event_id", "kind", "whose"),
    sqlite_autoincrement=True,
)
