"""`gapless replay --suspects`: what is suspected of lost trials that cannot be run again. It reads the store and runs nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from gapless.records.measurement import Measurement
from gapless.records.suspects import Suspects

if TYPE_CHECKING:
    from gapless.boundary.suspicions.base import ObservedTrial
    from gapless.gap.evidence import Visit
    from gapless.gap.suspects import Traced
    from gapless.records.trial import Suspicion
    from gapless.stores.store import Store

_Reasons = dict[int, dict[str, str]]


def suspects_of(
    store: Store, measurement: Measurement, *, keep: int = 5, without: Collection[str] = ()
) -> Suspects:
    """Ranks the step visits of every lost trial of a measurement.

    Args:
        store: Where it is.
        measurement: One that gapless ran, or one that was ingested.
        keep: Suspects told for each trial.
        without: Names of evidence to leave out, to see what a ranking rests on.
    """
    from gapless.gap.suspects import first_suspects, weigh

    traced = list(_traced(store, measurement))
    weights = {key: one for key, one in weigh(traced).items() if one.name not in without}
    trials, steps = first_suspects(traced, weights, measurement.shape, keep=keep)
    n_correct = sum(trial.outcome == "correct" for trial in traced)
    n_unjudged = len(traced) - n_correct - len(trials)
    return Suspects(
        measurement=measurement.id,
        target=measurement.target,
        condition=measurement.condition,
        n_trials=len(traced),
        n_lost=len(trials),
        n_correct=n_correct,
        n_unjudged=n_unjudged,
        steps=steps,
        trials=trials,
        evidence=tuple(sorted(weights.values(), key=lambda one: (-one.ratio, one.step, one.name))),
        notes=tuple(_notes(len(trials), n_correct, n_unjudged, sum(not one.told_apart for one in trials))),
    )


def _traced(store: Store, measurement: Measurement) -> Iterator[Traced]:
    from gapless.gap.evidence import usual_ms, visits_of
    from gapless.gap.suspects import Traced
    from gapless.operations.report import run_table

    usual = usual_ms(run_table(store, measurement))
    told = dict(_told(store, measurement))
    shared: dict[tuple[Visit, ...], tuple[Visit, ...]] = {}  # most trials of a large table are alike
    for run in run_table(store, measurement):
        visits = visits_of(run, usual, told.get((run.case, run.trial)))
        yield Traced(run.case, run.trial, run.group, run.outcome, shared.setdefault(visits, visits))


def _told(store: Store, measurement: Measurement) -> Iterator[tuple[tuple[str, int], _Reasons]]:
    """What whole records and their values say in words; a table that was ingested has said it all in its rows."""
    suspicions = store.suspicions(measurement.id)
    if measurement.ingested is not None:
        yield from ((key, _named(found)) for key, found in suspicions.items())
        return
    from gapless.operations.suspect import observed

    for trial in observed(store, measurement):
        key = (trial.case, trial.trial)
        reasons = _recorded(trial)
        for at, some in _named(suspicions.get(key, {})).items():
            reasons.setdefault(at, {}).update(some)
        if reasons:
            yield key, reasons


def _named(found: dict[int, tuple[Suspicion, ...]]) -> _Reasons:
    return {at: {one.check: one.reason for one in reversed(some)} for at, some in found.items()}


def _recorded(trial: ObservedTrial) -> _Reasons:
    from gapless.boundary.suspicions.conversation import conversation, evidence
    from gapless.gap.evidence import ERROR, FAILED

    turns, given = conversation(trial)
    reasons: _Reasons = {at: found for at, found in evidence(turns, given).items() if at >= 0}
    for at, seen in enumerate(trial.events):
        mine = reasons.setdefault(at, {})
        event = seen.event
        failed = next((verdict for verdict in event.verdicts if verdict.status == "fail"), None)
        if event.ok is False and failed is not None:
            mine[FAILED] = f"its check {failed.check} failed: {failed.reason}"
        if event.status == "error" and event.error is not None:
            mine[ERROR] = f"it raised {event.error.type}: {event.error.message}"
        lost = next((call for call, _, _ in seen.calls if call.error is not None), None)
        if lost is not None and lost.error is not None:
            mine["error-in-a-call"] = f"{lost.name} raised {lost.error.type}: {lost.error.message}"
    return {at: found for at, found in reasons.items() if found}


def _notes(n_lost: int, n_correct: int, n_unjudged: int, alike: int) -> Iterator[str]:
    if not n_lost:
        yield "No trial was lost: there is nothing to rank."
    elif not n_correct:
        yield "No trial was correct: evidence is weighed by what was assumed beforehand, not by how rare it is."
    if n_unjudged:
        said = "trial is not judged and was" if n_unjudged == 1 else "trials are not judged and were"
        yield f"{n_unjudged} {said} left out; `gapless label` judges one."
    if alike:
        trials = "trial" if n_lost == 1 else "trials"
        yield f"In {alike} of {n_lost} lost {trials} no evidence sets any step visit apart."
