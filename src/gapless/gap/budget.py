"""Holds a run table against a budget: claims by one-sided exact limits (METHOD sections 1, 2 and 15)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.clustered import ONE_GROUP, clustered, effective_runs, korn_graubard, mean
from gapless.gap.latency import quantile
from gapless.gap.rate import Interval, clopper_pearson
from gapless.gap.table import Table
from gapless.records.budget import BudgetLine, Kept
from gapless.records.estimate import Estimate
from gapless.records.trial import Outcome

_LEVEL = 0.90
"""Two-sided: each limit by itself is a one-sided 95 % claim."""
_RATES: Mapping[str, tuple[str, tuple[Outcome, ...]]] = {
    "min_success": ("S", ("correct",)),
    "max_silent_failures": ("the silent-failure rate", ("wrong",)),
    "max_escalation": ("the escalation rate", ("escalated",)),
    "max_loud_failures": ("the loud-failure rate", ("failed",)),
}
_TIMES = {"p95_ms": 0.95, "p99_ms": 0.99}


def check(table: Table, limits: Mapping[str, float]) -> tuple[BudgetLine, ...]:
    """One line per limit, in the order given.

    Args:
        table: The run table.
        limits: Name -> limit; rates as shares, times in milliseconds.
    """
    return tuple(
        _rate(table, name, limit) if name in _RATES else _time(table, name, limit)
        for name, limit in limits.items()
    )


def claim(values: NDArray[Any], table: Table) -> Estimate:
    """A rate with exact limits, each a one-sided 95 % claim.

    Args:
        values: bool array [N].
        table: Its trials.
    """
    units = table.units()
    if units.n_groups < 2:
        found = clustered(values, units, level=_LEVEL)
        return found if found.point is None else _with(found, Interval(0.0, 1.0), ONE_GROUP)
    found = clustered(values, units, level=_LEVEL, method="korn-graubard")
    if units.single:
        return _with(
            found,
            clopper_pearson(float(values.sum()), len(values), level=_LEVEL),
            found.reason,
            "clopper-pearson",
        )
    rate, n_eff = mean(values, units), effective_runs(values, units)
    return _with(found, korn_graubard(rate, n_eff, units.n_groups, level=_LEVEL), found.reason)


def _rate(table: Table, name: str, limit: float) -> BudgetLine:
    what, outcomes = _RATES[name]
    low, high = "at least", "at most"
    if name != "min_success" and table.count("unjudged") and outcomes == ("wrong",):
        missing = Estimate(level=_LEVEL, reason=f"{table.count('unjudged')} trials have no end verdict")
        said = f"{what} is not known: {missing.reason}."
        return BudgetLine(name=name, limit=limit, estimate=missing, verdict="undecided", sentence=said)
    found = claim(table.is_(*outcomes), table)
    smallest = name == "min_success"
    verdict = _verdict(found, limit, smallest=smallest)
    bound, word = (low, found.low) if (smallest == (verdict == "kept")) else (high, found.high)
    told = "not measured" if found.point is None or word is None else f"{bound} {100 * word:.1f} %"
    said = f"{what} is {told}, the budget asks for {low if smallest else high} {100 * limit:g} %: {verdict}"
    return BudgetLine(
        name=name,
        limit=limit,
        estimate=found,
        verdict=verdict,
        sentence=said + _more(found, limit, verdict, smallest=smallest),
    )


def _time(table: Table, name: str, limit: float) -> BudgetLine:
    known = ~np.isnan(table.ms)
    found = quantile(
        table.ms[known].tolist(),
        _TIMES[name],
        groups=table.units(known, weighting="runs") if known.any() else None,
        level=_LEVEL,
    )
    verdict = _verdict(found, limit, smallest=False)
    what = name.removesuffix("_ms")
    if found.point is None:
        said = f"{what} of a trial: {found.reason}: {verdict}"
    else:
        bound = ("at least", found.low) if verdict == "broken" else ("at most", found.high)
        told = "unbounded" if bound[1] is None else f"{bound[0]} {bound[1]:.0f} ms"
        said = f"{what} of a trial is {told}, the budget asks for at most {limit:g} ms: {verdict}"
    return BudgetLine(name=name, limit=limit, estimate=found, verdict=verdict, sentence=f"{said}.")


def _verdict(found: Estimate, limit: float, *, smallest: bool) -> Kept:
    """By the limits: the whole interval on the right side is kept, on the wrong side broken."""
    if found.point is None:
        return "undecided"
    kept = (
        found.low is not None and found.low >= limit
        if smallest
        else found.high is not None and found.high <= limit
    )
    broken = (
        found.high is not None and found.high < limit
        if smallest
        else found.low is not None and found.low > limit
    )
    return "kept" if kept else "broken" if broken else "undecided"


def _more(found: Estimate, limit: float, verdict: Kept, *, smallest: bool) -> str:
    """About how many more independent units would decide, if the rate stayed as it is."""
    if verdict != "undecided" or found.point is None or found.n_groups < 2:
        return "."
    p, on_its_side = found.point, found.point >= limit if smallest else found.point <= limit
    for factor in (1.25, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128):
        n = found.n_groups * factor
        low, high = clopper_pearson(p * n, n, level=_LEVEL)
        decided = (low >= limit or high < limit) if smallest else (high <= limit or low > limit)
        if decided:
            more = math.ceil(n - found.n_groups)
            return f"; about {more} more groups would decide{'' if on_its_side else ', against it'}."
    return "; it lies too close to the limit to be decided."


def _with(found: Estimate, limits: Interval, reason: str | None, method: str | None = None) -> Estimate:
    return Estimate(
        point=found.point,
        low=limits.low,
        high=limits.high,
        level=found.level,
        method=method or found.method,
        n_runs=found.n_runs,
        n_cases=found.n_cases,
        n_groups=found.n_groups,
        reason=reason,
    )
