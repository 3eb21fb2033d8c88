"""Rates on one axis: the steps alone, P with its Frechet band, and S, each with its interval."""

from __future__ import annotations

from markupsafe import Markup

from gapless.records.estimate import Estimate
from gapless.records.gap import Gap
from gapless.report.svg.markup import picture, tag
from gapless.report.wording import rate, shortened

_WIDTH, _ROW, _LEFT, _RIGHT = 760.0, 30.0, 190.0, 200.0


def waterfall(gap: Gap) -> Markup | None:
    """The chart; None where no step was benchmarked."""
    split = gap.compounding
    rows: list[tuple[str, str, Estimate]] = [
        ("step", component.step, component.rate) for component in gap.components
    ]
    if not rows:
        return None
    if split.predicted.point is not None:
        rows.append(("predicted", "P, predicted", split.predicted))
    if gap.success.point is not None:
        rows.append(("success", "S, measured", gap.success))
    least = min((e.low if e.low is not None else e.point or 0.0) for _, _, e in rows)
    band = (split.frechet_low, split.frechet_high)
    least = min(least, band[0]) if band[0] is not None else least
    axis = _Axis(max(0.0, int(least * 10) / 10))
    height = _ROW * len(rows) + 34
    parts = [*axis.grid(height)]
    if band[0] is not None and band[1] is not None and split.predicted.point is not None:
        parts.append(_band(axis, band[0], band[1], _ROW * (len(rows) - 2) + 4))
    for index, (kind, name, estimate) in enumerate(rows):
        parts += _row(axis, kind, name, estimate, _ROW * index + _ROW / 2)
    said = "; ".join(f"{name} {rate(estimate)}" for _, name, estimate in rows)
    return picture(_WIDTH, height, f"Success rates: {said}", parts, class_="chart")


def whisker(estimate: Estimate, most: float) -> Markup:
    """A small bar with its interval, for a table cell.

    Args:
        estimate: A share of all trials.
        most: Share at the right edge.
    """
    width, height = 120.0, 14.0
    if estimate.point is None:
        return Markup("")
    scale = width / most if most > 0 else 0.0
    parts = [tag("rect", x=0, y=3, width=estimate.point * scale, height=8, rx=1.5, class_="loss")]
    if estimate.low is not None and estimate.high is not None:
        low, high = estimate.low * scale, min(width, estimate.high * scale)
        parts.append(tag("line", x1=low, x2=high, y1=7, y2=7, class_="interval"))
    return picture(width, height, rate(estimate), parts, class_="whisker")


class _Axis:
    """From a rate to a place."""

    def __init__(self, least: float) -> None:
        self._least = min(least, 0.9)

    def x(self, value: float) -> float:
        """Where a rate is."""
        share = (max(value, self._least) - self._least) / (1 - self._least)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def grid(self, height: float) -> list[Markup]:
        """Vertical lines with their rates."""
        parts: list[Markup] = []
        for index in range(5):
            value = self._least + index * (1 - self._least) / 4
            x = self.x(value)
            parts.append(tag("line", x1=x, x2=x, y1=2, y2=height - 26, class_="grid"))
            text = f"{100 * value:.4g} %"
            parts.append(tag("text", text, x=x, y=height - 8, class_="tick", text_anchor="middle"))
        return parts


def _band(axis: _Axis, low: float, high: float, y: float) -> Markup:
    told = f"Without any boundary effect, S could be {100 * low:.1f} to {100 * high:.1f} %, whatever the dependence"
    width = max(1.0, axis.x(high) - axis.x(low))
    return tag(
        "rect", tag("title", told), x=axis.x(low), y=y, width=width, height=_ROW * 2 - 8, rx=2, class_="band"
    )


def _row(axis: _Axis, kind: str, name: str, estimate: Estimate, y: float) -> list[Markup]:
    parts = [
        tag("text", shortened(name, 26), x=_LEFT - 12, y=y + 4, class_=f"name {kind}", text_anchor="end")
    ]
    if estimate.low is not None and estimate.high is not None:
        x1, x2 = axis.x(estimate.low), axis.x(estimate.high)
        parts.append(tag("line", x1=x1, x2=x2, y1=y, y2=y, class_=f"interval {kind}"))
    if estimate.point is not None:
        parts.append(tag("circle", cx=axis.x(estimate.point), cy=y, r=5, class_=f"dot {kind}"))
    parts.append(tag("text", rate(estimate), x=_WIDTH - _RIGHT + 12, y=y + 4, class_="value"))
    return parts
