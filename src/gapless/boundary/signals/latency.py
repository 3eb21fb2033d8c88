"""Whether a step took as long as it usually does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing


@dataclass(frozen=True, kw_only=True)
class Latency:
    """1 for a step that took no longer than usual, usual/taken for one that took longer."""

    name: ClassVar[str] = "latency"

    usual_s: float
    """Seconds the step usually takes: its p95, say."""

    def __call__(self, crossing: Crossing) -> float | None:
        """The ratio; None where nobody took the time."""
        if crossing.took_s is None or self.usual_s <= 0:
            return None
        return 1.0 if crossing.took_s <= self.usual_s else self.usual_s / crossing.took_s
