"""The store: what was measured, content-addressed and whole. Every method is one transaction.

A trial is written with its summary, its record and its payloads, or not at all; writing one twice changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gapless.errors import StoreError, UnknownName
from gapless.records.label import Label
from gapless.records.measurement import Measurement
from gapless.records.replay import ReplayRun
from gapless.records.retold import retold
from gapless.records.row import RunRow
from gapless.records.suite import Suite
from gapless.records.trial import ComponentRun, Run, Suspicion, TrialRecord
from gapless.records.value import decode
from gapless.stores import schema
from gapless.stores.checkups import Checkups
from gapless.stores.damage import missing, whole, whole_squeezed
from gapless.stores.database import driver_transaction, open_engine, translated
from gapless.stores.rows import (
    INSERT_SUITES,
    RESTARTS,
    UNFINISHED,
    UPSERT_LABELS,
    bulk_statements,
    component_row,
    is_row,
    measurement_row,
    pack,
    replay_row,
    row_from,
    run_from,
    squeeze,
    trial_row,
)

_measurement = msgspec.msgpack.Decoder(Measurement)
_suite = msgspec.msgpack.Decoder(Suite)
_record = msgspec.msgpack.Decoder(TrialRecord)
_component = msgspec.msgpack.Decoder(ComponentRun)
_replay = msgspec.msgpack.Decoder(ReplayRun)
_label = msgspec.msgpack.Decoder(Label)
_Suspicions = dict[int, tuple[Suspicion, ...]]
_suspicions = msgspec.msgpack.Decoder(_Suspicions)
_SUMMARY, _RECORD = "the summary of trial", "the record of trial"
_PAGE = 500
_KNOWN_PAYLOADS = 200_000

Key = tuple[str, int]
"""A trial: (case id, trial number)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Facts that are committed together."""

    measurement: str
    starting: Sequence[Key] = ()
    """Trials that are about to start."""
    finished: Sequence[TrialRecord] = ()
    components: Sequence[ComponentRun] = ()
    replays: Sequence[ReplayRun] = ()
    """Reruns of what follows a step of its lost trials."""
    payloads: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Digest -> bytes of every value the finished trials refer to."""


