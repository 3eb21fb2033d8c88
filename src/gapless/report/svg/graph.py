"""The user's own workflow: steps in layers from start to end, coloured by what is lost at their exit."""

from __future__ import annotations

from markupsafe import Markup

from gapless.records.gap import Gap
from gapless.records.workflow import FINISH, START, Edge, Shape
from gapless.report.svg.markup import picture, tag
from gapless.report.wording import points, rate, shortened

_BOX, _HIGH, _GAP_X, _GAP_Y, _PAD = 148.0, 46.0, 34.0, 18.0, 14.0
_MOST_STEPS = 60


def workflow(shape: Shape, gap: Gap) -> Markup | None:
    """The drawing; None for a workflow without known steps, or one too large to be read."""
    names = [step.name for step in shape.steps if not step.router]
    if not names or len(names) > _MOST_STEPS:
        return None
    edges = [
        edge for edge in shape.edges if edge.source in {START, *names} and edge.target in {FINISH, *names}
    ]
    places = _places(names, edges)
    columns = 1 + max(column for column, _ in places.values())
    rows = 1 + max(row for _, row in places.values())
    width = _PAD * 2 + columns * (_BOX + _GAP_X) - _GAP_X
    height = _PAD * 2 + rows * (_HIGH + _GAP_Y) - _GAP_Y + 16
    heat = _heat(gap)
    parts = [_arrow(edge, places) for edge in edges if edge.source in places and edge.target in places]
    parts += [_box(name, places[name], heat.get(name)) for name in names]
    said = (
        "; ".join(f"{name}: {words}" for name, (_, words) in heat.items() if name in names)
        or "no loss was placed"
    )
    return picture(
        width,
        height,
        f"The workflow, by loss at each step's exit. {said}",
        parts,
        class_="graph",
        style=f"min-width:{min(width, 620):.0f}px",
    )


def _heat(gap: Gap) -> dict[str, tuple[int, str]]:
    """Step -> (0..4, in words): points lost, or where nothing is labelled, the share suspected."""
    if gap.success.point is None:
        rated = {row.exit: (row.rate, f"suspected {rate(row.rate, n=False)}") for row in gap.suspected}
    else:
        rated = {row.exit: (row.points, f"{points(row.points)} lost") for row in gap.boundaries}
    most = max((estimate.point or 0.0 for estimate, _ in rated.values()), default=0.0)
    return {
        name: (1 + min(3, int(4 * (estimate.point or 0.0) / most)), words)
        for name, (estimate, words) in rated.items()
        if most > 0 and (estimate.point or 0.0) > 0
    }


def _places(names: list[str], edges: list[Edge]) -> dict[str, tuple[int, int]]:
    """Column by longest way from the start (edges that lead back are ignored), row by order of declaration."""
    order = {name: index for index, name in enumerate(names)}
    column = dict.fromkeys(names, 0)
    for _ in names:
        for edge in edges:
            forward = order.get(edge.source, -1) < order.get(edge.target, -1)
            if edge.source in column and edge.target in column and forward:
                column[edge.target] = max(column[edge.target], column[edge.source] + 1)
    used: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for name in names:
        row = used.get(column[name], 0)
        used[column[name]] = row + 1
        places[name] = (column[name], row)
    return places


def _corner(place: tuple[int, int]) -> tuple[float, float]:
    return _PAD + place[0] * (_BOX + _GAP_X), _PAD + place[1] * (_HIGH + _GAP_Y)


def _box(name: str, place: tuple[int, int], heat: tuple[int, str] | None) -> Markup:
    x, y = _corner(place)
    level, words = heat or (0, "no loss placed here")
    shape = tag("rect", x=x, y=y, width=_BOX, height=_HIGH, rx=7, class_=f"box heat{level}")
    label = tag("text", shortened(name, 20), x=x + _BOX / 2, y=y + 20, class_="step", text_anchor="middle")
    short = words.split(" (")[0] if heat else ""
    below = tag("text", short, x=x + _BOX / 2, y=y + 36, class_="lost", text_anchor="middle")
    return tag("g", Markup("").join([tag("title", f"{name}: {words}"), shape, label, below]))


def _arrow(edge: Edge, places: dict[str, tuple[int, int]]) -> Markup:
    x1, y1 = _corner(places[edge.source])
    x2, y2 = _corner(places[edge.target])
    dashed = "edge conditional" if edge.conditional else "edge"
    if places[edge.target][0] > places[edge.source][0]:
        a, b = (x1 + _BOX, y1 + _HIGH / 2), (x2 - 2, y2 + _HIGH / 2)
        bend = (b[0] - a[0]) / 2
        path = f"M{a[0]:.1f},{a[1]:.1f} C{a[0] + bend:.1f},{a[1]:.1f} {b[0] - bend:.1f},{b[1]:.1f} {b[0]:.1f},{b[1]:.1f}"
    else:  # a way back runs below the boxes
        a, b = (x1 + _BOX / 2, y1 + _HIGH), (x2 + _BOX / 2, y2 + _HIGH)
        low = max(y1, y2) + _HIGH + 22
        path = f"M{a[0]:.1f},{a[1]:.1f} C{a[0]:.1f},{low:.1f} {b[0]:.1f},{low:.1f} {b[0]:.1f},{b[1] + 2:.1f}"
    return tag("path", d=path, class_=dashed, marker_end="url(#arrow)")
