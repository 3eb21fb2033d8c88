"""Everything a report says about a run table, in one pass over the sections of METHOD."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gapless.gap.blame import blame
from gapless.gap.boundaries import boundaries, verdict_share
from gapless.gap.clustered import (
    Units,
    clustered,
    design_effect,
    effective_runs,
    intraclass_correlation,
    units,
)
from gapless.gap.compounding import component_rates, compounding, plan
from gapless.gap.latency import latencies
from gapless.gap.resample import resampled
from gapless.gap.suspected import next_label, suspected
from gapless.records.estimate import Estimate
from gapless.records.gap import BoundaryRow, Compounding, Gap, SliceRow
from gapless.records.trial import OUTCOMES, ComponentRun, Outcome, Run
from gapless.records.workflow import Shape

NO_VERDICT = "no end verdict: nothing says yet which answers were right"


def analyse(
    runs: Sequence[Run],
    components: Sequence[ComponentRun],
    shape: Shape,
    *,
    paths: Mapping[str, tuple[str, ...]] | None = None,
    level: float = 0.95,
) -> Gap:
    """The gap of a measurement.

    Args:
        runs: One row per trial; failures, escalations and unjudged trials stay in the denominator. A lost trial
            without a blame is given the rule's, a correct one has none.
        components: Isolated benchmark runs of the same workflow.
        shape: The workflow's steps and boundaries.
        paths: Planned path of each case, see `gap.paths`; a run's declared path or the only route where it lacks one.
        level: Two-sided confidence level.
    """
    runs = _placed(runs)
    cases = {run.case for run in runs}
    table = units([run.group for run in runs], n_cases=len(cases))
    hits = _indicator(runs, "correct")
    success, bounds = _success(runs, table, hits, level)
    route = shape.only_route()
    known = paths or {}
    routes = [known.get(run.case) or run.planned or route for run in runs]
    planned = plan(routes, table.weights.tolist())
    rates = component_rates(components, shape, planned, level)
    split, independent = resampled(compounding(rates, planned, success), runs, components, routes, table)
    # Where every trial has its verdict, a suspicion has nothing to add to it (METHOD section 14).
    rows, any_ = suspected(runs, table, shape, level=level) if _unjudged(runs) else ((), None)
    share = verdict_share(runs)
    counts: Counter[Outcome] = Counter()
    counts.update(run.outcome for run in runs)
    return Gap(
        n_runs=len(runs),
        n_cases=len(cases),
        n_groups=table.n_groups,
        weighting=table.weighting,
        outcomes={name: counts[name] for name in OUTCOMES},
        outcome_rates={name: clustered(_indicator(runs, name), table, level=level) for name in OUTCOMES},
        success=success,
        success_bounds=bounds,
        success_other_weighting=_other_weighting(runs, table, hits, success, level),
        coverage=clustered(_indicator(runs, "correct", "wrong"), table, level=level),
        silent_failure_rate=_if_judged(clustered(_indicator(runs, "wrong"), table, level=level), success),
        selective_risk=_selective_risk(runs, table, level),
        icc=intraclass_correlation(hits, table) if runs else None,
        design_effect=design_effect(hits, table) if runs else None,
        effective_runs=effective_runs(hits, table) if runs else None,
        components=rates,
        compounding=split,
        boundaries=boundaries(runs, table, shape, level=level)
        if success.point is not None
        else _loud_only(runs, table, shape, level),
        verdict_share=share,
        suspected=rows,
        suspected_any=any_,
        next_label=next_label(runs, rows, level=level),
        latencies=latencies(runs, level=level),
        slices=_slices(runs, level),
        notes=(*_notes(table, counts, share, split), *([independent] if independent else [])),
    )


def _placed(runs: Sequence[Run]) -> Sequence[Run]:
    """Every lost trial at one exit and no correct trial at any: else the points would not add up to 1 - S."""
    if all((run.blame is None) == (run.outcome == "correct") for run in runs):
        return runs
    return [
        run
        if (run.blame is None) == (run.outcome == "correct")
        else msgspec.structs.replace(run, blame=blame(run.events, run.outcome))
        for run in runs
    ]


def _unjudged(runs: Sequence[Run]) -> bool:
    return any(run.outcome == "unjudged" for run in runs)


def _indicator(runs: Sequence[Run], *outcomes: Outcome) -> NDArray[Any]:
    return np.fromiter((run.outcome in outcomes for run in runs), dtype=float, count=len(runs))


def _success(
    runs: Sequence[Run], table: Units, hits: NDArray[Any], level: float
) -> tuple[Estimate, tuple[float, float] | None]:
    estimate = clustered(hits, table, level=level)
    unjudged = _indicator(runs, "unjudged")
    if not runs or not unjudged.any():
        return estimate, None
    point = estimate.point or 0.0
    bounds = (point, min(1.0, point + float(np.dot(table.weights, unjudged))))
    if not any(run.outcome in ("correct", "wrong") for run in runs):
        without = msgspec.structs.replace(
            estimate, point=None, low=bounds[0], high=bounds[1], reason=NO_VERDICT
        )
        return without, bounds
    return estimate, bounds


def _if_judged(estimate: Estimate, success: Estimate) -> Estimate:
    if success.point is not None or success.reason != NO_VERDICT:
        return estimate
    return msgspec.structs.replace(estimate, point=None, low=None, high=None, reason=NO_VERDICT)


def _other_weighting(
    runs: Sequence[Run], table: Units, hits: NDArray[Any], success: Estimate, level: float
) -> Estimate | None:
    if table.weighting == "runs" or success.point is None:
        return None
    other = units([run.group for run in runs], weighting="runs", n_cases=table.n_cases)
    return clustered(hits, other, level=level)


def _selective_risk(runs: Sequence[Run], table: Units, level: float) -> Estimate:
    """P(wrong) / P(correct or wrong), both under the table's weights."""
    keep = _indicator(runs, "correct", "wrong") > 0
    if not keep.any():
        return Estimate(level=level, reason="no judged deliveries")
    cases = {run.case for run, kept in zip(runs, keep, strict=True) if kept}
    return clustered(_indicator(runs, "wrong")[keep], table.part(keep, n_cases=len(cases)), level=level)


