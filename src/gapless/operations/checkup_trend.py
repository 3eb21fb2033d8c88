"""`gapless checkup --history NAME`: the figures of a probe over the checkups on record."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from gapless.records.finding import Checkup, Figure
from gapless.records.trend import Change, Trend, TrendLine, TrendPoint

if TYPE_CHECKING:
    from gapless.stores.store import Store

_MOST = 100


def trends(store: Store, name: str) -> list[Trend]:
    """What a probe, or each probe of a layer, measured in the newest hundred checkups.

    Args:
        store: Where they are kept.
        name: A probe, or a layer.

    Raises:
        UnknownName: There is no such probe or layer.
    """
    from gapless.probes.shelf import SHELF, card, layers, unknown

    if name not in SHELF and name not in layers():
        raise unknown(name)
    made = store.checkups.newest(_MOST)[::-1]
    wanted = [name] if name in SHELF else [one for one in SHELF if card(one).layer == name]
    return [trend_of(made, one, card(one).title) for one in wanted]


def trend_of(made: list[Checkup], probe: str, title: str) -> Trend:
    """The figures of one probe over checkups, the oldest first; figures of one name about one subject make a line."""
    found: dict[tuple[str, str, str], list[TrendPoint]] = {}
    asked = [(one, finding) for one in made for finding in one.findings if finding.probe == probe]
    for one, finding in asked:
        for figure in finding.figures:
            about = finding.subject or one.subject
            point = TrendPoint(
                checkup=one.id,
                at=one.created_at,
                subject=about,
                status=finding.status,
                undecided=finding.undecided,
                figure=figure,
            )
            found.setdefault((figure.name, figure.unit, about), []).append(point)
    lines = (
        TrendLine(name=name, unit=unit, subject=about, points=tuple(points), change=_change(points))
        for (name, unit, about), points in found.items()
    )
    return Trend(
        probe=probe,
        title=title,
        checkups=len({one.id for one, _ in asked}),
        unmeasured=sum(finding.status == "not-applicable" for _, finding in asked),
        lines=tuple(lines),
    )


def _change(points: list[TrendPoint]) -> Change:
    """By interval, never by the point: a count that has none may be how many were asked, and says nothing by being lower."""
    for before, after in list(pairwise(points))[-1:]:
        then, now = _ends(before.figure), _ends(after.figure)
        if then is not None and now is not None:
            return "up" if now[0] > then[1] else "down" if now[1] < then[0] else "none"
    return "unknown"


def _ends(figure: Figure) -> tuple[float, float] | None:
    """The interval or spread, where it has one."""
    return None if figure.low is None or figure.high is None else (figure.low, figure.high)
