"""The inbox for reviews, and the ledger of actions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "reviews",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("thread", sa.String, nullable=False),
        sa.Column("step", sa.String, nullable=False),
        sa.Column("interrupt", sa.String),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("question", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("on_expiry", sa.String, nullable=False),
        sa.Column("leased_by", sa.String),
        sa.Column("leased_until", sa.Float),
        sa.Column("decided_at", sa.Float),
        sa.Column("decided_by", sa.String),
        sa.Column("decision", sa.LargeBinary),
        sa.Column("consumed_at", sa.Float),
        sa.Column("closed", sa.String),
        sa.Column("returned", sa.String),
    )
    op.create_index("reviews_by_thread", "reviews", ["thread"])
    op.create_table(
        "ledger",
        sa.Column("scope", sa.String, primary_key=True),
        sa.Column("action", sa.String, primary_key=True),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("form", sa.String),
        sa.Column("value", sa.LargeBinary),
        sa.Column("reserved_at", sa.Float, nullable=False),
        sa.Column("done_at", sa.Float),
    )


def downgrade() -> None:
    """Drops the tables."""
    op.drop_table("ledger")
    op.drop_table("reviews")