def _loud_only(runs: Sequence[Run], table: Units, shape: Shape, level: float) -> tuple[BoundaryRow, ...]:
    """Without end verdicts only loud failures and escalations can be placed; deliveries are not losses."""
    known = [run for run in runs if run.outcome in ("failed", "escalated")]
    if not known:
        return ()
    placed = [run if run.outcome != "unjudged" else msgspec.structs.replace(run, blame=None) for run in runs]
    return boundaries(placed, table, shape, level=level)


def _slices(runs: Sequence[Run], level: float) -> tuple[SliceRow, ...]:
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        for part in run.slice.items():
            found[part].append(run)
    strict = 1 - (1 - level) / max(1, len(found))  # Bonferroni: the worst of several is looked for
    rows: list[SliceRow] = []
    for (key, value), mine in sorted(found.items(), key=lambda item: item[0]):
        table = units([run.group for run in mine], n_cases=len({run.case for run in mine}))
        counts = Counter(run.outcome for run in mine)
        rows.append(
            SliceRow(
                key=key,
                value=value,
                success=_success(mine, table, _indicator(mine, "correct"), strict)[0],
                outcomes={name: counts[name] for name in OUTCOMES if counts[name]},
            )
        )
    return tuple(rows)


def _notes(table: Units, counts: Counter[Outcome], share: float | None, split: Compounding) -> list[str]:
    notes: list[str] = []
    judged = counts["correct"] + counts["wrong"]
    if 0 < table.n_groups < 10:
        notes.append(f"Few cases: {table.n_groups} independent units; intervals are wide and rough.")
    if counts["unjudged"] and judged:
        notes.append(
            f"{counts['unjudged']} trials have no end verdict: they count as no success, and S is bounded both ways."
        )
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
    if table.weighting == "cases":
        many, one = ("Cases", "case") if table.n_groups == table.n_cases else ("Groups", "group")
        notes.append(f"{many} have different numbers of trials: each {one} counts the same.")
    return notes


def _floored(share: float) -> str:
    """A share below 1 in per cent; it never reads as all of them, nor some as none."""
    tenths = math.floor(1000 * share + 1e-9)
    return "under 0.1 %" if share > 0 and tenths == 0 else f"{tenths / 10:g} %"
