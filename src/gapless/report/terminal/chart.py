"""Bars and intervals drawn with characters; every one of them is readable without colour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gapless.records.estimate import Estimate


def shares(counts: Mapping[str, int], width: int) -> dict[str, int]:
    """Cells of a bar for each count: they fill the width exactly, and what happened at all has one at least.

    Example:
        >>> shares({"correct": 98, "wrong": 1, "failed": 0}, 10)
        {'correct': 9, 'wrong': 1, 'failed': 0}
    """
    total = sum(counts.values())
    if total == 0 or width <= 0:
        return dict.fromkeys(counts, 0)
    cells = {
        name: max(1, math.floor(width * number / total)) if number else 0 for name, number in counts.items()
    }
    # Rounding down leaves cells over, and the smallest may have taken too many: the largest settles it.
    largest = max(counts, key=lambda name: counts[name])
    cells[largest] = max(1, cells[largest] + width - sum(cells.values()))
    return cells


@dataclass(frozen=True, slots=True)
class Axis:
    """From a number to a column."""

    least: float
    most: float
    width: int

    def column(self, value: float) -> int:
        """The column a value falls into, 0 to width - 1."""
        span = self.most - self.least
        share = (value - self.least) / span if span > 0 else 0.0
        return max(0, min(self.width - 1, round(share * (self.width - 1))))

    def interval(self, estimate: Estimate) -> str:
        """A point with its interval: `  |---*--|`.

        Example:
            >>> Axis(0.0, 1.0, 11).interval(Estimate(point=0.5, low=0.2, high=0.9))
            '  ├──●───┤ '
        """
        cells = [" "] * self.width
        if estimate.low is not None and estimate.high is not None:
            low, high = self.column(estimate.low), self.column(estimate.high)
            cells[low : high + 1] = ["─"] * (high - low + 1)
            cells[low], cells[high] = "├", "┤"
        if estimate.point is not None:
            cells[self.column(estimate.point)] = "●"
        return "".join(cells)

    def span(self, first: float, last: float, mark: str) -> str:
        """Everything between two values.

        Example:
            >>> Axis(0.0, 1.0, 11).span(0.9, 0.7, "x")
            '       xxx '
        """
        low, high = sorted((self.column(first), self.column(last)))
        return " " * low + mark * (high - low + 1) + " " * (self.width - high - 1)

    def ticks(self) -> str:
        """The rates at both ends and in the middle, where they are."""
        cells = [" "] * self.width
        labels = [(0, self.least), (self.width // 2, (self.least + self.most) / 2), (self.width, self.most)]
        for place, value in labels if self.width >= 24 else [labels[0], labels[2]]:
            text = f"{100 * value:.3g} %"
            start = max(0, min(self.width - len(text), place - len(text) // 2))
            cells[start : start + len(text)] = text
        return "".join(cells)


def rate_axis(estimates: Sequence[Estimate], width: int, also: Sequence[float] = ()) -> Axis:
    """An axis that ends at 100 % and begins at the ten below the lowest limit."""
    lows = [value for e in estimates for value in (e.low, e.point) if value is not None]
    least = min([*lows, *also], default=0.0)
    return Axis(max(0.0, min(0.9, math.floor(least * 10 + 1e-9) / 10)), 1.0, width)
