"""Whether the same question gets the same answer again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from gapless.boundary.crossing import Crossing
from gapless.records.value import to_plain


def _alike(one: Any, other: Any) -> bool:
    return to_plain(one) == to_plain(other)


@dataclass(frozen=True, kw_only=True)
class SelfConsistency:
    """Share of resamples that agree with what is handed over. It costs that many more calls: take a cheap step.

    Source:
        Wang et al. (ICLR 2023), "Self-consistency improves chain of thought reasoning".
    """

    name: ClassVar[str] = "self-consistency"

    resample: Callable[[Crossing], Any]
    """Answers the same question once more; called `n` times, one after the other. One that raises disagrees."""
    n: int = 3
    same: Callable[[Any, Any], bool] = _alike
    """Whether two answers mean the same."""

    def __call__(self, crossing: Crossing) -> float | None:
        """The share; None for no resamples, and where nothing is handed over."""
        if self.n < 1 or crossing.handoff is None:
            return None
        return sum(self._agrees(crossing) for _ in range(self.n)) / self.n

    def _agrees(self, crossing: Crossing) -> bool:
        try:
            return bool(self.same(crossing.handoff, self.resample(crossing)))
        except Exception:  # the user's function may raise anything: no agreement
            return False
