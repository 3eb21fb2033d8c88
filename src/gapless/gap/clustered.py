"""One rate from runs that come in groups: the one function every clustered interval uses (METHOD section 2)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.codes import compact
from gapless.gap.rate import (
    NEVER,
    Interval,
    clopper_pearson,
    t_quantile,
    wilson,
    z_quantile,
)
from gapless.records.estimate import Estimate

ONE_GROUP = "one case: no generalisation"
FEW_GROUPS = "few cases"
_FEW = 10
_SMALL_G = 40
_NEAR_EDGE = 0.05
_ROUNDING = 1e-12
_NO_SPREAD = 1e-9  # all groups have the same mean; what is left of the spread is rounding


@dataclass(frozen=True, slots=True)
class Units:
    """Which runs belong together, and how much each counts; computed once for a table, used for every rate of it."""

    codes: Any
    """int array [N]: the group of each run, 0..G-1."""
    sizes: Any
    """int array [G]: runs per group."""
    weights: Any
    """float array [N]: adds up to 1."""
    weighting: str
    """"runs" if all groups are equally large, else "cases"."""
    n_cases: int

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.sizes)

    @property
    def single(self) -> bool:
        """Whether every group has one run, and each run counts the same."""
        return bool(np.all(self.sizes == 1)) and float(np.ptp(self.weights)) < _ROUNDING

    def part(self, keep: NDArray[Any], *, n_cases: int) -> Units:
        """The table of some of the runs: they keep their groups and, among themselves, their weights.

        Args:
            keep: bool array [N], true for at least one run.
            n_cases: Distinct cases among the runs that stay.
        """
        codes, _ = compact(self.codes[keep])
        weights = self.weights[keep]
        return Units(codes, np.bincount(codes), weights / weights.sum(), self.weighting, n_cases)


def units(groups: Sequence[Hashable], *, weighting: str | None = None, n_cases: int | None = None) -> Units:
    """Groups of runs and their weights: run-weighted if all groups are equally large, else each group counts the same.

    Args:
        groups: Group of each run, length N.
        weighting: "runs" or "cases" to force one.
        n_cases: Distinct cases, where a group holds several.
    """
    seen: dict[Hashable, int] = {}
    codes = np.fromiter(
        (seen.setdefault(group, len(seen)) for group in groups), dtype=np.int64, count=len(groups)
    )
    return units_of(codes, len(seen), weighting=weighting, n_cases=n_cases)


def units_of(
    codes: NDArray[Any], n_groups: int, *, weighting: str | None = None, n_cases: int | None = None
) -> Units:
    """`units` of groups that are codes already.

    Args:
        codes: int array [N], 0..n_groups-1.
        n_groups: Number of groups, each with at least one run.
        weighting: "runs" or "cases" to force one.
        n_cases: Distinct cases, where a group holds several.
    """
    sizes = np.bincount(codes, minlength=n_groups)
    equal = len(sizes) == 0 or bool(np.all(sizes == sizes[0]))
    chosen = weighting or ("runs" if equal else "cases")
    n = len(codes)
    weights = np.full(n, 1 / n) if chosen == "runs" and n else 1 / (len(sizes) * sizes[codes])
    return Units(codes, sizes, weights, chosen, n_groups if n_cases is None else n_cases)


def clustered(
    values: Sequence[float] | NDArray[Any],
    groups: Sequence[Hashable] | Units,
    *,
    level: float = 0.95,
    method: str | None = None,
) -> Estimate:
    """A rate and its interval, groups resampled as the unit.

    Args:
        values: 0 or 1 for each run (or a share within [0, 1]), length N.
        groups: Group of each run, or the `Units` of the table.
        level: Two-sided confidence level.
        method: "t-wilson" or "korn-graubard" to force one. By default one run per group gives "wilson"; below 40
            groups, or with a rate within .05 of an edge, "korn-graubard"; else "t-wilson".

    Returns:
        The estimate; one group gives (0, 1), for nothing can be said of others.

    Source:
        Dean and Pagano (2015), Survey Practice; Korn and Graubard (1998), Survey Methodology 24.

    Example:
        >>> ok = [1] * 11 + [0] + [1, 1, 0, 0] + [0] * 4 + [1] * 4
        >>> six = [case for case in range(6) for _ in range(4)]
        >>> estimate = clustered(ok, six, method="t-wilson")
        >>> [round(x, 6) for x in (estimate.point, estimate.low, estimate.high)]
        [0.708333, 0.289106, 0.935495]
    """
    table = groups if isinstance(groups, Units) else units(groups)
    n, g = len(table.codes), table.n_groups
    if n == 0:
        return Estimate(low=0.0, high=1.0, level=level, method="none", reason=NEVER)
    y = np.asarray(values, dtype=float)
    p = mean(y, table)
    chosen, limits = _interval(p, y, table, level, method)
    return Estimate(
        point=p,
        low=limits.low,
        high=limits.high,
        level=level,
        method=chosen,
        n_runs=n,
        n_cases=table.n_cases,
        n_groups=g,
        reason=ONE_GROUP if g == 1 else FEW_GROUPS if g < _FEW else None,
    )


def mean(values: Any, table: Units) -> float:
    """The weighted mean; what misses 0 or 1 by rounding is 0 or 1."""
    p = float(np.dot(table.weights, np.asarray(values, dtype=float)))
    return float(round(p)) if abs(p - round(p)) < _ROUNDING else p


def standard_error(values: Any, table: Units) -> float:
    """Cluster-robust (CR1) standard error of the weighted mean; 0 groups' spread gives 0."""
    y = np.asarray(values, dtype=float)
    residual = table.weights * (y - np.dot(table.weights, y))
    sums = np.bincount(table.codes, weights=residual, minlength=table.n_groups)
    g = table.n_groups
    return float(np.sqrt(g / (g - 1) * np.sum(sums**2))) if g > 1 else 0.0


