"""`gapless replay --attribute`: which boundary loses the lost trials, found by rerunning them with golden and with recorded outputs."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.boundary.keeping import in_order, kept_before, kept_through
from gapless.boundary.player import Plan
from gapless.boundary.tape import Place, Tape
from gapless.errors import ReplayMismatch, UnknownName, UsageError
from gapless.evals.checks.base import MISSING
from gapless.operations.causes import LOST, causes_of
from gapless.operations.progress import Progress, Stop, Tell, silent
from gapless.operations.replay import Opened, case_of, rerun
from gapless.operations.replay_plan import Planned, effects_of, golden_at, golden_misfit, order_of
from gapless.records.origin import Origin
from gapless.records.replay import Arm, Causes, ReplayRun
from gapless.records.seed import seed_of
from gapless.records.suite import Case
from gapless.records.trial import TrialRecord
from gapless.records.workflow import Step

if TYPE_CHECKING:
    from gapless.evals.judge import Judge

NO_GOLDEN = "no golden output"
MOST_INTERACTING = 4
"""Steps in an interaction: their subsets double with each."""
REPS = 2
SAMPLE = 50
"""Lost trials that are replayed, where nobody asks for another number: more of them say more than more reruns of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeAsk:
    """How much is replayed."""

    reps: int = REPS
    """Reruns in each arm."""
    sample: int | None = SAMPLE
    """Lost trials at most, one of each group first; all of them when None."""
    interactions: tuple[str, ...] = ()
    """Up to four steps, every subset of whose golden outputs is tried: finds losses that need two bad inputs."""
    live_effects: bool = False
    """Whether steps that change the world run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One rerun."""

    record: TrialRecord
    case: Case
    plan: Plan
    row: ReplayRun
    """As it will be kept, without its verdict."""
    expected_ms: float
    """What the steps that run again took when they were recorded."""
    model_calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What is to be replayed, and what that costs."""

    lost: int
    """Lost trials of the measurement."""
    sampled: int
    units: tuple[Unit, ...]
    """Reruns that are not on record yet."""
    total: int
    """All of them."""
    without: dict[str, str] = field(default_factory=dict[str, str])
    """Step -> why it has no golden arm."""
    refused: dict[str, str] = field(default_factory=dict[str, str])
    """Sampled trial -> why it cannot run again."""

    @property
    def seconds(self) -> float:
        """About how long it takes, one after the other."""
        return sum(unit.expected_ms for unit in self.units) / 1e3

    @property
    def model_calls(self) -> int:
        """About how many model calls it makes."""
        return sum(unit.model_calls for unit in self.units)


def attribution(opened: Opened, ask: AttributeAsk) -> Attribution:
    """What has to be replayed.

    Raises:
        UsageError: The workflow is another version, its effects would take place, or nothing can be attributed.
    """
    _usable(opened, ask)
    store, measurement = opened.store, opened.measurement
    lost = [run for run in store.runs(measurement.id) if run.outcome in LOST]
    if not lost:
        raise UsageError(f"measurement {measurement.id} lost no trial: there is nothing to attribute.")
    sampled = _sample([(run.group, run.case, run.trial) for run in lost], ask.sample, measurement.seed)
    chosen = [store.record(measurement.id, case, trial) for _, case, trial in sampled]
    _harmless(opened, ask, {event.step for record in chosen for event in record.events if event.effect})
    known = {(r.case, r.trial, r.step, r.arm, r.rep) for r in store.replays(measurement.id)}
    without, refused = dict[str, str](), dict[str, str]()
    units: list[Unit] = []
    for record in chosen:
        try:
            units += _units(opened, record, ask, without)
        except ReplayMismatch as error:  # one whose input was redacted says nothing of the others
            refused[f"{record.case}#{record.trial}"] = str(error)
    if len(refused) == len(chosen):
        raise ReplayMismatch(next(iter(refused.values())))
    if not units:
        told = "; ".join(f"{step}: {why}" for step, why in without.items())
        raise UsageError(
            f"no lost trial has a golden output at any of its steps, so no arm can be run ({told}). Add goldens to the suite: "
            "`gapless label CASE#TRIAL --promote SUITE` makes them of a trial that was right."
        )
    todo = [u for u in units if (u.row.case, u.row.trial, u.row.step, u.row.arm, u.row.rep) not in known]
    return Attribution(
        lost=len(lost),
        sampled=len(chosen),
        units=tuple(todo),
        total=len(units),
        without=without,
        refused=refused,
    )


async def attribute_into(
    opened: Opened, found: Attribution, ask: AttributeAsk, *, tell: Tell = silent, stop: Stop | None = None
) -> bool:
    """Runs what is not on record yet; each rerun is on disk before it is told. Returns whether all of it ran."""
    from gapless.evals.harness import Harness
    from gapless.evals.judge import Judge
    from gapless.stores.store import Batch
    from gapless.stores.writer import Writer

    judge, writer, stop, fresh = Judge(opened.workflow.shape), Writer(opened.store), stop or Stop(), 0

    async def work(unit: Unit) -> ReplayRun:
        return await _run(opened, unit, ask, judge)

    async def commit(run: ReplayRun | None, _: Unit | None) -> None:
        if run is not None:
            await writer.commit(Batch(opened.measurement.id, replays=[run]))

    def report(_: ReplayRun) -> None:
        nonlocal fresh
        fresh += 1
        done = found.total - len(found.units) + fresh
        tell(Progress(what="reruns", done=done, total=found.total, fresh=fresh))

    try:
        harness = Harness(work, commit, report, concurrency=opened.place.settings.concurrency)
        stop.listen(harness.stop)
        return await harness.run(found.units)
    finally:
        writer.close()


def _usable(opened: Opened, ask: AttributeAsk) -> None:
    known = {step.name for step in opened.workflow.shape.steps}
    unknown = [step for step in ask.interactions if known and step not in known]
    if unknown:
        raise UnknownName(
            f"--interactions: no step {unknown[0]!r}; the workflow has {', '.join(sorted(known))}."
        )
    if len(ask.interactions) > MOST_INTERACTING:
        raise UsageError(f"--interactions: at most {MOST_INTERACTING} steps; their subsets double with each.")
    if opened.changed:
        raise UsageError(
            f"the workflow has changed since measurement {opened.measurement.id}: its causes are not those of this version. "
            "Measure this version, then attribute that."
        )


def _harmless(opened: Opened, ask: AttributeAsk, acted: set[str]) -> None:
    """Refuses steps that would act on the world; `acted` are those that said so themselves when they were recorded.

    Raises:
        UsageError: There are some, and nobody has allowed them.
    """
    effects = sorted(effects_of(opened.workflow).named | acted)
    if effects and not ask.live_effects:
        raise UsageError(
            f"{', '.join(effects)} change{'s' if len(effects) == 1 else ''} the world, and with golden outputs before it the action "
            "is another one, whose answer is on no tape. Have effects act where they do no harm, and say --live-effects."
        )


def _sample(lost: list[tuple[str, str, int]], most: int | None, seed: int) -> list[tuple[str, str, int]]:
    """At most so many lost trials, one of each group first, in an order that only the seed decides."""
    order = sorted(lost)
    Random(seed_of(seed, "attribute")).shuffle(order)
    seen: Counter[str] = Counter()
    rounds: list[tuple[int, int]] = []
    for place, (group, _, _) in enumerate(order):
        rounds.append((seen[group], place))
        seen[group] += 1
    return [order[place] for _, place in sorted(rounds)[:most]]


def _units(opened: Opened, record: TrialRecord, ask: AttributeAsk, without: dict[str, str]) -> list[Unit]:
    """The reruns of one lost trial."""
    tape, case = Tape.of(record, opened.load), case_of(opened, record)
    order = order_of(opened.workflow.shape)
    path = _path(tape, order, {s.name: s for s in opened.workflow.shape.steps})
    golden: dict[Place, Any] = {}
    for step in path:
        for place in tape.last(step):
            value = golden_at(tape, case, place)
            misfit = _no_golden(tape, opened, place, value)
            if misfit is None:
                golden[place] = value
            else:
                without.setdefault(step, misfit)
    seen = {place.step for place in golden}
    blind = tuple(step for step in path if step not in seen)
    units: list[Unit] = []
    for position, step in enumerate(path, start=1):
        if step in blind:
            continue
        last = tape.last(step)
        kept = kept_through(tape, last, order)
        paused = frozenset(place for place in golden if tape.visits[place].event.status == "paused")
        held = kept_through(tape, last, order, paused) if paused else kept
        before = {place: value for place, value in golden.items() if place in held}
        plans: dict[Arm, Plan] = {
            "golden": Plan(kept=held, instead=before, live_effects=ask.live_effects, strict=False),
            "observed": Plan(kept=kept, live_effects=ask.live_effects, exact=True),
        }
        row = ReplayRun(
            case=record.case,
            trial=record.trial,
            group=record.group,
            step=step,
            position=position,
            arm="golden",
            path=path,
            blind=blind,
        )
        for (arm, plan), rep in itertools.product(plans.items(), range(ask.reps)):
            units.append(_unit(record, case, tape, plan, row, arm, rep))
    return units + _subsets(record, case, tape, golden, ask, order)


def _path(tape: Tape, order: dict[str, int], steps: dict[str, Step]) -> tuple[str, ...]:
    """The steps a trial visited, in the order of their last visits; routers and people's steps are none."""
    last: dict[str, int] = {}
    for index, taped in enumerate(in_order(tape, order)):
        known = steps.get(taped.place.step)
        if not taped.event.router and not (known is not None and known.review):
            last[taped.place.step] = index
    return tuple(sorted(last, key=lambda step: last[step]))


