"""Intervals hold the truth as often as the method says: exactly where that can be computed, else by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gapless.gap.clustered import clustered, units
from gapless.gap.latency import ranks
from gapless.gap.rate import clopper_pearson, jeffreys, wilson


@pytest.mark.parametrize(
    ("n", "p", "method", "expected"),
    [
        (50, 0.97, wilson, 0.9372),
        (50, 0.97, clopper_pearson, 0.9832),
        (50, 0.97, jeffreys, 0.9832),
        (20, 0.995, wilson, 0.9046),
        (20, 0.995, clopper_pearson, 0.9955),
    ],
)
def test_exact_coverage(n: int, p: float, method: object, expected: float) -> None:
    covered = 0.0
    for k in range(n + 1):
        low, high = method(k, n)  # type: ignore[operator]
        covered += stats.binom.pmf(k, n, p) * (low <= p <= high)
    assert round(covered, 4) == expected


def coverage(groups: int, p: float, method: str, sims: int, seed: int) -> float:
    """Beta-binomial groups of five with an intraclass correlation of .3."""
    rng = np.random.default_rng(seed)
    table = units([g for g in range(groups) for _ in range(5)])
    size = 1 / 0.3 - 1
    hits = 0
    for _ in range(sims):
        rates = rng.beta(p * size, (1 - p) * size, groups)
        y = (rng.random((groups, 5)) < rates[:, None]).astype(float).ravel()
        estimate = clustered(y, table, method=method)
        hits += (estimate.low or 0) <= p <= (estimate.high if estimate.high is not None else 1)
    return hits / sims


ROWS = [
    (15, 0.83, "t-wilson", 0.9325),
    (15, 0.83, "korn-graubard", 0.9585),
    (15, 0.97, "t-wilson", 0.978),
    (15, 0.97, "korn-graubard", 0.9975),
    (30, 0.83, "t-wilson", 0.9480),
    (30, 0.83, "korn-graubard", 0.9605),
    (30, 0.97, "t-wilson", 0.9650),
    (30, 0.97, "korn-graubard", 0.9885),
]


@pytest.mark.parametrize(("groups", "p", "method", "expected"), ROWS)
def test_clustered_coverage(groups: int, p: float, method: str, expected: float) -> None:
    found = coverage(groups, p, method, 800, 5)
    error = (expected * (1 - expected) * (1 / 800 + 1 / 2000)) ** 0.5
    assert abs(found - expected) < 4 * error


@pytest.mark.full
@pytest.mark.parametrize(
    ("groups", "p", "method", "expected"),
    [
        *ROWS,
        (100, 0.83, "t-wilson", 0.9555),
        (100, 0.83, "korn-graubard", 0.9670),
        (100, 0.97, "t-wilson", 0.9210),
        (100, 0.97, "korn-graubard", 0.9410),
    ],
)
def test_clustered_coverage_at_length(groups: int, p: float, method: str, expected: float) -> None:
    found = coverage(groups, p, method, 6000, 17)
    error = (expected * (1 - expected) * (1 / 6000 + 1 / 2000)) ** 0.5
    assert abs(found - expected) < 4 * error


@pytest.mark.parametrize(("groups", "p", "expected"), [(15, 0.83, 0.8075), (100, 0.97, 0.8075)])
def test_counting_trials_as_independent_would_not_cover(groups: int, p: float, expected: float) -> None:
    """Why groups decide the width: Wilson on all trials covers far too rarely."""
    rng = np.random.default_rng(9)
    size, sims = 1 / 0.3 - 1, 1500
    rates = rng.beta(p * size, (1 - p) * size, (sims, groups))
    passed = rng.binomial(5, rates).sum(axis=1)
    limits = {int(k): wilson(int(k), 5 * groups) for k in np.unique(passed)}
    found = float(np.mean([limits[int(k)].low <= p <= limits[int(k)].high for k in passed]))
    assert abs(found - expected) < 4 * (expected * (1 - expected) * (1 / sims + 1 / 2000)) ** 0.5


@pytest.mark.parametrize(("n", "q"), [(50, 0.5), (200, 0.5), (200, 0.95)])
def test_order_statistics_cover_the_quantile(n: int, q: float) -> None:
    bounds = ranks(n, q)
    assert bounds.low is not None
    assert bounds.high is not None
    rng = np.random.default_rng(3)
    ordered = np.sort(rng.random((4000, n)), axis=1)
    held = (ordered[:, bounds.low - 1] <= q) & (q <= ordered[:, bounds.high - 1])
    assert held.mean() > 0.94
