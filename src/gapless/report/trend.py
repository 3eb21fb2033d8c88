"""The figures of a probe over time: for the terminal and for machines."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gapless.records.estimate import Estimate
from gapless.records.trend import Change, Trend, TrendLine, TrendPoint
from gapless.report.checkup import STYLES, mark
from gapless.report.json import plain
from gapless.report.printable import printable
from gapless.report.terminal.chart import Axis
from gapless.report.terminal.console import written
from gapless.report.wording import count, percent, three_digits

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = "gapless.trend/1"
CHANGES: dict[Change, str] = {
    "up": "higher than the time before, beyond both intervals",
    "down": "lower than the time before, beyond both intervals",
    "none": "no change beyond the spread",
    "unknown": "",
}
"""Of the last two values; without intervals they are only shown."""
_WIDTH, _SHOWN = 36, 15


def render(found: Sequence[Trend], *, width: int | None = None, color: bool | None = None) -> str:
    """Each figure as a small chart, the newest last."""
    return written(lambda console: _write(console, printable(list(found))), width=width, color=color)


def render_json(found: Sequence[Trend]) -> str:
    """For machines: `gapless.trend/1`, every key written out."""
    body = {"schema": SCHEMA, "trends": [plain(one) for one in found]}
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False)


def said(point: TrendPoint) -> str:
    """A value as the checkup showed it.

    Example:
        >>> from gapless.records.finding import Figure
        >>> said(TrendPoint(checkup="01", at=0.0, status="ok", figure=Figure(name="p50", value=45.12, unit="ms")))
        '45.1'
    """
    return percent(point.figure.value) if point.figure.unit == "share" else three_digits(point.figure.value)


def changed(line: TrendLine) -> str:
    """How the newest value lies to the one before; where no interval tells, both as they are, if they differ."""
    if line.change != "unknown" or len(line.points) < 2:
        return CHANGES[line.change]
    before, now = (said(point) for point in line.points[-2:])
    return f"{before} -> {now}" if before != now else ""


def scale(line: TrendLine) -> list[str]:
    """What the top and the bottom of the drawing stand for; one value where nothing ever differed."""
    least, most = _drawn(line)
    shown = percent if line.unit == "share" else three_digits
    return [shown(most), shown(least)] if most > least else [shown(most)]


def several(found: Trend) -> list[TrendLine]:
    """Figures that more than one checkup measured: these can be drawn."""
    return [line for line in found.lines if len(line.points) > 1]


def alone(found: Trend) -> list[TrendLine]:
    """Figures that one checkup alone measured so far."""
    return [line for line in found.lines if len(line.points) == 1]


def limits(point: TrendPoint) -> str:
    """Its interval or spread; empty where it has none."""
    low, high = point.figure.low, point.figure.high
    if low is None or high is None:
        return ""
    shown = percent if point.figure.unit == "share" else three_digits
    return f"{shown(low)} to {shown(high)}"


def moment(point: TrendPoint) -> str:
    """When it was measured, in the time of this place."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(point.at))


def span(line: TrendLine) -> tuple[float, float]:
    """Where the drawing begins and ends; never of no width."""
    least, most = _drawn(line)
    return (least, most) if most > least else (least - 0.5, most + 0.5)


def _drawn(line: TrendLine) -> tuple[float, float]:
    """The least and the largest value drawn, limits included."""
    drawn = [
        value
        for point in line.points
        for value in (point.figure.value, point.figure.low, point.figure.high)
        if value is not None
    ]
    return min(drawn), max(drawn)


def heading(found: Trend) -> str:
    """How often it was asked, and how often it measured nothing."""
    if not found.checkups:
        return "no checkup on record asked this"
    missing = f", nothing measured in {found.unmeasured} of them" if found.unmeasured else ""
    return f"{count(found.checkups, 'checkup')}{missing}"


def _write(console: Console, found: Sequence[Trend]) -> None:
    for trend in found:
        console.print()
        console.print(f"{trend.probe} · {trend.title}", style="bold")
        console.print(heading(trend), style="dim")
        for line in trend.lines:
            _line(console, line)
    console.print()


def _line(console: Console, line: TrendLine) -> None:
    from rich.text import Text

    unit = f", {line.unit}" if line.unit and not line.unit.startswith("of ") else ""
    axis = Axis(*span(line), _WIDTH)
    console.print(Text.assemble(f"  {line.name}{unit}", (f"  {line.subject}", "dim")))
    for point in line.points[-_SHOWN:]:
        estimate = Estimate(point=point.figure.value, low=point.figure.low, high=point.figure.high)
        row = Text.assemble(
            (f"    {moment(point)}  ", "dim"),
            (f"{mark(point):>4}", STYLES[point.status]),
            f"  {said(point):>8}  ",
            axis.interval(estimate),
        )
        console.print(row, no_wrap=True, overflow="crop")
    if change := changed(line):
        console.print(f"    {change}", style="yellow" if line.change in ("up", "down") else "dim")