def effective_runs(values: Any, table: Units) -> float:
    """How many independent runs the table is worth: min(N, p(1-p)/SE^2); G where the spread is zero."""
    p = mean(values, table)
    error = standard_error(values, table)
    if p <= 0 or p >= 1 or error < _NO_SPREAD:
        return float(table.n_groups)
    return min(float(len(table.codes)), p * (1 - p) / error**2)


def design_effect(values: Any, table: Units) -> float | None:
    """N SE^2 / (p(1-p)); None where p is 0 or 1."""
    p = mean(values, table)
    if p <= 0 or p >= 1:
        return None
    return len(table.codes) * standard_error(values, table) ** 2 / (p * (1 - p))


def intraclass_correlation(values: Any, table: Units) -> float | None:
    """ANOVA estimate of the correlation of runs within a group; None without repeats or without spread."""
    y = np.asarray(values, dtype=float)
    n, g = len(y), table.n_groups
    if g < 2 or n <= g:
        return None
    means = np.bincount(table.codes, weights=y, minlength=g) / table.sizes
    between = float(np.sum(table.sizes * (means - y.mean()) ** 2)) / (g - 1)
    within = float(np.sum((y - means[table.codes]) ** 2)) / (n - g)
    size = (n - float(np.sum(table.sizes**2)) / n) / (g - 1)
    spread = between + (size - 1) * within
    return (between - within) / spread if spread > 0 else None


def korn_graubard(p: float, n_eff: float, groups: int, *, level: float = 0.95) -> Interval:
    """Clopper-Pearson at the effective sample size, shrunk for the few degrees of freedom.

    Example:
        >>> [round(limit, 6) for limit in korn_graubard(0.7083333333, 7.7272727, 6)]
        [0.192574, 0.984023]
    """
    shrunk = n_eff * (z_quantile(level) / t_quantile(level, groups - 1)) ** 2
    return clopper_pearson(p * shrunk, shrunk, level=level)


def _interval(p: float, y: Any, table: Units, level: float, method: str | None) -> tuple[str, Interval]:
    g = table.n_groups
    if g == 1:
        return "none", Interval(0.0, 1.0)
    if table.single and method is None:
        return "wilson", wilson(float(np.sum(y)), len(y), level=level)
    n_eff = effective_runs(y, table)
    near = p > 1 - _NEAR_EDGE + _ROUNDING or p < _NEAR_EDGE - _ROUNDING
    chosen = method or ("korn-graubard" if g < _SMALL_G or near else "t-wilson")
    if chosen == "korn-graubard":
        return chosen, korn_graubard(p, n_eff, g, level=level)
    return chosen, wilson(p * n_eff, n_eff, level=level, critical=t_quantile(level, g - 1))
