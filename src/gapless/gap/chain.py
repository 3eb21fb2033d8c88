"""The loss along the chain of steps: prod c_j = S exactly, whatever was skipped, looped or retried (METHOD section 5)."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gapless.gap.clustered import Units, clustered
from gapless.gap.codes import kinds_of, pairs
from gapless.gap.shapley import lmdi, shapley
from gapless.gap.table import Table
from gapless.records.decomposition import ChainRow, LayerRow
from gapless.records.estimate import Estimate
from gapless.records.gap import CRASH, ESCALATION, UNJUDGED, UNOBSERVED, BoundaryRow
from gapless.records.workflow import FINISH, START, Shape

RESAMPLES = 2000
METHOD = "cluster bootstrap"
_SEED = 0
_CHUNK = 2_000_000
_LAST = (ESCALATION, CRASH, UNOBSERVED, UNJUDGED)
_NOTHING = 1e-12


def node_order(table: Table, shape: Shape) -> tuple[str, ...]:
    """Every exit in one fixed order: the workflow's where it has no loop, else by mean first visit; pseudo-exits last."""
    mean = _mean_first_visit(table)
    steps = [exit_ for exit_ in dict.fromkeys([*mean, *table.exits]) if exit_ not in _LAST]
    declared = {step.name: place for place, step in enumerate(shape.steps)} if _acyclic(shape) else {}
    later = len(declared)
    steps.sort(key=lambda name: (declared.get(name, later), mean.get(name, math.inf), name))
    return (*steps, *(exit_ for exit_ in _LAST if exit_ in table.exits))


def chain(table: Table, units: Units, shape: Shape, *, level: float = 0.95) -> tuple[ChainRow, ...]:
    """One row per exit, in `node_order`.

    Args:
        table: Run table of N trials.
        units: Their groups and weights.
        shape: The workflow, for the order of its steps.
        level: Two-sided confidence level of the Shapley shares, each by itself.
    """
    if not len(table):
        return ()
    order = node_order(table, shape)
    lost = _points(table, units, order)
    conditional = _conditionals(lost)
    visited = _visited(table, units, order)
    known = [c for c in conditional.tolist() if not math.isnan(c)]
    success = 1 - math.fsum(lost.tolist())
    split = _NOTHING < success < 1 - _NOTHING
    shares = shapley(np.nan_to_num(conditional, nan=1.0)) if split else None
    means = lmdi(known) if split and len(known) == len(order) else None
    limits = _limits(table, units, order, level) if split and units.n_groups > 1 else None
    rows: list[ChainRow] = []
    for place, exit_ in enumerate(order):
        c = None if math.isnan(conditional[place]) else float(conditional[place])
        reach = visited.get(exit_) if c is not None else None
        estimate = None
        if shares is not None:
            point = float(shares[place])
            low, high = (None, None) if limits is None else limits[:, place].tolist()
            estimate = _estimate(point, low, high, table, units, level)
        rows.append(
            ChainRow(
                exit=exit_,
                conditional=c,
                log_loss=-math.log(c) if c is not None and c > 0 else None,
                reach=reach,
                hazard=(1 - c) / reach if c is not None and reach else None,
                shapley=estimate,
                lmdi=means[place] if means is not None else None,
            )
        )
    return tuple(rows)


def p_largest(table: Table, units: Units) -> dict[str, float]:
    """Exit -> share of resamples in which it loses most, ties shared; empty with fewer than two groups or no loss."""
    if units.n_groups < 2 or not table.exits:
        return {}
    exits = tuple(sorted(table.exits))  # whatever the order of the trials, the same resamples
    firsts = np.zeros(len(exits))
    for lost in _resamples(table, units, exits):
        most = np.isclose(lost, lost.max(axis=1, keepdims=True), rtol=0, atol=_NOTHING)
        firsts += np.sum(most / most.sum(axis=1, keepdims=True), axis=0)
    return dict(zip(exits, (firsts / RESAMPLES).tolist(), strict=True))


def layers(
    table: Table, units: Units, rows: tuple[BoundaryRow, ...], chain_: tuple[ChainRow, ...], level: float
) -> tuple[LayerRow, ...]:
    """The same loss by layer, the largest first; pseudo-exits belong to none."""
    of_exit = {row.exit: row.layer for row in rows if row.layer is not None}
    along = {row.exit: row for row in chain_}
    found: list[LayerRow] = []
    for layer in dict.fromkeys(of_exit.values()):
        mine = [exit_ for exit_, other in of_exit.items() if other == layer]
        codes = [table.exits.index(exit_) for exit_ in mine if exit_ in table.exits]
        logs = [along[exit_].log_loss for exit_ in mine if exit_ in along]
        shares = [along[exit_].shapley for exit_ in mine if exit_ in along]
        found.append(
            LayerRow(
                layer=layer,
                points=clustered(np.isin(table.blame, codes), units, level=level),
                log_loss=None if None in logs else math.fsum(log or 0.0 for log in logs),
                shapley=None
                if any(share is None for share in shares)
                else math.fsum(share.point or 0.0 for share in shares if share is not None),
            )
        )
    return tuple(sorted(found, key=lambda row: (-round(row.points.point or 0.0, 12), row.layer)))


