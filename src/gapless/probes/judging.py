"""How a figure is held against a target that is a number: one rule for every line of the checklist.

A line holds ("ok") where the figure meets its target, and misses it ("fail", or "warn" where a miss breaks nothing by itself)
where the whole interval, or spread, lies beyond. Between the two the interval decides nothing: a figure that misses its
target is to be looked at ("warn"); one that meets it is "ok", marked `undecided` with what would show it, never a plain ok.
Targets that are rules ("no planted secret", "each document once") are broken by one case, and are not judged here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gapless.gap.clustered import korn_graubard
from gapless.gap.latency import least_runs
from gapless.gap.rate import Interval, wilson, z_quantile
from gapless.records.estimate import Estimate
from gapless.records.finding import STATUSES, Figure, Status
from gapless.report.wording import amount

_MOST_NEEDED = 10**6


@dataclass(frozen=True, slots=True)
class Judged:
    """What a figure comes to.

    Attributes:
        status: "ok", "warn" or "fail".
        undecided: Why an ok is not shown yet, and what would show it; empty where it is.
    """

    status: Status
    undecided: str = ""


def at_most(figure: Figure, most: float, *, missed: Status = "fail", needs: str = "") -> Judged:
    """Held against the most that is allowed.

    Args:
        figure: What was measured, with its interval or spread.
        most: The target, in the figure's unit.
        missed: What a sure miss is.
        needs: What would show it; where empty, "more of it".

    Example:
        >>> at_most(Figure(name="p95", value=80, low=70, high=120, unit="ms"), 100)
        Judged(status='ok', undecided='p95 may be as high as 120 ms: a longer run would tell')
    """
    if figure.value > most:
        return Judged(missed if figure.low is not None and figure.low > most else "warn")
    if figure.high is not None and figure.high <= most:
        return Judged("ok")
    return Judged("ok", _open(figure, figure.high, "high", needs))


def at_least(figure: Figure, least: float, *, missed: Status = "fail", needs: str = "") -> Judged:
    """Held against the least that is allowed; arguments as `at_most`.

    Example:
        >>> at_least(Figure(name="recall@5", value=0.7, low=0.6, high=0.78, unit="share"), 0.8)
        Judged(status='fail', undecided='')
    """
    if figure.value < least:
        return Judged(missed if figure.high is not None and figure.high < least else "warn")
    if figure.low is not None and figure.low >= least:
        return Judged("ok")
    return Judged("ok", _open(figure, figure.low, "low", needs))


def share_at_least(name: str, share: Estimate, least: float, *, missed: Status = "fail") -> Judged:
    """A share held against the least that is allowed, with how many such cases would show it.

    Example:
        >>> share_at_least("right", Estimate(point=1.0, low=0.839, high=1.0, n_runs=20, n_groups=20), 0.95).undecided
        'right may be as low as 83.9 %: 73 in a row would show it'
    """
    return at_least(share_figure(name, share), least, missed=missed, needs=_needed(share, least))


def share_at_most(name: str, share: Estimate, most: float, *, missed: Status = "fail") -> Judged:
    """A share held against the most that is allowed, with how many such cases would show it.

    Example:
        >>> share_at_most("stale", Estimate(point=0.0, low=0.0, high=0.278, n_runs=10, n_groups=10), 0.05).undecided
        'stale may be as high as 27.8 %: 73 in a row would show it'
    """
    return at_most(share_figure(name, share), most, missed=missed, needs=_needed(share, most))


def not_estimable(q: float, n: int, *, what: str = "", level: float = 0.95) -> str:
    """Why a line is not shown yet where its quantile has no upper limit, and how many independent values would give one.

    Args:
        q: The quantile, 0 to 1.
        n: Values there are.
        what: Of what, where it is not the values: "answers" that have several each.
        level: Two-sided level of the interval: the largest of n values lies above the quantile but for a chance of q^n.

    Example:
        >>> not_estimable(0.99, 30)
        'p99 is not estimable from n=30: n of at least 368 would show it'
    """
    needed = least_runs(q, level=level)
    return f"p{100 * q:g} is not estimable from n={n}{f' {what}' if what else ''}: n of at least {needed} would show it"


def quantile_at_most(
    found: Mapping[float, Estimate],
    most: float,
    *,
    unit: str = "ms",
    missed: Status = "fail",
    groups: str = "",
) -> Judged:
    """The highest of some quantiles held against the most that is allowed; where there are too few runs for it, the highest
    that there is: if that one is above, so is the other.

    Args:
        found: Quantile (0.99) -> its estimate, of the same values.
        most: The target of the highest, in the values' unit.
        unit: That unit.
        missed: What a sure miss is.
        groups: What values come in groups of: "answers".

    Raises:
        ValueError: None of them is estimable.

    Example:
        >>> p95 = Estimate(point=80, low=70, high=90, n_runs=100, n_groups=100)
        >>> quantile_at_most({0.95: p95, 0.99: Estimate(n_runs=100, n_groups=100)}, 100)
        Judged(status='ok', undecided='p99 is not estimable from n=100: n of at least 368 would show it')
    """
    wanted = max(found)
    at = max(q for q, one in found.items() if one.point is not None)
    held = found[at]
    figure = Figure(name=f"p{100 * at:g}", value=held.point or 0.0, low=held.low, high=held.high, unit=unit)
    judged = at_most(figure, most, missed=missed)
    if held.reason and judged.status == "ok":  # it is a lower bound: values were cut off
        return Judged("warn")
    if at == wanted or judged.status != "ok":
        return judged
    return Judged("ok", _out_of_reach(wanted, found[wanted], groups))


def _out_of_reach(q: float, missing: Estimate, groups: str) -> str:
    """Why a quantile has no estimate, and what would give it one."""
    n = missing.n_groups or missing.n_runs
    if n >= least_runs(q, level=missing.level):
        return missing.reason or f"p{100 * q:g} is not known"
    return not_estimable(q, n, what=groups, level=missing.level)


def together(*judged: Judged) -> Judged:
    """Several figures of one line: the worst of them, or what all of them leave open.

    Example:
        >>> together(Judged("ok", "p99 has no higher limit"), Judged("ok")), together(Judged("ok", "unsure"), Judged("warn"))
        (Judged(status='ok', undecided='p99 has no higher limit'), Judged(status='warn', undecided=''))
    """
    worst = STATUSES[min(STATUSES.index(one.status) for one in judged)]
    unsure = dict.fromkeys(one.undecided for one in judged if one.undecided)
    return Judged(worst, "; ".join(unsure) if worst == "ok" else "")


def share_figure(name: str, share: Estimate) -> Figure:
    """A share as a figure, with its interval and n."""
    return Figure(
        name=name,
        value=share.point or 0.0,
        low=share.low,
        high=share.high,
        unit="share",
        spread=f"95 % interval, n={share.n_runs}",
    )


def _open(figure: Figure, limit: float | None, way: str, needs: str) -> str:
    """What is not decided, and what would decide it."""
    would = f"{needs} would show it" if needs else "a longer run would tell"
    if limit is None:
        return f"{figure.name} has no {way}er limit: {would}"
    return f"{figure.name} may be as {way} as {amount(limit, figure.unit)}: {would}"


def _needed(share: Estimate, target: float) -> str:
    """How many independent cases, or groups of them, of the same share its interval needs to lie beyond a target."""
    p = share.point
    if p is None or p == target or not 0 <= target <= 1:
        return ""
    alike = p in (0.0, 1.0)
    grouped = 0 < share.n_groups < share.n_runs
    limits = _of_groups if grouped and alike else _of_cases
    low, high = 1, 2
    while not _shows(limits(p, high, share.level), p, target):
        low, high = high, 2 * high
        if high > _MOST_NEEDED:
            return ""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _shows(limits(p, middle, share.level), p, target) else (middle, high)
    if not grouped:
        return f"{high:,} in a row" if alike else f"about {high:,}"
    if alike:
        return f"{high:,} independent groups without a miss"
    groups = math.ceil(high * share.n_groups / _worth(share, p, target))
    return f"about {groups:,} independent groups" if groups <= _MOST_NEEDED else ""


def _worth(share: Estimate, p: float, target: float) -> float:
    """How many independent cases the interval of a share is worth: those of which Wilson's has the same limit."""
    limit = share.low if p > target else share.high
    if limit is None or limit in (p, 0.0, 1.0):
        return float(share.n_groups)
    return z_quantile(share.level) ** 2 * limit * (1 - limit) / (limit - p) ** 2


def _of_cases(p: float, n: int, level: float) -> Interval:
    return wilson(p * n, n, level=level)


def _of_groups(p: float, n: int, level: float) -> Interval:
    """Where all groups say the same, each counts as one case, and their number is all that is known of their spread."""
    return korn_graubard(p, float(n), n, level=level)


def _shows(limits: Interval, p: float, target: float) -> bool:
    return limits.low >= target if p > target else limits.high <= target
