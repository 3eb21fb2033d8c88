"""The tables, as SQLAlchemy Core sees them; migrations create them."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

measurements = sa.Table(
    "measurements",
    metadata,
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
    sa.Column("body", sa.LargeBinary, nullable=False),  # the Measurement record; the columns above index it
)

suites = sa.Table(
    "suites",
    metadata,
    sa.Column("digest", sa.String, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

starts = sa.Table(
    "starts",
    metadata,
    sa.Column("measurement", sa.String, primary_key=True),
    sa.Column("case_id", sa.String, primary_key=True),
    sa.Column("trial", sa.Integer, primary_key=True),
    sa.Column("starts", sa.Integer, nullable=False),
)

trials = sa.Table(
    "trials",
    metadata,
    sa.Column("measurement", sa.String, primary_key=True),
    sa.Column("case_id", sa.String, primary_key=True),
    sa.Column("trial", sa.Integer, primary_key=True),
    sa.Column("outcome", sa.String, nullable=False),
    sa.Column("blame", sa.String),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("ms", sa.Float, nullable=False),
    sa.Column("summary", sa.LargeBinary, nullable=False),  # the Run record: all that a report needs
    sa.Column("record", sa.LargeBinary, nullable=False),  # the whole TrialRecord, compressed
)

payloads = sa.Table(
    "payloads",
    metadata,
    sa.Column("digest", sa.String, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

components = sa.Table(
    "components",
    metadata,
    sa.Column("measurement", sa.String, primary_key=True),
    sa.Column("step", sa.String, primary_key=True),
    sa.Column("case_id", sa.String, primary_key=True),
    sa.Column("trial", sa.Integer, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

suspicions = sa.Table(
    "suspicions",
    metadata,
    sa.Column("measurement", sa.String, primary_key=True),
    sa.Column("case_id", sa.String, primary_key=True),
    sa.Column("trial", sa.Integer, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),  # event index -> suspicions
)

labels = sa.Table(
    "labels",
    metadata,
    sa.Column("measurement", sa.String, primary_key=True),
    sa.Column("case_id", sa.String, primary_key=True),
    sa.Column("trial", sa.Integer, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)
