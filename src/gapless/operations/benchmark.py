"""`gapless benchmark`: each step alone on golden inputs, the component rates that P is made of."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from gapless import __version__
from gapless.errors import UnknownName, UsageError
from gapless.operations.open import kept_suite, open_suite, open_workflow
from gapless.operations.progress import Progress, Stop, Tell, silent
from gapless.records.base import Record
from gapless.records.estimate import Estimate
from gapless.records.measurement import Measurement, resume_key
from gapless.records.suite import Suite
from gapless.records.ulid import new_ulid
from gapless.settings import Place, Settings

if TYPE_CHECKING:
    from gapless.evals.component import FinishedComponent
    from gapless.evals.plan import PlannedComponent
    from gapless.evals.trial import Conditions
    from gapless.evals.workflow import Workflow
    from gapless.stores.store import Store


_NOTHING = (
    "nothing to benchmark: a step needs a planned path and golden outputs for the steps before it. "
    "Add `golden:` to the suite's cases, or promote a good trial with `gapless label CASE#TRIAL --correct --promote suite.yaml`."
)


class ComponentRate(Record, frozen=True, kw_only=True):
    """A step's benchmark, for people."""

    step: str
    layer: str
    layer_guessed: bool
    rate: Estimate
    unknown: int
    """Runs whose verdict is unknown: counted as no success."""
    reasons: tuple[str, ...] = ()
    """Why runs failed, most frequent first, at most three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmarked:
    """A benchmark as far as it got."""

    measurement: Measurement
    complete: bool
    rates: tuple[ComponentRate, ...]
    without: tuple[str, ...]
    """Steps that could not be benchmarked, each with the reason."""


async def benchmark_into(
    store: Store,
    workflow: Any,
    suite: Any,
    *,
    steps: tuple[str, ...] = (),
    trials: int = 1,
    place: Place,
    tell: Tell = silent,
    stop: Stop | None = None,
) -> Benchmarked:
    """Runs every step alone on the golden state before it, with its own retries, and judges what it hands over.

    Args:
        store: Where the runs are kept; finished ones are not run again.
        workflow: Target or live object.
        suite: Path, Suite or list of cases. Goldens make up the state before each step.
        steps: Only these; all when empty.
        trials: Runs per step and case.
        place: Settings and folder.
        tell: Told after each commit.
        stop: Asks to stop.

    Raises:
        UsageError: No case has what a benchmark needs.
        UnknownName: A step that the workflow does not have.
    """
    from gapless.evals.plan import components
    from gapless.evals.suite import validate_against
    from gapless.gap.paths import planned_paths
    from gapless.gap.table import Table
    from gapless.operations.report import run_table
    from gapless.stores.lock import exclusive

    runner = open_workflow(workflow, place)
    cases = open_suite(suite, place)
    validate_against(cases, runner.shape)
    _check_steps(steps, runner)
    kept, suite_digest = kept_suite(cases, place.settings)
    wanted = _wanted(runner, cases, suite_digest, place, trials)
    with exclusive(store.locks, wanted.key):
        measurement = store.begin(wanted, kept)
        runs = (run for m in _measured(store, measurement) for run in run_table(store, m))
        paths = planned_paths(cases.cases, Table.of(runs), runner.shape)
        units = components(cases, runner.shape, paths, measurement.trials, steps)
        planned, impossible = _possible(units, runner)
        if not planned:
            raise UsageError(next(iter(impossible.values()), _NOTHING))
        complete = await _run(store, runner, planned, impossible, measurement, place, tell, stop or Stop())
        if complete and not steps:
            measurement = store.finish(measurement)
    return Benchmarked(
        measurement=measurement,
        complete=complete,
        rates=rates(store, measurement),
        without=tuple(_without(cases, runner, paths, steps, impossible)),
    )


def rates(store: Store, measurement: Measurement) -> tuple[ComponentRate, ...]:
    """The component rates of a benchmark, in the workflow's order."""
    from collections import Counter

    from gapless.gap.clustered import clustered

    runs = store.components(measurement.id)
    found: list[ComponentRate] = []
    for step in measurement.shape.steps:
        mine = [run for run in runs if run.step == step.name]
        if not mine:
            continue
        values = [1.0 if run.ok else 0.0 for run in mine]
        reasons = Counter(run.reason for run in mine if run.ok is not True and run.reason)
        found.append(
            ComponentRate(
                step=step.name,
                layer=step.layer,
                layer_guessed=step.layer_guessed,
                rate=clustered(values, [run.group for run in mine]),
                unknown=sum(run.ok is None for run in mine),
                reasons=tuple(reason for reason, _ in reasons.most_common(3)),
            )
        )
    return tuple(found)


