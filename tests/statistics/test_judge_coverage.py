"""The corrected S holds the truth about as often as it says: trials in groups, labels on a random part of them."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.gap.clustered import clustered, units
from gapless.gap.verdict_error import corrected


@pytest.mark.parametrize(
    ("truth", "s", "c", "labels"), [(0.83, 0.95, 0.90, 80), (0.60, 0.85, 0.80, 60), (0.95, 0.92, 0.85, 100)]
)
def test_the_corrected_rate_covers_the_truth(truth: float, s: float, c: float, labels: int) -> None:
    rng = np.random.default_rng(11)
    groups, each, size = 60, 4, 1 / 0.2 - 1
    codes = np.repeat(np.arange(groups), each)
    whole = units(codes.tolist())
    hits = covered_as_judged = sims = 0
    for _ in range(400):
        rates = rng.beta(truth * size, (1 - truth) * size, groups)
        right = rng.random(groups * each) < rates[codes]
        passed = np.where(right, rng.random(len(right)) < s, rng.random(len(right)) >= c)
        drawn = rng.permutation(len(right))[:labels]
        yes, no = drawn[right[drawn]], drawn[~right[drawn]]
        if len(no) == 0:
            continue
        sims += 1
        observed = clustered(passed, whole)
        rate = [
            clustered(agreed, units(codes[of].tolist(), weighting="runs"))
            for agreed, of in ((passed[yes], yes), (~passed[no], no))
        ]
        found = corrected(observed, *rate)
        if found.low is None or found.high is None:
            hits += 1  # refused: no claim is made
            continue
        hits += found.low <= truth <= found.high
        covered_as_judged += (observed.low or 0) <= truth <= (observed.high or 1)
    assert hits / sims >= 0.94
    assert covered_as_judged / sims < hits / sims
