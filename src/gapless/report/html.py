"""The report as one HTML file: no script, no request, light and dark, screen and paper."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from gapless.records.estimate import Estimate
from gapless.records.report import Report
from gapless.records.trial import Outcome
from gapless.report import wording
from gapless.report.svg.graph import workflow
from gapless.report.svg.rates import waterfall, whisker

_OUTCOMES: tuple[tuple[Outcome, str], ...] = (
    ("correct", "correct"),
    ("wrong", "silently wrong"),
    ("escalated", "sent to a person"),
    ("failed", "failed loudly"),
    ("unjudged", "not judged"),
)


def render(report: Report) -> str:
    """The report as HTML text. Everything from users' data is escaped."""
    gap = report.gap
    shares = {name: gap.outcomes.get(name, 0) / gap.n_runs if gap.n_runs else 0.0 for name, _ in _OUTCOMES}
    losses = [e for row in gap.boundaries for e in (row.points.point, row.points.high) if e is not None]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            gap=gap,
            m=report.measurement,
            w=wording,
            outcomes=_OUTCOMES,
            shares=shares,
            waterfall=waterfall(gap),
            graph=workflow(report.measurement.shape, gap),
            whisker=partial(whisker, most=max(losses, default=0.0)),
            methods=sorted({e.method for e in _estimates(gap) if e.method and e.point is not None}),
            when=_when(report.measurement.created_at),
        )
    )


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("gapless.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _estimates(value: Any) -> Iterator[Estimate]:
    if isinstance(value, Estimate):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _estimates(getattr(value, name))
    elif isinstance(value, (tuple, list)):
        for inner in value:
            yield from _estimates(inner)
    elif isinstance(value, dict):
        yield from _estimates(list(value.values()))


def _when(unix: float) -> str:
    return dt.datetime.fromtimestamp(unix, tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
