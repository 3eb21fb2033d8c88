"""What a trial costs, and what a correct one costs."""

from __future__ import annotations

from gapless.records.cost import CostRow
from gapless.records.estimate import Estimate
from gapless.records.gap import Gap
from gapless.report.sections.base import Section

_WHAT = {
    "tokens in": "tokens that models read",
    "tokens out": "tokens that models wrote",
    "reviews": "trials a person must decide",
}


def cost(gap: Gap) -> Section | None:
    """The section; None where nothing of it was recorded."""
    if not gap.costs:
        return None
    money = any(row.what == "money" for row in gap.costs)
    return Section(
        title="Cost",
        lead="Per trial, and all of it divided by the correct trials: what fails is paid for too.",
        heads=("", "Trials", "Total", "Per trial", "Per correct trial"),
        rows=tuple(_row(row) for row in gap.costs),
        under=""
        if money
        else "Set prices under [cost] in gapless.toml, and this says what that is in money.",
        ours=True,
    )


def _row(row: CostRow) -> tuple[str, ...]:
    what = _WHAT.get(row.what, row.unit)
    return (
        what,
        str(row.per_trial.n_runs),
        _amount(row.total),
        _told(row.per_trial),
        _told(row.per_correct),
    )


def _told(estimate: Estimate) -> str:
    if estimate.point is None:
        return f"not known: {estimate.reason}"
    if estimate.low is None or estimate.high is None:
        return _amount(estimate.point)
    return f"{_amount(estimate.point)} ({_amount(estimate.low)} to {_amount(estimate.high)})"


def _amount(value: float) -> str:
    """A quantity with three digits that matter, and never more places than those.

    Example:
        >>> [_amount(value) for value in (0.0, 0.01234, 3.456, 812.4, 1_234_567.0)]
        ['0', '0.0123', '3.46', '812', '1,234,567']
    """
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
