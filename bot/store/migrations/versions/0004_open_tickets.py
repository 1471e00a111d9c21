"""Tickets, their history, and the count behind their numbers.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OPEN = sa.text("status IN ('open', 'claimed')")


def upgrade() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "tickets",
        sa.Column("id", serial, autoincrement=True, nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("conversation", sa.String(length=400), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("whose", sa.String(length=640), nullable=False),
        sa.Column("department", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("severity", sa.String(length=2), nullable=False),
        sa.Column("status", sa.String(length=8), server_default="open", nullable=False),
        sa.Column("owner", sa.String(length=200), server_default="", nullable=False),
        sa.Column("opened_at", sa.Float(), nullable=False),
        sa.Column("due", sa.Float(), nullable=False),
        sa.Column("complaint_due", sa.Float(), nullable=True),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("subject", serial, nullable=True),
        sa.ForeignKeyConstraint(["subject"], ["subjects.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number", name=op.f("uq_tickets_number")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tickets_subject"), "tickets", ["subject"])
    op.create_index(op.f("ix_tickets_conversation"), "tickets", ["conversation"])
    op.create_index("ix_tickets_open", "tickets", ["whose"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "ticket_changes",
        sa.Column("id", serial, autoincrement=True, nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("author", sa.String(length=200), server_default="", nullable=False),
        sa.Column("cause", sa.String(length=400), nullable=True),
        sa.Column("data", sa.Text(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("cause", name=op.f("uq_ticket_changes_cause")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_ticket_changes_number"), "ticket_changes", ["number"])
    op.create_table(
        "ticket_counts",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day"),
    )


def downgrade() -> None:
    op.drop_table("ticket_counts")
    op.drop_table("ticket_changes")
    op.drop_table("tickets")
