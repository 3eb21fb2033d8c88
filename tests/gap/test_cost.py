"""What trials cost, and what a correct one costs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gapless.gap.clustered import units
from gapless.gap.cost import costs, ratio
from gapless.gap.rate import t_quantile
from gapless.gap.table import Table
from gapless.records.cost import CostRow, Prices
from gapless.records.trial import Outcome, Run


def rows(*trials: tuple[Outcome, int | None, int | None], prices: Prices | None = None) -> dict[str, CostRow]:
    runs = [
        Run(case=f"c{i}", trial=0, group=f"c{i}", outcome=outcome, tokens_in=read, tokens_out=written)
        for i, (outcome, read, written) in enumerate(trials)
    ]
    return {row.what: row for row in costs(Table.of(iter(runs)), prices or Prices())}


def test_failures_are_paid_for_too() -> None:
    found = rows(("correct", 1000, 20), ("wrong", 2000, 40))
    assert found["tokens in"].per_trial.point == 1500
    assert found["tokens in"].per_correct.point == 3000
    assert found["tokens out"].per_correct.point == 60
    assert "money" not in found
    assert "reviews" not in found


@pytest.mark.parametrize("outcomes", [("wrong", "failed"), ("unjudged", "correct")])
def test_no_number_where_no_trial_is_known_correct(outcomes: tuple[Outcome, Outcome]) -> None:
    first, second = outcomes
    found = rows((first, 1000, 20), (second, 2000, 40))["tokens in"]
    assert found.per_trial.point == 1500
    assert found.per_correct.point is None
    assert found.per_correct.reason


def test_trials_that_do_not_say_are_left_out() -> None:
    assert rows(("correct", None, None)) == {}
    found = rows(("correct", 1000, 20), ("correct", None, 5))
    assert found["tokens in"].per_trial.n_runs == 1
    assert found["tokens out"].per_trial.n_runs == 2


def test_money_is_tokens_and_reviews_at_their_price() -> None:
    prices = Prices(per_million_tokens_in=2, per_million_tokens_out=10, per_review=1.5, currency="EUR")
    found = rows(("correct", 500_000, 100_000), ("escalated", 500_000, 100_000), prices=prices)
    assert found["reviews"].per_trial.point == 0.5
    assert found["money"].unit == "EUR"
    assert found["money"].per_trial.point == pytest.approx(2.75)
    assert found["money"].per_correct.point == pytest.approx(5.5)
    # a price for tokens that nobody counted gives no money
    assert "money" not in rows(("correct", None, None), prices=Prices(per_million_tokens_in=2))


def test_a_ratio_of_group_totals_by_hand() -> None:
    above, below = np.array([4.0, 6.0, 1.0, 3.0]), np.array([1.0, 1.0, 0.0, 1.0])
    found = ratio(above, below, units(["a", "a", "b", "b"]))
    assert found.point == pytest.approx(14 / 3)
    residuals = [10 - 2 * 14 / 3, 4 - 14 / 3]
    error = math.sqrt(2 / 1 * sum((r / 4) ** 2 for r in residuals)) / (3 / 4)
    assert found.high == pytest.approx(14 / 3 + t_quantile(0.95, 1) * error)
    assert found.low == 0.0
    assert ratio(above, below, units(["a"] * 4)).low is None


def test_intervals_hold_what_they_say() -> None:
    random = np.random.default_rng(5)
    hits = 0
    for _ in range(400):
        group = np.repeat(np.arange(40), 3)
        hard = random.normal(size=40)[group]
        spent = np.exp(0.3 * hard + 0.2 * random.normal(size=120)) * 100
        right = (random.random(120) < 1 / (1 + np.exp(hard - 1))).astype(float)
        found = ratio(spent, right, units(group.tolist()))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= _TRUE <= found.high
    assert hits / 400 > 0.92


def _true() -> float:
    random = np.random.default_rng(1)
    hard = random.normal(size=2_000_000)
    spent = np.exp(0.3 * hard + 0.2 * random.normal(size=2_000_000)) * 100
    return float(spent.mean() / (1 / (1 + np.exp(hard - 1))).mean())


_TRUE = _true()
