"""Tells which cases reach a step from what its boundary loses (METHOD section 4b).

Later steps are reached by the cases that survived, and those are easier. Compared with a benchmark over all cases, a
boundary that leaks can then even look like a gain.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.blame import last_visits
from gapless.gap.clustered import Units
from gapless.gap.codes import present
from gapless.gap.table import History, Table
from gapless.records.decomposition import CaseMixRow
from gapless.records.gap import Component
from gapless.records.trial import ComponentRun

_TOGETHER = "boundary and selection together"


def case_mix(
    table: Table,
    units: Units,
    components: Sequence[ComponentRun],
    rates: Sequence[Component],
    order: Sequence[str],
) -> tuple[CaseMixRow, ...]:
    """One row per benchmarked step that trials reached unspoilt and that was judged there.

    Args:
        table: Run table of N trials.
        units: Their groups and weights.
        components: Isolated benchmark runs, on golden inputs.
        rates: Their rates p_j.
        order: Every exit in one fixed order: a trial is unspoilt at a step while it is blamed at none before.

    Source:
        Kitagawa (1955), Journal of the American Statistical Association 50 (rate and composition).
    """
    place = {exit_: index for index, exit_ in enumerate(order)}
    ahead = np.array([place.get(exit_, len(order)) for exit_ in table.exits] + [len(order)])[table.blame]
    alone = _by_case(components)
    judged = [_verdicts(history) for history in table.histories]
    rows: list[CaseMixRow] = []
    for rate in rates:
        if rate.step not in place or rate.rate.point is None:
            continue
        ok = np.array([seen.get(rate.step, math.nan) for seen in judged])[table.history]
        alive = (ahead >= place[rate.step]) & ~np.isnan(ok)
        if alive.any():
            rows.append(
                _row(rate, ok[alive], table.case[alive], units.weights[alive], table, alone[rate.step])
            )
    return tuple(rows)


def _row(
    rate: Component,
    ok: NDArray[Any],
    case: NDArray[Any],
    weights: NDArray[Any],
    table: Table,
    alone: dict[str, list[float]],
) -> CaseMixRow:
    p = float(rate.rate.point or 0.0)
    c = float(np.average(ok, weights=weights))
    codes = present(case)
    reached = [table.cases[code] for code in codes]
    thin = min((name for name in reached if len(alone.get(name, ())) < 2), default=None)
    total = _log(p, c)
    if thin is not None:
        why = "was not benchmarked" if thin not in alone else "was benchmarked once"
        return CaseMixRow(
            step=rate.step, alone=p, in_chain=c, total=total, reason=f"{_TOGETHER}: case {thin!r} {why}"
        )
    own = np.zeros(len(table.cases))
    own[codes] = [sum(alone[name]) / len(alone[name]) for name in reached]
    again = float(np.average(own[case], weights=weights))
    return CaseMixRow(
        step=rate.step,
        alone=p,
        alone_on_reached=again,
        in_chain=c,
        total=total,
        selection=_log(p, again),
        boundary=_log(again, c),
        reason=None if min(p, again, c) > 0 else "a rate is 0: there are no logarithms, read the rates",
    )


def _log(above: float, below: float) -> float | None:
    return math.log(above / below) if above > 0 and below > 0 else None


def _by_case(components: Sequence[ComponentRun]) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in components:
        found[run.step][run.case].append(float(run.ok is True))
    return {step: dict(cases) for step, cases in found.items()}


def _verdicts(history: History) -> dict[str, float]:
    """Step -> whether its last visit passed, by its last attempt in every branch; steps without a verdict are left out."""
    last = last_visits(history)
    found: dict[str, list[bool | None]] = defaultdict(list)
    for event in history:
        if not event.router and last[event.step].get(event.branch) == (event.visit, event.attempt):
            found[event.step].append(event.ok)
    return {step: float(all(ended)) for step, ended in found.items() if False in ended or None not in ended}
