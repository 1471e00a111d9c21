"""Several accounts a platform, notes of adapters, failures apart from attempts, claims apart from tries.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=120), nullable=False),
        sa.Column("key", sa.String(length=240), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("platform", "account", "key"),
    )
    op.create_index(op.f("ix_notes_expires_at"), "notes", ["expires_at"], unique=False)
    op.add_column("inbox", sa.Column("claims", sa.Integer(), server_default="0", nullable=False))
    op.add_column("outbox", sa.Column("failures", sa.Integer(), server_default="0", nullable=False))
    op.add_column("outbox", sa.Column("account", sa.String(length=120), server_default="", nullable=False))
    # The account is the second piece of a conversation's key: platform|account|chat|thread.
    if op.get_bind().dialect.name == "postgresql":
        op.execute("UPDATE outbox SET account = split_part(conversation, '|', 2)")
    else:
        op.execute("UPDATE outbox SET account = substr(conversation, instr(conversation, '|') + 1)")
        op.execute("UPDATE outbox SET account = substr(account, 1, instr(account, '|') - 1)")


def downgrade() -> None:
    op.drop_column("outbox", "account")
    op.drop_column("outbox", "failures")
    op.drop_column("inbox", "claims")
    op.drop_table("notes")
