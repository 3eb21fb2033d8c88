"""The first schema: measurements, trials, payloads, components, suspicions, labels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "measurements",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("condition", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("suite_digest", sa.String, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("finished_at", sa.Float),
        sa.Column("interrupted", sa.Integer, nullable=False, server_default="0"),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "suites",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    trial_key = (
        lambda: sa.Column("measurement", sa.String, primary_key=True),
        lambda: sa.Column("case_id", sa.String, primary_key=True),
        lambda: sa.Column("trial", sa.Integer, primary_key=True),
    )
    op.create_table(
        "starts", *(column() for column in trial_key), sa.Column("starts", sa.Integer, nullable=False)
    )
    op.create_table(
        "trials",
        *(column() for column in trial_key),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("blame", sa.String),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("ms", sa.Float, nullable=False),
        sa.Column("summary", sa.LargeBinary, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "payloads",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "components",
        sa.Column("measurement", sa.String, primary_key=True),
        sa.Column("step", sa.String, primary_key=True),
        sa.Column("case_id", sa.String, primary_key=True),
        sa.Column("trial", sa.Integer, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "suspicions", *(column() for column in trial_key), sa.Column("body", sa.LargeBinary, nullable=False)
    )
    op.create_table(
        "labels",
        *(column() for column in trial_key),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    """Drops the tables."""
    for table in (
        "labels",
        "suspicions",
        "components",
        "payloads",
        "trials",
        "starts",
        "suites",
        "measurements",
    ):
        op.drop_table(table)
