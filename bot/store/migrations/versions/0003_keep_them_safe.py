"""Data keys of customers, the audit chain, the vault, legal holds.

What earlier versions wrote in clear is sealed afterwards, in small steps (`bot.store.sealer`); audit
entries are taken into the chain when the store is opened, because only then the key is there.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SEALED = ("conversations", "inbox", "raw_payloads", "history", "outbox", "attachments", "notes")


def upgrade() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "subjects",
        sa.Column("id", serial, autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(length=640), nullable=False),
        sa.Column("customer", sa.String(length=64), server_default="", nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("subject", name=op.f("uq_subjects_subject")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_subjects_customer"), "subjects", ["customer"])
    op.create_index(op.f("ix_subjects_key_version"), "subjects", ["key_version"])
    op.create_table(
        "customers",
        sa.Column("customer", sa.String(length=64), nullable=False),
        sa.Column("held_at", sa.Float(), nullable=True),
        sa.Column("hold_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("held_by", sa.String(length=200), server_default="", nullable=False),
        sa.Column("erased_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("customer"),
    )
    op.create_table(
        "vault",
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("masked", sa.String(length=200), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("subject", serial, nullable=True),
        sa.ForeignKeyConstraint(["subject"], ["subjects.id"]),
        sa.PrimaryKeyConstraint("token"),
    )
    op.create_index(op.f("ix_vault_at"), "vault", ["at"])
    op.create_index(op.f("ix_vault_subject"), "vault", ["subject"])
    op.create_table(
        "trust_marks",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    # Alembic can't add a column with a foreign key to an SQLite table; SQLite itself can.
    number = "BIGINT" if op.get_bind().dialect.name == "postgresql" else "INTEGER"
    for table in SEALED:
        op.execute(f"ALTER TABLE {table} ADD COLUMN subject {number} REFERENCES subjects(id)")
        if table != "notes":
            op.create_index(op.f(f"ix_{table}_subject"), table, ["subject"])
    op.add_column(
        "outbox", sa.Column("correlation_id", sa.String(length=64), server_default="", nullable=False)
    )
    op.add_column("audit", sa.Column("seq", sa.BigInteger(), nullable=True))
    op.add_column("audit", sa.Column("mac", sa.String(length=64), server_default="", nullable=False))
    op.add_column("audit", sa.Column("origin", sa.String(length=8), server_default="", nullable=False))
    op.create_index("ix_audit_seq", "audit", ["seq"], unique=True)
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.String(length=64), nullable=False),
        sa.Column("base", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("base_mac", sa.String(length=64), server_default="", nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    raise NotImplementedError("what is sealed can't be read by earlier versions; restore a backup instead")
