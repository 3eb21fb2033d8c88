"""The same loss along the chain of steps, and by layer: how much is left, and what a fair split makes of it."""

from __future__ import annotations

from gapless.records.decomposition import ChainRow
from gapless.records.estimate import Estimate
from gapless.records.gap import Gap
from gapless.report.sections.base import Section
from gapless.report.wording import lost, nothing, part

_MOST = 40


def chain(gap: Gap) -> Section | None:
    """The section; None where all that is lost is lost at one place."""
    rows = [row for row in gap.chain if row.shapley is not None]
    if gap.success.point is None or sum(row.conditional not in (None, 1.0) for row in rows) < 2:
        return None
    if len(rows) > _MOST:
        rows = [row for row in rows if row.conditional != 1.0]
    return Section(
        title="Along the chain",
        lead="Of the trials not lost before a step: how many pass it, how many visit it, and how many are lost where it is "
        "visited. The shares that pass multiply to S.",
        heads=("Step", "Pass", "Visit it", "Lost where visited", "Fair share"),
        rows=tuple(_row(row) for row in rows[:_MOST]),
        under="Fair share: the Shapley value of the product of these pass rates. It splits arithmetic fairly; it says nothing of causes.",
    )


def layers(gap: Gap) -> Section | None:
    """The section; None where no layer has several steps that lose anything: the boundaries say it all then."""
    rows = [row for row in gap.layers if row.points.point]
    exits = [row for row in gap.boundaries if row.layer is not None and row.points.point]
    if gap.success.point is None or len(rows) in (0, 1, len(exits)):
        return None
    return Section(
        title="By layer",
        lead="The losses at each layer's steps, added up.",
        heads=("Layer", "Points lost", "Fair share"),
        rows=tuple((row.layer, lost(row.points), _share(row.shapley)) for row in rows),
        ours=True,
    )


def _row(row: ChainRow) -> tuple[str, ...]:
    return (
        row.exit,
        part(row.conditional),
        part(row.reach),
        part(row.hazard),
        _fair(row.shapley),
    )


def _fair(share: Estimate | None) -> str:
    if share is None:
        return ""
    # Resampling what was never lost gives no width: that is no bound.
    return "none seen" if nothing(share) else lost(share)


def _share(value: float | None) -> str:
    return "" if value is None else lost(Estimate(point=value))
