"""Reviews with known answers, labels made of decisions, when a review was taken, and which step an action belongs to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_known_answers"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the tables and adds the columns."""
    op.create_table(
        "known_answers",
        sa.Column("review", sa.String, primary_key=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "review_labels",
        sa.Column("review", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.add_column("reviews", sa.Column("taken_at", sa.Float))
    op.add_column("ledger", sa.Column("step", sa.String))


def downgrade() -> None:
    """Drops them."""
    op.drop_column("ledger", "step")
    op.drop_column("reviews", "taken_at")
    op.drop_table("review_labels")
    op.drop_table("known_answers")
