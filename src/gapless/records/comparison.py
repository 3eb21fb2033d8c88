"""Two measurements held against each other, case by case."""

from __future__ import annotations

from typing import Literal

from gapless.records.base import Record
from gapless.records.estimate import Estimate
from gapless.records.measurement import Measurement

Answer = Literal["better", "no regression", "not excluded", "worse"]
"""not excluded: the data allow a loss beyond the margin, and prove none."""


class Change(Record, frozen=True, kw_only=True):
    """One rate before and after."""

    name: str
    """"success", an outcome, or the exit of a boundary."""
    before: Estimate
    """On the shared cases."""
    after: Estimate
    difference: Estimate
    """After minus before, paired by case."""
    test: str
    """"mcnemar mid-p", "sign flips" or "paired t"; "none" where there is none."""
    p: float | None = None
    """Two-sided p of "no difference"."""
    p_holm: float | None = None
    """The same adjusted for all rows of its table (Holm)."""
    more_groups: int | None = None
    """About how many more groups would tell this difference from 0 in four of five repetitions; None where it is told
    apart already, or where there is none to tell."""


class Comparison(Record, frozen=True, kw_only=True):
    """The later measurement minus the earlier one."""

    before: Measurement
    after: Measurement
    margin: float
    """The loss of S that is tolerated."""
    answer: Answer
    sentence: str
    """The answer in words."""
    n_cases: int
    """Cases that both have."""
    n_groups: int
    only_before: int
    """Cases that only the earlier one has: left out."""
    only_after: int
    success: Change
    """S: the primary metric, declared before anybody looked."""
    outcomes: tuple[Change, ...] = ()
    """The rates of silent failures, escalations, loud failures and trials without a verdict."""
    boundaries: tuple[Change, ...] = ()
    """Points lost at each exit, the largest change first."""
    notes: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether a loss beyond the margin is excluded."""
        return self.answer in ("better", "no regression")
