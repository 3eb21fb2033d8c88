"""A number with what it stands on. No number is ever invented for absence: `point` is None and `reason` says why."""

from __future__ import annotations

from gapless.records.base import Record


class Estimate(Record, frozen=True, kw_only=True):
    """One estimated quantity, its interval and its basis (METHOD section 12)."""

    point: float | None = None
    """The estimate; None when it is not estimable, with `reason` saying why."""
    low: float | None = None
    """Lower limit at `level`; None when there is none."""
    high: float | None = None
    """Upper limit at `level`; None when there is none (p99 of few runs, say)."""
    level: float = 0.95
    """Two-sided confidence level of the interval."""
    method: str = ""
    """Name of the interval method: "wilson", "clopper-pearson", "t-wilson", "korn-graubard", "mover", ..."""
    n_runs: int = 0
    """Trials (or isolated benchmark runs) the number rests on."""
    n_cases: int = 0
    """Distinct cases among them."""
    n_groups: int = 0
    """Independent units among them."""
    reason: str | None = None
    """Why there is no number, or a warning that travels with it ("few cases", "partial: ...")."""
