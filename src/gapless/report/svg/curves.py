"""The curves of a calibration: risk over coverage with its certified part, reviews, and reliability."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from gapless.records.calibration import Calibration, CurvePoint, ReliabilityBin
from gapless.report.calibration import share
from gapless.report.svg.markup import picture, tag

_W, _H = 420.0, 270.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 50.0, 24.0, 18.0, 42.0


def risk(made: Calibration) -> Markup | None:
    """Risk over coverage: every threshold that was tried, those that are certified filled, alpha as a line."""
    points = [(p, _risk(p, made)) for p in made.curve if p.coverage > 0]
    told = [(p, value) for p, value in points if value is not None]
    if not told:
        return None
    most = _round_up(max(made.alpha * 1.6, *(value for _, value in told)))
    parts = [
        *_frame(
            most, "share of answers delivered", "delivered and wrong" if made.risk == "joint" else "wrong"
        )
    ]
    y = _y(made.alpha / most)
    parts.append(tag("line", x1=_LEFT, x2=_W - _RIGHT, y1=y, y2=y, class_="limit"))
    parts.append(tag("text", f"alpha {share(made.alpha)}", x=_LEFT + 4, y=y - 4, class_="tick"))
    if all(len(p.thresholds) == 1 for p, _ in told):
        line = sorted(told, key=lambda one: one[0].coverage)
        parts.append(tag("polyline", points=_path([(p.coverage, v / most) for p, v in line]), class_="curve"))
    parts += [
        tag(
            "circle",
            tag("title", _spoken(p, value)),
            cx=_x(p.coverage),
            cy=_y(value / most),
            r=3.2,
            class_="certified" if p.certified else "open",
        )
        for p, value in told
    ]
    return picture(_W, _H, "Risk over coverage, certified thresholds filled", parts, class_="plot")


def reviews(made: Calibration) -> Markup | None:
    """Reviews per thousand trials over the threshold, for one gate."""
    points = [p for p in made.curve if len(p.thresholds) == 1]
    if len(points) < 2:
        return None
    high, low, _ = made.grid
    width = high - low or 1.0
    able = max(p.coverage for p in points)
    line = sorted(((p.thresholds[0] - low) / width, able - p.coverage) for p in points)
    parts = [*_frame(1.0, "threshold", "reviews per 1,000", y_scale=1000.0, x_low=low, x_high=high)]
    parts.append(tag("polyline", points=_path(line), class_="curve"))
    kept = made.gates[0].threshold
    if kept is not None:
        x = _x((kept - low) / width)
        parts.append(tag("line", x1=x, x2=x, y1=_TOP, y2=_H - _BOTTOM, class_="chosen"))
        parts.append(tag("text", f"{kept:g}", x=x + 4, y=_TOP + 10, class_="tick"))
    return picture(_W, _H, "Reviews per thousand trials over the threshold", parts, class_="plot")


def reliability(bins: Sequence[ReliabilityBin]) -> Markup | None:
    """What the confidence said against what came, one dot per bin, larger for more trials."""
    if not bins:
        return None
    total = sum(one.n for one in bins)
    parts = [*_frame(1.0, "confidence said", "came out right")]
    parts.append(tag("line", x1=_x(0), y1=_y(0), x2=_x(1), y2=_y(1), class_="limit"))
    for one in bins:
        title = tag("title", f"said {one.said:.2f}, came {one.came:.2f}, {one.n} trials")
        radius = 3.0 + 9.0 * (one.n / total) ** 0.5
        parts.append(tag("circle", title, cx=_x(one.said), cy=_y(one.came), r=radius, class_="bin"))
    return picture(
        _W, _H, "Reliability: confidence against the share that came out right", parts, class_="plot"
    )


def _frame(
    most: float, x_words: str, y_words: str, *, y_scale: float = 0.0, x_low: float = 0.0, x_high: float = 1.0
) -> Iterator[Markup]:
    for step in range(5):
        part = step / 4
        y, x = _y(part), _x(part)
        yield tag("line", x1=_LEFT, x2=_W - _RIGHT, y1=y, y2=y, class_="grid")
        said = f"{part * most * y_scale:.0f}" if y_scale else share(round(part * most, 4))
        yield tag("text", said, x=_LEFT - 6, y=y + 4, text_anchor="end", class_="tick")
        value = x_low + part * (x_high - x_low)
        said = f"{value:g}" if x_words == "threshold" else share(round(value, 4))
        yield tag("text", said, x=x, y=_H - _BOTTOM + 15, text_anchor="middle", class_="tick")
    yield tag("text", x_words, x=(_LEFT + _W - _RIGHT) / 2, y=_H - 6, text_anchor="middle", class_="tick")
    yield tag("text", y_words, x=_LEFT + 2, y=_TOP - 3, class_="tick")


def _spoken(point: CurvePoint, value: float) -> str:
    at = ", ".join(f"{threshold:g}" for threshold in point.thresholds)
    kind = "certified" if point.certified else "not certified"
    return (
        f"threshold {at}: delivers {share(round(point.coverage, 4))}, risk {share(round(value, 4))}, {kind}"
    )


def _risk(point: CurvePoint, made: Calibration) -> float | None:
    return point.joint if made.risk == "joint" else point.conditional


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)


def _x(part: float) -> float:
    return _LEFT + (_W - _LEFT - _RIGHT) * part


def _y(part: float) -> float:
    return _H - _BOTTOM - (_H - _TOP - _BOTTOM) * min(1.0, part)


def _round_up(value: float) -> float:
    return next((edge for edge in (0.02, 0.04, 0.08, 0.12, 0.2, 0.4, 0.6, 0.8) if value <= edge), 1.0)
