"""A report: a measurement, what the arithmetic says of it, and what to do next."""

from __future__ import annotations

from gapless.records.base import Record
from gapless.records.budget import BudgetReport
from gapless.records.gap import Gap
from gapless.records.measurement import Measurement


class NextStep(Record, frozen=True, kw_only=True):
    """The one thing to do next."""

    why: str
    command: str
    """Exactly what to type."""


class Report(Record, frozen=True, kw_only=True):
    """What `gapless report` shows; its JSON is `gapless.report/1`."""

    measurement: Measurement
    gap: Gap
    headline: str
    """One sentence in METHOD's honest wording."""
    next_steps: tuple[NextStep, ...] = ()
    input_digest: str = ""
    """Digest of the run table every figure was computed from."""
    trial_notes: tuple[str, ...] = ()
    """Facts about the run itself: restarted trials, omitted values."""
    budget: BudgetReport | None = None
    """What the budget says, where the measurement was held against one."""
