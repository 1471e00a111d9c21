"""Profiles: age, risk level and tests of a customer.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "profiles",
        sa.Column("whose", sa.String(length=640), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("subject", serial, nullable=True),
        sa.ForeignKeyConstraint(["subject"], ["subjects.id"]),
        sa.PrimaryKeyConstraint("whose"),
    )
    op.create_index(op.f("ix_profiles_subject"), "profiles", ["subject"])


def downgrade() -> None:
    op.drop_table("profiles")