class Store:
    """One database. Safe to read from several threads; writes go through `gapless.stores.writer` or one thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = open_engine(url)
        self._writing = self._engine.execution_options(gapless_write=True)
        self._known: set[str] = set()

    @property
    def locks(self) -> Path:
        """Folder of the locks: beside the database, so that whoever shares one shares the other."""
        return Path(f"{self._engine.url.database}-locks")

    @property
    def checkups(self) -> Checkups:
        """The history of checkups."""
        return Checkups(self._engine, self.url)

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()

    # -- measurements --------------------------------------------------------------------------------------------

    def begin(self, wanted: Measurement, suite: Suite) -> Measurement:
        """Finds the measurement with that key, or writes a new one. Asking for more trials extends it."""
        with translated(self.url), self._writing.begin() as connection:
            connection.execute(INSERT_SUITES, {"digest": wanted.suite_digest, "body": squeeze(pack(suite))})
            table = schema.measurements
            found = connection.execute(sa.select(table.c.body).where(table.c.key == wanted.key)).scalar()
            if found is None:
                connection.execute(sa.insert(table).values(**measurement_row(wanted)))
                return wanted
            kept = self._measurement(wanted.key, found)
            kept = msgspec.structs.replace(
                kept,
                trials=max(kept.trials, wanted.trials),
                settings=wanted.settings,
                shape=wanted.shape,
                sources=wanted.sources,
                target=wanted.target,
                finished_at=None if wanted.trials > kept.trials else kept.finished_at,
            )
            _update(connection, kept)
            return kept

    def reopen(self, measurement: Measurement) -> tuple[Measurement, dict[Key, int]]:
        """Counts the trials that were in flight when an earlier process died.

        Returns:
            The measurement with the new count, and how often each unfinished trial was started before.
        """
        with translated(self.url), self._writing.begin() as connection:
            which = {"measurement": measurement.id}
            lost = {(row.case_id, row.trial): row.starts for row in connection.execute(UNFINISHED, which)}
            restarted = int(connection.execute(RESTARTS, which).scalar_one())
            total = msgspec.structs.replace(measurement, interrupted=restarted + sum(lost.values()))
            _update(connection, total)
            return total, lost

    def unfinished(self, measurement: str) -> set[Key]:
        """Trials that were started and never finished: a crash or a stop cut them off."""
        with translated(self.url), self._engine.connect() as connection:
            rows = connection.execute(UNFINISHED, {"measurement": measurement})
            return {(row.case_id, row.trial) for row in rows}

    def update(self, measurement: Measurement) -> Measurement:
        """Writes what was learnt about a measurement since it began."""
        with translated(self.url), self._writing.begin() as connection:
            _update(connection, measurement)
        return measurement

    def finish(self, measurement: Measurement) -> Measurement:
        """Marks a measurement complete."""
        return self.update(msgspec.structs.replace(measurement, finished_at=time.time()))

    def measurements(self) -> list[Measurement]:
        """All measurements that can be read, newest first; `damaged` names the others."""
        found: list[Measurement] = []
        for id_, body in self._measurement_rows():
            with suppress(StoreError):
                found.append(self._measurement(id_, body))
        return found

    def damaged(self) -> list[StoreError]:
        """Why measurements are missing from `measurements`, one error for each."""
        errors: list[StoreError] = []
        for id_, body in self._measurement_rows():
            try:
                self._measurement(id_, body)
            except StoreError as error:
                errors.append(error)
        return errors

    def newest(
        self, kind: str, fingerprint: str | None = None, suite: str | None = None
    ) -> Measurement | None:
        """The newest measurement of a kind, of a workflow on a suite where these are given.

        Raises:
            StoreError: It is there and cannot be read; an older one would be another answer.
        """
        columns = schema.measurements.c
        wanted = [columns.kind == kind]
        wanted += [columns.fingerprint == fingerprint] if fingerprint is not None else []
        wanted += [columns.suite_digest == suite] if suite is not None else []
        rows = self._measurement_rows(*wanted)
        return self._measurement(*rows[0]) if rows else None

    def measurement(self, prefix: str) -> Measurement:
        """The measurement whose id begins so.

        Raises:
            UnknownName: None or several do.
        """
        rows = self._measurement_rows()
        found = [row for row in rows if row[0].startswith(prefix.upper())]
        if len(found) != 1:
            known = ", ".join(id_ for id_, _ in rows[:5]) or "none yet"
            how_many = "several measurements begin" if found else "no measurement begins"
            raise UnknownName(f"{how_many} with {prefix!r}. The newest: {known}.")
        return self._measurement(*found[0])

    def benchmark_of(self, measurement: Measurement) -> Measurement | None:
        """The newest benchmark of the same workflow on the same suite."""
        return self.newest("benchmark", measurement.fingerprint, measurement.suite_digest)

    def suite(self, digest: str) -> Suite:
        """The suite as it was when it was measured."""
        with translated(self.url), self._engine.connect() as connection:
            body = connection.execute(
                sa.select(schema.suites.c.body).where(schema.suites.c.digest == digest)
            ).scalar()
        if body is None:
            raise missing(self.url, f"the suite {digest}")
        return whole_squeezed(_suite.decode, body, self.url, "the suite", digest)

    # -- writing -------------------------------------------------------------------------------------------------

    def commit(self, batches: Sequence[Batch]) -> None:
        """Writes batches in one transaction: all of them are on disk when this returns, or none is."""
        fresh = {k: v for batch in batches for k, v in batch.payloads.items() if k not in self._known}
        rows = {
            "trials": [trial_row(batch.measurement, record) for batch in batches for record in batch.finished],
            "components": [component_row(batch.measurement, run) for batch in batches for run in batch.components],
            "replays": [replay_row(batch.measurement, run) for batch in batches for run in batch.replays],
            "payloads": [{"digest": digest, "data": squeeze(data)} for digest, data in fresh.items()],
            "starts": [
                {"measurement": batch.measurement, "case_id": case, "trial": trial, "starts": 1}
                for batch in batches
                for case, trial in batch.starting
            ],
        }  # fmt: skip
        with driver_transaction(self._engine, self.url) as cursor:
            for table, statement in bulk_statements().items():
                if rows[table]:
                    cursor.executemany(statement, rows[table])
        if len(self._known) < _KNOWN_PAYLOADS:
            self._known.update(fresh)

    def replace_suspicions(self, measurement: str, found: Iterable[tuple[Key, _Suspicions]]) -> None:
        """Replaces what the built-in step checks said of a measurement: what is normal is learnt anew each time."""
        table = schema.suspicions
        rows = [
            {"measurement": measurement, "case_id": case, "trial": trial, "body": pack(suspicions)}
            for (case, trial), suspicions in found
        ]
        with translated(self.url), self._writing.begin() as connection:
            connection.execute(sa.delete(table).where(table.c.measurement == measurement))
            if rows:
                connection.execute(sa.insert(table), rows)

    def put_label(self, measurement: str, label: Label) -> None:
        """Writes a label; a later one replaces an earlier one."""
        values = {
            "measurement": measurement,
            "case_id": label.case,
            "trial": label.trial,
            "body": pack(label),
            "created_at": time.time(),
        }
        with translated(self.url), self._writing.begin() as connection:
            connection.execute(UPSERT_LABELS, values)

    # -- reading -------------------------------------------------------------------------------------------------

    def done(self, measurement: str) -> set[Key]:
        """The finished trials."""
        return {(case, trial) for case, trial in self._select(schema.trials, measurement, "case_id", "trial")}

    def components_done(self, measurement: str) -> set[tuple[str, str, int]]:
        """The finished benchmark runs: (step, case, trial)."""
        rows = self._select(schema.components, measurement, "step", "case_id", "trial")
        return {(step, case, trial) for step, case, trial in rows}

    def runs(self, measurement: str) -> list[Run]:
        """Summary rows of a measurement, as they were recorded; labels and suspicions are kept apart."""
        rows = self._select(schema.trials, measurement, "summary", "case_id", "trial")
        return [whole(run_from, body, self.url, _SUMMARY, case, trial) for body, case, trial in rows]

    def rows(self, measurement: str) -> Iterator[tuple[bytes, Run | RunRow]]:
        """Summary rows as they lie, each with its bytes, one at a time: a table of a million is never whole in memory."""
        for body, case, trial in self._select(schema.trials, measurement, "summary", "case_id", "trial"):
            yield body, whole(row_from, body, self.url, _SUMMARY, case, trial)

    def components(self, measurement: str) -> list[ComponentRun]:
        """Benchmark runs of a measurement."""
        rows = self._select(schema.components, measurement, "body", "step", "case_id", "trial")
        what = "the benchmark run"
        return [whole(_component.decode, body, self.url, what, *place) for body, *place in rows]

    def replays(self, measurement: str) -> list[ReplayRun]:
        """Reruns of what follows a step of the measurement's lost trials."""
        rows = self._select(schema.replays, measurement, "body", "case_id", "trial", "step", "arm", "rep")
        return [whole(_replay.decode, body, self.url, "the replay", *place) for body, *place in rows]

    def records(self, measurement: str) -> Iterator[TrialRecord]:
        """Whole trial records, one after the other: few are in memory at once."""
        columns = ("record", "summary", "case_id", "trial")
        for body, summary, case, trial in self._select(schema.trials, measurement, *columns):
            yield self._record(body, summary, case, trial)

    def record(self, measurement: str, case: str, trial: int) -> TrialRecord:
        """One whole trial record.

        Raises:
            UnknownName: There is no such trial.
        """
        table = schema.trials
        query = sa.select(table.c.record, table.c.summary).where(
            table.c.measurement == measurement, table.c.case_id == case, table.c.trial == trial
        )
        with translated(self.url), self._engine.connect() as connection:
            found = connection.execute(query).first()
        if found is None:
            raise UnknownName(f"measurement {measurement} has no trial {case}#{trial}.")
        return self._record(found.record, found.summary, case, trial)

    def _record(self, body: bytes, summary: bytes, case: str, trial: int) -> TrialRecord:
        if not body and is_row(summary):  # it came from a run table: the summary is all there is
            return retold(whole(run_from, summary, self.url, _SUMMARY, case, trial))
        return whole_squeezed(_record.decode, body, self.url, _RECORD, case, trial)

    def payload(self, digest: str) -> Any:
        """The plain value of a content address.

        Raises:
            UnknownName: Nothing is stored under it.
        """
        found = self.payloads([digest])
        if digest not in found:
            raise UnknownName(f"no payload {digest} in {self.url}.")
        return found[digest]

    def payloads(self, digests: Iterable[str]) -> dict[str, Any]:
        """The plain values of content addresses; what is not stored is left out."""
        wanted = list(digests)
        table = schema.payloads
        found: dict[str, Any] = {}
        with translated(self.url), self._engine.connect() as connection:
            for begin in range(0, len(wanted), _PAGE):
                page = table.c.digest.in_(wanted[begin : begin + _PAGE])
                for row in connection.execute(sa.select(table.c.digest, table.c.data).where(page)):
                    found[row.digest] = whole_squeezed(decode, row.data, self.url, "the value", row.digest)
        return found

    def suspicions(self, measurement: str) -> dict[Key, _Suspicions]:
        """What the built-in step checks said: trial -> event index -> suspicions."""
        rows = self._select(schema.suspicions, measurement, "case_id", "trial", "body")
        what = "what is suspected of trial"
        return {
            (case, trial): whole(_suspicions.decode, body, self.url, what, case, trial)
            for case, trial, body in rows
        }

    def labels(self, measurement: str) -> dict[Key, Label]:
        """People's labels of a measurement's trials."""
        rows = self._select(schema.labels, measurement, "case_id", "trial", "body")
        what = "the label of trial"
        return {
            (case, trial): whole(_label.decode, body, self.url, what, case, trial)
            for case, trial, body in rows
        }

    def _measurement_rows(self, *wanted: Any) -> list[tuple[str, bytes]]:
        table = schema.measurements
        query = sa.select(table.c.id, table.c.body).where(*wanted)
        query = query.order_by(table.c.created_at.desc(), table.c.id.desc())
        with translated(self.url), self._engine.connect() as connection:
            return [(id_, body) for id_, body in connection.execute(query)]

    def _measurement(self, name: str, body: bytes) -> Measurement:
        return whole(_measurement.decode, body, self.url, "the measurement", name)

    def _select(self, table: sa.Table, measurement: str, *columns: str) -> Iterator[Any]:
        order = [column for column in table.primary_key.columns if column.name != "measurement"]
        query = (
            sa.select(*(table.c[name] for name in columns))
            .where(table.c.measurement == measurement)
            .order_by(*order)
        )
        with translated(self.url), self._engine.connect() as connection:
            yield from connection.execution_options(yield_per=_PAGE).execute(query)


def _update(connection: Connection, measurement: Measurement) -> None:
    table = schema.measurements
    connection.execute(
        sa.update(table).where(table.c.id == measurement.id).values(**measurement_row(measurement))
    )
