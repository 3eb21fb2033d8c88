"""Budgets: what `gapless.toml` demands of a measurement, enforced by interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gapless.errors import UsageError
from gapless.operations.report import run_table
from gapless.records.budget import BudgetReport
from gapless.records.measurement import Measurement
from gapless.settings import Budget

if TYPE_CHECKING:
    from gapless.stores.store import Store

LIMITS = ("min_success", "max_silent_failures", "max_escalation", "max_loud_failures", "p95_ms", "p99_ms")
"""Limits that one measurement can be held against; `max_regression` needs two."""


def limits(budget: Budget) -> dict[str, float]:
    """The limits a budget sets for one measurement."""
    said = {name: getattr(budget, name) for name in LIMITS}
    return {name: float(limit) for name, limit in said.items() if limit is not None}


def check(store: Store, measurement: Measurement, budget: Budget) -> BudgetReport:
    """Holds a measurement against a budget.

    Raises:
        UsageError: The budget sets no limit.
    """
    from gapless.gap.budget import check as check_table
    from gapless.gap.table import Table

    wanted = limits(budget)
    if not wanted:
        raise UsageError(
            f"there is no budget to hold this against: set one of {', '.join(LIMITS)} under [budget] in gapless.toml."
        )
    # Where somebody looked after every trial, limits made for one look would claim too much.
    early = {line.name: line for line in measurement.early if wanted.get(line.name) == line.limit}
    lines = check_table(Table.of(run_table(store, measurement)), wanted)
    lines = tuple(early.get(line.name, line) for line in lines)
    return BudgetReport.of(measurement.id, lines, budget.undecided)
