"""How much a gate's signals know, with intervals by group, and what each of them carries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap import selective
from gapless.gap.codes import distinct
from gapless.gap.probability import cross_fitted
from gapless.gap.shadow import Shadow
from gapless.records.calibration import SignalModel, SignalQuality
from gapless.records.estimate import Estimate

_DRAWS = 1_000
MODEL = "all together"


def quality_of(
    shadow: Shadow,
    gate: int,
    model: SignalModel | None,
    confidence: NDArray[Any],
    clean: NDArray[Any],
    tuned: NDArray[Any],
    seed: int,
) -> tuple[SignalQuality, ...]:
    """The quality of what a gate reads; of a model first, then of each of its signals.

    Args:
        shadow: The trials.
        gate: Which gate.
        model: Of its signals, where it has several.
        confidence: float array [N]: what the gate compares with its threshold.
        clean: bool array [N]: judged trials that no model was fitted on.
        tuned: bool array [N]: judged trials that models may be fitted on.
        seed: Of the draws.
    """
    right, group = ~shadow.wrong, shadow.group
    name = shadow.gates[gate] if model is None else MODEL
    whole = _quality(name, confidence[clean], right[clean], group[clean], shadow.case[clean], seed)
    if model is None:
        return (whole,)
    names = shadow.parts[gate]
    columns = np.where(np.isinf(shadow.values[gate]), np.nan, shadow.values[gate])
    losses = _losses(names, columns[tuned], right[tuned], group[tuned], shadow.case[tuned], seed)
    rows = [whole]
    for index, part in enumerate(names):
        here = clean & ~np.isnan(columns[:, index])
        one = _quality(part, columns[here, index], right[here], group[here], shadow.case[here], seed)
        rows.append(
            SignalQuality(
                name=part,
                auroc=one.auroc,
                aurc=one.aurc,
                excess_aurc=one.excess_aurc,
                loss_without=losses[index],
            )
        )
    return tuple(rows)


def auroc_estimate(
    signal: NDArray[Any],
    right: NDArray[Any],
    group: NDArray[Any],
    case: NDArray[Any],
    seed: int,
    *,
    less: NDArray[Any] | None = None,
) -> Estimate:
    """AUROC with the percentiles of a bootstrap over groups.

    Args:
        signal: float array [N], higher is surer.
        right: bool array [N].
        group: int or str array [N]: what is drawn.
        case: int array [N].
        seed: Of the draws.
        less: float array [N]: another signal of the same trials, whose AUROC in the same draw is taken off.
    """
    return _difference(signal, less, right, group, case, seed)


def _quality(
    name: str, signal: NDArray[Any], right: NDArray[Any], group: NDArray[Any], case: NDArray[Any], seed: int
) -> SignalQuality:
    estimate = auroc_estimate(signal, right, group, case, seed)
    if not len(signal):
        return SignalQuality(name=name, auroc=estimate)
    probable = bool(signal.min() >= 0 and signal.max() <= 1)
    return SignalQuality(
        name=name,
        auroc=estimate,
        aurc=selective.aurc(signal, ~right),
        excess_aurc=selective.excess_aurc(signal, ~right),
        brier=selective.brier(signal, right) if probable else None,
        ece=selective.calibration_error(signal, right) if probable else None,
    )


def _losses(
    names: tuple[str, ...],
    columns: NDArray[Any],
    right: NDArray[Any],
    group: NDArray[Any],
    case: NDArray[Any],
    seed: int,
) -> list[Estimate]:
    """Per signal, what the AUROC of the model loses without it; fitted on other groups than it is judged on."""
    if len(names) == 1 or not len(right):
        return [Estimate(method="none", reason="there is no other signal")] * len(names)
    _, own = np.unique(group, return_inverse=True)
    whole = cross_fitted(names, columns, right, own, seed=seed)
    found: list[Estimate] = []
    for index in range(len(names)):
        rest = [name for name in names if name != names[index]]
        without = cross_fitted(rest, np.delete(columns, index, axis=1), right, own, seed=seed)
        both = ~np.isnan(whole) & ~np.isnan(without)
        found.append(_difference(whole[both], without[both], right[both], own[both], case[both], seed))
    return found


def _difference(
    signal: NDArray[Any],
    other: NDArray[Any] | None,
    right: NDArray[Any],
    group: NDArray[Any],
    case: NDArray[Any],
    seed: int,
) -> Estimate:
    """AUROC of a signal, less that of another on the same trials."""
    basis: dict[str, Any] = {"n_runs": len(signal), "n_cases": distinct(case) if len(case) else 0}
    _, own = np.unique(group, return_inverse=True)
    n_groups = int(own.max()) + 1 if len(own) else 0
    basis["n_groups"] = n_groups
    if not right.any() or right.all():
        kind = "right" if len(right) and right.all() else "wrong"
        reason = f"every trial is {kind}: there is nothing to tell apart" if len(right) else "no trials"
        return Estimate(method="none", reason=reason, **basis)
    if n_groups < 2:
        return Estimate(method="none", reason="one group: no generalisation", **basis)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=_DRAWS)[:, own].astype(float)
    point = _weighted(signal, right, np.ones((1, len(right))))
    draws = _weighted(signal, right, weights)
    if other is not None:
        point = point - _weighted(other, right, np.ones((1, len(right))))
        draws = draws - _weighted(other, right, weights)
    draws = draws[np.isfinite(draws)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(
        point=float(point[0]), low=float(low), high=float(high), method="bootstrap by group", **basis
    )


def _weighted(signal: NDArray[Any], right: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """AUROC under each row of weights, float array [B]; NaN where only one kind of trial was drawn."""
    order = np.argsort(signal, kind="stable")
    values, good, w = signal[order], right[order], weights[:, order]
    bad_w, good_w = w * ~good, w * good
    starts = np.append(0, np.flatnonzero(np.diff(values)) + 1)
    bad = np.add.reduceat(bad_w, starts, axis=1)
    well = np.add.reduceat(good_w, starts, axis=1)
    below = np.cumsum(bad, axis=1) - bad
    with np.errstate(invalid="ignore", divide="ignore"):
        return (well * (below + bad / 2)).sum(axis=1) / (bad.sum(axis=1) * well.sum(axis=1))
