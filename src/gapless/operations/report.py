"""`gapless report`: everything is computed from the stored facts, every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from gapless.records.cost import Prices
from gapless.records.label import Label
from gapless.records.measurement import Measurement
from gapless.records.replay import ReplayRun
from gapless.records.report import Report
from gapless.records.row import RunRow, run_of
from gapless.records.trial import ComponentRun, Outcome, Run, StepOutcome, Suspicion

if TYPE_CHECKING:
    from gapless.stores.store import Store


def report_on(store: Store, measurement: Measurement, prices: Prices | None = None) -> Report:
    """The report of a measurement, with the newest benchmark of the same workflow and suite.

    Args:
        store: Where it is.
        measurement: Which.
        prices: What tokens and reviews cost; those of the settings here when None.
    """
    from gapless.gap.after_review import Reviewed
    from gapless.gap.analyse import analyse
    from gapless.gap.cost import costs
    from gapless.gap.judged import Judged
    from gapless.gap.paths import planned_paths
    from gapless.gap.rulings import Ruled
    from gapless.gap.table import Table
    from gapless.operations.causes import causes_of
    from gapless.operations.judge import quality
    from gapless.operations.prompt_baseline import baseline
    from gapless.report.view import build
    from gapless.settings import locate

    suite = store.suite(measurement.suite_digest)
    benchmark = store.benchmark_of(measurement)
    components = store.components(benchmark.id) if benchmark is not None else []
    seen, judged, ruled, reviewed = _Digest(), Judged(), Ruled(), Reviewed()
    table = Table.of(reviewed.of(ruled.of(judged.of(seen.of(store, measurement)))))
    paths = planned_paths(suite.cases, table, measurement.shape)
    gap = analyse(table, components, measurement.shape, paths=paths)
    judge = quality(store, measurement, suite, judged, table)
    prompt = baseline(store, measurement, table)
    replays = store.replays(measurement.id)
    gap = msgspec.structs.replace(
        gap,
        costs=costs(table, prices or locate().settings.cost),
        rulings=ruled.rows(logged=measurement.condition.rpartition(",")[2] == "shadow"),
        after_review=reviewed.told(table),
        verdict_sources=dict(judged.sources),
        judge=judge,
        baseline=prompt,
        causes=causes_of(store, measurement, replays),
    )
    notes = tuple(_notes(measurement, len(table)))
    return build(measurement, gap, input_digest=seen.with_([*components, *replays]), trial_notes=notes)


def run_table(store: Store, measurement: Measurement) -> Iterator[Run]:
    """The run table of a measurement, row by row: recorded facts, with people's labels and the suspicions laid over them."""
    for _, row in _rows(store, measurement):
        yield run_of(row) if isinstance(row, RunRow) else row


def _rows(store: Store, measurement: Measurement) -> Iterator[tuple[bytes | None, Run | RunRow]]:
    """Each row with its bytes, where it still is what lies in the store."""
    labels = store.labels(measurement.id)
    suspicions = store.suspicions(measurement.id)
    if not labels and not suspicions:
        yield from store.rows(measurement.id)
        return
    for body, row in store.rows(measurement.id):
        key = (row.case, row.trial)
        if key not in labels and key not in suspicions:
            yield body, row
            continue
        run = run_of(row) if isinstance(row, RunRow) else row
        run = _suspected(run, suspicions[key]) if key in suspicions else run
        yield None, _labelled(run, labels[key]) if key in labels else run


class _Digest:
    """A content address of rows that pass by: a table of a million of them is never in memory at once."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._encode = msgspec.msgpack.Encoder().encode

    def of(self, store: Store, measurement: Measurement) -> Iterator[Run | RunRow]:
        """The run table of a measurement, as it passes into the digest."""
        for body, row in _rows(store, measurement):
            self._hash.update(self._encode(row) if body is None else body)
            yield row

    def with_(self, more: Iterable[ComponentRun | ReplayRun]) -> str:
        """The digest of the rows that passed and of these benchmark runs and reruns."""
        for run in more:
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
    return msgspec.structs.replace(run, outcome=outcome, blame=at, labelled=True, judged=run.outcome)


def _notes(measurement: Measurement, done: int) -> Iterable[str]:
    asked = measurement.cases * measurement.trials
    if measurement.stopped is not None:
        yield measurement.stopped
    elif done < asked and measurement.ingested is None:
        yield f"{done} of {asked} trials are done; run the same command again to go on."
    if measurement.interrupted:
        yield f"{measurement.interrupted} trial starts were cut off by a stop or a crash; those trials were started again with the same seed."
