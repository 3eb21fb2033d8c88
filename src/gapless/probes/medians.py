"""The median of something that was measured several times, with the limits that hold it whatever the distribution."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from gapless.gap.latency import ranks
from gapless.records.finding import Figure


def median_figure(name: str, values: Sequence[float], unit: str, *, of: str) -> Figure:
    """A median with its 95 % interval; of fewer than six values, which cannot have one, with the least and the most.

    Args:
        name: The figure's.
        values: At least one, in the figure's unit.
        unit: "GB/s", "us", "share".
        of: What they are: "passes".

    Source:
        Order statistics: David, Nagaraja (2003), Order Statistics, section 7.1.

    Example:
        >>> one = median_figure("triad", [19.0, 20.0, 20.5, 20.6, 20.8, 21.0], "GB/s", of="passes")
        >>> round(one.value, 2), one.low, one.high, one.spread
        (20.55, 19.0, 21.0, '95 % interval of the median of 6 passes')
    """
    low, high = ranks(len(values), 0.5)
    ordered = sorted(values)
    held = low is not None and high is not None
    return Figure(
        name=name,
        value=statistics.median(ordered),
        unit=unit,
        low=ordered[low - 1] if low is not None and held else ordered[0],
        high=ordered[high - 1] if high is not None and held else ordered[-1],
        spread=f"95 % interval of the median of {len(ordered)} {of}"
        if held
        else f"least and most of {len(ordered)} {of}",
    )
