"""Cause and suspicion side by side: two bars per step, one axis, never one colour."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from gapless.records.estimate import Estimate
from gapless.records.replay import Causes
from gapless.report.causal import UNSEEN, chance, rest, seen, share
from gapless.report.svg.markup import at, strip, tag
from gapless.report.svg.rates import Axis, whiskers

_HIGH, _THICK = 26.0, 12.0


@dataclass(frozen=True, slots=True)
class Pair:
    """One step's bars, each beside its words."""

    name: str
    ours: bool
    """Whether the name is gapless' own word."""
    cause: Markup
    cause_said: str
    cause_more: str
    suspicion: Markup
    suspicion_said: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows over one axis, drawn under either column."""

    rows: tuple[Pair, ...]
    axis: Markup


def pairs(found: Causes) -> Pairs | None:
    """The picture; None where nothing was replayed."""
    if not found.rows:
        return None
    axis = _axis(found)
    rows = [
        Pair(
            name=row.step,
            ours=False,
            cause=_bar(axis, row.share, "cause"),
            cause_said=share(row.share),
            cause_more=f"largest in {said} of resamples" if (said := chance(row)) else "",
            suspicion=_bar(axis, row.suspected, "suspicion"),
            suspicion_said=seen(row.suspected) or "not known",
        )
        for row in found.rows
    ]
    nothing = _bar(axis, Estimate(), "cause")
    if found.verdict_noise.point is not None:
        drawn = _bar(axis, found.verdict_noise, "cause")
        rows.append(Pair(rest(found), True, drawn, share(found.verdict_noise), "", nothing, ""))
    if found.unseen.point is not None:
        drawn = _bar(axis, found.unseen, "suspicion")
        rows.append(Pair(UNSEEN, True, nothing, "", "", drawn, seen(found.unseen)))
    return Pairs(tuple(rows), axis.labels())


def _axis(found: Causes) -> Axis:
    """From 0, or from the half below it that holds what is drawn, to 1: what lies beyond ends at the edge."""
    drawn = [*(row.share for row in found.rows), found.verdict_noise]
    least = min(value for e in drawn for value in (e.point, e.low, 0.0) if value is not None)
    return Axis(0.0 if least >= 0 else -0.5 if least >= -0.5 else -1.0)


def _bar(axis: Axis, estimate: Estimate, kind: str) -> Markup:
    middle = _HIGH / 2
    parts = axis.grid()
    if estimate.point is not None:
        first, last = sorted((axis.place(0.0), axis.place(estimate.point)))
        width, y = at(last - first), (_HIGH - _THICK) / 2
        parts.append(tag("rect", x=at(first), y=y, width=width, height=_THICK, class_=f"bar-{kind}"))
    if estimate.low is not None and estimate.high is not None:
        parts += whiskers(axis, estimate.low, estimate.high, middle, f"whisker-{kind}")
    return strip(_HIGH, parts, class_="strip")
