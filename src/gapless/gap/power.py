"""How many cases a comparison needs (METHOD section 6)."""

from __future__ import annotations

import math

from scipy import special


def discordant_cases(discordant: float, difference: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Cases with one trial each, before and after, to find a difference by McNemar's test.

    Args:
        discordant: Share of cases that end differently, gains plus losses, 0 to 1.
        difference: Gains minus losses as a share of cases, not 0.
        alpha: Two-sided level of the test.
        power: Chance of finding the difference.

    Source:
        Connor (1987), Biometrics 43.

    Example:
        >>> discordant_cases(0.17, 0.09), discordant_cases(0.20, 0.08)
        (163, 243)
    """
    d = abs(difference)
    half = _z(1 - alpha / 2) * math.sqrt(discordant) + _z(power) * math.sqrt(discordant - d * d)
    return math.ceil((half / d) ** 2)


def paired_cases(
    difference: float,
    *,
    between: float,
    within: tuple[float, float],
    trials: tuple[int, int] = (1, 1),
    alpha: float = 0.05,
    power: float = 0.8,
) -> int:
    """Cases with several trials each to find a mean paired difference. More trials never remove `between`.

    Args:
        difference: Mean difference to find, not 0.
        between: Variance of the true differences over cases.
        within: Variance of one trial within a case, before and after.
        trials: Trials per case, before and after.
        alpha: Two-sided level of the test.
        power: Chance of finding the difference.

    Source:
        Miller (2024), arXiv 2411.00640, section 5.

    Example:
        >>> [paired_cases(0.05, between=0.02, within=(0.1, 0.1), trials=(k, k)) for k in (1, 5)]
        [691, 189]
    """
    spread = between + within[0] / trials[0] + within[1] / trials[1]
    return groups_to_tell(difference, spread, alpha=alpha, power=power)


def groups_to_tell(difference: float, variance: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Independent units to tell a mean difference from 0, given the variance of the differences over units."""
    return math.ceil((_z(1 - alpha / 2) + _z(power)) ** 2 * variance / difference**2)


def _z(level: float) -> float:
    return float(special.ndtri(level))
