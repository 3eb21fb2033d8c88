"""Checkups: what probes found, and when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_checkups"
down_revision = "0004_replays"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "checkups",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Drops it."""
    op.drop_table("checkups")
