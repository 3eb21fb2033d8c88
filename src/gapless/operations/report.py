"""`gapless report`: everything is computed from the stored facts, every time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from gapless.records.label import Label
from gapless.records.measurement import Measurement
from gapless.records.report import Report
from gapless.records.trial import Outcome, Run, StepOutcome, Suspicion
from gapless.records.value import digest

if TYPE_CHECKING:
    from gapless.stores.store import Store


def report_on(store: Store, measurement: Measurement) -> Report:
    """The report of a measurement, with the newest benchmark of the same workflow and suite."""
    from gapless.gap.analyse import analyse
    from gapless.gap.paths import planned_paths
    from gapless.report.view import build

    runs = run_table(store, measurement)
    suite = store.suite(measurement.suite_digest)
    benchmark = store.benchmark_of(measurement)
    components = store.components(benchmark.id) if benchmark is not None else []
    paths = planned_paths(suite.cases, runs, measurement.shape)
    gap = analyse(runs, components, measurement.shape, paths=paths)
    table = digest(msgspec.msgpack.encode([runs, components]))
    return build(measurement, gap, input_digest=table, trial_notes=tuple(_notes(measurement, runs)))


def run_table(store: Store, measurement: Measurement) -> list[Run]:
    """The run table of a measurement: recorded facts, with people's labels and the suspicions laid over them."""
    labels = store.labels(measurement.id)
    suspicions = store.suspicions(measurement.id)
    runs = store.runs(measurement.id)
    if not labels and not suspicions:
        return runs
    table: list[Run] = []
    for run in runs:
        key = (run.case, run.trial)
        suspected = _suspected(run, suspicions[key]) if key in suspicions else run
        table.append(_labelled(suspected, labels[key]) if key in labels else suspected)
    return table


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


def _notes(measurement: Measurement, runs: list[Run]) -> Iterable[str]:
    asked = measurement.cases * measurement.trials
    if len(runs) < asked:
        yield f"{len(runs)} of {asked} trials are done; run the same command again to go on."
    if measurement.interrupted:
        yield f"{measurement.interrupted} trial starts were cut off by a stop or a crash; those trials were started again with the same seed."
