"""One figure over time: a dot and its interval for each checkup, the oldest at the left."""

from __future__ import annotations

from markupsafe import Markup

from gapless.records.trend import TrendLine
from gapless.report.checkup import mark, mark_class
from gapless.report.svg.markup import at, strip, tag
from gapless.report.trend import moment, said, span

MOST = 60
"""Checkups drawn."""
_HIGH, _EDGE = 64.0, 8.0


def drawing(line: TrendLine) -> Markup:
    """The figure's newest sixty values; the words beside it say the newest."""
    points = line.points[-MOST:]
    least, most = span(line)

    def height(value: float) -> float:
        return _HIGH - _EDGE - (_HIGH - 2 * _EDGE) * (value - least) / (most - least)

    parts = [tag("line", x1="0%", x2="100%", y1=_HIGH - 0.5, y2=_HIGH - 0.5, class_="base")]
    for number, point in enumerate(points):
        x, one = at((number + 0.5) / len(points)), point.figure
        if one.low is not None and one.high is not None:
            parts.append(tag("line", x1=x, x2=x, y1=height(one.low), y2=height(one.high), class_="whisker"))
        title = tag("title", f"{moment(point)}: {said(point)}, {mark(point)}")
        parts.append(tag("circle", title, cx=x, cy=height(one.value), r=4, class_=f"dot {mark_class(point)}"))
    return strip(_HIGH, parts, class_="trend")
