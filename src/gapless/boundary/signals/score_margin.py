"""How far the best result is ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.signals.base import at, at_least, numbers, within


@dataclass(frozen=True, kw_only=True)
class ScoreMargin:
    """How far the first score is above the k-th, as a share of the first: 0 where all are alike. A lone result is 1."""

    name: ClassVar[str] = "score-margin"

    scores: str
    """Path of the scores, higher is better: `retrieved.score`."""
    k: int = 6
    """Which score the first is compared with; the last where there are fewer."""

    def __post_init__(self) -> None:
        at_least(self, "k", self.k, 2)

    def __call__(self, crossing: Crossing) -> float | None:
        """The margin; None without scores, where a result has none, or where none is above 0."""
        found = numbers(at(crossing, self.scores))
        if not found:
            return None
        ordered = sorted(found, reverse=True)
        if ordered[0] <= 0:
            return None
        if len(ordered) == 1:
            return 1.0
        return within((ordered[0] - ordered[min(self.k, len(ordered)) - 1]) / ordered[0])
