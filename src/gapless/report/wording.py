"""How numbers are said: always with interval and n, never "100 %", and words where there is no number."""

from __future__ import annotations

from gapless.records.estimate import Estimate

SILENT = "silently wrong"


def percent(value: float, digits: int = 1) -> str:
    """A share as per cent.

    Example:
        >>> percent(0.8333)
        '83.3 %'
    """
    return f"{100 * value:.{digits}f} %"


def rate(estimate: Estimate, *, n: bool = True) -> str:
    """A rate with its interval and n; a full house is a count and a bound.

    Example:
        >>> rate(Estimate(point=0.83, low=0.745, high=0.891, n_runs=100))
        '83.0 % (74.5-89.1, n=100)'
        >>> rate(Estimate(point=1.0, low=0.839, high=1.0, n_runs=20))
        '20 of 20; at least 83.9 %'
    """
    if estimate.point is None:
        return "not estimable"
    if full_house(estimate) and estimate.low is not None:
        return f"{estimate.n_runs} of {estimate.n_runs}; at least {percent(estimate.low)}"
    size = f", n={estimate.n_runs}" if n else ""
    if estimate.low is None or estimate.high is None:
        return f"{percent(estimate.point)}{f' (n={estimate.n_runs})' if n else ''}"
    return f"{percent(estimate.point)} ({100 * estimate.low:.1f}-{100 * estimate.high:.1f}{size})"


def full_house(estimate: Estimate) -> bool:
    """Whether every run was a success; weights leave the point a rounding error below 1."""
    return estimate.point is not None and estimate.point > 1 - 1e-9 and estimate.n_runs > 0


def points(estimate: Estimate) -> str:
    """Points of reliability: a difference or a share of all trials.

    Example:
        >>> points(Estimate(point=0.05, low=0.022, high=0.112))
        '5.0 points (2.2 to 11.2)'
    """
    if estimate.point is None:
        return "not estimable"
    said = f"{round(100 * estimate.point, 1) + 0.0:.1f} points"
    if estimate.low is None or estimate.high is None:
        return said
    return f"{said} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def duration(ms: float) -> str:
    """A duration in the unit people read.

    Example:
        >>> duration(0.42), duration(37.2), duration(2345.0)
        ('0.42 ms', '37 ms', '2.35 s')
    """
    if ms < 10:
        return f"{ms:.2f} ms"
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"


def latency(estimate: Estimate) -> str:
    """A latency quantile with its interval."""
    if estimate.point is None:
        return "not estimable"
    if estimate.low is None or estimate.high is None:
        return duration(estimate.point)
    return f"{duration(estimate.point)} ({duration(estimate.low)} to {duration(estimate.high)})"


def passage(exit_: str, receivers: tuple[str, ...]) -> str:
    """A boundary: who hands over, and who takes it."""
    known = [name if name != "__end__" else "end" for name in receivers]
    return f"{exit_} -> {' | '.join(known)}" if known else exit_


def layer(name: str | None, guessed: bool) -> str:
    """A layer, with "?" where it is a guess."""
    return "" if name is None else f"{name}?" if guessed else name


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    Example:
        >>> count(1, "trial"), count(3, "trial")
        ('1 trial', '3 trials')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
