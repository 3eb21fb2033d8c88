"""What trials cost, and what a correct one costs: failures are paid for too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.clustered import FEW_GROUPS, ONE_GROUP, Units
from gapless.gap.rate import NEVER, t_quantile
from gapless.gap.table import Table
from gapless.records.cost import CostRow, Prices
from gapless.records.estimate import Estimate

UNJUDGED = "some of these trials have no end verdict"
NONE_CORRECT = "none of these trials is correct"
_FEW = 10
_MILLION = 1e6


def costs(table: Table, prices: Prices, *, level: float = 0.95) -> tuple[CostRow, ...]:
    """Tokens, reviews and money per trial and per correct trial; nothing for what was not recorded.

    Args:
        table: The run table.
        prices: What things cost; money is left out where a price is missing that it needs.
        level: Two-sided confidence level.
    """
    kinds = [*_tokens(table), *_reviews(table), *_money(table, prices)]
    return tuple(_row(table, what, unit, values, level) for what, unit, values in kinds)


def ratio(
    above: NDArray[Any], below: NDArray[Any], units: Units, *, low: float = 0.0, level: float = 0.95
) -> Estimate:
    """A ratio of two sums with an interval, whole groups as the unit.

    Args:
        above: float array [N], no NaN.
        below: float array [N], with a positive sum.
        units: Groups and weights of the N runs.
        low: What the ratio cannot be below.
        level: Two-sided confidence level.

    Source:
        Cochran (1977), Sampling Techniques, 3rd ed., section 6.4: linearisation of a ratio of cluster totals, with
        Student's t at G - 1 degrees of freedom.
    """
    g, w = units.n_groups, units.weights
    base = float(np.dot(w, below))
    point = float(np.dot(w, above)) / base
    stands_on: dict[str, Any] = {
        "point": point,
        "level": level,
        "n_runs": len(above),
        "n_cases": units.n_cases,
        "n_groups": g,
    }
    if g < 2:
        return Estimate(method="none", reason=ONE_GROUP, **stands_on)
    sums = np.bincount(units.codes, weights=w * (above - point * below), minlength=g)
    error = float(np.sqrt(g / (g - 1) * np.sum(sums**2))) / base
    reach = t_quantile(level, g - 1) * error
    return Estimate(
        low=max(low, point - reach),
        high=point + reach,
        method="ratio t",
        reason=FEW_GROUPS if g < _FEW else None,
        **stands_on,
    )


def _tokens(table: Table) -> Iterator[tuple[str, str, NDArray[Any]]]:
    for what, values in (("tokens in", table.tokens_in), ("tokens out", table.tokens_out)):
        if not np.isnan(values).all():
            yield what, "tokens", values


def _reviews(table: Table) -> Iterator[tuple[str, str, NDArray[Any]]]:
    if table.count("escalated"):
        yield "reviews", "reviews", table.is_("escalated").astype(float)


def _money(table: Table, prices: Prices) -> Iterator[tuple[str, str, NDArray[Any]]]:
    spent = np.zeros(len(table))
    for price, values in (
        (prices.per_million_tokens_in, table.tokens_in),
        (prices.per_million_tokens_out, table.tokens_out),
    ):
        if price is not None:
            spent = (
                spent + price * values / _MILLION
            )  # NaN where unknown, and then the trial's money is unknown
    if prices.per_review is not None:
        spent = spent + prices.per_review * table.is_("escalated")
    priced = (prices.per_million_tokens_in, prices.per_million_tokens_out, prices.per_review)
    if any(price is not None for price in priced) and not np.isnan(spent).all():
        yield "money", prices.currency, spent


def _row(table: Table, what: str, unit: str, values: NDArray[Any], level: float) -> CostRow:
    known = ~np.isnan(values)
    spent, units = values[known], table.units(known, weighting="runs")
    correct = table.is_("correct")[known].astype(float)
    return CostRow(
        what=what,
        unit=unit,
        per_trial=ratio(spent, np.ones(len(spent)), units, level=level),
        per_correct=_per_correct(table, known, spent, correct, units, level),
        total=float(spent.sum()),
    )


def _per_correct(
    table: Table,
    known: NDArray[Any],
    spent: NDArray[Any],
    correct: NDArray[Any],
    units: Units,
    level: float,
) -> Estimate:
    if np.any(table.is_("unjudged")[known]):
        return Estimate(level=level, n_runs=len(spent), reason=UNJUDGED)
    if not correct.any():
        return Estimate(level=level, n_runs=len(spent), reason=NONE_CORRECT if len(spent) else NEVER)
    return ratio(spent, correct, units, level=level)
