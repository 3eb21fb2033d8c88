"""pass@k and pass^k: what k trials of one case come to (METHOD section 3). Never from S^k: cases are not equally hard."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.clustered import Units, korn_graubard, standard_error, units_of
from gapless.gap.codes import compact, pairs
from gapless.gap.rate import t_quantile
from gapless.gap.table import Table
from gapless.records.decomposition import Repeat
from gapless.records.estimate import Estimate

_MOST = 10
METHOD = "t over cases"


def pass_at_k(n: int, c: int, k: int) -> float:
    """Chance that k trials drawn from n, of which c are right, hold a right one.

    Source:
        Chen et al. (2021), arXiv 2107.03374, section 2.1.

    Example:
        >>> round(pass_at_k(10, 7, 3), 6)
        0.991667
    """
    return 1 - comb(n - c, k) / comb(n, k)


def pass_hat_k(n: int, c: int, k: int) -> float:
    """Chance that k trials drawn from n, of which c are right, are all right.

    Source:
        Yao et al. (2024), tau-bench, arXiv 2406.12045, section 4.

    Example:
        >>> round(pass_hat_k(10, 7, 3), 6)
        0.291667
    """
    return comb(c, k) / comb(n, k)


def repeats(table: Table, *, level: float = 0.95) -> tuple[Repeat, ...]:
    """Both for k = 1, 2, ... up to the largest number of trials of a case, at most 10; empty with one trial per case."""
    if not len(table):
        return ()
    n = np.bincount(table.case, minlength=len(table.cases))
    c = np.bincount(table.case, weights=table.is_("correct"), minlength=len(table.cases)).astype(np.int64)
    group = np.zeros(len(table.cases), dtype=np.int64)
    group[table.case] = table.group
    most = min(int(n.max()), _MOST)
    return tuple(_repeat(k, n, c, group, level) for k in range(1, most + 1)) if most > 1 else ()


def _repeat(k: int, n: NDArray[Any], c: NDArray[Any], group: NDArray[Any], level: float) -> Repeat:
    keep = n >= k
    kinds, codes = pairs(n[keep], c[keep], int(n.max()) + 1)
    at = np.array([pass_at_k(int(a), int(b), k) for a, b in kinds])[codes]
    hat = np.array([pass_hat_k(int(a), int(b), k) for a, b in kinds])[codes]
    code, n_groups = compact(group[keep])
    # Each case counts once, however many a group holds.
    units = units_of(code, n_groups, weighting="runs", n_cases=len(at))
    runs = int(n[keep].sum())
    return Repeat(
        k=k,
        pass_at_k=_estimate(at, units, runs, level),
        pass_hat_k=_estimate(hat, units, runs, level),
        se_pass_at_k=_error(at, units),
        se_pass_hat_k=_error(hat, units),
        n_excluded=int(np.count_nonzero(~keep)),
    )


def _error(values: NDArray[Any], units: Units) -> float | None:
    return standard_error(values, units) if units.n_groups > 1 else None


def _estimate(values: NDArray[Any], units: Units, runs: int, level: float) -> Estimate:
    g = units.n_groups
    point, error = float(values.mean()), _error(values, units)
    if error is None:
        low, high, method, reason = 0.0, 1.0, "none", "one case: no generalisation"
    elif error < 1e-12:  # all cases alike: their spread says nothing of the next one
        (low, high), method, reason = korn_graubard(point, g, g, level=level), "korn-graubard", None
    else:
        half = t_quantile(level, g - 1) * error
        low, high, method, reason = max(0.0, point - half), min(1.0, point + half), METHOD, None
    return Estimate(
        point=point,
        low=low,
        high=high,
        level=level,
        method=method,
        n_runs=runs,
        n_cases=len(values),
        n_groups=g,
        reason=reason or ("few cases" if g < 10 else None),
    )
