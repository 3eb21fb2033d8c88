"""Reruns of what follows a step of a lost trial."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_replays"
down_revision = "0003_known_answers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "replays",
        sa.Column("measurement", sa.String, primary_key=True),
        sa.Column("case_id", sa.String, primary_key=True),
        sa.Column("trial", sa.Integer, primary_key=True),
        sa.Column("step", sa.String, primary_key=True),
        sa.Column("arm", sa.String, primary_key=True),
        sa.Column("rep", sa.Integer, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Drops it."""
    op.drop_table("replays")
