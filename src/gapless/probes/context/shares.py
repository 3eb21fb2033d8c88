"""Shares as figures: of queries, which stand for those that will be asked; of labels and documents, where all were counted."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

import numpy as np

from gapless.gap.clustered import clustered, units
from gapless.records.estimate import Estimate
from gapless.records.finding import Figure
from gapless.report.wording import count, percent


def mean_of(values: Sequence[bool], groups: Sequence[Hashable]) -> Estimate:
    """A share of queries, groups as the unit."""
    return clustered(np.asarray(values, dtype=float), units(groups, weighting="runs"))


def counted(part: Collection[object], of: int) -> Estimate:
    """A share of all that there are, at least one: nothing is left out, so it is known without an interval.

    Example:
        >>> found = counted(["a", "b"], 8)
        >>> found.low == found.point == found.high == 0.25
        True
    """
    share = len(part) / of
    return Estimate(point=share, low=share, high=share, method="count", n_runs=of, n_cases=of, n_groups=of)


def rate_figure(name: str, rate: Estimate, basis: str) -> Figure:
    """A share with its interval, and what it rests on."""
    spread = f"{100 * rate.level:.3g} % interval, {basis}, {count(rate.n_groups, 'group')}"
    if rate.reason:
        spread += f"; {rate.reason}"
    return Figure(
        name=name, value=rate.point or 0.0, unit="share", low=rate.low, high=rate.high, spread=spread
    )


def count_figure(name: str, part: Collection[object], of: int, noun: str, which: str = "") -> Figure:
    """How many of all that there are.

    Example:
        >>> count_figure("stale", ["a"], 8, "document", " with a date").unit
        'of 8 documents with a date'
    """
    return Figure(name=name, value=len(part), unit=f"of {count(of, noun)}{which}")


def limits(rate: Estimate) -> str:
    """A share with its interval, in words.

    Example:
        >>> limits(Estimate(point=0.5, low=0.4, high=0.61)), limits(Estimate(point=1.0))
        ('50.0 % (40.0 % to 61.0 %)', '100.0 %')
    """
    said = percent(rate.point or 0.0)
    if rate.low is None or rate.high is None:
        return said
    return f"{said} ({percent(rate.low)} to {percent(rate.high)})"
