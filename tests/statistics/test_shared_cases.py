"""Truth is known: how often the interval of P - S holds it when hard cases are hard alone and in the workflow alike."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.gap.analyse import analyse
from gapless.gap.latency import quantile
from gapless.records.estimate import Estimate
from gapless.records.trial import ComponentRun, Run
from gapless.records.workflow import FINISH, START, Edge, Shape, Step

STEPS = "abcd"
ENDS = (START, *STEPS, FINISH)
SHAPE = Shape(
    steps=tuple(Step(name=name) for name in STEPS),
    edges=tuple(Edge(source=ENDS[i], target=ENDS[i + 1]) for i in range(len(STEPS) + 1)),
)


def pass_rates(cases: int, rng: np.random.Generator) -> np.ndarray:
    """Each case has its own difficulty, the same for every step."""
    return 1 / (1 + np.exp(-(2.6 + rng.normal(size=cases))))


def measured(cases: int, trials: int, rng: np.random.Generator) -> tuple[Estimate, Estimate]:
    runs: list[Run] = []
    alone: list[ComponentRun] = []
    for index, rate in enumerate(pass_rates(cases, rng)):
        case = f"c{index}"
        for trial in range(trials):
            good = bool((rng.random(len(STEPS)) < rate).all())
            blame = None if good else "(unobserved)"
            outcome = "correct" if good else "wrong"
            runs.append(Run(case=case, trial=trial, group=case, outcome=outcome, blame=blame))
            alone += [
                ComponentRun(step=s, case=case, trial=trial, group=case, ok=bool(rng.random() < rate))
                for s in STEPS
            ]
    split = analyse(runs, alone, SHAPE).compounding
    return split.predicted, split.interaction_loss


def holds(estimate: Estimate, truth: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


def check(cases: int, trials: int, sims: int, least: float) -> None:
    many = pass_rates(1_000_000, np.random.default_rng(1))
    p = many.mean() ** len(STEPS)
    truth = p - (many ** len(STEPS)).mean()
    assert truth < -0.02  # nothing leaks: hard cases alone make S larger than P
    rng = np.random.default_rng(23)
    found = [measured(cases, trials, rng) for _ in range(sims)]
    error = 3 * (0.95 * 0.05 / sims) ** 0.5
    assert np.mean([holds(predicted, p) for predicted, _ in found]) > least - error
    assert np.mean([holds(interaction, truth) for _, interaction in found]) > least - error


def test_resampled_difference_holds_the_truth() -> None:
    check(cases=40, trials=1, sims=150, least=0.93)


@pytest.mark.full
@pytest.mark.parametrize(("cases", "trials"), [(15, 3), (30, 3), (60, 1), (100, 2)])
def test_resampled_difference_holds_the_truth_at_length(cases: int, trials: int) -> None:
    check(cases, trials, sims=1000, least=0.91 if cases < 30 else 0.925)


def latency_coverage(groups: int, q: float, sims: int) -> float:
    """Log-normal durations, five trials a case, 30 % of the variance between cases."""
    rng = np.random.default_rng(5)
    truth = np.exp({0.5: 0.0, 0.95: 1.6448536}[q])
    of = [group for group in range(groups) for _ in range(5)]
    hits = 0
    for _ in range(sims):
        between = np.sqrt(0.3) * rng.standard_normal((groups, 1))
        values = np.exp(between + np.sqrt(0.7) * rng.standard_normal((groups, 5))).ravel()
        hits += holds(quantile(values.tolist(), q, groups=of), float(truth))
    return hits / sims


@pytest.mark.parametrize(("groups", "q"), [(15, 0.5), (15, 0.95), (43, 0.95)])
def test_grouped_trials_cover_their_quantile(groups: int, q: float) -> None:
    assert latency_coverage(groups, q, 600) > 0.92
