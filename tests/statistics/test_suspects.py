"""Ranked suspects in worlds whose culprit is known: named more often than by lot, and not where nothing can see it."""

from __future__ import annotations

import numpy as np

from gapless.gap.evidence import visits_of
from gapless.gap.suspects import Traced, first_suspects, weigh
from gapless.records.trial import Run, StepOutcome
from gapless.records.workflow import Shape

STEPS, CULPRIT, TRIALS = 5, 3, 200
WORLDS = 20


def world(seed: int, seen: float, noise: float) -> float:
    """Share of lost trials whose first suspect is the culprit.

    Args:
        seed: Of the world.
        seen: Chance that a suspicion fires at the culprit's visit where it spoils a trial.
        noise: Chance that one fires at any visit for no reason.
    """
    draw = np.random.default_rng(seed)
    trials: list[Traced] = []
    for number in range(TRIALS):
        lost = bool(draw.random() < 0.3)
        fires = draw.random(STEPS) < noise
        fires[CULPRIT] |= lost and draw.random() < seen
        events = tuple(
            StepOutcome(
                step=f"s{at}",
                visit=1,
                attempt=1,
                ok=None,
                ms=0.0,
                suspicions=("odd",) if fires[at] else (),
            )
            for at in range(STEPS)
        )
        run = Run(
            case=str(number),
            trial=0,
            group=str(number),
            outcome="wrong" if lost else "correct",
            events=events,
        )
        trials.append(Traced(run.case, 0, run.group, run.outcome, visits_of(run, {})))
    _, steps = first_suspects(trials, weigh(trials), Shape())
    found = {row.step: row.share.point or 0.0 for row in steps}
    return found.get(f"s{CULPRIT}", 0.0)


def test_a_culprit_that_is_seen_is_named_about_as_often_as_it_is_seen() -> None:
    """Seen in .7 + .3 x .1 = .73 of lost trials; where not, no other step is held against all the others' noise."""
    shares = [world(seed, seen=0.7, noise=0.1) for seed in range(WORLDS)]
    assert 0.70 <= float(np.mean(shares)) <= 0.82
    assert min(shares) > 1.5 / STEPS


def test_a_culprit_that_nothing_sees_is_named_no_more_than_by_lot() -> None:
    shares = [world(seed, seen=0.0, noise=0.1) for seed in range(WORLDS)]
    assert abs(float(np.mean(shares)) - 1 / STEPS) < 0.06
