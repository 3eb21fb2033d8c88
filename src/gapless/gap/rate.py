"""One rate from independent runs: Wilson for display, Clopper-Pearson for claims (METHOD section 1).

Wald and bootstrap intervals of a proportion near 1 cover far too rarely and are not offered.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy import special

from gapless.records.estimate import Estimate

NEVER = "never measured"


class Interval(NamedTuple):
    """Lower and upper limit."""

    low: float
    high: float


def z_quantile(level: float) -> float:
    """Two-sided standard normal quantile: 1.96 at level .95."""
    return float(special.ndtri((1 + level) / 2))


def t_quantile(level: float, degrees: float) -> float:
    """Two-sided Student t quantile."""
    return float(special.stdtrit(degrees, (1 + level) / 2))


def wilson(successes: float, n: float, *, level: float = 0.95, critical: float | None = None) -> Interval:
    """Wilson score interval.

    Args:
        successes: Number of successes; may be fractional for effective sample sizes.
        n: Number of independent runs, above 0.
        level: Two-sided confidence level.
        critical: Quantile to use in place of the normal one (Student's t for clustered data).

    Returns:
        Limits within [0, 1].

    Source:
        Wilson (1927); recommended by Brown, Cai and DasGupta (2001), Statistical Science 16.

    Example:
        >>> [round(limit, 6) for limit in wilson(83, 100)]
        [0.74452, 0.891064]
    """
    c = z_quantile(level) if critical is None else critical
    p = successes / n
    middle = (p + c * c / (2 * n)) / (1 + c * c / n)
    half = c / (1 + c * c / n) * math.sqrt(p * (1 - p) / n + c * c / (4 * n * n))
    # At k = 0 and k = n the limit is exactly 0 or 1; the formula misses it by rounding.
    low = 0.0 if successes <= 0 else max(0.0, middle - half)
    high = 1.0 if successes >= n else min(1.0, middle + half)
    return Interval(low, high)


def clopper_pearson(successes: float, n: float, *, level: float = 0.95) -> Interval:
    """Exact (conservative) interval from Beta quantiles; fractional counts are allowed.

    Source:
        Clopper and Pearson (1934), Biometrika 26.

    Example:
        >>> [round(limit, 6) for limit in clopper_pearson(83, 100)]
        [0.741825, 0.897735]
    """
    tail = (1 - level) / 2
    low = 0.0 if successes <= 0 else float(special.betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes >= n else float(special.betaincinv(successes + 1, n - successes, 1 - tail))
    return Interval(low, high)


def jeffreys(successes: float, n: float, *, level: float = 0.95) -> Interval:
    """Beta(1/2, 1/2) credible interval, its limit pinned to 0 at k = 0 and to 1 at k = n.

    Example:
        >>> [round(limit, 6) for limit in jeffreys(83, 100)]
        [0.747507, 0.893723]
    """
    tail = (1 - level) / 2
    a, b = successes + 0.5, n - successes + 0.5
    low = 0.0 if successes <= 0 else float(special.betaincinv(a, b, tail))
    high = 1.0 if successes >= n else float(special.betaincinv(a, b, 1 - tail))
    return Interval(low, high)


def cases_without_failure(max_rate: float, *, confidence: float = 0.95) -> int:
    """How many independent cases must pass, all of them, to claim that at most `max_rate` of cases fail.

    Args:
        max_rate: Highest failure rate the claim allows, above 0 and below 1.
        confidence: One-sided confidence of the claim.

    Source:
        (1 - max_rate)^n <= 1 - confidence: the Clopper-Pearson upper limit of no failure in n.

    Example:
        >>> cases_without_failure(0.03), cases_without_failure(0.01), cases_without_failure(0.001)
        (99, 299, 2995)
    """
    return math.ceil(math.log1p(-confidence) / math.log1p(-max_rate))


def proportion(successes: int, n: int, *, level: float = 0.95, method: str = "wilson") -> Estimate:
    """A rate of independent runs, one per case.

    Args:
        successes: 0..n.
        n: Independent runs; 0 gives no estimate and the interval (0, 1).
        level: Two-sided confidence level.
        method: "wilson" (display) or "clopper-pearson" (claims).
    """
    if n == 0:
        return Estimate(low=0.0, high=1.0, level=level, method=method, reason=NEVER)
    limits = {"wilson": wilson, "clopper-pearson": clopper_pearson}[method](successes, n, level=level)
    return Estimate(
        point=successes / n,
        low=limits.low,
        high=limits.high,
        level=level,
        method=method,
        n_runs=n,
        n_cases=n,
        n_groups=n,
    )
