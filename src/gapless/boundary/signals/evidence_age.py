"""How old the evidence is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.guards.fresh import seconds
from gapless.boundary.signals.base import at, items, within

_DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class EvidenceAge:
    """1 for evidence of today, 0 for a piece as old as `days` or older; the oldest piece counts."""

    name: ClassVar[str] = "evidence-age"

    dates: str
    """Path of the times: ISO 8601, dates, or Unix seconds."""
    days: float
    clock: Callable[[], float] = time.time
    """Unix time in seconds."""

    def __call__(self, crossing: Crossing) -> float | None:
        """The freshness; None where there is no time, or one that cannot be read."""
        found = at(crossing, self.dates)
        stamps = [
            seconds(stamp) for stamp in (items(found) if isinstance(found, (list, tuple)) else [found]) or []
        ]
        known = [stamp for stamp in stamps if stamp is not None]
        if not known or len(known) < len(stamps):
            return None
        return within(1 - (self.clock() - min(known)) / _DAY_S / self.days)
