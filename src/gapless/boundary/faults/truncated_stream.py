"""A truncated stream: a text breaks off, and nothing says so."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from gapless.boundary.faults.base import Detectable, FieldFault
from gapless.boundary.faults.handoff import UNCHANGED


@dataclass(frozen=True, kw_only=True)
class TruncatedStream(FieldFault):
    """Cuts a text at a share of its length that the trial's seed chooses."""

    name: ClassVar[str] = "truncated-stream"
    detectable: ClassVar[Detectable] = "detect"
    why: ClassVar[str] = (
        "A guard on the end of the text (a closing mark, a finish reason, JSON that parses) sees it, and a retry "
        "repairs it where the fault is transient; a cut that falls on the end of a sentence goes undetected."
    )

    low: float = 0.3
    """Smallest share of the text that arrives."""
    high: float = 0.8
    """Largest share of the text that arrives."""

    def changed(self, value: Any, random: Random) -> Any:
        """The beginning of the text."""
        if not isinstance(value, str):
            return UNCHANGED
        kept = int(len(value) * random.uniform(self.low, self.high))
        return value[:kept] if kept < len(value) else UNCHANGED
