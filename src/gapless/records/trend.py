"""How the figures of one probe came out over earlier checkups."""

from __future__ import annotations

from typing import Literal

from gapless.records.base import Record
from gapless.records.finding import Figure, Status

Change = Literal["up", "down", "none", "unknown"]
"""up, down: the newest interval lies wholly above, or below, the one before; none: they meet; unknown: one of
them has no interval or spread, or there is one value alone."""


class TrendPoint(Record, frozen=True, kw_only=True):
    """One figure of one checkup."""

    checkup: str
    """Its id."""
    at: float
    """Unix time in seconds."""
    subject: str = ""
    """What the finding was about."""
    status: Status
    undecided: str = ""
    """Why its "ok" was not shown yet, as in the finding."""
    figure: Figure


class TrendLine(Record, frozen=True, kw_only=True):
    """One figure over time, the oldest first."""

    name: str
    unit: str = ""
    subject: str = ""
    """What all of its points are about."""
    points: tuple[TrendPoint, ...]
    change: Change = "unknown"
    """From the last but one to the last."""


class Trend(Record, frozen=True, kw_only=True):
    """All figures of one probe; its JSON is `gapless.trend/1`."""

    probe: str
    title: str
    checkups: int = 0
    """How many asked this probe."""
    unmeasured: int = 0
    """In how many of them it could not measure."""
    lines: tuple[TrendLine, ...] = ()