def with_largest(rows: tuple[BoundaryRow, ...], table: Table, units: Units) -> tuple[BoundaryRow, ...]:
    """Boundary rows, each with the probability that it is the largest."""
    chances = p_largest(table, units)
    return tuple(msgspec.structs.replace(row, p_largest=chances.get(row.exit)) for row in rows)


def _points(table: Table, units: Units, order: tuple[str, ...]) -> NDArray[Any]:
    """Weighted share of trials lost at each exit of the order."""
    placed = table.blame >= 0
    lost = np.bincount(table.blame[placed], weights=units.weights[placed], minlength=len(table.exits))
    place = {exit_: code for code, exit_ in enumerate(table.exits)}
    return np.array([lost[place[exit_]] if exit_ in place else 0.0 for exit_ in order])


def _conditionals(lost: NDArray[Any]) -> NDArray[Any]:
    """c_j = 1 - L_j / R_j along the last axis; NaN where nothing is left to lose."""
    left = 1 - (np.cumsum(lost, axis=-1) - lost)
    left = np.where(left > _NOTHING, left, np.nan)
    kept = np.clip(1 - lost / left, 0.0, 1.0)
    return np.where(
        kept < _NOTHING, 0.0, kept
    )  # what rounding leaves of nothing has a logarithm, and nothing has none


def _visited(table: Table, units: Units, order: tuple[str, ...]) -> dict[str, float]:
    """Step -> share of the trials not lost before it that visit it."""
    place = {exit_: index for index, exit_ in enumerate(order)}
    ahead = np.array([place[exit_] for exit_ in table.exits] + [len(order)])[table.blame]
    # Trials that agree in what they visit and in where they are lost are one kind.
    kinds, code = pairs(table.history, ahead, len(order) + 1)
    weight = np.bincount(code, weights=units.weights, minlength=len(kinds))
    steps = [frozenset(event.step for event in history) for history in table.histories]
    found: dict[str, float] = {}
    for exit_ in order:
        if exit_ in _LAST:
            continue
        alive = kinds[:, 1] >= place[exit_]
        here = np.fromiter((exit_ in steps[history] for history in kinds[:, 0]), dtype=bool, count=len(kinds))
        at_risk = float(weight[alive].sum())
        if at_risk > _NOTHING:
            found[exit_] = float(weight[alive & here].sum()) / at_risk
    return found


def _limits(table: Table, units: Units, order: tuple[str, ...], level: float) -> NDArray[Any]:
    """float array [2, exits]: percentile limits of the Shapley shares."""
    drawn = np.concatenate(
        [shapley(np.nan_to_num(_conditionals(lost), nan=1.0)) for lost in _resamples(table, units, order)]
    )
    tail = (1 - level) / 2
    return np.quantile(drawn, [tail, 1 - tail], axis=0)


def _resamples(table: Table, units: Units, order: tuple[str, ...]) -> list[NDArray[Any]]:
    """Points per exit in each resample of whole groups, in slices that fit into memory.

    Equal groups are one kind, drawn as often as there are groups of it: a million trials come in a few hundred kinds.
    """
    place = {exit_: index for index, exit_ in enumerate(order)}
    column = np.array([place[exit_] for exit_ in table.exits] + [len(order)])[table.blame]
    width = len(order) + 1
    cells = np.bincount(units.codes * width + column, minlength=units.n_groups * width)
    kinds, groups = kinds_of(cells.reshape(units.n_groups, width))
    sizes = kinds.sum(axis=1, keepdims=True).astype(float)
    rows = kinds / sizes if units.weighting == "cases" else kinds.astype(float)
    total = int(groups.sum())
    rng = np.random.default_rng(_SEED)  # seeded: the same table always gives the same report
    step = max(1, _CHUNK // len(groups))
    found: list[NDArray[Any]] = []
    for start in range(0, RESAMPLES, step):
        times = rng.multinomial(total, groups / total, size=min(step, RESAMPLES - start)).astype(float)
        sums = times @ rows
        found.append(sums[:, :-1] / sums.sum(axis=1, keepdims=True))
    return found


def _estimate(
    point: float, low: float | None, high: float | None, table: Table, units: Units, level: float
) -> Estimate:
    return Estimate(
        point=point,
        low=None if low is None else min(low, point),
        high=None if high is None else max(high, point),
        level=level,
        method=METHOD if low is not None else "point only",
        n_runs=len(table),
        n_cases=units.n_cases,
        n_groups=units.n_groups,
        reason=None if low is not None else "one case: no generalisation",
    )


def _mean_first_visit(table: Table) -> dict[str, float]:
    """Step -> mean place of its first visit among the steps of a trial."""
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for history, runs in zip(table.histories, table.per_history().tolist(), strict=True):
        first = dict.fromkeys(event.step for event in history if not event.router) if runs else {}
        for place, step in enumerate(first):
            sums[step] = sums.get(step, 0.0) + place * runs
            counts[step] = counts.get(step, 0) + runs
    return {step: sums[step] / counts[step] for step in sums}


def _acyclic(shape: Shape) -> bool:
    left = {step.name: set[str]() for step in shape.steps}
    for edge in shape.edges:
        if edge.source in left and edge.target not in (START, FINISH):
            left[edge.source].add(edge.target)
    while left:
        free = [name for name, targets in left.items() if not targets & left.keys()]
        if not free:
            return False
        for name in free:
            del left[name]
    return bool(shape.edges)
