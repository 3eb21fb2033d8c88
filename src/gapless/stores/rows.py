"""Rows of the tables, to and from records; small values are kept as they are, larger ones compressed."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any, cast

import msgspec
import sqlalchemy as sa
import zstandard
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from gapless.records.measurement import Measurement
from gapless.records.replay import ReplayRun
from gapless.records.row import RunRow, run_of
from gapless.records.summary import summary
from gapless.records.trial import ComponentRun, Run, TrialRecord
from gapless.stores import schema

_encode = msgspec.msgpack.Encoder().encode
_SMALL = 256  # below this, a frame of its own buys nothing
_RAW, _ZSTD = b"\x00", b"\x01"

_run = msgspec.msgpack.Decoder(Run)
_row = msgspec.msgpack.Decoder(RunRow)
_ARRAYS = frozenset((0xDC, 0xDD, *range(0x90, 0xA0)))  # how MessagePack begins a list

INSERT_TRIALS = insert(schema.trials).on_conflict_do_nothing()
INSERT_COMPONENTS = insert(schema.components).on_conflict_do_nothing()
INSERT_REPLAYS = insert(schema.replays).on_conflict_do_nothing()
INSERT_PAYLOADS = insert(schema.payloads).on_conflict_do_nothing()
INSERT_SUITES = insert(schema.suites).on_conflict_do_nothing()
COUNT_STARTS = insert(schema.starts).on_conflict_do_update(
    index_elements=["measurement", "case_id", "trial"],
    set_={"starts": schema.starts.c.starts + sa.literal_column("1")},
)
_labels = insert(schema.labels)
UPSERT_LABELS = _labels.on_conflict_do_update(
    index_elements=["measurement", "case_id", "trial"],
    set_={"body": _labels.excluded.body, "created_at": _labels.excluded.created_at},
)

_same_trial = sa.and_(
    schema.trials.c.measurement == schema.starts.c.measurement,
    schema.trials.c.case_id == schema.starts.c.case_id,
    schema.trials.c.trial == schema.starts.c.trial,
)
UNFINISHED = (
    sa.select(schema.starts.c.case_id, schema.starts.c.trial, schema.starts.c.starts)
    .outerjoin(schema.trials, _same_trial)
    .where(schema.starts.c.measurement == sa.bindparam("measurement"), schema.trials.c.case_id.is_(None))
)
"""Trials that were started and never finished."""
RESTARTS = (
    sa.select(sa.func.coalesce(sa.func.sum(schema.starts.c.starts - 1), 0))
    .join(schema.trials, _same_trial)
    .where(schema.starts.c.measurement == sa.bindparam("measurement"))
)
"""Starts beyond the first among finished trials: each of them was cut off once."""


@cache
def bulk_statements() -> dict[str, str]:
    """Table -> the SQL that writes many rows of it, in the order in which a commit writes them."""
    dialect = sqlite.dialect(paramstyle="named")
    statements = {
        "trials": INSERT_TRIALS,
        "components": INSERT_COMPONENTS,
        "replays": INSERT_REPLAYS,
        "payloads": INSERT_PAYLOADS,
        "starts": COUNT_STARTS,
    }
    return {table: str(statement.compile(dialect=dialect)) for table, statement in statements.items()}


def pack(record: Any) -> bytes:
    """A record's bytes. Half a surrogate pair (an exception may hold one) is written as its escape: `\\ud83d`."""
    try:
        return _encode(record)
    except UnicodeEncodeError:
        return _encode(_escaped(msgspec.to_builtins(record)))


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        return {_escaped(key): _escaped(inner) for key, inner in items}
    return (
        [_escaped(inner) for inner in cast("list[Any]", value)] if isinstance(value, (list, tuple)) else value
    )


def measurement_row(measurement: Measurement) -> dict[str, Any]:
    """The row of a measurement."""
    return {
        "id": measurement.id,
        "key": measurement.key,
        "kind": measurement.kind,
        "target": _escaped(measurement.target),
        "condition": measurement.condition,
        "fingerprint": measurement.fingerprint,
        "suite_digest": measurement.suite_digest,
        "created_at": measurement.created_at,
        "finished_at": measurement.finished_at,
        "interrupted": measurement.interrupted,
        "body": pack(measurement),
    }


def trial_row(measurement: str, record: TrialRecord) -> dict[str, Any]:
    """The row of a finished trial."""
    return {
        "measurement": measurement,
        "case_id": record.case,
        "trial": record.trial,
        "outcome": record.outcome,
        "blame": _escaped(record.blame),
        "started_at": record.started_at,
        "ms": record.ms,
        "summary": pack(summary(record)),
        "record": squeeze(pack(record)),
    }


def component_row(measurement: str, run: ComponentRun) -> dict[str, Any]:
    """The row of a benchmark run."""
    return {
        "measurement": measurement,
        "step": run.step,
        "case_id": run.case,
        "trial": run.trial,
        "body": pack(run),
    }


def replay_row(measurement: str, run: ReplayRun) -> dict[str, Any]:
    """The row of a rerun."""
    return {
        "measurement": measurement,
        "case_id": run.case,
        "trial": run.trial,
        "step": run.step,
        "arm": run.arm,
        "rep": run.rep,
        "body": pack(run),
    }


def row_from(body: bytes) -> Run | RunRow:
    """A summary as it lies: a run of ours, or a row of a table that was ingested."""
    return _row.decode(body) if is_row(body) else _run.decode(body)


def is_row(body: bytes) -> bool:
    """Whether a summary is a row of a table that was ingested."""
    return bool(body) and body[0] in _ARRAYS


def run_from(body: bytes) -> Run:
    """The run of a summary."""
    found = row_from(body)
    return run_of(found) if isinstance(found, RunRow) else found


def squeeze(data: bytes) -> bytes:
    """Bytes as they are stored."""
    if len(data) < _SMALL:
        return _RAW + data
    return _ZSTD + _codec.squeezer.compress(data)


def expand(data: bytes) -> bytes:
    """The bytes that `squeeze` was given."""
    return data[1:] if data[:1] == _RAW else _codec.expander.decompress(data[1:])


class _Codec(threading.local):
    """One per thread: making a new one costs more than what it does, and two threads may not share one."""

    def __init__(self) -> None:
        self.squeezer = zstandard.ZstdCompressor(level=3)
        self.expander = zstandard.ZstdDecompressor()


_codec = _Codec()
