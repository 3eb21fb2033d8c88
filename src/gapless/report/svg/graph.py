"""The user's own workflow, drawn from start to end: steps and their exits coloured by what is lost there."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from gapless.records.gap import PSEUDO_EXITS, Gap
from gapless.records.workflow import FINISH, START, Shape, Step
from gapless.report.svg.layout import Layout, Place, Route, layout
from gapless.report.svg.markup import picture, tag, together
from gapless.report.wording import layer, lost, percent, place, rate, shortened

_BOX, _HIGH, _PILL_BOX, _PILL = 176.0, 48.0, 58.0, 24.0
_GAP_X, _GAP_Y, _PAD = 18.0, 30.0, 6.0
_BACK, _ASIDE = 22.0, 26.0
_MOST_STEPS, _WIDEST = 40, 16
_NARROW = 2.2


@dataclass(frozen=True, slots=True)
class Drawing:
    """The workflow as a picture."""

    svg: Markup
    width: float
    """Pixels at which its words have the size of a caption."""
    narrow: bool
    """Whether it has room beside something else."""
    conditional: bool
    """Whether any edge is decided at run time."""
    reviewed: bool
    """Whether any step is a review by a person."""


def undrawn(shape: Shape) -> str | None:
    """Why a workflow with known steps is not drawn; None where it is."""
    steps = len(_drawn(shape))
    beyond = "The tables name every step at which something is lost."
    if steps > _MOST_STEPS:
        return f"Not drawn: {steps} steps are more than the {_MOST_STEPS} that a picture can show legibly. {beyond}"
    if steps and (wide := layout(shape).slots) > _WIDEST:
        return f"Not drawn: about {wide:.0f} of its {steps} steps and ways stand side by side, more than the {_WIDEST} that fit. {beyond}"
    return None


def _drawn(shape: Shape) -> list[Step]:
    return [step for step in shape.steps if not step.router]


@dataclass(frozen=True, slots=True)
class _Heat:
    level: int = 0
    """0 (nothing) to 4 (the most)."""
    short: str = ""
    long: str = "nothing lost here"


def workflow(shape: Shape, gap: Gap) -> Drawing | None:
    """The drawing; None for a workflow without known steps, or one too large to be read."""
    steps = _drawn(shape)
    if not steps or undrawn(shape) is not None:
        return None
    plan = layout(shape)
    sheet = _Sheet(plan)
    heat = _heat(gap)
    parts = [_edge(sheet, route, heat.get(route.edge.source, _Heat())) for route in plan.routes]
    parts += [_pill(sheet, name) for name in (START, FINISH)]
    parts += [_box(sheet, step, heat.get(step.name, _Heat())) for step in steps]
    said = "; ".join(f"{step.name}: {heat[step.name].long}" for step in steps if step.name in heat)
    svg = picture(
        sheet.width,
        sheet.height,
        f"The workflow from start to end, by loss at each step's exit. {said or 'Nothing is lost at a step.'}",
        parts,
        class_="graph",
        style=f"max-width:{sheet.width:.0f}px;min-width:{0.72 * sheet.width:.0f}px",
    )
    return Drawing(
        svg,
        sheet.width,
        narrow=plan.slots <= _NARROW,
        conditional=any(route.edge.conditional for route in plan.routes),
        reviewed=any(step.review for step in steps),
    )


def _heat(gap: Gap) -> dict[str, _Heat]:
    """Step -> points lost at its exit or, where nothing is labelled, the share of trials suspected."""
    if gap.success.point is None:
        rated = {
            row.exit: (
                row.rate,
                f"{percent(row.rate.point or 0)} suspected",
                f"suspected in {rate(row.rate, n=False)}",
            )
            for row in gap.suspected
        }
    else:
        rated = {
            row.exit: (row.points, lost(row.points).partition(" (")[0], f"{lost(row.points)} lost")
            for row in gap.boundaries
            if row.exit not in PSEUDO_EXITS
        }
    most = max((estimate.point or 0.0 for estimate, _, _ in rated.values()), default=0.0)
    return {
        name: _Heat(1 + min(3, int(4 * (estimate.point or 0.0) / most)), short, long)
        for name, (estimate, short, long) in rated.items()
        if most > 0 and (estimate.point or 0.0) > 0
    }


class _Sheet:
    """From ranks and slots to points on the paper."""

    def __init__(self, plan: Layout) -> None:
        self._plan = plan
        self._lanes = 0
        outside = sum(route.back and _climb(plan, route) > 1 for route in plan.routes)
        self.right = _PAD + plan.slots * (_BOX + _GAP_X) - _GAP_X
        self.width = self.right + (_BACK + 9.0 * outside if outside else 0.0) + _PAD
        self.height = 2 * _PAD + 2 * _PILL + (plan.ranks - 2) * (_HIGH + _GAP_Y) + _GAP_Y

    def centre(self, spot: Place) -> float:
        """x of the middle of a place."""
        return _PAD + spot[1] * (_BOX + _GAP_X) - _GAP_X / 2

    def top(self, spot: Place) -> float:
        """y of the upper edge of a place."""
        return _PAD if spot[0] == 0 else _PAD + _PILL + _GAP_Y + (spot[0] - 1) * (_HIGH + _GAP_Y)

    def bottom(self, spot: Place) -> float:
        """y of the lower edge of a place."""
        return self.top(spot) + (_PILL if spot[0] in (0, self._plan.ranks - 1) else _HIGH)

    def lane(self) -> float:
        """How far out the next way back runs."""
        self._lanes += 1
        return self.right + _BACK + 9.0 * self._lanes

    def spot(self, name: str) -> Place:
        """Where a step stands."""
        return self._plan.places[name]


def _climb(plan: Layout, route: Route) -> float:
    return plan.places[route.edge.source][0] - plan.places[route.edge.target][0]


def _box(sheet: _Sheet, step: Step, heat: _Heat) -> Markup:
    spot = sheet.spot(step.name)
    x, y = sheet.centre(spot), sheet.top(spot)
    below = " · ".join(word for word in (layer(step.layer, step.layer_guessed), heat.short) if word)
    kind = "box review" if step.review else "box"
    parts = [
        tag("title", f"{step.name} ({step.layer}): {heat.long}"),
        tag("rect", x=x - _BOX / 2, y=y, width=_BOX, height=_HIGH, rx=8, class_=f"{kind} heat{heat.level}"),
        tag("text", shortened(step.name, 19), x=x, y=y + 20, class_="step-name", text_anchor="middle"),
        tag("text", shortened(below, 28), x=x, y=y + 36, class_="step-lost", text_anchor="middle"),
    ]
    return tag("g", together(parts))


def _pill(sheet: _Sheet, name: str) -> Markup:
    spot = sheet.spot(name)
    x, y = sheet.centre(spot), sheet.top(spot)
    parts = [
        tag("rect", x=x - _PILL_BOX / 2, y=y, width=_PILL_BOX, height=_PILL, rx=_PILL / 2, class_="pill"),
        tag("text", place(name), x=x, y=y + 16, class_="end", text_anchor="middle"),
    ]
    return tag("g", together(parts))


def _edge(sheet: _Sheet, route: Route, heat: _Heat) -> Markup:
    style = f"edge heat{heat.level}" + (" conditional" if route.edge.conditional else "")
    path, head = _way_back(sheet, route) if route.back else _way_on(sheet, route)
    decided = " (decided at run time)" if route.edge.conditional else ""
    said = f"{place(route.edge.source)} to {place(route.edge.target)}{decided}"
    parts = [
        tag("title", said),
        tag("path", d=path, class_=style),
        tag("path", d=head, class_=f"head heat{heat.level}"),
    ]
    return tag("g", together(parts))


def _way_on(sheet: _Sheet, route: Route) -> tuple[str, str]:
    source, target = sheet.spot(route.edge.source), sheet.spot(route.edge.target)
    x, y = sheet.centre(source), sheet.bottom(source)
    path = f"M{x:.1f},{y:.1f}"
    for spot in route.via:
        path += _bend(x, y, sheet.centre(spot), sheet.top(spot))
        x, y = sheet.centre(spot), sheet.bottom(spot)
        path += f" L{x:.1f},{y:.1f}"
    end_x, end_y = sheet.centre(target), sheet.top(target)
    path += _bend(x, y, end_x, end_y - 6)
    return path, _down(end_x, end_y)


def _bend(x: float, y: float, to_x: float, to_y: float) -> str:
    half = (to_y - y) / 2
    return f" C{x:.1f},{y + half:.1f} {to_x:.1f},{to_y - half:.1f} {to_x:.1f},{to_y:.1f}"


def _way_back(sheet: _Sheet, route: Route) -> tuple[str, str]:
    """A way back to the rank above runs on the outer side of the way on; a longer one runs outside the boxes."""
    source, target = sheet.spot(route.edge.source), sheet.spot(route.edge.target)
    if route.edge.source == route.edge.target:
        x, y = sheet.centre(source) + _BOX / 2 - 36, sheet.bottom(source)
        path = f"M{x + 22:.1f},{y:.1f} C{x + 22:.1f},{y + 20:.1f} {x:.1f},{y + 20:.1f} {x:.1f},{y + 6:.1f}"
        return path, _up(x, y)
    if source[0] - target[0] == 1:
        aside = -_ASIDE if sheet.centre(source) < sheet.centre(target) - 1 else _ASIDE
        x1, y1 = sheet.centre(source) + aside, sheet.top(source)
        x2, y2 = sheet.centre(target) + aside, sheet.bottom(target)
        path = f"M{x1:.1f},{y1:.1f}" + _bend(x1, y1, x2, y2 + 6)
        return path, _up(x2, y2)
    return _outside(sheet, source, target)


def _outside(sheet: _Sheet, source: Place, target: Place) -> tuple[str, str]:
    x1, x2 = sheet.centre(source) + _BOX / 2, sheet.centre(target) + _BOX / 2
    y1, y2 = sheet.top(source) + _HIGH * 0.66, sheet.top(target) + _HIGH * 0.34
    out = sheet.lane()
    path = f"M{x1:.1f},{y1:.1f} C{out:.1f},{y1:.1f} {out:.1f},{y2:.1f} {x2 + 6:.1f},{y2:.1f}"
    return path, f"M{x2 + 8:.1f},{y2 - 4.5:.1f} v9 l-7.5,-4.5 z"


def _down(x: float, y: float) -> str:
    """An arrow's head that ends at a point from above."""
    return f"M{x - 4.5:.1f},{y - 8:.1f} h9 l-4.5,7.5 z"


def _up(x: float, y: float) -> str:
    """An arrow's head that ends at a point from below."""
    return f"M{x - 4.5:.1f},{y + 8:.1f} h9 l-4.5,-7.5 z"
