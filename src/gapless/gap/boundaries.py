"""The loss placed at exits: points that add up to 1 - S exactly (METHOD section 5)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.blame import first_failure
from gapless.gap.clustered import Units, clustered, mean
from gapless.gap.power import groups_to_tell
from gapless.gap.table import History, Table
from gapless.records.estimate import Estimate
from gapless.records.gap import PSEUDO_EXITS, BoundaryRow
from gapless.records.trial import OUTCOMES
from gapless.records.workflow import Shape

_EXAMPLES = 3
_NEAR_ZERO = 0.005
"""Half a point: nobody should act on a loss whose interval comes so close to none."""


def boundaries(table: Table, units: Units, shape: Shape, *, level: float = 0.95) -> tuple[BoundaryRow, ...]:
    """One row per exit at which anything was lost or repaired, the largest loss first.

    Args:
        table: Run table of N trials.
        units: Their groups and weights.
        shape: The workflow, for receivers and layers.
        level: Two-sided confidence level of each row, pointwise.
    """
    firsts = [first_failure(history) for history in table.histories]
    first, repaired = _first_failures(table, firsts)
    lost = mean(table.blame >= 0, units)
    rows: list[BoundaryRow] = []
    for exit_ in dict.fromkeys([*table.exits, *first]):
        blamed = exit_ in table.exits
        here = table.blame == table.exits.index(exit_) if blamed else np.zeros(len(table), dtype=bool)
        # Nothing blamed is a claim ("at most"), whatever the size of the table (METHOD section 5).
        points = clustered(here, units, level=level, method=None if blamed else "korn-graubard")
        step = shape.step(exit_)
        counts = dict(zip(OUTCOMES, np.bincount(table.outcome[here], minlength=len(OUTCOMES)), strict=True))
        rows.append(
            BoundaryRow(
                exit=exit_,
                receivers=receivers(shape, exit_),
                layer=step.layer if step else None,
                layer_guessed=step.layer_guessed if step else False,
                points=points,
                more_groups=_more_groups(here, units, points),
                share=points.point / lost if lost > 0 and points.point is not None else None,
                wrong=int(counts["wrong"]),
                escalated=int(counts["escalated"]),
                failed=int(counts["failed"]),
                unjudged=int(counts["unjudged"]),
                repaired=repaired.get(exit_, 0),
                first_failures=first.get(exit_, 0),
                repair_rate=_repair_rate(table, firsts, exit_, level) if exit_ in first else None,
                examples=_examples(table, here),
                reasons=_reasons(table, here),
            )
        )
    return tuple(
        # Equal losses may differ by rounding, which depends on the order of the runs.
        sorted(
            rows, key=lambda row: (-round(row.points.point or 0.0, 12), row.exit in PSEUDO_EXITS, row.exit)
        )
    )


def _more_groups(here: NDArray[Any], units: Units, points: Estimate) -> int | None:
    """Groups to be added until the points would be told from 0; None where they are, or where nothing was lost."""
    g = units.n_groups
    if not points.point or points.low is None or points.low >= _NEAR_ZERO or g < 2:
        return None
    means = np.bincount(units.codes, weights=here.astype(float), minlength=g) / units.sizes
    spread = float(means.var(ddof=1))
    return max(1, groups_to_tell(points.point, spread) - g) if spread > 0 else None


def receivers(shape: Shape, exit_: str) -> tuple[str, ...]:
    """The steps an exit hands over to; X -> router -> Y counts as X -> Y."""
    routers = {step.name for step in shape.steps if step.router}
    found: dict[str, None] = {}
    waiting = list(shape.receivers(exit_))
    seen: set[str] = set()
    while waiting:
        name = waiting.pop(0)
        if name in routers and name not in seen:
            seen.add(name)
            waiting = [*shape.receivers(name), *waiting]
        elif name not in routers:
            found.setdefault(name)
    return tuple(found)


def verdict_share(table: Table) -> float | None:
    """Share of step visits whose last attempt has a verdict; None without visits. Routers and review pauses are left out."""
    seen = np.array([_judged(history) for history in table.histories], dtype=np.int64).reshape(-1, 2)
    visits, judged = table.per_history() @ seen
    return float(judged / visits) if visits else None


def _judged(history: History) -> tuple[int, int]:
    """(visits, those of them with a verdict) of one history."""
    last = {
        (event.step, event.branch, event.visit): event.ok is not None
        for event in history
        if not event.router and event.status != "paused"
    }
    return len(last), sum(last.values())


def _examples(table: Table, here: NDArray[Any]) -> tuple[str, ...]:
    wrong = table.is_("wrong")
    rows = [*np.flatnonzero(here & wrong)[:_EXAMPLES], *np.flatnonzero(here & ~wrong)[:_EXAMPLES]]
    return tuple(table.name(row) for row in rows[:_EXAMPLES])


def _reasons(table: Table, here: NDArray[Any]) -> dict[str, int]:
    """What was wrong, the most frequent first."""
    counts = np.bincount(table.why[here], minlength=len(table.whys))
    said = {table.whys[code]: int(counts[code]) for code in np.flatnonzero(counts)}
    said.pop("", None)
    return dict(sorted(said.items(), key=lambda item: (-item[1], item[0]))[:_EXAMPLES])


def _first_failures(table: Table, firsts: list[str | None]) -> tuple[dict[str, int], dict[str, int]]:
    """Step -> trials whose first failing step it is; and those of them that ended correct."""
    first: dict[str, int] = {}
    repaired: dict[str, int] = {}
    correct = table.per_history(table.is_("correct"))
    for failing, runs, right in zip(firsts, table.per_history(), correct, strict=True):
        if failing is not None and runs:
            first[failing] = first.get(failing, 0) + int(runs)
            repaired[failing] = repaired.get(failing, 0) + int(right)
    return first, repaired


def _repair_rate(table: Table, firsts: list[str | None], exit_: str, level: float) -> Estimate:
    """Share of the trials whose first failing step this is that ended correct all the same."""
    here = np.array([failing == exit_ for failing in firsts])[table.history]
    return clustered(table.is_("correct")[here], table.units(here), level=level)
