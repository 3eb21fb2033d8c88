"""Everything a report says about a run table, in one pass over the sections of METHOD."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gapless.gap.boundaries import boundaries, verdict_share
from gapless.gap.case_mix import case_mix
from gapless.gap.chain import chain, layers, with_largest
from gapless.gap.clustered import (
    Units,
    clustered,
    design_effect,
    effective_runs,
    intraclass_correlation,
    mean,
    standard_error,
)
from gapless.gap.codes import distinct
from gapless.gap.compounding import component_rates, compounding, plan
from gapless.gap.latency import latencies
from gapless.gap.paths import routes
from gapless.gap.repeats import repeats
from gapless.gap.resample import resampled
from gapless.gap.retries import retries
from gapless.gap.suspected import next_label, suspected
from gapless.gap.table import Table
from gapless.gap.tools import tool_use
from gapless.records.estimate import Estimate
from gapless.records.gap import BoundaryRow, Compounding, Gap, SliceRow
from gapless.records.trial import OUTCOMES, ComponentRun, Run
from gapless.records.workflow import Shape

NO_VERDICT = "no end verdict: nothing says yet which answers were right"
_ALL = slice(None)
_NO_SPREAD = 1e-9


def analyse(
    runs: Table | Iterable[Run],
    components: Sequence[ComponentRun],
    shape: Shape,
    *,
    paths: Mapping[str, tuple[str, ...]] | None = None,
    level: float = 0.95,
) -> Gap:
    """The gap of a measurement.

    Args:
        runs: The run table, or its rows; failures, escalations and unjudged trials stay in the denominator.
        components: Isolated benchmark runs of the same workflow.
        shape: The workflow's steps and boundaries.
        paths: Planned path of each case, see `gap.paths`; a run's declared path or the only route where it lacks one.
        level: Two-sided confidence level.
    """
    table = runs if isinstance(runs, Table) else Table.of(runs)
    units = table.units()
    correct = table.is_("correct")
    success, bounds = _success(table, units, level)
    ways = routes(table, paths or {}, shape)
    planned = plan(ways.paths, np.bincount(ways.code, weights=units.weights).tolist())
    rates = component_rates(components, shape, planned, level)
    split, independent = resampled(compounding(rates, planned, success), table, components, ways, units)
    # Where every trial has its verdict, a suspicion has nothing to add to it (METHOD section 14).
    rows, any_ = suspected(table, units, shape, level=level) if table.count("unjudged") else ((), None)
    share = verdict_share(table)
    gap = Gap(
        n_runs=len(table),
        n_cases=len(table.cases),
        n_groups=units.n_groups,
        weighting=units.weighting,
        outcomes={name: table.count(name) for name in OUTCOMES},
        outcome_rates={name: clustered(table.is_(name), units, level=level) for name in OUTCOMES},
        success=success,
        success_bounds=bounds,
        success_other_weighting=_other_weighting(table, units, success, level),
        coverage=clustered(table.is_("correct", "wrong"), units, level=level),
        silent_failure_rate=_if_judged(clustered(table.is_("wrong"), units, level=level), success),
        selective_risk=_selective_risk(table, units, level),
        icc=intraclass_correlation(correct, units) if len(table) else None,
        design_effect=design_effect(correct, units) if len(table) else None,
        effective_runs=effective_runs(correct, units) if len(table) else None,
        components=rates,
        compounding=split,
        verdict_share=share,
        suspected=rows,
        suspected_any=any_,
        next_label=next_label(table, rows, level=level),
        latencies=latencies(table, level=level),
        tools=tool_use(table),
        notes=(*_notes(table, units, share, split), *([independent] if independent else [])),
    )
    return _divided(gap, table, units, components, shape, level)


def _divided(
    gap: Gap, table: Table, units: Units, components: Sequence[ComponentRun], shape: Shape, level: float
) -> Gap:
    """The gap with its loss divided: over exits, along the chain, by layer, retry, repeat, slice and mix of cases."""
    slices = _slices(table, level)
    gap = msgspec.structs.replace(
        gap, retries=retries(table, level=level), slices=slices, worst_slice=_worst(slices)
    )
    if gap.success.point is None:
        return msgspec.structs.replace(gap, boundaries=_loud_only(table, units, shape, level))
    placed = boundaries(table, units, shape, level=level)
    along = chain(table, units, shape, level=level)
    order = [row.exit for row in along]
    return msgspec.structs.replace(
        gap,
        **_errors(table, units),
        repeats=repeats(table, level=level),
        boundaries=with_largest(placed, table, units),
        chain=along,
        layers=layers(table, units, placed, along, level),
        case_mix=case_mix(table, units, components, gap.components, order),
    )


def _success(
    table: Table, units: Units, level: float, rows: NDArray[Any] | slice = _ALL
) -> tuple[Estimate, tuple[float, float] | None]:
    estimate = clustered(table.is_("correct")[rows], units, level=level)
    unjudged = table.is_("unjudged")[rows]
    if not unjudged.any():
        return estimate, None
    point = estimate.point or 0.0
    bounds = (point, min(1.0, point + float(np.dot(units.weights, unjudged))))
    if not table.is_("correct", "wrong")[rows].any():
        without = msgspec.structs.replace(
            estimate, point=None, low=bounds[0], high=bounds[1], reason=NO_VERDICT
        )
        return without, bounds
    return estimate, bounds


def _if_judged(estimate: Estimate, success: Estimate) -> Estimate:
    if success.point is not None or success.reason != NO_VERDICT:
        return estimate
    return msgspec.structs.replace(estimate, point=None, low=None, high=None, reason=NO_VERDICT)


def _other_weighting(table: Table, units: Units, success: Estimate, level: float) -> Estimate | None:
    if units.weighting == "runs" or success.point is None:
        return None
    return clustered(table.is_("correct"), table.units(weighting="runs"), level=level)


def _selective_risk(table: Table, units: Units, level: float) -> Estimate:
    """P(wrong) / P(correct or wrong), both under the table's weights."""
    keep = table.is_("correct", "wrong")
    if not keep.any():
        return Estimate(level=level, reason="no judged deliveries")
    mine = units.part(keep, n_cases=distinct(table.case[keep]))
    return clustered(table.is_("wrong")[keep], mine, level=level)


