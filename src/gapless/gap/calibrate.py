"""From trials whose gates only logged to thresholds with a guarantee, and everything that is printed beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap import certify, selective
from gapless.gap.clustered import clustered, units_of
from gapless.gap.codes import compact, distinct
from gapless.gap.probability import fit, predict
from gapless.gap.shadow import Shadow
from gapless.gap.signal_quality import quality_of
from gapless.records.calibration import (
    CurvePoint,
    GateThreshold,
    Realised,
    ReliabilityBin,
    SignalModel,
)
from gapless.records.estimate import Estimate

_KEPT_SCORES = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What is settled before any verdict is read."""

    risk: certify.Risk = "joint"
    alpha: float = 0.05
    delta: float = 0.1
    looks: int = 1
    """Differing questions asked of these data, this one included: each may use its share of delta."""
    seed: int = 0
    scales: dict[str, tuple[float, float]] | None = None
    """Gate -> what its signal may say; 0 to 1 when left out."""

    @property
    def level(self) -> float:
        """The delta of this look."""
        return self.delta / self.looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it."""

    thresholds: tuple[float, ...] | None
    """Per gate; None where nothing could be certified."""
    gates: tuple[GateThreshold, ...]
    method: str
    curve: tuple[CurvePoint, ...]
    calibrated: Realised
    tested: Realised | None
    grid: tuple[float, ...]
    """Every threshold that was declared."""
    average_threshold: float | None
    n_runs: int
    n_cases: int
    n_groups: int
    test: certify.Test


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    tune: NDArray[Any]
    cal: NDArray[Any]
    test: NDArray[Any]


def calibrate(shadow: Shadow, declared: Declared) -> Outcome:
    """Looks for the loosest thresholds whose risk is at most alpha in at least 1 - delta of calibrations like this one.

    Args:
        shadow: Trials whose gates only logged.
        declared: Settled before.
    """
    several = len(shadow.gates) > 1
    fitted = any(len(names) > 0 for names in shadow.parts)
    parts = _split(shadow, tune=several or fitted or declared.risk == "conditional", seed=declared.seed)
    models = [_model(shadow, gate, parts.tune) if names else None for gate, names in enumerate(shadow.parts)]
    columns = [_confidence(shadow, gate, model) for gate, model in enumerate(models)]
    trials = shadow.trials(columns, parts.cal)
    grid = _grid(shadow, declared)
    if several or declared.risk == "conditional":
        order = _ordered(shadow.trials(columns, parts.tune), grid, declared)
        method = "pareto-testing"
    else:
        order, method = grid, "learn-then-test"
    p = certify.p_values(
        trials, order, alpha=declared.alpha, delta=declared.level, risk=declared.risk, seed=declared.seed
    )
    kept = order[: certify.accepted(p, declared.level)]
    sent = {vector: float(trials.delivered(vector).mean()) for vector in kept}
    # Choosing among what is certified is free: thresholds that deliver nothing but wrong answers are of no use to anybody.
    useful = (vector for vector in kept if (trials.delivered(vector) & ~trials.wrong).any())
    best = max(useful, key=lambda vector: sent[vector], default=None)
    return Outcome(
        thresholds=best,
        gates=tuple(
            _gate(
                shadow,
                number,
                models[number],
                columns[number],
                None if best is None else best[number],
                parts,
                declared,
            )
            for number in range(len(shadow.gates))
        ),
        method=method,
        curve=_curve(trials, order, p, len(kept)),
        calibrated=realised(trials, shadow.case[parts.cal], best, declared),
        tested=realised(shadow.trials(columns, parts.test), shadow.case[parts.test], best, declared)
        if parts.test.any()
        else None,
        grid=tuple(sorted({value for vector in grid for value in vector}, reverse=True)),
        average_threshold=certify.conformal_threshold(trials, [v[0] for v in grid], alpha=declared.alpha)
        if not several and declared.risk == "joint"
        else None,
        n_runs=len(trials),
        n_cases=distinct(shadow.case[parts.cal]),
        n_groups=trials.n_groups,
        test=trials.test,
    )


def realised(
    trials: certify.Trials, case: NDArray[Any], thresholds: Sequence[float] | None, declared: Declared
) -> Realised:
    """What thresholds do on trials, each rate with its interval by group.

    Args:
        trials: Any trials.
        case: int array [N].
        thresholds: Per gate; None: everything is doubt.
        declared: For the coverage that the best threshold, and a perfect gate, would have at the same joint risk.
    """
    if not len(trials):
        nothing = Estimate(method="none", reason="no trials")
        return Realised(joint=nothing, conditional=nothing, coverage=nothing, reviews_per_1000=nothing)
    none = np.zeros(len(trials), dtype=bool)
    sent = trials.delivered(thresholds) if thresholds is not None else none
    everything = np.ones(len(trials), dtype=bool)
    reviews = _rate(trials, case, trials.deliverable & ~sent, everything)
    conditional = (
        _rate(trials, case, sent & trials.wrong, sent)
        if sent.any()
        else Estimate(method="none", reason="no deliveries")
    )
    alone = trials.signals.shape[1] == 1
    able = np.where(trials.deliverable, np.nan_to_num(trials.signals[:, 0], nan=-math.inf), -math.inf)
    lost = trials.wrong & trials.deliverable
    weights = units_of(trials.group, trials.n_groups).weights
    right = float(weights[trials.deliverable & ~trials.wrong].sum())
    most = float(weights[trials.deliverable].sum())
    return Realised(
        joint=_rate(trials, case, sent & trials.wrong, everything),
        conditional=conditional,
        coverage=_rate(trials, case, sent, everything),
        reviews_per_1000=_scaled(reviews, 1000),
        best_coverage=selective.best_coverage(able, lost, weights, declared.alpha) if alone else None,
        perfect_coverage=min(most, right + declared.alpha),
    )


def _split(shadow: Shadow, *, tune: bool, seed: int) -> _Parts:
    """The declared splits; else half of the groups to tune on, where something has to be tuned."""
    if (shadow.split != "").any():
        test, tuned = shadow.split == "test", shadow.split == "tune"
        return _Parts(tuned, ~test & ~tuned, test)
    nobody = np.zeros(len(shadow), dtype=bool)
    if not tune or not len(shadow):
        return _Parts(nobody, ~nobody, nobody)
    n_groups = int(shadow.group.max()) + 1
    first = np.random.default_rng(seed).permutation(n_groups) < n_groups // 2
    return _Parts(first[shadow.group], ~first[shadow.group], nobody)


def _model(shadow: Shadow, gate: int, tune: NDArray[Any]) -> SignalModel | None:
    """The model of a gate's signals, from tuned trials that came to it; None where there are none."""
    values = shadow.values[gate]
    came = tune & shadow.deliverable & ~shadow.unknown & ~np.isinf(values).any(axis=1)
    return fit(shadow.parts[gate], values[came], ~shadow.wrong[came]) if came.any() else None


