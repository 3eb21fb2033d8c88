"""Holds a run table against a budget: claims by one-sided exact limits (METHOD sections 1, 2 and 15)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from gapless.gap.clustered import ONE_GROUP, clustered, effective_runs, korn_graubard, mean
from gapless.gap.latency import trial_latency
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
_JUDGED = (("correct",), ("wrong",))
"""Rates that a missing end verdict leaves open."""


def check(table: Table, limits: Mapping[str, float]) -> tuple[BudgetLine, ...]:
    """One line per limit, in the order given.

    Args:
        table: The run table.
        limits: Name -> limit; rates as shares, times (of the report's row "(trial)") in milliseconds.
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
    return rate_line(name, what, limit, _bounded(table, outcomes))


def rate_line(name: str, what: str, limit: float, found: Estimate) -> BudgetLine:
    """A limit of a rate held against a claim about it.

    Args:
        name: The limit's name; "min_success" is a lower limit, every other an upper one.
        what: What the rate is called.
        limit: A share, 0 to 1.
        found: With one-sided limits, as `claim` makes them.
    """
    smallest = name == "min_success"
    verdict = _verdict(found, limit, smallest=smallest)
    said = f"{what} {_told(found, verdict, smallest=smallest)}, the budget asks for {_asked(smallest)} {100 * limit:g} %: {verdict}"
    return BudgetLine(
        name=name,
        limit=limit,
        estimate=found,
        verdict=verdict,
        sentence=said + _more(found, limit, verdict, smallest=smallest),
    )


def _bounded(table: Table, outcomes: tuple[Outcome, ...]) -> Estimate:
    """The claim about an outcome; trials without an end verdict count for neither side of a limit."""
    unjudged = table.count("unjudged")
    if not unjudged or outcomes not in _JUDGED:
        return claim(table.is_(*outcomes), table)
    if not table.is_("correct", "wrong").any():
        return Estimate(level=_LEVEL, reason="no trial has an end verdict")
    found, most = claim(table.is_(*outcomes), table), claim(table.is_(*outcomes, "unjudged"), table)
    limits = Interval(found.low or 0.0, 1.0 if most.high is None else most.high)
    have = "1 trial has" if unjudged == 1 else f"{unjudged} trials have"
    return _with(found, limits, f"{have} no end verdict: bounded both ways")


def _told(found: Estimate, verdict: Kept, *, smallest: bool) -> str:
    if found.point is None or found.low is None or found.high is None:
        return f"is not known ({found.reason})"
    because = f" ({found.reason})" if found.reason else ""
    if verdict == "undecided":
        return f"may be anything from {100 * found.low:.1f} to {100 * found.high:.1f} %{because}"
    from_below = smallest == (verdict == "kept")
    return f"is at least {100 * found.low:.1f} %" if from_below else f"is at most {100 * found.high:.1f} %"


def _asked(smallest: bool) -> str:
    return "at least" if smallest else "at most"


def _time(table: Table, name: str, limit: float) -> BudgetLine:
    what = name.removesuffix("_ms")
    row = trial_latency(table, level=_LEVEL)
    found: Estimate = Estimate(level=_LEVEL, reason="never measured") if row is None else getattr(row, what)
    verdict = _verdict(found, limit, smallest=False)
    asked = f"the budget asks for at most {limit:g} ms: {verdict}."
    sentence = f"{what} of a trial {_lasted(found, verdict)}, {asked}"
    return BudgetLine(name=name, limit=limit, estimate=found, verdict=verdict, sentence=sentence)


def _lasted(found: Estimate, verdict: Kept) -> str:
    if found.point is None:
        return f"is not known ({found.reason})"
    if verdict == "broken":
        return f"is at least {found.low:.0f} ms"
    if found.high is None:
        return f"has no upper bound ({found.reason})"
    if verdict == "kept":
        return f"is at most {found.high:.0f} ms"
    return f"may be anything from {found.low or 0:.0f} to {found.high:.0f} ms"


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