def _no_golden(tape: Tape, opened: Opened, place: Place, value: Any) -> str | None:
    if value is MISSING:
        branches = {other.branch for other in tape.visits if other.step == place.step}
        if len(branches) > 1:
            return "parallel branches share one golden output, which cannot tell them apart"
        return "no golden output in the suite"
    return golden_misfit(tape, opened.workflow, place, value)


def _subsets(
    record: TrialRecord,
    case: Case,
    tape: Tape,
    golden: dict[Place, Any],
    ask: AttributeAsk,
    order: dict[str, int],
) -> list[Unit]:
    """Every subset of golden outputs of the steps asked for, the others of them as recorded; what lies between runs.

    A trial that lacks one of them has none.
    """
    steps = [place for place in golden if place.step in ask.interactions]
    if not ask.interactions or {place.step for place in steps} != set(ask.interactions):
        return []
    first = min(steps, key=lambda place: tape.visits[place].index)
    kept = kept_before(tape, tape.last(first.step), order) | frozenset(steps)
    later = frozenset(steps) - {first}
    units: list[Unit] = []
    for size in range(len(steps) + 1):
        for chosen in itertools.combinations(steps, size):
            replaced = {place: golden[place] for place in chosen}
            plan = Plan(kept=kept, instead=replaced, later=later, live_effects=ask.live_effects, strict=False)
            row = ReplayRun(
                case=record.case,
                trial=record.trial,
                group=record.group,
                step="+".join(place.step for place in chosen),
                position=0,
                arm="subset",
            )
            units += [_unit(record, case, tape, plan, row, "subset", rep) for rep in range(ask.reps)]
    return units


