"""Causes from the reruns on record: computed from the stored facts, every time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from gapless.operations.report import run_table
from gapless.records.measurement import Measurement
from gapless.records.replay import Causes, ReplayRun
from gapless.records.trial import Outcome

if TYPE_CHECKING:
    from gapless.stores.store import Store

LOST: tuple[Outcome, ...] = ("wrong", "escalated", "failed")
"""How a trial ends that has something to explain; one without a verdict may have been right."""


def causes_of(
    store: Store,
    measurement: Measurement,
    replays: Sequence[ReplayRun] | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Causes | None:
    """Where reruns place the loss of a measurement; None where none is on record.

    Args:
        store: Where it is.
        measurement: Which.
        replays: Its reruns; those of the store when None.
        level: Two-sided confidence level.
        seed: Of the resamples.
    """
    from gapless.gap.blame import blame
    from gapless.gap.causes import LostTrials, causes
    from gapless.gap.replays import follows, last_visit_path

    runs = whole_trials(store.replays(measurement.id) if replays is None else replays)
    if not runs:
        return None
    sampled = {(run.case, run.trial) for run in runs}
    rerun = {(run.case, run.trial): run.path for run in runs if run.path}
    lost = 0
    blamed: dict[tuple[str, int], str] = {}
    paths: dict[tuple[str, int], tuple[str, ...]] = {}
    for run in run_table(store, measurement):
        if run.outcome not in LOST:
            continue
        lost += 1
        key = (run.case, run.trial)
        if key in sampled:
            # The rule's own place, also where a person has said another: this is what the checks suspected.
            blamed[key] = blame(run.events, run.outcome) or ""
            # Steps that ran side by side began in any order: what counts is the one in which they were replaced.
            paths[key] = rerun.get(key) or last_visit_path(run.events)
    known = LostTrials(measurement=measurement.id, count=lost, blamed=blamed, paths=paths)
    mine = [run for run in runs if (run.case, run.trial) in blamed]
    declared = tuple(step.name for step in measurement.shape.steps)
    order = (
        declared if follows(declared, paths.values()) else ()
    )  # with a loop it is the order of declaration
    found = causes(mine, order, known, shape=measurement.shape, level=level, seed=seed)
    if len(mine) == len(runs):
        return found
    gone = len(sampled) - len(blamed)
    note = (
        f"{gone} replayed {'trial is' if gone == 1 else 'trials are'} no longer lost by the labels given since: "
        "left out."
    )
    return msgspec.structs.replace(found, notes=(*found.notes, note))


def whole_trials(runs: Sequence[ReplayRun]) -> list[ReplayRun]:
    """Reruns of trials of which every step with a golden output was rerun: a stop may have left others half done."""
    arms: dict[tuple[str, int], set[tuple[str, str]]] = {}
    wanted: dict[tuple[str, int], set[tuple[str, str]]] = {}
    for run in runs:
        if run.arm != "subset":
            key = (run.case, run.trial)
            arms.setdefault(key, set()).add((run.step, run.arm))
            steps = set(run.path) - set(run.blind)
            wanted.setdefault(key, set()).update(
                (step, arm) for step in steps for arm in ("golden", "observed")
            )
    whole = {key for key, done in arms.items() if wanted[key] <= done}
    return [run for run in runs if (run.case, run.trial) in whole]
