"""Before and after on the same cases, always paired by case; the group is the unit (METHOD section 6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gapless.gap.clustered import ONE_GROUP, clustered
from gapless.gap.rate import t_quantile, z_quantile
from gapless.gap.table import Table
from gapless.records.estimate import Estimate

_FEW = 30
_NO_SPREAD = 1e-9
_ROUNDING = 1e-9


class Test(NamedTuple):
    """A two-sided test of "no difference"."""

    __test__ = False  # for pytest, which takes every Test for one of its own

    name: str
    p: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Two tables cut to the cases that both have."""

    before: Table
    after: Table
    cases: tuple[str, ...]
    """The shared cases, sorted."""
    groups: NDArray[Any]
    """int array [cases]: the group of each, as the later table has it."""
    only_before: int
    """Cases that are left out."""
    only_after: int

    @classmethod
    def of(cls, before: Table, after: Table) -> Pairs:
        """Pairs two tables by case."""
        shared = tuple(sorted(set(before.cases) & set(after.cases)))
        ours, theirs = _cut(before, shared), _cut(after, shared)
        return cls(
            before=ours,
            after=theirs,
            cases=shared,
            groups=_groups(theirs, shared),
            only_before=len(before.cases) - len(shared),
            only_after=len(after.cases) - len(shared),
        )

    @property
    def n_groups(self) -> int:
        """Independent units among the shared cases."""
        return len(np.unique(self.groups))

    @property
    def single(self) -> bool:
        """Whether every case has one trial before, one after, and is its own group."""
        return len(self.before) == len(self.after) == len(self.cases) == self.n_groups

    def differences(self, before: NDArray[Any], after: NDArray[Any]) -> NDArray[Any]:
        """x_g: mean after minus mean before of each group's cases.

        Args:
            before: Value of each earlier trial, 0 to 1.
            after: Value of each later trial.
        """
        gained = _case_means(self.after, after, self.cases) - _case_means(self.before, before, self.cases)
        return np.bincount(self.groups, weights=gained) / np.bincount(self.groups)


def difference(
    pairs: Pairs, before: NDArray[Any], after: NDArray[Any], *, level: float = 0.95
) -> tuple[Estimate, Test]:
    """After minus before, with its interval and its test.

    Args:
        pairs: The paired tables.
        before: Value of each earlier trial, 0 to 1.
        after: Value of each later trial.
        level: Two-sided confidence level.

    Returns:
        With one trial per case, each case its own group: Bonett and Price's interval and McNemar's mid-p. Else Student's
        t over the groups' differences, tested by sign flips below 30 groups. Where all groups differ by the same, t has
        no width: the limits of the two rates are combined as if they had nothing in common, or, where nothing differs at
        all, each group counts as one case without a change.
    """
    g = pairs.n_groups
    base = Estimate(
        level=level,
        n_runs=len(pairs.before) + len(pairs.after),
        n_cases=len(pairs.cases),
        n_groups=g,
        reason="few cases" if 1 < g < 10 else None,
    )
    if g == 0:
        return msgspec.structs.replace(base, method="none", reason="no case is in both"), Test("none", None)
    x = pairs.differences(before, after)
    point = float(x.mean())
    if g == 1:
        alone = msgspec.structs.replace(
            base, point=point, low=-1.0, high=1.0, method="none", reason=ONE_GROUP
        )
        return alone, Test("none", None)
    if pairs.single:
        losses, gains = int(np.sum(x < -_ROUNDING)), int(np.sum(x > _ROUNDING))
        low, high = bonett_price(losses, gains, g, level=level)
        found = msgspec.structs.replace(base, point=point, low=low, high=high, method="bonett-price")
        return found, Test("mcnemar mid-p", mcnemar(losses, gains))
    if float(np.abs(x).max()) < _NO_SPREAD:  # nothing differs: each group counts as one case without a change
        low, high = bonett_price(0, 0, g, level=level)
        found = msgspec.structs.replace(base, point=0.0, low=low, high=high, method="bonett-price")
        return found, Test("sign flips", 1.0)
    if float(np.ptp(x)) < _NO_SPREAD:
        low, high = _unpaired(pairs, before, after, point, level)
        found = msgspec.structs.replace(base, point=point, low=low, high=high, method="mover")
        return found, Test("sign flips", sign_flips(x)) if g < _FEW else Test(
            "paired t", 1.0 if abs(point) < _ROUNDING else None
        )
    half = t_quantile(level, g - 1) * float(x.std(ddof=1)) / math.sqrt(g)
    found = msgspec.structs.replace(
        base, point=point, low=max(-1.0, point - half), high=min(1.0, point + half), method="paired t"
    )
    return found, Test("sign flips", sign_flips(x)) if g < _FEW else Test("paired t", paired_t(x))