def _unit(
    record: TrialRecord, case: Case, tape: Tape, plan: Plan, row: ReplayRun, arm: Arm, rep: int
) -> Unit:
    again = [taped.event for place, taped in tape.visits.items() if place not in plan.kept]
    return Unit(
        record=record,
        case=case,
        plan=plan,
        row=msgspec.structs.replace(row, arm=arm, rep=rep),
        expected_ms=sum(event.ms for event in again if not event.router),
        model_calls=sum(call.kind == "model" for event in again for call in event.calls),
    )


async def _run(opened: Opened, unit: Unit, ask: AttributeAsk, judge: Judge) -> ReplayRun:
    row, record = unit.row, unit.record
    # Both arms of a rerun meet the same luck: what differs is the output that was handed over.
    seed = seed_of(opened.measurement.seed, row.case, row.trial, "replay", row.position, row.rep)
    origin = Origin(
        measurement=opened.measurement.id, case=row.case, trial=row.trial, live_effects=ask.live_effects
    )
    try:
        planned = Planned(plan=unit.plan, case=unit.case, start=None)
        finished = (await rerun(opened, record, planned, origin, judge, seed=seed)).record
    except ReplayMismatch as error:
        return msgspec.structs.replace(row, reason=str(error)[:300])
    known = finished.outcome != "unjudged"
    return msgspec.structs.replace(
        row,
        ok=finished.outcome == "correct" if known else None,
        outcome=finished.outcome,
        reason="" if known else "its end was not judged",
        ms=finished.ms,
    )


def attributed(opened: Opened, found: Attribution, *, complete: bool) -> Causes | None:
    """What the reruns on record say; None before one trial was rerun at all of its steps.

    Args:
        opened: The measurement.
        found: What was to be replayed: it knows in more words why a step has no golden arm.
        complete: Whether all of it was run.
    """
    made = causes_of(opened.store, opened.measurement)
    if made is None:
        return None
    told = {step: _better(why, found.without.get(step)) for step, why in made.not_estimable.items()}
    notes = made.notes
    if found.refused:
        notes += (f"Left out, for they cannot run again: {'; '.join(list(found.refused.values())[:3])}",)
    return msgspec.structs.replace(made, complete=complete, not_estimable=told, notes=notes)


def _better(why: str, known: str | None) -> str:
    """Why a step has no share: what the reruns know, and what the suite says."""
    return why if known is None else why.replace(NO_GOLDEN, known, 1)