def _loud_only(table: Table, units: Units, shape: Shape, level: float) -> tuple[BoundaryRow, ...]:
    """Without end verdicts only loud failures and escalations can be placed; deliveries are not losses."""
    if not table.is_("failed", "escalated").any():
        return ()
    return boundaries(table.unplaced(table.is_("unjudged")), units, shape, level=level)


def _slices(table: Table, level: float) -> tuple[SliceRow, ...]:
    by_part = np.argsort(table.part, kind="stable")
    ends = np.cumsum(np.bincount(table.part, minlength=len(table.parts)))[:-1]
    found: dict[tuple[str, str], list[NDArray[Any]]] = defaultdict(list)
    for part, mine in zip(table.parts, np.split(by_part, ends) if table.parts else (), strict=True):
        for item in part.items() if len(mine) else ():
            found[item].append(mine)
    strict = 1 - (1 - level) / max(1, len(found))  # Bonferroni: the worst of several is looked for
    rows: list[SliceRow] = []
    for key, value in sorted(found):
        at = np.sort(np.concatenate(found[key, value]))
        outcomes = np.bincount(table.outcome[at], minlength=len(OUTCOMES)).tolist()
        rows.append(
            SliceRow(
                key=key,
                value=value,
                success=_success(table, table.units(at), strict, at)[0],
                outcomes={name: count for name, count in zip(OUTCOMES, outcomes, strict=True) if count},
            )
        )
    return tuple(rows)


def _worst(slices: Sequence[SliceRow]) -> SliceRow | None:
    known = [row for row in slices if row.success.point is not None]
    return (
        min(known, key=lambda row: (round(row.success.point or 0.0, 12), row.key, row.value))
        if len(known) > 1
        else None
    )


def _errors(table: Table, units: Units) -> dict[str, float | None]:
    """Standard errors of S; a table without any spread does not say that there is none."""
    correct, g = table.is_("correct"), units.n_groups
    error = standard_error(correct, units) if g > 1 else 0.0
    if error < _NO_SPREAD:
        return {}
    p, effect = mean(correct, units), design_effect(correct, units)
    few = (g - 1) / g
    return {
        "se_clustered": error,
        "se_cr0": error * math.sqrt(few),
        "design_effect_cr0": None if effect is None else effect * few,
        "se_naive": math.sqrt(p * (1 - p) / len(table)),
    }


def _notes(table: Table, units: Units, share: float | None, split: Compounding) -> list[str]:
    notes: list[str] = []
    judged = table.count("correct") + table.count("wrong")
    unjudged = table.count("unjudged")
    if 0 < units.n_groups < 10:
        many = "1 independent unit" if units.n_groups == 1 else f"{units.n_groups} independent units"
        notes.append(f"Few cases: {many}; intervals are wide and rough.")
    if unjudged and judged:
        have = "1 trial has" if unjudged == 1 else f"{unjudged} trials have"
        notes.append(f"{have} no end verdict: no success is counted there, and S is bounded both ways.")
    if share is not None and share < 1 and judged:
        notes.append(
            f"Partial: {_floored(share)} of step visits have a verdict; a loss at an unjudged step shows further on or as unobserved."
        )
    if split.predicted.point is None and split.predicted.reason and judged:
        notes.append(f"P is not estimable: {split.predicted.reason}.")
    if split.interaction_loss.point is not None:
        notes.append(
            "The best component is a maximum of noisy numbers and so biased upwards; read P - S, not best - S."
        )
    if units.weighting == "cases":
        least, most = int(units.sizes.min()), int(units.sizes.max())
        many, one = ("Cases", "case") if units.n_groups == units.n_cases else ("Groups", "group")
        notes.append(
            f"{many} hold different numbers of trials ({least} to {most}): each {one} counts the same, so S is not the plain share of trials."
        )
    return notes


def _floored(share: float) -> str:
    """A share below 1 in per cent; it never reads as all of them, nor some as none."""
    tenths = math.floor(1000 * share + 1e-9)
    return "under 0.1 %" if share > 0 and tenths == 0 else f"{tenths / 10:g} %"
