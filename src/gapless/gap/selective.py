"""How much a signal knows: discrimination, and the risk of what would be delivered at each coverage (METHOD section 8a).

Descriptive throughout: nothing here certifies a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


def auroc(signal: ArrayLike, right: ArrayLike) -> float | None:
    """The chance that a right trial has the higher signal than a wrong one, ties counted half.

    Args:
        signal: float array [N], higher is surer.
        right: bool array [N].

    Returns:
        None when all trials are right, or all wrong.

    Example:
        >>> s = (.9, .8, .8, .7, .6, .4, .3, .2)
        >>> wrong = (0, 0, 1, 0, 0, 1, 0, 1)
        >>> round(auroc(s, [not w for w in wrong]), 6)
        0.7
    """
    values, good = np.asarray(signal, dtype=float), np.asarray(right, dtype=bool)
    n_good = int(good.sum())
    n_bad = len(good) - n_good
    if not n_good or not n_bad:
        return None
    ranks = stats.rankdata(values)
    return float((ranks[good].sum() - n_good * (n_good + 1) / 2) / (n_good * n_bad))


def brier(probability: ArrayLike, right: ArrayLike) -> float:
    """Mean squared distance of a probability from what came."""
    p, good = np.asarray(probability, dtype=float), np.asarray(right, dtype=float)
    return float(np.mean((p - good) ** 2))


@dataclass(frozen=True, slots=True)
class Bin:
    """Trials whose probability lies in one bin of a reliability diagram."""

    low: float
    high: float
    n: int
    said: float
    """Mean probability."""
    came: float
    """Share that was right."""


def reliability(probability: ArrayLike, right: ArrayLike, *, bins: int = 15) -> tuple[Bin, ...]:
    """The bins of a reliability diagram, equally wide; empty ones are left out, and 1 is in the last."""
    p, good = np.asarray(probability, dtype=float), np.asarray(right, dtype=float)
    index = np.minimum((p * bins).astype(int), bins - 1)
    found: list[Bin] = []
    for number in np.unique(index):
        here = index == number
        found.append(
            Bin(
                low=float(number / bins),
                high=float((number + 1) / bins),
                n=int(here.sum()),
                said=float(p[here].mean()),
                came=float(good[here].mean()),
            )
        )
    return tuple(found)


def calibration_error(probability: ArrayLike, right: ArrayLike, *, bins: int = 15) -> float:
    """Expected calibration error (ECE): mean distance in the bins, weighted by their trials. Biased upward at small N."""
    found = reliability(probability, right, bins=bins)
    total = sum(one.n for one in found)
    return sum(one.n * abs(one.said - one.came) for one in found) / total


@dataclass(frozen=True, slots=True)
class Curve:
    """Risk and coverage at every distinct value of a signal, the surest first."""

    thresholds: NDArray[Any]
    """float array [K]: what passes says at least this."""
    coverage: NDArray[Any]
    """float array [K]: share of all trials that pass."""
    risk: NDArray[Any]
    """float array [K]: share of wrong ones among those that pass."""


def risk_coverage(signal: ArrayLike, wrong: ArrayLike) -> Curve:
    """The curve of a signal."""
    values, bad = np.asarray(signal, dtype=float), np.asarray(wrong, dtype=float)
    order = np.argsort(-values, kind="stable")
    ordered, lost = values[order], np.cumsum(bad[order])
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    passed = last + 1
    return Curve(ordered[last], passed / len(values), lost[last] / passed)


def aurc(signal: ArrayLike, wrong: ArrayLike) -> float:
    """Area under the risk-coverage curve: mean risk of the surest m trials over all m, ties averaged.

    Source:
        Geifman and El-Yaniv (2017), "Selective classification for deep neural networks".

    Example:
        >>> s, wrong = (.9, .8, .8, .7, .6, .4, .3, .2), (0, 0, 1, 0, 0, 1, 0, 1)
        >>> round(aurc(s, wrong), 6)
        0.253423
    """
    values, bad = np.asarray(signal, dtype=float), np.asarray(wrong, dtype=float)
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    starts = np.append(0, np.flatnonzero(np.diff(ordered)) + 1)
    sizes = np.diff(np.append(starts, len(ordered)))
    means = np.add.reduceat(bad[order], starts) / sizes  # within a tie, any order is as likely
    smooth = np.repeat(means, sizes)
    return float(np.mean(np.cumsum(smooth) / np.arange(1, len(values) + 1)))


def excess_aurc(signal: ArrayLike, wrong: ArrayLike) -> float:
    """AURC beyond that of a signal that knows everything.

    Source:
        Geifman, Uziel and El-Yaniv (2019), "Bias-reduced uncertainty estimation for deep neural classifiers".
    """
    bad = np.asarray(wrong, dtype=float)
    return aurc(signal, wrong) - aurc(1.0 - bad, wrong)


def best_coverage(signal: ArrayLike, wrong: ArrayLike, weights: ArrayLike, alpha: float) -> float:
    """Greatest coverage at which P(delivered and wrong) stays at most alpha, in hindsight: no threshold of the signal does better.

    Args:
        signal: float array [N]; minus infinity for what can never be delivered.
        wrong: bool array [N].
        weights: float array [N] that adds up to 1: how much each trial counts.
        alpha: The joint risk allowed.
    """
    values, w = np.asarray(signal, dtype=float), np.asarray(weights, dtype=float)
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    sent = np.cumsum(w[order])
    lost = np.cumsum(w[order] * np.asarray(wrong, dtype=float)[order])
    # Infinities are equal to each other, though their difference is no number.
    last = np.append(ordered[1:] != ordered[:-1], True)
    fits = last & (lost <= alpha + 1e-12) & (ordered > -np.inf)
    return float(sent[fits].max()) if fits.any() else 0.0
