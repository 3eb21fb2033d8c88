"""How old the evidence is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.guards.fresh import seconds
from gapless.boundary.signals.base import above_0, at, items, number, within

_DAY_S = 86_400.0
_AHEAD = 1.0  # days that clocks and time zones may differ by


@dataclass(frozen=True, kw_only=True)
class EvidenceAge:
    """1 for evidence of today, 0 for a piece as old as `days` or older; the oldest piece counts."""

    name: ClassVar[str] = "evidence-age"

    dates: str
    """Path of the times: ISO 8601, dates, or Unix seconds."""
    days: float
    clock: Callable[[], float] = time.time
    """Unix time in seconds."""

    def __post_init__(self) -> None:
        above_0(self, "days", self.days)

    def __call__(self, crossing: Crossing) -> float | None:
        """The freshness; None where a piece has no time, one that cannot be read, or one in the future."""
        found = at(crossing, self.dates)
        stamps = items(found) if isinstance(found, (list, tuple)) else [found]
        now = self.clock() - crossing.behind_s
        ages = [_age(stamp, now) for stamp in stamps or []]
        known = [age for age in ages if age is not None]
        if not known or len(known) < len(ages):
            return None
        return within(1 - max(known) / self.days)


def _age(stamp: Any, now: float) -> float | None:
    """In days. A time far ahead is milliseconds taken for seconds, or a wrong clock: the age is unknown."""
    if isinstance(stamp, (int, float)):
        stamp = number(stamp)
    when = seconds(stamp)
    age = None if when is None else (now - when) / _DAY_S
    return age if age is not None and age >= -_AHEAD else None
