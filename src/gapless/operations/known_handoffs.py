"""Recorded handoffs whose answer is known: right ones, wrong ones, and right ones damaged on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from gapless.boundary.faults.handoff import UNCHANGED
from gapless.boundary.faults.partial_answer import PartialAnswer
from gapless.boundary.faults.wrong_figure import WrongFigure
from gapless.errors import UnknownName
from gapless.evals.checks.base import MISSING
from gapless.evals.judge import Judge
from gapless.records.judge import JUDGES
from gapless.records.label import Label
from gapless.records.measurement import Measurement
from gapless.records.review import KnownAnswer
from gapless.records.seed import seed_of
from gapless.records.suite import Case
from gapless.records.trial import StepEvent, TrialRecord
from gapless.records.value import OMITTED, UNSERIALISABLE, digest, encode

if TYPE_CHECKING:
    from gapless.review.seeded import Handoff
    from gapless.stores.store import Store

_FAULTS = (WrongFigure, PartialAnswer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A recorded handoff with a known answer; its values are still in the store."""

    step: str
    right: bool
    how: str
    strict: bool
    """Whether the step's own check, or a person, says so; else only the trial's end does."""
    measurement: str
    case: Case
    """Its input, and what judges this step alone at this visit."""
    trial: int
    event: StepEvent
    input: str | None
    reason: str | None
    """Why its own gate would have stopped it; None where no gate did."""
    signal: float | None

    @property
    def origin(self) -> str:
        """The recorded handoff, whatever is done to it."""
        event = self.event
        place = [self.measurement, self.case.id, self.trial, self.step, event.branch, event.visit]
        return digest(encode(place))


def known_handoffs(store: Store, measurement: Measurement, steps: set[str]) -> Iterator[Known]:
    """The handoffs of some steps whose answer is known.

    Right: the step's check passed it and the trial did not end wrong or fail; or the trial ended right and nothing judges the
    step. Wrong: the step's check failed it, or a person's label blames the step.
    """
    cases = {case.id: case for case in store.suite(measurement.suite_digest).cases}
    labels = store.labels(measurement.id)
    for record in store.records(measurement.id):
        case = cases.get(record.case, Case(id=record.case, group=record.group))
        label = labels.get((record.case, record.trial))
        for event in _last_attempts(record):
            if event.step not in steps or event.status != "ok" or event.output is None:
                continue
            verdict = _verdict(event, record, label)
            if verdict is not None:
                yield _known(measurement, record, case, event, verdict)


def handoff_of(store: Store, known: Known) -> Handoff | None:
    """The handoff as it was recorded; None where it was not kept."""
    value = _kept(store, known.event.output)
    if value is None:
        return None
    golden = _golden(known.case, known.step)
    truth = value if known.right else golden
    return _handoff(store, known, value, known.right, known.how, truth, known.right or golden is not MISSING)


async def damaged(store: Store, known: Known, judge: Judge) -> Handoff | None:
    """A right handoff with one figure or a part of it wrong.

    None where nothing of the suite can tell the damage: a digit may have changed that does not matter.
    """
    if any(spec.name in JUDGES for spec in known.case.checks.get(known.step, ())):
        return None  # a model would be asked
    value = _kept(store, known.event.output)
    if value is None or await judged(judge, known.case, known.step, value) is not True:
        return None
    for kind in _FAULTS:
        fault = kind(step=known.step, field="")
        changed = fault.changed(value, Random(seed_of(0, known.origin, kind.name)))
        if changed is UNCHANGED or await judged(judge, known.case, known.step, changed) is not False:
            continue
        how = f"a right handoff damaged by the fault {kind.name}"
        return _handoff(store, known, changed, False, how, value, True)
    return None


async def judged(judge: Judge, case: Case, step: str, value: Any) -> bool | None:
    """What the suite says of a handoff of a step alone; None where nothing judges it."""
    return judge.overall(await judge.judge_update(case, step, value, 0.0))


def _last_attempts(record: TrialRecord) -> Iterator[StepEvent]:
    last: dict[Any, StepEvent] = {}
    for event in record.events:
        if not event.router:
            last[event.step, event.branch, event.visit] = event
    yield from last.values()


def _verdict(event: StepEvent, record: TrialRecord, label: Label | None) -> tuple[bool, str, bool] | None:
    """(right, how that is known, whether the step itself was judged); None where nobody knows."""
    if label is not None and not label.correct:
        blamed = label.blame == event.step and event.visit == _visits(record, event.step)
        return (False, f"a person's label blames it: {label.note}", True) if blamed else None
    ended_right = record.outcome == "correct" or (label is not None and label.correct)
    if event.ok is False:
        failed = [verdict for verdict in event.verdicts if verdict.status == "fail"]
        return (
            False,
            f"its check failed: {failed[0].check}: {failed[0].reason}" if failed else "its check failed",
            True,
        )
    if event.ok is True and (ended_right or record.outcome in ("escalated", "unjudged")):
        return True, "its check passed", True
    if event.ok is None and ended_right:
        return True, "its trial ended right", False
    return None


def _visits(record: TrialRecord, step: str) -> int:
    return max(event.visit for event in record.events if event.step == step)


def _known(
    measurement: Measurement,
    record: TrialRecord,
    case: Case,
    event: StepEvent,
    verdict: tuple[bool, str, bool],
) -> Known:
    ruling = next(
        (
            r
            for r in record.rulings
            if (r.step, r.guard, r.action, r.branch) == (event.step, "gate", "review", event.branch)
            and r.visit in (1, event.visit)
        ),
        None,
    )
    right, how, strict = verdict
    return Known(
        step=event.step,
        right=right,
        how=how,
        strict=strict,
        measurement=measurement.id,
        case=_alone(case, event, _visits(record, event.step)),
        trial=record.trial,
        event=event,
        input=record.input,
        reason=ruling.reason if ruling is not None else None,
        signal=ruling.signal if ruling is not None else None,
    )


def _alone(case: Case, event: StepEvent, visits: int) -> Case:
    """A case with only what judges one visit of one step."""
    golden = case.golden.get(event.step, MISSING)
    if isinstance(golden, list):
        golden = golden[event.visit - 1] if event.visit <= len(golden) else MISSING
    elif event.visit != visits:
        golden = MISSING  # a single value holds for the last visit
    return Case(
        id=case.id,
        group=case.group,
        golden={} if golden is MISSING else {event.step: [golden]},
        checks={event.step: case.checks[event.step]} if event.step in case.checks else {},
    )


def _golden(case: Case, step: str) -> Any:
    return case.golden[step][0] if step in case.golden else MISSING


def _handoff(
    store: Store, known: Known, value: Any, right: bool, how: str, truth: Any, truth_known: bool
) -> Handoff:
    from gapless.review.seeded import Handoff

    answer = KnownAnswer(
        right=right,
        how=how,
        source=digest(encode([known.origin, value])),
        origin=known.origin,
        measurement=known.measurement,
        case=known.case,
        trial=known.trial,
        value=truth if truth_known else None,
        value_known=truth_known,
    )
    return Handoff(
        step=known.step,
        handoff=value,
        given=_kept(store, known.event.input),
        known=answer,
        reason=known.reason,
        signal=known.signal,
        input=_kept(store, known.input),
    )


def _kept(store: Store, content: str | None) -> Any:
    """A recorded value; None where it was not kept whole."""
    try:
        value = store.payload(content) if content is not None else None
    except UnknownName:
        return None
    stands_in = isinstance(value, dict) and (OMITTED in value or UNSERIALISABLE in value)
    return None if stands_in else value
