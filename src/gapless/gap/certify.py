"""Thresholds with a guarantee that can be checked: Learn then Test over a grid that was fixed beforehand (METHOD 8b to 8e).

A threshold is accepted when the hypothesis "its risk is above alpha" is rejected at delta; walking from the strictest on
and stopping at the first that is not, costs nothing for the number of thresholds tried. Groups are the independent
units: where each has one trial the binomial test is exact, else a betting test on each group's mean loss holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Risk = Literal["joint", "conditional"]
"""joint: P(delivered and wrong), over all trials; conditional: P(wrong | delivered)."""
Test = Literal["binomial", "betting"]

GRID: tuple[float, ...] = tuple(round(1 - step / 100, 2) for step in range(101))
"""Thresholds on a scale from 0 to 1, the strictest first."""
FINE: tuple[float, ...] = tuple(round(1 - step / 1000, 3) for step in range(1001))
"""The same for one gate. Walking along a fixed sequence costs nothing per step, and good workflows are sure within few of them."""
_AT_ONCE = 4_000_000
"""Numbers that bets on many thresholds hold in memory together."""


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Finished trials of a workflow whose gates only logged."""

    signals: NDArray[Any]
    """float array [N, gates]: what each gate saw; NaN is doubt, and infinity where the trial did not reach the gate."""
    wrong: NDArray[Any]
    """bool array [N]: whether delivering it would have been wrong."""
    deliverable: NDArray[Any]
    """bool array [N]: whether it came to an answer at all."""
    group: NDArray[Any]
    """int array [N]: 0..G-1."""

    def __len__(self) -> int:
        return len(self.wrong)

    @property
    def n_groups(self) -> int:
        """Independent units."""
        return int(self.group.max()) + 1 if len(self) else 0

    @property
    def test(self) -> Test:
        """The sharpest test that holds for these groups."""
        return "binomial" if self.n_groups == len(self) else "betting"

    def delivered(self, thresholds: Sequence[float]) -> NDArray[Any]:
        """bool array [N]: which trials pass every gate."""
        passed = np.all(np.nan_to_num(self.signals, nan=-math.inf) >= np.asarray(thresholds), axis=1)
        return passed & self.deliverable

    def part(self, keep: NDArray[Any]) -> Trials:
        """Some of the trials; groups are numbered anew."""
        _, group = np.unique(self.group[keep], return_inverse=True)
        return Trials(self.signals[keep], self.wrong[keep], self.deliverable[keep], group)


def betting(losses: NDArray[Any], alpha: float, delta: float) -> NDArray[Any]:
    """p-values of "the mean is above alpha", from bets on one value after the other.

    Args:
        losses: float array [..., n] in [0, 1], in an order that was fixed before they were seen.
        alpha: The risk allowed.
        delta: The level the bets are made for; the p-value holds at every level.

    Source:
        Waudby-Smith and Ramdas (2023), "Estimating means of bounded random variables by betting", with their running
        mean and variance (one pseudo-observation of mean 1/2, variance 1/4).

    Example:
        >>> losses = np.array([0.0] * 190 + [0.2] * 6 + [0.6] * 4)
        >>> round(float(betting(losses, 0.05, 0.1)), 6)
        0.00012
    """
    x = np.asarray(losses, dtype=float)
    n = x.shape[-1]
    seen = np.arange(1, n + 1)
    mean = (0.5 + np.cumsum(x, axis=-1)) / (seen + 1)
    spread = (0.25 + np.cumsum((x - mean) ** 2, axis=-1)) / (seen + 1)
    before = np.concatenate([np.full((*x.shape[:-1], 1), 0.25), spread[..., :-1]], axis=-1)
    stake = np.minimum(1.0, np.sqrt(2 * math.log(1 / delta) / (n * before)))
    wealth = np.cumsum(np.log1p(-stake * (x - alpha)), axis=-1)
    return np.minimum(1.0, np.exp(-np.max(wealth, axis=-1)))


def hoeffding_bentkus(mean: float, n: int, alpha: float) -> float:
    """p-value of "the mean is above alpha" from the mean of n losses in [0, 1] alone.

    Source:
        Bates et al. (2021), "Distribution-free, risk-controlling prediction sets", section 3.1.
    """
    low = min(mean, alpha)
    divergence = (low * math.log(low / alpha) if low else 0.0) + (1 - low) * math.log((1 - low) / (1 - alpha))
    bentkus = math.e * float(stats.binom.cdf(math.ceil(n * mean - 1e-9), n, alpha))
    return min(1.0, math.exp(-n * divergence), bentkus)


