"""How the scores are spread over the results: on one of them, or on all alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.signals.base import at, at_least, numbers, within


@dataclass(frozen=True, kw_only=True)
class ScoreShape:
    """How concentrated the best k scores are: 1 less the entropy of their shares, as a part of the largest there can be.

    0 where all are alike, near 1 where one has nearly all. The margin looks at two of them, this at all.
    """

    name: ClassVar[str] = "score-shape"

    scores: str
    """Path of the scores, higher is better and 0 the least: `retrieved.score`."""
    k: int = 10
    """How many are looked at, the best first."""

    def __post_init__(self) -> None:
        at_least(self, "k", self.k, 2)

    def __call__(self, crossing: Crossing) -> float | None:
        """The concentration; None without scores, where a result has none, where one is below 0, or all are 0."""
        found = numbers(at(crossing, self.scores))
        if not found or min(found) < 0 or max(found) == 0:
            return None
        best = sorted(found, reverse=True)[: self.k]
        if len(best) == 1:
            return 1.0
        parts = [score / best[0] for score in best]  # a sum of the scores themselves may be infinite
        total = sum(parts)
        entropy = -sum(part / total * math.log(part / total) for part in parts if part / total > 0)
        return within(1 - entropy / math.log(len(parts)))
