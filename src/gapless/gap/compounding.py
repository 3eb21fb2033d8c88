"""Best component -> P -> S: what length alone costs, and what is lost or won beyond it (METHOD section 4)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gapless.gap.clustered import clustered, units
from gapless.records.estimate import Estimate
from gapless.records.gap import Component, Compounding
from gapless.records.trial import ComponentRun
from gapless.records.workflow import Shape

_MOST_UNKNOWN = 0.05
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class Plan:
    """The planned paths of a table: each distinct path with the weight of the runs that plan it."""

    paths: tuple[tuple[Mapping[str, int], float], ...] = ()
    """(step -> successes needed, weight); weights add up to 1."""
    missing: str | None = None
    """Why there is no plan."""

    def needed(self, step: str) -> float:
        """Mean number of successes of a step that a path needs."""
        return sum(weight * path.get(step, 0) for path, weight in self.paths)


def plan(case_paths: Sequence[tuple[str, ...] | None], weights: Sequence[float]) -> Plan:
    """Collects equal paths.

    Args:
        case_paths: Planned path of each run's case; None where there is none.
        weights: Weight of each run; they add up to 1.
    """
    totals: dict[tuple[str, ...], float] = defaultdict(float)
    for path, weight in zip(case_paths, weights, strict=True):
        if not path:
            reason = "no planned path: the workflow has several routes; give the cases a `path`, or let a correct trial show it"
            return Plan(missing=reason)
        totals[path] += weight
    whole = math.fsum(totals.values())  # 1 but for rounding, which would lift P above 1
    return Plan(paths=tuple((Counter(path), totals[path] / whole) for path in sorted(totals)))


def component_rates(
    runs: Sequence[ComponentRun], shape: Shape, plan_: Plan, level: float
) -> tuple[Component, ...]:
    """p_j of every benchmarked step, in the workflow's order. An unknown verdict is no success."""
    by_step: dict[str, list[ComponentRun]] = defaultdict(list)
    for run in runs:
        by_step[run.step].append(run)
    order = [step.name for step in shape.steps if step.name in by_step]
    order += sorted(name for name in by_step if name not in order)
    found: list[Component] = []
    for name in order:
        mine = by_step[name]
        step = shape.step(name)
        table = units([run.group for run in mine], n_cases=len({run.case for run in mine}))
        found.append(
            Component(
                step=name,
                layer=step.layer if step else "orchestration",
                layer_guessed=step.layer_guessed if step else True,
                rate=clustered([float(run.ok is True) for run in mine], table, level=level),
                needed=plan_.needed(name),
                unknown_share=sum(run.ok is None for run in mine) / len(mine),
            )
        )
    return tuple(found)


def compounding(components: Sequence[Component], plan_: Plan, success: Estimate) -> Compounding:
    """The split A = K + I with the Frechet band and MOVER intervals.

    Args:
        components: Isolated rates p_j.
        plan_: Planned paths with their weights.
        success: S, weighted like the plan.

    Source:
        Zou and Donner (2008), Statistics in Medicine 27 (MOVER). Several paths enter with their mean exponent
        d ln P / d ln p_j, which is m_j where there is one path.
    """
    rates = {component.step: component.rate for component in components}
    used = [step for step in rates if plan_.needed(step) > 0] if plan_.paths else list(rates)
    # Equal rates may differ by rounding: the first of them in the workflow's order is named.
    rounded = {step: round(rates[step].point or 0.0, 12) for step in used}
    best = max(used, key=rounded.__getitem__, default=None)
    weakest = min(used, key=rounded.__getitem__, default=None)
    predicted = _predicted(components, plan_, success.level)
    top = rates[best] if best else Estimate(reason="no step was benchmarked")
    low, high = _frechet(rates, plan_) if predicted.point is not None else (None, None)
    interaction = difference(predicted, success)
    return Compounding(
        best=top,
        best_step=best,
        weakest=rates[weakest] if weakest else Estimate(reason="no step was benchmarked"),
        weakest_step=weakest,
        predicted=predicted,
        success=success,
        article_gap=difference(top, success),
        compounding_loss=_loss(top, predicted),
        interaction_loss=interaction,
        frechet_low=low,
        frechet_high=high,
        cases_for_interaction=_cases_needed(components, predicted, success, interaction),
    )


def difference(first: Estimate, second: Estimate) -> Estimate:
    """first - second for independent samples, by MOVER; works with zero failures.

    Source:
        Zou and Donner (2008): L = d - sqrt((a - a_L)^2 + (b_U - b)^2), and U likewise.
    """
    missing = next((e.reason or "not estimable" for e in (first, second) if e.point is None), None)
    if missing is not None or first.point is None or second.point is None:
        return Estimate(level=first.level, method="mover", reason=missing)
    d = first.point - second.point
    limits = (first.low, first.high, second.low, second.high)
    low = high = None
    if all(limit is not None for limit in limits):
        a_low, a_high, b_low, b_high = (float(limit) for limit in limits if limit is not None)
        low = d - math.hypot(first.point - a_low, b_high - second.point)
        high = d + math.hypot(a_high - first.point, second.point - b_low)
    return Estimate(
        point=d,
        low=low,
        high=high,
        level=first.level,
        method="mover",
        n_runs=second.n_runs,
        n_cases=second.n_cases,
        n_groups=second.n_groups,
        reason=first.reason or second.reason,
    )


