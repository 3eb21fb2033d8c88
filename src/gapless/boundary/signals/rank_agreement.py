"""How far two rankings of the same question agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.signals.base import at, items


@dataclass(frozen=True, kw_only=True)
class RankAgreement:
    """Mean overlap of the first 1, 2, ... k of two rankings: 1 for the same order, 0 for nothing in common.

    Source:
        Average overlap, Wu and Crestani (2003); the finite form of Webber et al. (2010), "A similarity measure for
        indefinite rankings".
    """

    name: ClassVar[str] = "rank-agreement"

    first: str
    """Path of a ranking: ids, best first."""
    second: str
    k: int = 5
    """How deep."""

    def __call__(self, crossing: Crossing) -> float | None:
        """The agreement; None where one of the rankings is not there, or empty."""
        one, other = (items(at(crossing, path)) for path in (self.first, self.second))
        if not one or not other:
            return None
        depth = min(self.k, max(len(one), len(other)))
        left, right = [repr(item) for item in one], [repr(item) for item in other]
        shared = (len(set(left[:d]) & set(right[:d])) / d for d in range(1, depth + 1))
        return sum(shared) / depth
