"""`gapless measure`: cases x trials under one condition, every crossing recorded, then the gap."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from gapless import __version__
from gapless.operations.budget import limits
from gapless.operations.open import kept_suite, open_store, open_suite, open_workflow
from gapless.operations.progress import Progress, Stop, Tell, silent
from gapless.operations.report import run_table
from gapless.operations.until import Against, Decider, Question, shuffled
from gapless.records.measurement import Measurement, resume_key
from gapless.records.suite import Suite
from gapless.records.trial import Outcome
from gapless.records.ulid import new_ulid
from gapless.settings import Place, Settings, locate

if TYPE_CHECKING:
    from gapless.boundary.faults.weather import Weather
    from gapless.boundary.guarding import Mode
    from gapless.evals.harness import Harness
    from gapless.evals.plan import Planned
    from gapless.evals.trial import Conditions, Finished
    from gapless.evals.workflow import Workflow
    from gapless.records.report import Report
    from gapless.stores.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What to measure, beyond workflow and suite. None means: as in `gapless.toml`."""

    trials: int | None = None
    """Trials per case."""
    condition: str | None = None
    """The name the measurement is kept under; "guarded" for a workflow under contracts, else "baseline". On a workflow
    under contracts, "baseline" makes guards only look, and "shadow" makes gates let pass."""
    weather: Weather | None = None
    """A seeded mixture of faults that stands for the world."""
    weather_name: str | None = None
    """What the user typed for it."""
    seed: int | None = None
    concurrency: int | None = None
    timeout_s: float | None = None
    until: Literal["decided"] | None = None
    """Stop as soon as the budget is decided, by a confidence sequence; or the comparison with `against`, by an e-value."""
    kind: Literal["measure", "fault"] = "measure"
    """A cell of a fault matrix is kept beside the measurements, and is none of them."""
    against: str | None = None
    """Id of an earlier measurement of the same cases: what `until` decides is whether this one differs."""
    reviewer: Callable[[dict[str, Any]], Any] | None = None
    """Decides where a trial stops for a person; what that comes to is kept beside the trial, which stays escalated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A measurement as far as it got."""

    measurement: Measurement
    complete: bool
    """False after a stop: the same call goes on where it stopped."""
    done: int
    """Trials on disk."""
    total: int


async def measure(  # noqa: PLR0913 - one keyword for each thing a measurement can be asked
    workflow: Any = None,
    suite: Any = None,
    *,
    trials: int | None = None,
    condition: str | None = None,
    weather: Weather | None = None,
    concurrency: int | None = None,
    timeout_s: float | None = None,
    reviewer: Callable[[dict[str, Any]], Any] | None = None,
    place: Place | None = None,
) -> Report:
    """Measures a workflow and says where its reliability goes.

    Args:
        workflow: A compiled LangGraph graph, a function, a LangChain runnable, or a target such as "app.py:graph".
        suite: A path, a `Suite`, or a list of cases (dictionaries as in a suite file).
        trials: Independent executions per case.
        condition: The name under which the measurement is kept: "guarded" for a workflow under contracts, else
            "baseline". Under contracts, "baseline" makes guards only look, and "shadow" makes gates let pass.
        weather: Faults to inject, seeded per trial.
        concurrency: Trials in flight at once.
        timeout_s: Seconds a trial may take before it fails loudly.
        reviewer: Decides where a trial stops for a person, as `guard(reviewer=...)` takes it. The trial stays escalated; what the
            decision came to is its `after_review`.
        place: Settings and store; those of the current folder when None.

    Returns:
        The report. The same call again finds the finished measurement; more trials extend it.

    Raises:
        UsageError: The workflow or the suite cannot be used as given.
        StoreError: A result could not be written.
    """
    from gapless.operations.report import report_on

    ask = Ask(
        trials=trials,
        condition=condition,
        weather=weather,
        concurrency=concurrency,
        timeout_s=timeout_s,
        reviewer=reviewer,
    )
    place = place or locate()
    with open_store(place) as store:
        measured = await measure_into(store, workflow, suite, ask, place=place)
        return report_on(store, measured.measurement, place.settings.cost)


