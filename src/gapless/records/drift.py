"""What `gapless calibrate --check` found: whether thresholds still hold what they were certified for."""

from __future__ import annotations

from gapless.records.base import Record
from gapless.records.estimate import Estimate


class Shift(Record, frozen=True, kw_only=True):
    """Whether one gate still sees what it saw when it was calibrated; needs no verdicts."""

    step: str
    n_calibrated: int
    n_since: int
    evidence: float | None
    """Highest value of the test martingale since; 100 is reached by chance in one stream of a hundred at most."""
    alarm: bool
    after: int | None = None
    """Trials since the calibration until the alarm."""


class DriftCheck(Record, frozen=True, kw_only=True):
    """One look at a calibration."""

    file: str
    alpha: float
    measurement: str | None
    """Whose trials were looked at; None where none came since."""
    void: tuple[str, ...] = ()
    """Why a gate's thresholds are not in force, per gate."""
    harm: Estimate
    """Joint risk since: limits that hold however often somebody looks."""
    harm_alarm: bool = False
    n_unjudged: int = 0
    """Delivered trials whose verdict nobody knows."""
    shifts: tuple[Shift, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def alarm(self) -> bool:
        """Whether the guarantee does not hold, or is void."""
        return self.harm_alarm or bool(self.void)
