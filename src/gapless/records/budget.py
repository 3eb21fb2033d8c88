"""What a measurement must keep to, and whether it does: by interval, never by the point."""

from __future__ import annotations

from typing import Literal

from gapless.records.base import Record
from gapless.records.estimate import Estimate

Kept = Literal["kept", "broken", "undecided"]
"""kept: the data prove the limit kept; broken: they prove it broken; undecided: neither."""


class BudgetLine(Record, frozen=True, kw_only=True):
    """One limit held against a measurement."""

    name: str
    """As in `gapless.toml`: "min_success", "max_silent_failures", ..."""
    limit: float
    """A share 0 to 1, or milliseconds."""
    estimate: Estimate
    """With one-sided 95 % limits on both sides; a 95 % confidence sequence where it was decided by an early stop."""
    verdict: Kept
    sentence: str


class BudgetReport(Record, frozen=True, kw_only=True):
    """All limits of a budget held against one measurement."""

    measurement: str
    lines: tuple[BudgetLine, ...]
    undecided: Literal["fail", "pass"] = "fail"
    """What a limit that is neither proven kept nor proven broken means."""
    passes: bool
    """Whether the budget lets the measurement pass."""

    @classmethod
    def of(
        cls, measurement: str, lines: tuple[BudgetLine, ...], undecided: Literal["fail", "pass"]
    ) -> BudgetReport:
        """The answer that follows from the lines."""
        bad = ("broken", "undecided") if undecided == "fail" else ("broken",)
        passes = not any(line.verdict in bad for line in lines)
        return cls(measurement=measurement, lines=lines, undecided=undecided, passes=passes)
