"""Which step loses the lost trials, from reruns with and without golden outputs (METHOD section 9); pure arithmetic.

Both arms rerun the same steps after k. The arm `observed` is the control for reruns that pass by luck, and the difference
of neighbouring steps takes away that a golden output late in the chain rescues whatever was lost before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec
import numpy as np

from gapless.gap.boundaries import receivers
from gapless.gap.clustered import Units, clustered, units
from gapless.gap.damage import NEVER_RESCUES, NO_RERUN, Shares, shares
from gapless.gap.group_bootstrap import RESAMPLES, bootstrap_mean, mean_difference
from gapless.gap.interactions import interactions, subset_values
from gapless.gap.replays import Arms, Trial, arranged, path_order, rerun_paths, unsettled
from gapless.records.estimate import Estimate
from gapless.records.gap import PSEUDO_EXITS
from gapless.records.replay import Causes, ReplayRun, StepCause
from gapless.records.workflow import Shape

NO_GOLDEN = "no golden output"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostTrials:
    """What is known of a measurement's lost trials without a rerun."""

    measurement: str = ""
    count: int = 0
    """Lost trials, replayed or not: wrong, failed or escalated."""
    blamed: Mapping[Trial, str] = field(default_factory=dict[Trial, str])
    """Where the blame rule places each (METHOD section 5)."""
    paths: Mapping[Trial, tuple[str, ...]] = field(default_factory=dict[Trial, tuple[str, ...]])
    """Their steps by last visits: only with them is it known which visits have no golden output."""


