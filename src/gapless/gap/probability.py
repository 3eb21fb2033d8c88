"""Several signals into one probability that the trial ends correct: a small logistic model, fitted across groups (METHOD 8a).

The model stands in a file as plain numbers: for each signal where it is centred, how wide it is and how much it weighs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from gapless.records.calibration import SignalModel, Weight

_PENALTY = 1.0
"""On squared weights of standardised signals: as if each had been seen once more for nothing."""


def fit(names: Sequence[str], signals: NDArray[Any], right: NDArray[Any]) -> SignalModel:
    """A logistic model of standardised signals; one that is missing counts as its own fact.

    Args:
        names: What the columns are called.
        signals: float array [N, S]; NaN where a signal said nothing.
        right: bool array [N].
    """
    said = ~np.isnan(signals)
    centre = np.array(
        [column[here].mean() if here.any() else 0.0 for column, here in zip(signals.T, said.T, strict=True)]
    )
    wide = np.array(
        [column[here].std() if here.any() else 0.0 for column, here in zip(signals.T, said.T, strict=True)]
    )
    wide = np.where(wide > 1e-12, wide, 1.0)
    x = _design(signals, centre, wide)
    y = np.asarray(right, dtype=float)

    def loss(w: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        z = x @ w
        value = float(np.sum(np.logaddexp(0.0, z) - y * z) + _PENALTY / 2 * np.sum(w[1:] ** 2))
        slope = x.T @ (_sigmoid(z) - y)
        slope[1:] += _PENALTY * w[1:]
        return value, slope

    start = np.zeros(x.shape[1])
    best = optimize.minimize(loss, start, jac=True, method="L-BFGS-B").x
    n = len(names)
    weights = [
        Weight(
            signal=name,
            mean=float(centre[i]),
            sd=float(wide[i]),
            weight=float(best[1 + i]),
            low=float(np.nanmin(signals[:, i])) if said[:, i].any() else 0.0,
            high=float(np.nanmax(signals[:, i])) if said[:, i].any() else 0.0,
            missing=float(best[1 + n + i]) if not said[:, i].all() else 0.0,
        )
        for i, name in enumerate(names)
    ]
    return SignalModel(intercept=float(best[0]), weights=tuple(weights), n=len(y))


def predict(model: SignalModel, signals: NDArray[Any]) -> NDArray[Any]:
    """float array [N]: probability that each trial ends correct; NaN where no signal said anything."""
    found = np.array(
        [
            model.probability(dict(zip((w.signal for w in model.weights), _said(row), strict=True)))
            for row in signals
        ],
        dtype=object,
    )
    return np.array([math.nan if p is None else p for p in found], dtype=float)


def cross_fitted(
    names: Sequence[str],
    signals: NDArray[Any],
    right: NDArray[Any],
    group: NDArray[Any],
    *,
    folds: int = 5,
    seed: int = 0,
) -> NDArray[Any]:
    """float array [N]: probabilities by models that have seen no trial of the same group.

    Args:
        names: What the columns are called.
        signals: float array [N, S].
        right: bool array [N].
        group: int array [N].
        folds: Parts into which the groups are cut.
        seed: Of the cut.
    """
    n_groups = int(group.max()) + 1
    folds = min(folds, n_groups)
    place = np.random.default_rng(seed).permutation(n_groups) % folds
    found = np.full(len(right), math.nan)
    for number in range(folds):
        out = place[group] == number
        if out.all():
            continue
        found[out] = predict(fit(names, signals[~out], right[~out]), signals[out])
    return found


def _said(row: NDArray[Any]) -> list[float | None]:
    return [None if math.isnan(value) else float(value) for value in row]


def _design(signals: NDArray[Any], centre: NDArray[Any], wide: NDArray[Any]) -> NDArray[Any]:
    missing = np.isnan(signals)
    standard = np.where(missing, 0.0, (signals - centre) / wide)
    return np.column_stack([np.ones(len(signals)), standard, missing.astype(float)])


def _sigmoid(z: NDArray[Any]) -> NDArray[Any]:
    return 1 / (1 + np.exp(-np.clip(z, -500, 500)))
