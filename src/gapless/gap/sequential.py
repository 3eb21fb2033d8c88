"""Numbers that may be looked at after every run: a confidence sequence, a paired e-value, and a test with a declared end.

An interval made for one look is wrong far more often than it says when somebody looks until it pleases. What is here
holds at every look at once (METHOD section 10). Each case, or group, gives one value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from scipy import optimize, special

from gapless.gap.rate import Interval

_A = 0.5


def log_e(successes: float, n: float, p: float) -> float:
    """ln of the evidence against a rate p: a mixture over rates, against p itself.

    Args:
        successes: 0..n.
        n: Independent values so far.
        p: The rate that is doubted, above 0 and below 1.

    Source:
        Robbins (1970), Annals of Mathematical Statistics 41, with a Beta(1/2, 1/2) mixture.

    Example:
        >>> round(log_e(83, 100, 0.9), 6)
        -0.231914
    """
    mixture = special.betaln(_A + successes, _A + n - successes) - special.betaln(_A, _A)
    return float(mixture - special.xlogy(successes, p) - special.xlog1py(n - successes, -p))


def confidence_sequence(successes: float, n: float, *, level: float = 0.95) -> Interval:
    """Limits of a rate that hold at every n at once: all rates against which the evidence has not reached 1 / (1 - level).

    Source:
        Ville's inequality; Robbins (1970).

    Example:
        >>> [round(limit, 6) for limit in confidence_sequence(83, 100)]
        [0.683865, 0.92925]
        >>> round(confidence_sequence(0, 100).high, 6)
        0.057029
    """
    if n == 0:
        return Interval(0.0, 1.0)
    bar = -math.log1p(-level)
    middle = successes / n

    def beyond(p: float) -> float:
        return log_e(successes, n, p) - bar

    tiny = 1e-12
    low = 0.0 if successes == 0 else _root(beyond, tiny, middle)
    high = 1.0 if successes == n else _root(beyond, 1 - tiny, middle)
    return Interval(low, high)


def paired_e(gains: int, losses: int) -> float:
    """Evidence that a change is no coin toss: stop and say so at 1 / alpha.

    Example:
        >>> round(paired_e(13, 4), 6)
        2.333832
    """
    return math.exp(log_e(gains, gains + losses, 0.5)) if gains + losses else 1.0


@dataclass(frozen=True, slots=True)
class Sprt:
    """Wald's sequential test of a rate, with a declared maximum: reaching it is "undecided".

    Source:
        Wald (1945), Annals of Mathematical Statistics 16.

    Example:
        >>> test = Sprt(bad=0.90, good=0.95, most=500)
        >>> [round(value, 6) for value in (test.per_pass, test.per_fail, test.accept_at, test.reject_at)]
        [0.054067, -0.693147, 2.772589, -1.558145]
        >>> test.decide(51, 0), test.decide(52, 0), test.decide(0, 3)
        ('go on', 'accept', 'reject')
    """

    bad: float
    """A rate that must not be accepted."""
    good: float
    """A rate that should be."""
    most: int
    """Runs at which it ends at the latest."""
    alpha: float = 0.05
    """Chance of accepting the bad rate."""
    beta: float = 0.2
    """Chance of rejecting the good one."""

    @property
    def per_pass(self) -> float:
        """What a pass adds to the log likelihood ratio."""
        return math.log(self.good / self.bad)

    @property
    def per_fail(self) -> float:
        """What a failure adds."""
        return math.log((1 - self.good) / (1 - self.bad))

    @property
    def accept_at(self) -> float:
        """Where the good rate is accepted."""
        return math.log((1 - self.beta) / self.alpha)

    @property
    def reject_at(self) -> float:
        """Where it is rejected."""
        return math.log(self.beta / (1 - self.alpha))

    def decide(self, passed: int, failed: int) -> Literal["accept", "reject", "go on", "undecided"]:
        """The answer after so many runs."""
        ratio = passed * self.per_pass + failed * self.per_fail
        if ratio >= self.accept_at:
            return "accept"
        if ratio <= self.reject_at:
            return "reject"
        return "undecided" if passed + failed >= self.most else "go on"


def _root(beyond: Callable[[float], float], outer: float, middle: float) -> float:
    found: Any = optimize.brentq(beyond, outer, middle, xtol=1e-12)
    return float(found)