def causes(
    runs: Sequence[ReplayRun],
    order: Sequence[str] = (),
    lost: LostTrials | None = None,
    *,
    shape: Shape | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Causes:
    """What reruns say of each step, beside what its checks suspected in the same trials.

    Args:
        runs: Every rerun on record.
        order: Steps in path order; where it is silent, the order that the trials' own paths agree with.
        lost: The lost trials they were drawn from.
        shape: The workflow, for receivers and layers.
        level: Two-sided confidence level of each number, pointwise.
        seed: Of the resamples.

    Returns:
        One row per step that a sampled trial visited; a step without a share says why. Shares and verdict noise add up
        to 1 exactly. Every trial counts the same, and intervals resample groups.

    Source:
        METHOD section 9.

    Example:
        >>> def rerun(step, arm, ok):
        ...     position = "ab".index(step) + 1
        ...     return ReplayRun(case="c", trial=0, group="c", step=step, position=position, arm=arm, ok=ok)
        >>> found = causes([
        ...     rerun("a", "golden", True), rerun("a", "observed", True),
        ...     rerun("b", "golden", True), rerun("b", "observed", False),
        ... ])
        >>> [(row.step, row.share.point, row.effect.point) for row in found.rows], found.verdict_noise.point
        ([('a', 0.0, 0.0), ('b', 1.0, 1.0)], 0.0)
    """
    known = lost or LostTrials()
    groups = {(run.case, run.trial): run.group for run in runs}
    paths = _paths(runs, known, groups)
    visited = path_order(paths.values())
    steps = tuple(dict.fromkeys([*(step for step in order if step in visited), *visited]))
    arms = arranged(runs, steps)
    found = shares(arms, level=level, seed=seed)
    missing = _missing(runs, steps, arms, found)
    suspected = _Suspected.of(known.blamed, groups, level)
    values = subset_values(runs, steps)
    rows = _merged([_row(step, arms, found, missing, level) for step in steps])
    return Causes(
        measurement=known.measurement,
        lost=known.count,
        sampled=len(groups),
        sampled_cases=len({case for case, _ in groups}),
        sampled_groups=len(set(groups.values())),
        reps=max((run.rep + 1 for run in runs), default=0),
        replays=len(runs),
        rows=tuple(_beside(row, paths, suspected, shape or Shape()) for row in rows),
        verdict_noise=found.noise,
        unseen=suspected.at(PSEUDO_EXITS),
        not_estimable=missing,
        unsettled=unsettled(runs),
        interactions=interactions(values, groups, steps, partial(bootstrap_mean, level=level, seed=seed)),
        seed=seed,
        resamples=RESAMPLES,
        notes=(*_later(found), *_notes(runs, paths, arms, missing, values)),
    )


@dataclass(frozen=True, slots=True)
class _Suspected:
    """Where checks place the sampled trials."""

    blamed: tuple[str, ...]
    table: Units
    level: float

    @classmethod
    def of(cls, blamed: Mapping[Trial, str], groups: Mapping[Trial, str], level: float) -> _Suspected:
        trials = sorted(trial for trial in groups if trial in blamed)
        n_cases = len({case for case, _ in trials})
        table = units([groups[trial] for trial in trials], weighting="runs", n_cases=n_cases)
        return cls(tuple(blamed[trial] for trial in trials), table, level)

    def at(self, exits: Sequence[str]) -> Estimate:
        """Share of the trials placed at one of these exits; nothing placed there is a claim ("at most")."""
        here = np.array([exit_ in exits for exit_ in self.blamed], dtype=bool)
        return clustered(here, self.table, level=self.level, method=None if here.any() else "korn-graubard")


def _paths(
    runs: Sequence[ReplayRun], lost: LostTrials, groups: Mapping[Trial, str]
) -> dict[Trial, tuple[str, ...]]:
    """Each sampled trial's steps by last visits: as it was recorded, else as far as it was rerun."""
    seen = rerun_paths(runs)
    return {trial: lost.paths.get(trial) or seen.get(trial, ()) for trial in sorted(groups)}


def _missing(runs: Sequence[ReplayRun], steps: Sequence[str], arms: Arms, found: Shares) -> dict[str, str]:
    """Step -> why it has no share, and where what it loses is counted."""
    golden = {run.step for run in runs if run.arm == "golden"}
    missing: dict[str, str] = {}
    for place, step in enumerate(steps):
        if step in found.of:
            continue
        why = NEVER_RESCUES if step in arms.steps else NO_RERUN if step in golden else NO_GOLDEN
        later = next((name for name in steps[place + 1 :] if name in found.of), None)
        if found.of:
            where = f"in the share of {later}" if later else "in what is left after the last share"
            why = f"{why}: what is lost there is {where}"
        missing[step] = why
    return missing


def _row(step: str, arms: Arms, found: Shares, missing: Mapping[str, str], level: float) -> StepCause:
    share = found.of.get(step) or Estimate(level=level, reason=missing[step])
    if step not in arms.steps or not arms.trials:
        return StepCause(step=step, share=share, effect=Estimate(level=level, reason=missing[step]))
    k = arms.steps.index(step)
    golden, observed = arms.golden[:, k], arms.observed[:, k]
    return StepCause(
        step=step,
        share=share,
        effect=mean_difference(golden, observed, arms.units, level=level),
        golden_pass=float(golden.mean()),
        observed_pass=float(observed.mean()),
        first=found.first.get(step),
    )


def _merged(rows: Sequence[StepCause]) -> Iterator[StepCause]:
    """Each share with the steps before it whose loss it holds too."""
    waiting: list[str] = []
    for row in rows:
        if row.share.point is None:
            waiting.append(row.step)
            yield row
        else:
            yield msgspec.structs.replace(row, together_with=tuple(waiting))
            waiting = []


def _beside(
    row: StepCause,
    paths: Mapping[Trial, tuple[str, ...]],
    suspected: _Suspected,
    shape: Shape,
) -> StepCause:
    """The row with what is known of its step without reruns."""
    step = shape.step(row.step)
    return msgspec.structs.replace(
        row,
        receivers=receivers(shape, row.step),
        layer=step.layer if step else None,
        layer_guessed=step.layer_guessed if step else False,
        n_trials=sum(row.step in path for path in paths.values()),
        suspected=suspected.at((row.step,)),
    )


def _later(found: Shares) -> Iterator[str]:
    if found.later:
        step, number = max(found.later.items(), key=lambda item: item[1])
        yield (
            f"Golden outputs up to {step} rescue most trials nearly always, and {_trials(number)} never: what loses "
            f"{'it' if number == 1 else 'them'} comes later, and until then {'it counts' if number == 1 else 'they count'} as undamaged."
        )


def _notes(
    runs: Sequence[ReplayRun],
    paths: Mapping[Trial, tuple[str, ...]],
    arms: Arms,
    missing: Mapping[str, str],
    values: Mapping[Trial, Mapping[str, float]],
) -> Iterator[str]:
    arm = {(run.case, run.trial, run.step) for run in runs if run.arm == "golden"}
    for step in (step for step in arms.steps if step not in missing):
        visits = [trial for trial, path in paths.items() if step in path]
        bare = sum((*trial, step) not in arm for trial in visits)
        if bare:
            yield (
                f"{step} has no golden output in {bare} of the {len(visits)} trials that visit it: what it loses there is "
                "in the share of the next step."
            )
    for step in arms.crossed:
        yield f"Some trials come to {step} in another order than most: what it loses there is in the share of the step before it."
    if arms.dropped:
        yield f"{_trials(arms.dropped)} without a settled rerun in one of the arms: left out of the shares."
    asked = {(run.case, run.trial) for run in runs if run.arm == "subset"}
    if asked and len(values) < len(asked):
        yield f"{_trials(len(asked) - len(values))} without a settled rerun of every subset: left out of the Shapley values."


def _trials(number: int) -> str:
    return f"{number} trial{'' if number == 1 else 's'}"