def _predicted(components: Sequence[Component], plan_: Plan, level: float) -> Estimate:
    rates = {component.step: component.rate for component in components}
    if plan_.missing is not None:
        return Estimate(level=level, method="mover", reason=plan_.missing)
    if not plan_.paths:
        return Estimate(level=level, method="mover", reason="no trial has a planned path")
    wanted = dict.fromkeys(step for path, _ in plan_.paths for step in path)
    without = [step for step in wanted if step not in rates or rates[step].point is None]
    if without:
        return Estimate(
            level=level,
            method="mover",
            reason=f"no benchmark for step {without[0]!r}, which is on a planned path",
        )
    points = {step: float(rates[step].point or 0.0) for step in wanted}
    parts = [weight * math.prod(points[s] ** m for s, m in path.items()) for path, weight in plan_.paths]
    p = min(1.0, math.fsum(parts))
    partial = [c.step for c in components if c.step in wanted and c.unknown_share > _MOST_UNKNOWN]
    reason = f"partial: more than 5 % of the verdicts of {partial[0]!r} are unknown" if partial else None
    low, high = _mover(p, parts, points, rates, plan_)
    return Estimate(
        point=p,
        low=low,
        high=high,
        level=level,
        method="mover",
        n_runs=min(rates[step].n_runs for step in wanted),
        n_cases=min(rates[step].n_cases for step in wanted),
        n_groups=min(rates[step].n_groups for step in wanted),
        reason=reason,
    )


def _mover(
    p: float, parts: list[float], points: dict[str, float], rates: dict[str, Estimate], plan_: Plan
) -> tuple[float, float]:
    """Limits of P on the log scale; P = 0 has an upper limit only.

    A step that never passed has no logarithm: what it could add to the routes that need it enters on the plain scale.
    """
    if p <= 0:
        return 0.0, min(1.0, _products({step: rates[step].high or 1.0 for step in points}, plan_))
    down = up = blocked = 0.0
    for step, point in points.items():
        share = sum(part * path.get(step, 0) for part, (path, _) in zip(parts, plan_.paths, strict=True)) / p
        low = rates[step].low or 0.0
        high = rates[step].high or 1.0
        if point > 0:
            down += (share * (math.log(point) - math.log(low))) ** 2 if low > 0 else math.inf
            up += (share * (math.log(high) - math.log(point))) ** 2
        else:
            blocked += (_products({**points, step: high}, plan_) - p) ** 2
    above = math.hypot(p * math.expm1(math.sqrt(up)), math.sqrt(blocked))
    return p * math.exp(-math.sqrt(down)), min(1.0, p + above)


def _products(points: Mapping[str, float], plan_: Plan) -> float:
    return math.fsum(
        weight * math.prod(points[s] ** m for s, m in path.items()) for path, weight in plan_.paths
    )


def _frechet(rates: Mapping[str, Estimate], plan_: Plan) -> tuple[float, float]:
    low = high = 0.0
    for path, weight in plan_.paths:
        points = {step: float(rates[step].point or 0.0) for step in path}
        low += weight * max(0.0, 1 - sum(m * (1 - points[step]) for step, m in path.items()))
        high += weight * min(points.values(), default=1.0)
    return min(1.0, low), min(1.0, high)


def _loss(top: Estimate, predicted: Estimate) -> Estimate:
    if top.point is None or predicted.point is None:
        return Estimate(level=predicted.level, reason=predicted.reason or top.reason)
    # P contains the best component: the two are no independent samples, and MOVER would not hold.
    return Estimate(
        point=top.point - predicted.point,
        level=predicted.level,
        method="point only",
        n_runs=predicted.n_runs,
        n_cases=predicted.n_cases,
        n_groups=predicted.n_groups,
        reason="no interval: P contains the best component",
    )


def _cases_needed(
    components: Sequence[Component], predicted: Estimate, success: Estimate, interaction: Estimate
) -> int | None:
    """Benchmark cases per step at which I would be told from 0, widths shrinking with the root of the count."""
    i, low, high = interaction.point, interaction.low, interaction.high
    if (
        i is None
        or low is None
        or high is None
        or low > 0
        or high < 0
        or abs(i) < _NOTHING
        or predicted.point is None
    ):
        return None
    toward = (
        (predicted.low, success.high, success.point)
        if i > 0
        else (predicted.high, success.low, success.point)
    )
    if None in toward or success.point is None:
        return None
    from_p = abs(predicted.point - float(toward[0] or 0.0))
    from_s = abs(float(toward[1] or 0.0) - success.point)
    room = i * i - from_s * from_s
    measured = min((component.rate.n_cases for component in components if component.needed > 0), default=0)
    if room <= 0 or measured == 0:
        return None
    return math.ceil(measured * from_p * from_p / room)
