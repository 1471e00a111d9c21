"""Feedback: votes on answers, corrections and resolutions, and their review.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "feedback",
        sa.Column("id", serial, autoincrement=True, nullable=False),
        sa.Column("conversation", sa.String(length=400), nullable=False),
        sa.Column("event_id", sa.String(length=240), nullable=False),
        sa.Column("reply", sa.String(length=300), server_default="", nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("whose", sa.String(length=640), nullable=False),
        sa.Column("verdict", sa.String(length=4), server_default="", nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("passages", sa.Text(), server_default="[]", nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("status", sa.String(length=8), server_default="new", nullable=False),
        sa.Column("reviewed_by", sa.String(length=200), server_default="", nullable=False),
        sa.Column("reviewed_at", sa.Float(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("subject", serial, nullable=True),
        sa.ForeignKeyConstraint(["subject"], ["subjects.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(
            "conversation",
            "event_id",
            "kind",
            "whose",
            name=op.f("uq_feedback_conversation_event_id_kind_whose"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_feedback_status"), "feedback", ["status"])
    op.create_index(op.f("ix_feedback_subject"), "feedback", ["subject"])


def downgrade() -> None:
    op.drop_table("feedback")
