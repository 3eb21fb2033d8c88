"""The loss placed at exits: points that add up to 1 - S exactly (METHOD section 5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.blame import first_failure
from gapless.gap.clustered import Units, clustered, mean
from gapless.records.gap import PSEUDO_EXITS, BoundaryRow
from gapless.records.trial import Run
from gapless.records.workflow import Shape

_EXAMPLES = 3


def boundaries(
    runs: Sequence[Run], table: Units, shape: Shape, *, level: float = 0.95
) -> tuple[BoundaryRow, ...]:
    """One row per exit at which anything was lost or repaired, the largest loss first.

    Args:
        runs: Run table, length N.
        table: Their groups and weights.
        shape: The workflow, for receivers and layers.
        level: Two-sided confidence level of each row, pointwise.
    """
    exits, codes = _codes(runs)
    outcomes: Mapping[str, Counter[str]] = {exit_: Counter() for exit_ in exits}
    for run in runs:
        if run.blame is not None:
            outcomes[run.blame][run.outcome] += 1
    first, repaired = _first_failures(runs)
    examples = _examples(runs)
    reasons: dict[str, Counter[str]] = {}
    for run in runs:
        if run.blame is not None and run.why:
            reasons.setdefault(run.blame, Counter())[run.why] += 1
    lost = mean(codes >= 0, table)
    rows: list[BoundaryRow] = []
    for exit_ in dict.fromkeys([*exits, *first]):
        values = codes == exits[exit_] if exit_ in exits else np.zeros(len(runs))
        # Nothing blamed is a claim ("at most"), whatever the size of the table (METHOD section 5).
        method = None if exit_ in exits else "korn-graubard"
        points = clustered(values, table, level=level, method=method)
        step = shape.step(exit_)
        counts = outcomes.get(exit_, Counter())
        rows.append(
            BoundaryRow(
                exit=exit_,
                receivers=receivers(shape, exit_),
                layer=step.layer if step else None,
                layer_guessed=step.layer_guessed if step else False,
                points=points,
                share=points.point / lost if lost > 0 and points.point is not None else None,
                wrong=counts["wrong"],
                escalated=counts["escalated"],
                failed=counts["failed"],
                unjudged=counts["unjudged"],
                repaired=repaired[exit_],
                first_failures=first[exit_],
                examples=tuple(examples.get(exit_, ())),
                reasons=_most_frequent(reasons.get(exit_, Counter())),
            )
        )
    return tuple(
        # Equal losses may differ by rounding, which depends on the order of the runs.
        sorted(
            rows, key=lambda row: (-round(row.points.point or 0.0, 12), row.exit in PSEUDO_EXITS, row.exit)
        )
    )


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


def verdict_share(runs: Sequence[Run]) -> float | None:
    """Share of step visits whose last attempt has a verdict; None without visits. Routers and review pauses are left out."""
    judged = visits = 0
    for run in runs:
        last = {
            (event.step, event.branch, event.visit): event.ok is not None
            for event in run.events
            if not event.router and event.status != "paused"
        }
        visits += len(last)
        judged += sum(last.values())
    return judged / visits if visits else None


def _codes(runs: Sequence[Run]) -> tuple[dict[str, int], NDArray[Any]]:
    exits: dict[str, int] = {}
    codes = np.fromiter(
        (-1 if run.blame is None else exits.setdefault(run.blame, len(exits)) for run in runs),
        dtype=np.int64,
        count=len(runs),
    )
    return exits, codes


def _most_frequent(said: Counter[str]) -> dict[str, int]:
    return dict(sorted(said.items(), key=lambda item: (-item[1], item[0]))[:_EXAMPLES])


def _examples(runs: Sequence[Run]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for run in sorted((run for run in runs if run.blame is not None), key=lambda run: run.outcome != "wrong"):
        mine = found.setdefault(run.blame or "", [])
        if len(mine) < _EXAMPLES:
            mine.append(f"{run.case}#{run.trial}")
    return found


def _first_failures(runs: Sequence[Run]) -> tuple[Counter[str], Counter[str]]:
    first: Counter[str] = Counter()
    repaired: Counter[str] = Counter()
    for run in runs:
        failing = first_failure(run.events)
        if failing is not None:
            first[failing] += 1
            repaired[failing] += run.outcome == "correct"
    return first, repaired
