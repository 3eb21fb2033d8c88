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

replays = sa.Table(
    "replays",
    metadata,
    sa.Column("measurement", sa.String, primary_key=True),
    sa.Column("case_id", sa.String, primary_key=True),
    sa.Column("trial", sa.Integer, primary_key=True),
    sa.Column("step", sa.String, primary_key=True),
    sa.Column("arm", sa.String, primary_key=True),
    sa.Column("rep", sa.Integer, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),  # the ReplayRun record
)

checkups = sa.Table(
    "checkups",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),  # the Checkup record
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

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("key", sa.String, nullable=False, unique=True),  # one question, asked however often
    sa.Column("thread", sa.String, nullable=False),
    sa.Column("step", sa.String, nullable=False),
    sa.Column("interrupt", sa.String),  # where a framework takes the answer; None for functions
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
    sa.Column("closed", sa.String),  # why nobody is asked any more
    sa.Column("returned", sa.String),  # why an earlier decision could not be carried out
    sa.Column("taken_at", sa.Float),  # when whoever decided it, or is at it, took it on lease
)

known_answers = sa.Table(
    "known_answers",
    metadata,
    sa.Column("review", sa.String, primary_key=True),
    sa.Column("source", sa.String, nullable=False),  # the same handoff, seeded however often
    sa.Column("body", sa.LargeBinary, nullable=False),  # the KnownAnswer record
)

review_labels = sa.Table(
    "review_labels",
    metadata,
    sa.Column("review", sa.String, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("scope", sa.String, primary_key=True),
    sa.Column("action", sa.String, primary_key=True),
    sa.Column("status", sa.String, nullable=False),  # open or done
    sa.Column("form", sa.String),  # how `value` is written; None where it could not be kept
    sa.Column("value", sa.LargeBinary),
    sa.Column("reserved_at", sa.Float, nullable=False),
    sa.Column("done_at", sa.Float),
    sa.Column("step", sa.String),  # whose action it is; None where an earlier version wrote it
)
