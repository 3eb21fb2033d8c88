"""The tables, as SQLAlchemy Core sees them; migrations create them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()
_NUMBERS = ("trial", "rep")


def _keys(*names: str) -> Iterator[sa.Column[Any]]:
    """The columns that together name a row: texts, but for `_NUMBERS`."""
    for name in names:
        yield sa.Column(name, sa.Integer if name in _NUMBERS else sa.String, primary_key=True)


def _body() -> sa.Column[bytes]:
    """A whole record; the columns beside it are for looking it up."""
    return sa.Column("body", sa.LargeBinary, nullable=False)


measurements = sa.Table(
    "measurements",
    metadata,
    *_keys("id"),
    sa.Column("key", sa.String, nullable=False, unique=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("target", sa.String, nullable=False),
    sa.Column("condition", sa.String, nullable=False),
    sa.Column("fingerprint", sa.String, nullable=False),
    sa.Column("suite_digest", sa.String, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("finished_at", sa.Float),
    sa.Column("interrupted", sa.Integer, nullable=False, server_default="0"),
    _body(),  # the Measurement record; the columns above index it
)

suites = sa.Table(
    "suites",
    metadata,
    *_keys("digest"),
    _body(),
)

starts = sa.Table(
    "starts",
    metadata,
    *_keys("measurement", "case_id", "trial"),
    sa.Column("starts", sa.Integer, nullable=False),
)

trials = sa.Table(
    "trials",
    metadata,
    *_keys("measurement", "case_id", "trial"),
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
    *_keys("digest"),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

components = sa.Table(
    "components",
    metadata,
    *_keys("measurement", "step", "case_id", "trial"),
    _body(),
)

replays = sa.Table(
    "replays",
    metadata,
    *_keys("measurement", "case_id", "trial", "step", "arm", "rep"),
    _body(),  # the ReplayRun record
)

checkups = sa.Table(
    "checkups",
    metadata,
    *_keys("id"),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    _body(),  # the Checkup record
)

suspicions = sa.Table(
    "suspicions",
    metadata,
    *_keys("measurement", "case_id", "trial"),
    _body(),  # event index -> suspicions
)

labels = sa.Table(
    "labels",
    metadata,
    *_keys("measurement", "case_id", "trial"),
    _body(),
    sa.Column("created_at", sa.Float, nullable=False),
)

reviews = sa.Table(
    "reviews",
    metadata,
    *_keys("id"),
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
    *_keys("review"),
    sa.Column("source", sa.String, nullable=False),  # the same handoff, seeded however often
    _body(),  # the KnownAnswer record
)

review_labels = sa.Table(
    "review_labels",
    metadata,
    *_keys("review"),
    _body(),
    sa.Column("created_at", sa.Float, nullable=False),
)

ledger = sa.Table(
    "ledger",
    metadata,
    *_keys("scope", "action"),
    sa.Column("status", sa.String, nullable=False),  # open or done
    sa.Column("form", sa.String),  # how `value` is written; None where it could not be kept
    sa.Column("value", sa.LargeBinary),
    sa.Column("reserved_at", sa.Float, nullable=False),
    sa.Column("done_at", sa.Float),
    sa.Column("step", sa.String),  # whose action it is; None where an earlier version wrote it
)