def _confidence(shadow: Shadow, gate: int, model: SignalModel | None) -> NDArray[Any]:
    values = shadow.values[gate]
    if not shadow.parts[gate]:
        return values[:, 0]
    away = np.isinf(values).all(axis=1)
    said = (
        np.full(len(values), math.nan)
        if model is None
        else predict(model, np.where(np.isinf(values), math.nan, values))
    )
    return np.where(away, math.inf, said)


def _grid(shadow: Shadow, declared: Declared) -> list[tuple[float, ...]]:
    """The vectors of thresholds, on each gate's own scale."""
    scales = declared.scales or {}
    bounds = [
        (0.0, 1.0) if names else scales.get(gate, (0.0, 1.0))
        for gate, names in zip(shadow.gates, shadow.parts, strict=True)
    ]
    return [
        tuple(
            round(low + value * (high - low), 10) for value, (low, high) in zip(vector, bounds, strict=True)
        )
        for vector in certify.vectors(len(shadow.gates))
    ]


def _ordered(
    tune: certify.Trials, grid: list[tuple[float, ...]], declared: Declared
) -> list[tuple[float, ...]]:
    """The vectors worth trying, in the order the tuned half suggests; no other trial is looked at."""
    p = certify.p_values(
        tune, grid, alpha=declared.alpha, delta=declared.level, risk=declared.risk, seed=declared.seed
    )
    coverage = np.array([float(tune.delivered(vector).mean()) if len(tune) else 0.0 for vector in grid])
    return [grid[index] for index in certify.order_by_pareto(p, coverage)]


def _gate(
    shadow: Shadow,
    number: int,
    model: SignalModel | None,
    confidence: NDArray[Any],
    threshold: float | None,
    parts: _Parts,
    declared: Declared,
) -> GateThreshold:
    judged = shadow.deliverable & ~shadow.unknown & np.isfinite(confidence)
    fitted_on = parts.tune if model is not None else np.zeros(len(shadow), dtype=bool)
    clean = judged & ~fitted_on & parts.cal  # the model has not seen these
    bins = (
        selective.reliability(confidence[clean], ~shadow.wrong[clean])
        if clean.any() and confidence[clean].min() >= 0 and confidence[clean].max() <= 1
        else ()
    )
    first = np.unique(shadow.group[parts.cal], return_index=True)[
        1
    ]  # one of each group: they are independent
    scores = confidence[parts.cal][np.sort(first)]
    return GateThreshold(
        step=shadow.gates[number],
        threshold=threshold,
        signals=shadow.parts[number],
        model=model,
        quality=quality_of(shadow, number, model, confidence, clean, parts.tune & judged, declared.seed),
        reliability=tuple(
            ReliabilityBin(low=b.low, high=b.high, n=b.n, said=b.said, came=b.came) for b in bins
        ),
        scores=tuple(float(s) for s in scores[np.isfinite(scores)][:_KEPT_SCORES]),
    )


def _curve(
    trials: certify.Trials, order: Sequence[tuple[float, ...]], p: NDArray[Any], kept: int
) -> tuple[CurvePoint, ...]:
    found: list[CurvePoint] = []
    sent = [float(trials.delivered(vector).mean()) if len(trials) else 0.0 for vector in order]
    # Of neighbours that deliver the same, the last says it all; certified and other ones stay apart.
    told = (
        index
        for index in range(len(order))
        if index + 1 == len(order) or sent[index + 1] != sent[index] or index + 1 == kept
    )
    for index in told:
        vector = order[index]
        joint = certify.risk_of(trials, vector, "joint") if len(trials) else 0.0
        found.append(
            CurvePoint(
                thresholds=vector,
                coverage=sent[index],
                joint=joint or 0.0,
                conditional=certify.risk_of(trials, vector, "conditional"),
                p=float(p[index]),
                certified=index < kept,
            )
        )
    return tuple(found)


def _rate(trials: certify.Trials, case: NDArray[Any], yes: NDArray[Any], of: NDArray[Any]) -> Estimate:
    codes, n_groups = compact(trials.group[of])
    where = units_of(codes, n_groups, n_cases=distinct(case[of]))
    return clustered(yes[of].astype(float), where)


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    from msgspec import structs

    changes = {
        name: None if (value := getattr(estimate, name)) is None else factor * value
        for name in ("point", "low", "high")
    }
    return structs.replace(estimate, **changes)