def p_values(
    trials: Trials, grid: Sequence[Sequence[float]], *, alpha: float, delta: float, risk: Risk, seed: int = 0
) -> NDArray[Any]:
    """p-value of "the risk is above alpha" for each vector of thresholds.

    Args:
        trials: The calibration trials.
        grid: K vectors, one threshold per gate each.
        alpha: The risk allowed.
        delta: How often a calibration may be wrong.
        risk: Which risk.
        seed: Of the order in which groups are bet on: fixed before losses are looked at.
    """
    if not len(trials):
        return np.ones(len(grid))
    if trials.test == "binomial":
        return np.array([_binomial(trials, vector, alpha, risk) for vector in grid])
    order = np.random.default_rng(seed).permutation(trials.n_groups)
    sizes = np.bincount(trials.group, minlength=trials.n_groups)

    def losses(vector: Sequence[float]) -> NDArray[Any]:
        sent = trials.delivered(vector)
        loss = sent & trials.wrong if risk == "joint" else np.where(sent, trials.wrong - alpha, 0.0) + alpha
        return (np.bincount(trials.group, weights=loss, minlength=trials.n_groups) / sizes)[order]

    block = max(1, _AT_ONCE // trials.n_groups)
    parts = (grid[start : start + block] for start in range(0, len(grid), block))
    return np.concatenate([_sober(np.array([losses(v) for v in part]), alpha, delta) for part in parts])


def _sober(losses: NDArray[Any], alpha: float, delta: float) -> NDArray[Any]:
    """`betting`, and 1 where the mean over all groups is above alpha.

    Bets may be won early by groups that happen to come first. That is within delta, but nobody should be told that a risk is
    at most alpha by trials that show more. Raising a p-value keeps the guarantee.
    """
    return np.where(losses.mean(axis=-1) > alpha, 1.0, betting(losses, alpha, delta))


def _binomial(trials: Trials, vector: Sequence[float], alpha: float, risk: Risk) -> float:
    sent = trials.delivered(vector)
    n = len(trials) if risk == "joint" else int(sent.sum())
    return float(stats.binom.cdf(int((sent & trials.wrong).sum()), n, alpha)) if n else 1.0


def accepted(p: Sequence[float] | NDArray[Any], delta: float) -> int:
    """How many of a fixed sequence are accepted: those before the first p-value above delta.

    Source:
        Angelopoulos et al. (2021), "Learn then Test", section 3 (fixed sequence testing).

    Example:
        >>> accepted([.000035, .000404, .009048, .062342, .123743], 0.1)
        4
    """
    above = np.flatnonzero(np.asarray(p) > delta)
    return int(above[0]) if len(above) else len(p)


def order_by_pareto(p: NDArray[Any], coverage: NDArray[Any]) -> list[int]:
    """Positions that nobody beats in both p-value and coverage, the smallest p-value first.

    Source:
        Laufer-Goldshtein et al. (ICLR 2023), "Efficiently controlling multiple risks with Pareto testing".
    """
    order = np.lexsort((-coverage, p))
    front: list[int] = []
    best = -1.0
    for index in order:
        if coverage[index] > best:
            front.append(int(index))
            best = float(coverage[index])
    return front


def vectors(n_gates: int, grid: Sequence[float] = GRID, *, most: int = 500) -> list[tuple[float, ...]]:
    """Every combination of thresholds, on a grid coarse enough that there are at most `most`; for one gate all of `FINE`."""
    if n_gates == 1:
        return [(value,) for value in FINE]
    steps = len(grid)
    while steps**n_gates > most and steps > 2:
        steps -= 1
    picked = [grid[round(i * (len(grid) - 1) / (steps - 1))] for i in range(steps)]
    found: list[tuple[float, ...]] = [()]
    for _ in range(n_gates):
        found = [(*vector, value) for vector in found for value in picked]
    return found


def groups_needed(
    alpha: float, delta: float, *, wrong: float = 0.0, test: Test = "binomial", most: int = 100_000
) -> int | None:
    """Independent groups with which a threshold would be certified whose share of wrong deliveries is `wrong`.

    Returns:
        None where no number is enough: the share is not clearly below alpha.

    Example:
        >>> [groups_needed(a, 0.1) for a in (0.10, 0.05, 0.03)]
        [22, 45, 76]
        >>> [groups_needed(a, 0.1, test="betting") for a in (0.10, 0.05, 0.03)]
        [25, 48, 80]
    """
    if wrong >= alpha:
        return None
    low, high = 1, 2
    while not _enough(high, alpha, delta, wrong, test):
        low, high = high, 2 * high
        if high > most:
            return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _enough(middle, alpha, delta, wrong, test) else (middle + 1, high)
    return low


def _enough(n: int, alpha: float, delta: float, wrong: float, test: Test) -> bool:
    errors = math.ceil(n * wrong - 1e-9)
    if test == "binomial":
        return float(stats.binom.cdf(errors, n, alpha)) <= delta
    losses = np.zeros(n)
    if errors:
        losses[np.linspace(0, n - 1, errors).round().astype(int)] = 1.0
    return float(betting(losses, alpha, delta)) <= delta


def risk_of(trials: Trials, vector: Sequence[float], risk: Risk) -> float | None:
    """The observed risk at a vector of thresholds; None where nothing would be delivered and the risk is conditional."""
    sent = trials.delivered(vector)
    lost = int((sent & trials.wrong).sum())
    if risk == "joint":
        return lost / len(trials)
    return lost / int(sent.sum()) if sent.any() else None


def conformal_threshold(trials: Trials, grid: Sequence[float], *, alpha: float) -> float | None:
    """The loosest threshold whose joint risk is at most alpha on average over calibrations, which is less than a guarantee.

    Source:
        Angelopoulos et al. (2022), "Conformal risk control", for a joint loss, which never falls as the threshold does.
    """
    best: float | None = None
    sizes = np.bincount(trials.group, minlength=trials.n_groups)
    for value in grid:
        lost = trials.delivered([value]) & trials.wrong
        total = float((np.bincount(trials.group, weights=lost, minlength=trials.n_groups) / sizes).sum())
        if (total + 1) / (trials.n_groups + 1) > alpha:
            break
        best = value
    return best
