"""Damage along the path: how much of the achievable success is lost exactly at each step (METHOD section 9)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.clustered import Units
from gapless.gap.group_bootstrap import based, interval, resampled_sums
from gapless.gap.replays import Arms
from gapless.gap.rescue import later_losses
from gapless.records.estimate import Estimate

NEVER_RESCUES = "the golden output never rescues"
NO_RERUN = "no rerun with a golden output has a verdict"
_TIE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Shares of one table, or of many resamples along the first axis."""

    shares: NDArray[Any]
    """float array [..., K]: NaN where the golden output never rescues; what is lost there is in the next share."""
    noise: NDArray[Any]
    """float array [...]: 1 - damage after the last step."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Estimates of the shares; a step that has none is missing."""

    of: dict[str, Estimate]
    """Step -> share_k, in path order."""
    first: dict[str, float]
    """Step -> share of resamples in which its share is the largest; empty with fewer than two groups."""
    noise: Estimate
    later: dict[str, int] = field(default_factory=dict[str, int])
    """Step -> trials that no golden output up to there rescues: they are lost later."""


def split(golden: NDArray[Any], observed: NDArray[Any]) -> Split:
    """Shares of the achievable success that is lost exactly at each step.

        damage_k = 1 - sum_r U_rk / sum_r V_rk,  share_k = damage_k - damage_{k-1},  damage_0 = 0

    Args:
        golden: sum_r V_rk, float array [..., K], steps in path order.
        observed: sum_r U_rk, float array [..., K].

    Returns:
        Along the last axis the shares and the noise add up to 1. Below 0 a share is damage that the step mended. All are
        NaN where no golden output ever rescues.

    Source:
        METHOD section 9.

    Example:
        >>> found = split(np.array([1.5, 1.5, 2.0]), np.array([1.5, 1.0, 0.0]))
        >>> [round(float(share), 6) for share in found.shares], float(found.noise)
        ([0.0, 0.333333, 0.666667], 0.0)
    """
    rescued = golden > 0
    damage = np.where(rescued, 1 - observed / np.where(rescued, golden, 1.0), np.nan)
    before = np.zeros(golden.shape[:-1])
    shares = np.full(golden.shape, np.nan)
    for k in range(golden.shape[-1]):
        here = damage[..., k]
        shares[..., k] = here - before
        before = np.where(np.isnan(here), before, here)
    return Split(shares, np.where(rescued.any(axis=-1), 1 - before, np.nan))


def shares(arms: Arms, *, level: float = 0.95, seed: int = 0) -> Shares:
    """The shares and the verdict noise of a table of reruns, with intervals from resampled groups.

    Args:
        arms: Pass shares of N lost trials at K steps.
        level: Two-sided confidence level of each by itself.
        seed: Of the resamples.

    Returns:
        Points that add up to 1 with the noise, exactly; see `interval` for limits where groups are few or all alike.
    """
    if not arms.trials:
        return Shares({}, {}, Estimate(level=level, reason=NO_RERUN))
    golden, observed, later = later_losses(arms.golden, arms.observed, arms.reruns)
    points = split(golden.sum(axis=0), observed.sum(axis=0))
    placed = [k for k, share in enumerate(points.shares) if not math.isnan(share)]
    if not placed:
        return Shares({}, {}, based(arms.units, level=level, reason=NEVER_RESCUES))
    both = resampled_sums(np.concatenate([golden, observed], axis=1), arms.units, seed=seed)
    drawn = split(*np.split(both, 2, axis=1))
    steps = [arms.steps[k] for k in placed]
    found = [float(points.shares[k]) for k in placed]
    # The complement of the shares as they are written, which 1 - damage misses by rounding.
    noise = math.fsum([1.0, *(-share for share in found)])
    return Shares(
        of={
            step: interval(share, drawn.shares[:, k], arms.units, level=level)
            for step, share, k in zip(steps, found, placed, strict=True)
        },
        first=_first(drawn.shares[:, placed], steps, arms.units),
        noise=interval(noise, drawn.noise, arms.units, level=level),
        later={step: int(n) for step, n in zip(arms.steps, later.sum(axis=0), strict=True) if n},
    )


def _first(drawn: NDArray[Any], steps: Sequence[str], table: Units) -> dict[str, float]:
    """Step -> share of resamples in which its share is the largest, ties shared."""
    if table.n_groups < 2:
        return {}
    known = drawn[~np.isnan(drawn).all(axis=1)]
    known = np.where(np.isnan(known), -np.inf, known)
    most = known >= known.max(axis=1, keepdims=True) - _TIE
    chances = np.mean(most / most.sum(axis=1, keepdims=True), axis=0)
    return dict(zip(steps, chances.tolist(), strict=True))