async def measure_into(
    store: Store,
    workflow: Any,
    suite: Any,
    ask: Ask,
    *,
    place: Place,
    tell: Tell = silent,
    stop: Stop | None = None,
) -> Measured:
    """Runs every trial that is not in the store yet, and what depends on all of them."""
    from gapless.evals.suite import validate_against
    from gapless.frameworks.layers import learn_shape
    from gapless.operations.suspect import suspect_all
    from gapless.stores.lock import exclusive

    stop = stop or Stop()
    runner = open_workflow(workflow, place)
    cases = open_suite(suite, place)
    validate_against(cases, runner.shape)
    settings = _settled(place.settings, ask)
    kept, suite_digest = kept_suite(cases, settings)
    wanted = _wanted(runner, cases, suite_digest, settings, ask)
    wanted = msgspec.structs.replace(wanted, sources=_sources(suite, ask))
    with exclusive(store.locks, wanted.key):
        measurement = store.begin(wanted, kept)
        measurement, complete = await _run(store, runner, cases, measurement, settings, ask, tell, stop)
        learnt = learn_shape(measurement.shape, store.records(measurement.id))
        measurement = store.update(msgspec.structs.replace(measurement, shape=learnt))
        # In a thread, so that Ctrl-C is heard meanwhile. What a stop has left is looked at as well.
        declared, later = getattr(runner, "declared", None), stop if complete else None
        complete &= await asyncio.to_thread(suspect_all, store, measurement, declared, later)
        total, done = len(cases.cases) * measurement.trials, len(store.done(measurement.id))
        if complete and done >= total and measurement.finished_at is None:
            measurement = store.finish(measurement)
    return Measured(measurement=measurement, complete=complete, done=done, total=total)


def _sources(suite: Any, ask: Ask) -> dict[str, str]:
    named = {"suite": str(suite) if isinstance(suite, (str, Path)) else None, "weather": ask.weather_name}
    return {what: name for what, name in named.items() if name is not None}


def _settled(settings: Settings, ask: Ask) -> Settings:
    given = {
        name: value
        for name in ("trials", "concurrency", "timeout_s", "seed")
        if (value := getattr(ask, name)) is not None
    }
    return msgspec.structs.replace(settings, **given)


def _wanted(runner: Workflow, cases: Suite, suite_digest: str, settings: Settings, ask: Ask) -> Measurement:
    condition = ask.condition or ("guarded" if runner.shape.guarded else "baseline")
    weather = ask.weather.digest() if ask.weather is not None else None
    seed = settings.seed if settings.seed is not None else cases.seed
    return Measurement(
        id=new_ulid(),
        key=resume_key(
            ask.kind,
            runner.fingerprint,
            suite_digest,
            condition,
            weather,
            seed,
            _certificates(runner, condition),
        ),
        kind=ask.kind,
        target=runner.target,
        fingerprint=runner.fingerprint,
        suite=cases.name,
        suite_digest=suite_digest,
        condition=condition,
        weather=weather,
        weather_table=ask.weather.table() if ask.weather is not None else {},
        seed=seed,
        trials=settings.trials,
        cases=len(cases.cases),
        created_at=time.time(),
        shape=runner.shape,
        settings=msgspec.to_builtins(settings),
        version=__version__,
    )


async def _run(
    store: Store,
    runner: Workflow,
    cases: Suite,
    measurement: Measurement,
    settings: Settings,
    ask: Ask,
    tell: Tell,
    stop: Stop,
) -> tuple[Measurement, bool]:
    from gapless.evals.judge import Judge
    from gapless.evals.plan import trials
    from gapless.stores.writer import Writer

    measurement, lost = store.reopen(msgspec.structs.replace(measurement, stopped=None, early=()))
    done = store.done(measurement.id)
    decider: Question | None = None
    if ask.until is not None:
        cases = shuffled(cases, measurement.seed)
        decider = _question(store, cases, settings, ask)
        decider.see((run.case, run.trial, run.outcome) for run in store.runs(measurement.id))
    todo = [p for p in trials(cases, measurement.trials) if (p.case.id, p.number) not in done]
    if not todo or (decider is not None and decider.decided):
        return _stopped(store, measurement, decider), True
    conditions = _conditions(measurement, settings, ask, lost)
    judge = Judge(runner.shape)
    teller = _Teller(
        tell, store, measurement, before=len(done), total=len(done) + len(todo), restarted=len(lost)
    )
    writer = Writer(store)
    try:
        harness = _harness(runner, judge, conditions, writer, measurement, settings, teller, ask.reviewer)
        stop.listen(harness.stop)
        if decider is not None:
            teller.follow(decider, harness.stop)
        complete = await harness.run(todo)
    finally:
        writer.close()
    if complete or (decider is not None and decider.decided and not stop.requested):
        return _stopped(store, measurement, decider), True
    return measurement, complete