def _check_steps(steps: tuple[str, ...], runner: Workflow) -> None:
    known = [step.name for step in runner.shape.steps]
    for step in steps:
        if step not in known:
            raise UnknownName(f"the workflow has no step {step!r}. Its steps: {', '.join(known)}.")


def _wanted(runner: Workflow, cases: Suite, suite_digest: str, place: Place, trials: int) -> Measurement:
    return Measurement(
        id=new_ulid(),
        key=resume_key("benchmark", runner.fingerprint, suite_digest, "component", None, cases.seed),
        kind="benchmark",
        target=runner.target,
        fingerprint=runner.fingerprint,
        suite=cases.name,
        suite_digest=suite_digest,
        condition="component",
        seed=cases.seed,
        trials=trials,
        cases=len(cases.cases),
        created_at=time.time(),
        shape=runner.shape,
        settings=msgspec.to_builtins(place.settings),
        version=__version__,
    )


def _measured(store: Store, benchmark: Measurement) -> list[Measurement]:
    same = (benchmark.fingerprint, benchmark.suite_digest)
    return [
        m for m in store.measurements() if m.kind == "measure" and (m.fingerprint, m.suite_digest) == same
    ]


async def _run(
    store: Store,
    runner: Workflow,
    planned: list[PlannedComponent],
    impossible: dict[tuple[str, str], str],
    measurement: Measurement,
    place: Place,
    tell: Tell,
    stop: Stop,
) -> bool:
    from gapless.evals.component import run_component
    from gapless.evals.harness import Harness
    from gapless.evals.judge import Judge
    from gapless.stores.store import Batch
    from gapless.stores.writer import Writer

    done = store.components_done(measurement.id)
    todo = [p for p in planned if (p.step, p.case.id, p.number) not in done]
    settings = place.settings
    conditions = _conditions(measurement, settings)
    judge = Judge(runner.shape)
    fresh = 0

    async def work(unit: PlannedComponent) -> FinishedComponent:
        return await run_component(runner, unit, conditions, judge)

    async def commit(finished: FinishedComponent | None, _: PlannedComponent | None) -> None:
        if finished is not None and finished.lacking is not None:
            impossible[finished.run.step, finished.run.case] = finished.lacking
        elif finished is not None:
            await writer.commit(Batch(measurement.id, components=[finished.run], payloads=finished.payloads))

    def report(_: FinishedComponent) -> None:
        nonlocal fresh
        fresh += 1
        before = len(planned) - len(todo)
        tell(Progress(what="component runs", done=before + fresh, total=len(planned), fresh=fresh))

    writer = Writer(store)
    try:
        harness = Harness(work, commit, report, concurrency=settings.concurrency)
        stop.listen(harness.stop)
        return await harness.run(todo)
    finally:
        writer.close()


def _conditions(measurement: Measurement, settings: Settings) -> Conditions:
    from gapless.evals.trial import Conditions
    from gapless.trace.redaction import Redaction

    return Conditions(
        seed=measurement.seed,
        timeout_s=settings.timeout_s,
        max_payload_bytes=settings.max_payload_bytes,
        redaction=Redaction.of(settings.privacy.redact),
    )


def _possible(
    planned: Iterable[PlannedComponent], runner: Workflow
) -> tuple[list[PlannedComponent], dict[tuple[str, str], str]]:
    """The runs whose golden state can be made; (step, case) -> why not, for the others: that is no failure of the step."""
    from gapless.evals.component import golden_state

    impossible: dict[tuple[str, str], str] = {}
    possible: list[PlannedComponent] = []
    for unit in planned:
        try:
            golden_state(runner, unit)
            possible.append(unit)
        except UsageError as error:
            impossible[unit.step, unit.case.id] = str(error)
    return possible, impossible


def _without(
    cases: Suite,
    runner: Workflow,
    paths: dict[str, tuple[str, ...]],
    steps: tuple[str, ...],
    impossible: dict[tuple[str, str], str],
) -> list[str]:
    from gapless.evals.plan import missing

    reasons: dict[str, str] = {}
    benchmarked: set[str] = set()
    for case in cases.cases:
        path = paths.get(case.id, ())
        for position, step in enumerate(path):
            why = missing(case, path, position) or impossible.get((step, case.id))
            if why is None:
                benchmarked.add(step)
            else:
                reasons.setdefault(step, f"{step}: {why} (case {case.id})")
    wanted = [step.name for step in runner.shape.steps if not steps or step.name in steps]
    return [reasons[step] for step in wanted if step in reasons and step not in benchmarked]
