"""Latency quantiles with distribution-free intervals (METHOD section 7). Steps' quantiles never add up."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from gapless.records.estimate import Estimate
from gapless.records.gap import LatencyRow
from gapless.records.trial import Run

TRIAL = "(trial)"
_RESAMPLES = 1000
_MOST_WORK = 20_000_000
_FEW_GROUPS_FOR_P99 = 368


class Ranks(NamedTuple):
    """1-based ranks of the order statistics that bound a quantile; None where there is none."""

    low: int | None
    high: int | None


def ranks(n: int, q: float, *, level: float = 0.95) -> Ranks:
    """Order statistics whose interval covers the q-quantile with at least the level, whatever the distribution.

    Example:
        >>> ranks(200, 0.5), ranks(200, 0.95), ranks(200, 0.99)
        (Ranks(low=86, high=115), Ranks(low=184, high=197), Ranks(low=195, high=None))
    """
    tail = (1 - level) / 2
    below = stats.binom.cdf(np.arange(n + 1), n, q)  # below[r] = P(Bin(n, q) <= r)
    # low: largest r with P(Bin < r) = below[r - 1] <= tail; high: smallest s with P(Bin >= s) = 1 - below[s - 1] <= tail
    lows = np.nonzero(below[:n] <= tail)[0] + 1
    highs = np.nonzero(1 - below[:n] <= tail)[0] + 1
    return Ranks(int(lows[-1]) if len(lows) else None, int(highs[0]) if len(highs) else None)


def quantile(
    values: Sequence[float], q: float, *, groups: Sequence[Hashable] | None = None, level: float = 0.95
) -> Estimate:
    """A quantile by nearest rank, in the values' own unit.

    Args:
        values: Durations in milliseconds, length n.
        q: 0..1.
        groups: Group of each value; resampled as the unit where a group holds several.
        level: Two-sided confidence level.

    Returns:
        The estimate; not estimable where no upper limit exists (p95 below 72 runs, p99 below 368).
    """
    n = len(values)
    n_groups = n if groups is None else len(set(groups))
    base = Estimate(level=level, n_runs=n, n_cases=n_groups, n_groups=n_groups)
    name = f"p{100 * q:g}"
    if n == 0:
        return _without(base, "never measured")
    independent = n_groups == n
    bounds = ranks(n_groups, q, level=level)
    if bounds.high is None or (not independent and q > 0.95 and n_groups < _FEW_GROUPS_FOR_P99):
        return _without(base, f"{name} not estimable from {n} runs of {n_groups} cases")
    ordered = np.sort(np.asarray(values, dtype=float))
    point = float(ordered[max(0, math.ceil(q * n - 1e-9) - 1)])
    if independent:
        low = float(ordered[bounds.low - 1]) if bounds.low is not None else None
        limits = (low, float(ordered[bounds.high - 1]), "order statistics")
    else:
        limits = (*_bootstrap(values, list(groups or ()), q, level), "cluster bootstrap")
    return Estimate(
        point=point,
        low=limits[0],
        high=limits[1],
        level=level,
        method=limits[2],
        n_runs=n,
        n_cases=n_groups,
        n_groups=n_groups,
    )


def latencies(runs: Sequence[Run], *, level: float = 0.95) -> tuple[LatencyRow, ...]:
    """p50, p95 and p99 of the whole trial and of each step's visits, in milliseconds, slowest step first."""
    by_step: dict[str, tuple[list[float], list[str]]] = defaultdict(lambda: ([], []))
    for run in runs:
        whole = by_step[TRIAL]
        whole[0].append(run.ms)
        whole[1].append(run.group)
        for event in run.events:
            if not event.router:
                values, groups = by_step[event.step]
                values.append(event.ms)
                groups.append(run.group)
    rows = [
        LatencyRow(
            step=step,
            p50=quantile(values, 0.5, groups=groups, level=level),
            p95=quantile(values, 0.95, groups=groups, level=level),
            p99=quantile(values, 0.99, groups=groups, level=level),
        )
        for step, (values, groups) in by_step.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.step != TRIAL, -(row.p50.point or 0.0), row.step)))


def _without(base: Estimate, reason: str) -> Estimate:
    return Estimate(
        level=base.level, n_runs=base.n_runs, n_cases=base.n_cases, n_groups=base.n_groups, reason=reason
    )


def _bootstrap(
    values: Sequence[float], groups: list[Hashable], q: float, level: float
) -> tuple[float, float]:
    seen: dict[Hashable, int] = {}
    codes = np.fromiter(
        (seen.setdefault(group, len(seen)) for group in groups), dtype=np.int64, count=len(groups)
    )
    y = np.asarray(values, dtype=float)
    order = np.argsort(y, kind="stable")
    y, codes = y[order], codes[order]
    rng = np.random.default_rng(0)  # seeded: the same table always gives the same report
    resamples = max(200, min(_RESAMPLES, _MOST_WORK // len(y)))
    found = np.empty(resamples)
    for index in range(resamples):
        counts = rng.multinomial(len(seen), np.full(len(seen), 1 / len(seen)))
        cumulated = np.cumsum(counts[codes])
        found[index] = y[np.searchsorted(cumulated, q * cumulated[-1] - 1e-9)]
    tail = (1 - level) / 2
    return float(np.quantile(found, tail)), float(np.quantile(found, 1 - tail))
