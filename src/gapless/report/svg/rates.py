"""Rates on one axis: from the steps alone to P to S, each with its interval, and what lies between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from gapless.records.estimate import Estimate
from gapless.records.gap import Gap
from gapless.report.svg.markup import at, strip, tag
from gapless.report.wording import (
    NO_WIDTH,
    either_way,
    full_house,
    known_so_far,
    percent,
    points,
    product,
    rate,
)

_HIGH = 30.0
_MID = _HIGH / 2
_PARTS = {1: 5, 2: 4, 3: 3, 4: 4, 5: 5, 6: 3, 8: 4, 10: 5, 15: 3, 20: 4}
"""Tenths that an axis spans -> parts with round ends."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a chart: its words stand beside its drawing."""

    name: str
    kind: str
    """step, cost, predicted, success, suspected: what it is, for its style."""
    drawing: Markup
    value: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Rows over one axis."""

    rows: tuple[Row, ...]
    axis: Markup


@dataclass(frozen=True, slots=True)
class Axis:
    """From a rate to a place on a strip, 0 to 1."""

    least: float
    most: float = 1.0

    def place(self, value: float) -> float:
        """Where a rate is."""
        span = self.most - self.least
        return min(1.0, max(0.0, (value - self.least) / span)) if span > 0 else 0.0

    def ticks(self) -> list[tuple[float, float]]:
        """(place, rate) of round rates from end to end."""
        parts = _PARTS.get(round(10 * (self.most - self.least)), 4)
        return [(i / parts, self.least + i * (self.most - self.least) / parts) for i in range(parts + 1)]

    def grid(self) -> list[Markup]:
        """Vertical lines that run through every row."""
        return [tag("line", x1=at(x), x2=at(x), y1=0, y2="100%", class_="grid") for x, _ in self.ticks()]

    def labels(self) -> Markup:
        """The rates at the grid's lines."""
        parts: list[Markup] = []
        for x, value in self.ticks():
            anchor = "start" if x == 0 else "end" if x == 1 else "middle"
            text = f"{100 * value:.3g} %"
            parts.append(tag("text", text, x=at(x), y=13, text_anchor=anchor, class_="tick"))
        return strip(18.0, parts, class_="strip axis")


def waterfall(gap: Gap) -> Chart | None:
    """The steps alone, P with its Frechet band, and S; None where no step was benchmarked."""
    if not gap.components:
        return None
    split = gap.compounding
    predicted, success = split.predicted, gap.success
    known = [e for e in (predicted, known_so_far(gap) or success) if e.low is not None]
    drawn = [*(component.rate for component in gap.components), *known]
    band = (split.frechet_low, split.frechet_high)
    axis = Axis(_floor(drawn, [b for b in band if b is not None]))
    shade = _band(axis, *band) if predicted.point is not None and not full_house(predicted) else None
    rows = [
        Row(c.step, "step", _interval(axis, c.rate, "step"), rate(c.rate) + _unknown(c.unknown_share))
        for c in gap.components
    ]
    rows += _between(axis, "length alone", split.best, predicted, split.compounding_loss, None)
    if predicted.point is not None:
        drawing = _interval(axis, predicted, "predicted", shade)
        rows.append(Row("P, predicted", "predicted", drawing, product(predicted)))
    bounds = known_so_far(gap)
    if bounds is not None:
        rows.append(
            Row("S, either way", "success", _interval(axis, bounds, "success", shade), either_way(bounds))
        )
    elif success.point is not None:
        rows += _between(axis, "P − S", predicted, success, split.interaction_loss, shade)
        rows.append(Row("S, measured", "success", _interval(axis, success, "success", shade), rate(success)))
    return Chart(tuple(rows), axis.labels())


def suspicions(gap: Gap) -> Chart | None:
    """The share of trials suspected, by exit; None where nothing is."""
    if not gap.suspected:
        return None
    most = max((row.rate.high or row.rate.point or 0.0) for row in gap.suspected)
    tenths = min(10, math.ceil(most * 10))
    axis = Axis(0.0, (tenths if tenths in _PARTS else tenths + 1) / 10)
    rows = tuple(
        Row(row.exit, "suspected", _interval(axis, row.rate, "suspected"), rate(row.rate, n=False))
        for row in gap.suspected
    )
    return Chart(rows, axis.labels())


def whisker(estimate: Estimate, most: float) -> Markup:
    """A small bar with its interval, for a table cell.

    Args:
        estimate: A share of all trials.
        most: Share at the right edge.
    """
    if estimate.point is None or most <= 0:
        return Markup("")
    axis = Axis(0.0, most)
    parts = [
        tag("line", x1=0, x2="100%", y1=10, y2=10, class_="grid"),
        tag("rect", x=0, y=5, width=at(axis.place(estimate.point)), height=10, rx=1.5, class_="loss"),
    ]
    if estimate.low is not None and estimate.high is not None:
        parts += whiskers(axis, estimate.low, estimate.high, 10.0, "loss-interval")
    return strip(20.0, parts, class_="whisker")


def _floor(estimates: Sequence[Estimate], also: Sequence[float]) -> float:
    lows = [value for e in estimates for value in (e.low, e.point) if value is not None]
    tenths = max(0, min(9, math.floor(10 * min([*lows, *also], default=0.0) + 1e-9)))
    return (tenths if 10 - tenths in _PARTS else tenths - 1) / 10


def _unknown(share: float) -> str:
    return f", {percent(share, 0)} unknown" if share else ""


def _interval(axis: Axis, estimate: Estimate, kind: str, shade: Markup | None = None) -> Markup:
    parts = [*axis.grid(), *([shade] if shade is not None else [])]
    if estimate.low is not None and estimate.high is not None:
        parts += whiskers(axis, estimate.low, estimate.high, _MID, f"interval {kind}")
    if estimate.point is not None:
        parts.append(tag("circle", cx=at(axis.place(estimate.point)), cy=_MID, r=5.5, class_=f"dot {kind}"))
    return strip(_HIGH, parts, class_="strip")


def whiskers(axis: Axis, low: float, high: float, y: float, class_: str) -> list[Markup]:
    """An interval as a line with ends."""
    first, last = at(axis.place(low)), at(axis.place(high))
    ends = [tag("line", x1=x, x2=x, y1=y - 4, y2=y + 4, class_=class_) for x in (first, last)]
    return [tag("line", x1=first, x2=last, y1=y, y2=y, class_=class_), *ends]


def _between(
    axis: Axis, name: str, above: Estimate, below: Estimate, loss: Estimate, shade: Markup | None
) -> list[Row]:
    """The fall from one rate to the next, as a bar between the two."""
    if above.point is None or below.point is None or loss.point is None or abs(loss.point) < 1e-9:
        return []
    low, high = sorted((axis.place(above.point), axis.place(below.point)))
    kind = "fall" if loss.point > 0 else "rise"
    bar = tag("rect", x=at(low), y=9, width=at(high - low), height=_HIGH - 18, class_=kind)
    parts = [*axis.grid(), *([shade] if shade is not None else []), bar]
    return [Row(name, "cost", strip(_HIGH, parts, class_="strip"), points(loss))]


def _band(axis: Axis, low: float | None, high: float | None) -> Markup | None:
    if low is None or high is None or high - low < NO_WIDTH:
        return None
    first, last = axis.place(low), axis.place(high)
    return tag("rect", x=at(first), y=0, width=at(max(0.004, last - first)), height="100%", class_="band")
