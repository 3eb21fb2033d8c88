"""Paired tests and intervals on worlds whose truth is known (METHOD section 6)."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.gap.paired import bonett_price, mcnemar, paired_t

SIMULATIONS = 4000


def test_pairing_by_case_keeps_its_level_where_pooled_runs_do_not() -> None:
    """The change helps some cases and hurts others, net 0: five trials each, before and after."""
    rng = np.random.default_rng(1)
    cases, trials = 60, 5
    by_case = pooled = 0
    for _ in range(SIMULATIONS):
        shift = rng.choice([-0.35, 0.35], size=cases)
        before = rng.random((cases, trials)) < 0.5
        after = rng.random((cases, trials)) < (0.5 + shift)[:, None]
        x = after.mean(axis=1) - before.mean(axis=1)
        by_case += paired_t(x) < 0.05
        losses, gains = int(np.sum(before & ~after)), int(np.sum(~before & after))
        pooled += mcnemar(losses, gains) < 0.05
    assert by_case / SIMULATIONS == pytest.approx(0.05, abs=0.012)
    assert pooled / SIMULATIONS > 0.08


def test_the_interval_of_one_trial_per_case_covers() -> None:
    rng = np.random.default_rng(2)
    n, lost, won = 50, 0.05, 0.12
    covered = 0
    for _ in range(SIMULATIONS):
        losses, gains, _ = rng.multinomial(n, [lost, won, 1 - lost - won])
        low, high = bonett_price(int(losses), int(gains), n)
        covered += low <= won - lost <= high
    assert 0.95 < covered / SIMULATIONS < 0.99


def test_the_test_of_one_trial_per_case_keeps_its_level() -> None:
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(SIMULATIONS):
        losses, gains, _ = rng.multinomial(200, [0.1, 0.1, 0.8])
        found += mcnemar(int(losses), int(gains)) < 0.05
    assert found / SIMULATIONS < 0.06
