"""Whether a step took as long as it usually does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.signals.base import above_0, number


@dataclass(frozen=True, kw_only=True)
class Latency:
    """1 for a step that took no longer than usual, usual/taken for one that took longer."""

    name: ClassVar[str] = "latency"

    usual_s: float
    """Seconds the step usually takes: its p95, say."""

    def __post_init__(self) -> None:
        above_0(self, "usual_s", self.usual_s)

    def __call__(self, crossing: Crossing) -> float | None:
        """The ratio; None where nobody took the time."""
        took = number(crossing.took_s)
        if took is None or took < 0:
            return None
        return 1.0 if took <= self.usual_s else self.usual_s / took