def paired_t(x: NDArray[Any]) -> float:
    """Two-sided p of Student's t for a mean difference of 0.

    Example:
        >>> round(paired_t(np.array([.5, .5, .5, 0, 0])), 6)
        0.070484
    """
    n = len(x)
    t = float(x.mean()) / (float(x.std(ddof=1)) / math.sqrt(n))
    return float(2 * stats.t.sf(abs(t), n - 1))


def sign_flips(x: NDArray[Any]) -> float:
    """Exact two-sided p over all ways to flip signs, for up to 40 differences that are not 0; exact under symmetry.

    Source:
        Fisher (1935), The Design of Experiments, section 21. Counted by halves: the sums of one half of the differences
        are sorted, and looked up for each sum of the other.

    Example:
        >>> sign_flips(np.array([.5, .5, .5, 0, 0]))
        0.25
    """
    sizes = np.abs(x[np.abs(x) > _ROUNDING])
    if len(sizes) == 0:
        return 1.0
    reach = abs(float(x.sum())) - _ROUNDING
    half = len(sizes) // 2
    left, right = np.sort(_sums(sizes[:half])), _sums(sizes[half:])
    above = len(left) - np.searchsorted(left, reach - right, side="left")
    below = np.searchsorted(left, -reach - right, side="right")
    return min(1.0, float(np.sum(above + below)) / 2.0 ** len(sizes))


def mcnemar(losses: int, gains: int, *, exact: bool = False) -> float:
    """Two-sided p of McNemar's test for one trial per case: mid-p, or exact (conservative).

    Source:
        McNemar (1947), Psychometrika 12; Fagerland, Lydersen and Laake (2013), BMC Medical Research Methodology 13.

    Example:
        >>> round(mcnemar(4, 13), 6), round(mcnemar(4, 13, exact=True), 6)
        (0.030884, 0.049042)
    """
    n, few = losses + gains, min(losses, gains)
    if n == 0:
        return 1.0
    whole = min(1.0, 2 * float(stats.binom.cdf(few, n, 0.5)))
    return (
        whole
        if exact
        else min(1.0, 2 * float(stats.binom.cdf(few, n, 0.5)) - float(stats.binom.pmf(few, n, 0.5)))
    )


def bonett_price(losses: int, gains: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Interval of a difference of paired proportions, gains minus losses, with one trial per case.

    Source:
        Bonett and Price (2012), Journal of Educational and Behavioral Statistics 37.

    Example:
        >>> [round(limit, 6) for limit in bonett_price(4, 13, 100)]
        [0.006247, 0.170224]
    """
    lost, won = (losses + 1) / (n + 2), (gains + 1) / (n + 2)
    middle = won - lost
    half = z_quantile(level) * math.sqrt((won + lost - middle**2) / (n + 2))
    return max(-1.0, middle - half), min(1.0, middle + half)


def _sums(sizes: NDArray[Any]) -> NDArray[Any]:
    """All sums of the sizes under either sign, 2^n of them."""
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums - size, sums + size])
    return sums


def _cut(table: Table, cases: tuple[str, ...]) -> Table:
    wanted = set(cases)
    keep = np.fromiter((name in wanted for name in table.cases), dtype=bool, count=len(table.cases))
    return table.where(keep[table.case] if len(table) else np.zeros(0, dtype=bool))


def _case_means(table: Table, values: NDArray[Any], cases: tuple[str, ...]) -> NDArray[Any]:
    n = np.bincount(table.case, minlength=len(table.cases))
    means = np.bincount(table.case, weights=values.astype(float), minlength=len(n)) / n
    place = {name: code for code, name in enumerate(table.cases)}
    return means[[place[name] for name in cases]]


def _groups(table: Table, cases: tuple[str, ...]) -> NDArray[Any]:
    of_case = np.zeros(len(table.cases), dtype=np.int64)
    of_case[table.case] = table.group
    place = {name: code for code, name in enumerate(table.cases)}
    _, codes = np.unique([of_case[place[name]] for name in cases], return_inverse=True)
    return codes


def _unpaired(
    pairs: Pairs, before: NDArray[Any], after: NDArray[Any], point: float, level: float
) -> tuple[float, float]:
    b, a = (clustered(v, t.units(), level=level) for t, v in ((pairs.before, before), (pairs.after, after)))
    limits = (a.point, a.low, a.high, b.point, b.low, b.high)
    if any(limit is None for limit in limits):
        return -1.0, 1.0
    at, low, high, base, base_low, base_high = (float(limit or 0.0) for limit in limits)
    down, up = math.hypot(at - low, base_high - base), math.hypot(high - at, base - base_low)
    return max(-1.0, point - down), min(1.0, point + up)
