"""`gapless report`: everything is computed from the stored facts, every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from gapless.records.label import Label
from gapless.records.measurement import Measurement
from gapless.records.report import Report
from gapless.records.trial import ComponentRun, Outcome, Run, StepOutcome, Suspicion

if TYPE_CHECKING:
    from gapless.stores.store import Store


def report_on(store: Store, measurement: Measurement) -> Report:
    """The report of a measurement, with the newest benchmark of the same workflow and suite."""
    from gapless.gap.analyse import analyse
    from gapless.gap.paths import planned_paths
    from gapless.gap.table import Table
    from gapless.report.view import build

    suite = store.suite(measurement.suite_digest)
    benchmark = store.benchmark_of(measurement)
    components = store.components(benchmark.id) if benchmark is not None else []
    seen = _Digest()
    table = Table.of(seen.of(run_table(store, measurement)))
    paths = planned_paths(suite.cases, table, measurement.shape)
    gap = analyse(table, components, measurement.shape, paths=paths)
    notes = tuple(_notes(measurement, len(table)))
    return build(measurement, gap, input_digest=seen.with_(components), trial_notes=notes)


def run_table(store: Store, measurement: Measurement) -> Iterator[Run]:
    """The run table of a measurement, row by row: recorded facts, with people's labels and the suspicions laid over them."""
    labels = store.labels(measurement.id)
    suspicions = store.suspicions(measurement.id)
    for run in store.runs(measurement.id):
        key = (run.case, run.trial)
        suspected = _suspected(run, suspicions[key]) if key in suspicions else run
        yield _labelled(suspected, labels[key]) if key in labels else suspected


class _Digest:
    """A content address of rows that pass by: a table of a million of them is never in memory at once."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._encode = msgspec.msgpack.Encoder().encode

    def of(self, rows: Iterable[Run]) -> Iterator[Run]:
        """Hands on rows and takes them into the digest."""
        for row in rows:
            self._hash.update(self._encode(row))
            yield row

    def with_(self, components: Iterable[ComponentRun]) -> str:
        """The digest of the rows that passed and of these benchmark runs."""
        for run in components:
            self._hash.update(self._encode(run))
        return self._hash.hexdigest()


def _suspected(run: Run, found: dict[int, tuple[Suspicion, ...]]) -> Run:
    def with_names(index: int, event: StepOutcome) -> StepOutcome:
        if index not in found:
            return event
        names = tuple(dict.fromkeys(suspicion.check for suspicion in found[index]))
        return msgspec.structs.replace(event, suspicions=names)

    return msgspec.structs.replace(run, events=tuple(with_names(i, e) for i, e in enumerate(run.events)))


def _labelled(run: Run, label: Label) -> Run:
    from gapless.gap.blame import blame

    if run.outcome in ("escalated", "failed"):
        return run  # a label says whether a delivered answer was right; these delivered none
    outcome: Outcome = "correct" if label.correct else "wrong"
    at = None if label.correct else label.blame or blame(run.events, outcome)
    return msgspec.structs.replace(run, outcome=outcome, blame=at, labelled=True)


def _notes(measurement: Measurement, done: int) -> Iterable[str]:
    asked = measurement.cases * measurement.trials
    if done < asked:
        yield f"{done} of {asked} trials are done; run the same command again to go on."
    if measurement.interrupted:
        yield f"{measurement.interrupted} trial starts were cut off by a stop or a crash; those trials were started again with the same seed."
