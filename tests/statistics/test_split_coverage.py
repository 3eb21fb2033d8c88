"""Limits of P - S, and of a rate told by an imperfect judge, hold the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.gap.clustered import clustered, units
from gapless.gap.compounding import compounding, plan
from gapless.gap.rate import proportion
from gapless.gap.verdict_error import corrected
from gapless.records.estimate import Estimate
from gapless.records.gap import Component, Compounding

STEPS = "abcdef"
PLAN = plan([tuple(STEPS)], [1.0])


def split(rates: list[Estimate], success: Estimate) -> Compounding:
    parts = [
        Component(step=step, layer="tool", layer_guessed=False, rate=rate, needed=1.0)
        for step, rate in zip(STEPS, rates, strict=True)
    ]
    return compounding(parts, PLAN, success)


def holds(estimate: Estimate, truth: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


def interaction_coverage(benchmark: int, trials: int, p: float, sims: int, seed: int) -> float:
    """Six independent steps of rate p and nothing lost at the boundaries: P - S is 0."""
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(sims):
        rates = [proportion(int(k), benchmark) for k in rng.binomial(benchmark, p, len(STEPS))]
        success = proportion(int(rng.binomial(trials, p ** len(STEPS))), trials)
        hits += holds(split(rates, success).interaction_loss, 0.0)
    return hits / sims


MOVER = [
    (30, 60, 0.97, 0.9485),
    (100, 200, 0.97, 0.9390),
    (300, 500, 0.97, 0.9540),
    (100, 200, 0.995, 0.9655),
]


@pytest.mark.parametrize(("benchmark", "trials", "p", "expected"), MOVER)
def test_the_interaction_loss_is_covered(benchmark: int, trials: int, p: float, expected: float) -> None:
    found = interaction_coverage(benchmark, trials, p, 600, 3)
    assert abs(found - expected) < 4 * (expected * (1 - expected) * (1 / 600 + 1 / 2000)) ** 0.5


@pytest.mark.full
@pytest.mark.parametrize(("benchmark", "trials", "p", "expected"), MOVER)
def test_the_interaction_loss_is_covered_at_length(
    benchmark: int, trials: int, p: float, expected: float
) -> None:
    found = interaction_coverage(benchmark, trials, p, 5000, 29)
    assert abs(found - expected) < 4 * (expected * (1 - expected) * (1 / 5000 + 1 / 2000)) ** 0.5


def repeated_coverage(groups: int, p: float, method: str | None, sims: int) -> float:
    """P from a benchmark of three correlated trials per case."""
    rng = np.random.default_rng(8)
    table = units([case for case in range(groups) for _ in range(3)])
    size = 1 / 0.3 - 1
    hits = 0
    for _ in range(sims):
        rates: list[Estimate] = []
        for _ in STEPS:
            hard = rng.beta(p * size, (1 - p) * size, groups)
            passed = rng.random((groups, 3)) < hard[:, None]
            rates.append(clustered(passed.ravel().astype(float), table, method=method))
        hits += holds(split(rates, proportion(160, 200)).predicted, p ** len(STEPS))
    return hits / sims


def test_few_repeated_benchmark_cases_are_covered_by_the_limits_of_clustered_rates() -> None:
    """Why P of a repeated benchmark starts from the clustered limits: with t-Wilson alone it covers .90 here."""
    assert repeated_coverage(30, 0.97, None, 400) > 0.92


@pytest.mark.full
def test_t_wilson_limits_would_be_too_narrow_for_few_repeated_benchmark_cases() -> None:
    assert repeated_coverage(30, 0.97, "t-wilson", 1500) < 0.93
    assert repeated_coverage(30, 0.97, None, 1500) > 0.93


@pytest.mark.parametrize(
    ("truth", "s", "c", "trials", "labelled"),
    [(0.86, 0.95, 0.90, 100, 100), (0.97, 0.98, 0.95, 200, 50), (0.50, 0.80, 0.70, 200, 60)],
)
def test_a_corrected_rate_is_covered(truth: float, s: float, c: float, trials: int, labelled: int) -> None:
    rng = np.random.default_rng(1)
    passed = truth * s + (1 - truth) * (1 - c)
    hits = sims = 0
    for _ in range(800):
        sensitivity = proportion(int(rng.binomial(labelled, s)), labelled)
        specificity = proportion(int(rng.binomial(labelled, c)), labelled)
        found = corrected(proportion(int(rng.binomial(trials, passed)), trials), sensitivity, specificity)
        hits, sims = hits + (found.point is not None and holds(found, truth)), sims + 1
    assert 0.93 < hits / sims < 0.995
