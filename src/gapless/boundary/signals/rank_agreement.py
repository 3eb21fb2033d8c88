"""How far two rankings of the same question agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.signals.base import at, at_least, items


@dataclass(frozen=True, kw_only=True)
class RankAgreement:
    """Mean overlap of the first 1, 2, ... k of two rankings: 1 for the same order, 0 for nothing in common.

    Source:
        Average overlap: Fagin, Kumar and Sivakumar (2003), "Comparing top k lists"; Webber, Moffat and Zobel (2010), "A
        similarity measure for indefinite rankings", whose rank-biased overlap weighs the depths otherwise.
    """

    name: ClassVar[str] = "rank-agreement"

    first: str
    """Path of a ranking: ids (texts or whole numbers), best first. One that comes again counts where it came first."""
    second: str
    k: int = 5
    """How deep."""

    def __post_init__(self) -> None:
        at_least(self, "k", self.k, 1)

    def __call__(self, crossing: Crossing) -> float | None:
        """The agreement; None where one of the rankings is not there, is empty, or ranks what is no id."""
        left, right = (_ids(at(crossing, path)) for path in (self.first, self.second))
        if not left or not right:
            return None
        depth = min(self.k, max(len(left), len(right)))
        shared = (len(set(left[:d]) & set(right[:d])) / d for d in range(1, depth + 1))
        return sum(shared) / depth


def _ids(value: Any) -> list[str | int]:
    found = items(value) or []
    return list(dict.fromkeys(found)) if all(isinstance(one, (str, int)) for one in found) else []