def _question(store: Store, cases: Suite, settings: Settings, ask: Ask) -> Question:
    if ask.against is None:
        return Decider(limits(settings.budget), cases)
    earlier = store.measurement(ask.against)
    firsts: dict[str, Outcome] = {
        run.case: run.outcome for run in run_table(store, earlier) if run.trial == 0
    }
    return Against(firsts, earlier.id, cases)


def _conditions(
    measurement: Measurement, settings: Settings, ask: Ask, lost: dict[tuple[str, int], int]
) -> Conditions:
    from gapless.evals.trial import Conditions
    from gapless.trace.redaction import Redaction

    return Conditions(
        seed=measurement.seed,
        timeout_s=settings.timeout_s,
        max_payload_bytes=settings.max_payload_bytes,
        weather=ask.weather,
        name=measurement.id,
        starts=lost,
        mode=mode_of(measurement.condition),
        redaction=Redaction.of(settings.privacy.redact),
    )


def _stopped(store: Store, measurement: Measurement, decider: Question | None) -> Measurement:
    """The measurement with why it ended where it did, if a question was followed."""
    if decider is None:
        return measurement
    return store.update(
        msgspec.structs.replace(measurement, stopped=decider.sentence(), early=decider.lines())
    )


def _harness(
    runner: Workflow,
    judge: Any,
    conditions: Conditions,
    writer: Any,
    measurement: Measurement,
    settings: Settings,
    teller: _Teller,
    reviewer: Callable[[dict[str, Any]], Any] | None,
) -> Harness[Planned, Finished]:
    from gapless.evals.harness import Harness
    from gapless.evals.trial import run_trial
    from gapless.operations.after_review import reviewed_trial
    from gapless.stores.store import Batch

    async def work(planned: Planned) -> Finished:
        if reviewer is not None:
            return await reviewed_trial(runner, planned, conditions, judge, reviewer)
        return await run_trial(runner, planned, conditions, judge)

    def commit(finished: Finished | None, following: Planned | None) -> asyncio.Future[None]:
        batch = Batch(
            measurement.id,
            starting=[(following.case.id, following.number)] if following is not None else (),
            finished=[finished.record] if finished is not None else (),
            payloads=finished.payloads if finished is not None else {},
        )
        return writer.commit(batch)

    return Harness(work, commit, teller.finished, concurrency=settings.concurrency)


def _certificates(runner: Workflow, condition: str) -> tuple[str, ...]:
    """The thresholds in force, where gates act and keep theirs in a file: other thresholds, other trials."""
    kept = [
        f"{gate.at} {gate.certificate or gate.void}" for gate in runner.shape.gates if gate.file is not None
    ]
    return tuple(kept) if mode_of(condition) == "guarded" else ()


def mode_of(condition: str) -> Mode:
    """What contracts do under a condition: everything, unless its name says otherwise ("baseline", "fault=hang@tool,baseline")."""
    said = condition.rpartition(",")[2]
    return said if said in ("baseline", "shadow") else "guarded"


class _Teller:
    """Counts outcomes as they are committed and tells the face."""

    def __init__(
        self, tell: Tell, store: Store, measurement: Measurement, *, before: int, total: int, restarted: int
    ) -> None:
        self._tell = tell
        self._outcomes: Counter[Outcome] = Counter()
        if before:
            self._outcomes.update(run.outcome for run in store.runs(measurement.id))
        self._before = before
        self._total = total
        self._restarted = restarted
        self._fresh = 0
        self._decider: Question | None = None
        self._stop: Callable[[], None] | None = None
        self._send()

    def follow(self, decider: Question, stop: Callable[[], None]) -> None:
        """Shows every finished trial to a question as well, and stops when it is decided."""
        self._decider, self._stop = decider, stop

    def finished(self, finished: Finished) -> None:
        """Notes a finished trial."""
        self._outcomes[finished.record.outcome] += 1
        self._fresh += 1
        self._send()
        if self._decider is not None and self._stop is not None:
            record = finished.record
            self._decider.see([(record.case, record.trial, record.outcome)])
            if self._decider.decided:
                self._stop()

    def _send(self) -> None:
        self._tell(
            Progress(
                what="trials",
                done=self._before + self._fresh,
                total=self._total,
                fresh=self._fresh,
                outcomes=dict(self._outcomes),
                restarted=self._restarted,
            )
        )


def measure_sync(workflow: Any = None, suite: Any = None, **options: Any) -> Report:
    """`measure` for code that is not async; the same arguments."""
    from gapless.operations.loop import run_sync

    return run_sync(lambda _stop: measure(workflow, suite, **options))
