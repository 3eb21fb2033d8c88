"""Whether a gate's certificate still describes the traffic: an alarm that needs labels, and one that does not (METHOD 10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gapless.gap.rate import Interval
from gapless.gap.sequential import confidence_sequence

JUMP = 0.01
ALARM = 100.0


def harm(wrong: Sequence[bool], *, level: float = 0.95) -> Interval:
    """Limits of the deployed joint risk that hold however often somebody looks.

    Args:
        wrong: Per independent trial that was looked at: whether it was delivered and wrong. Trials picked at random
            from all, escalated ones included, which count as not wrong.
        level: Chance that the limits hold for ever.

    Source:
        Podkopaev and Ramdas (ICLR 2022), "Tracking the risk of a deployed model and detecting harmful distribution
        shifts": alarm when the lower limit is above alpha.
    """
    return confidence_sequence(sum(wrong), len(wrong), level=level)


def conformal_p(scores: ArrayLike) -> NDArray[Any]:
    """Rank of each score among all before it and itself, ties in the middle: float array [T] in (0, 1].

    Example:
        >>> [round(float(p), 6) for p in conformal_p((.5, .4, .6, .1, .05))]
        [0.5, 0.25, 0.833333, 0.125, 0.1]
    """
    values = np.asarray(scores, dtype=float)
    kept: list[float] = []
    found = np.empty(len(values))
    for t, value in enumerate(values):
        below = int(np.searchsorted(kept, value, side="left"))
        same = int(np.searchsorted(kept, value, side="right")) - below
        found[t] = (below + (1 + same) / 2) / (t + 1)
        kept.insert(below, float(value))
    return found


def shift(scores: ArrayLike) -> NDArray[Any]:
    """ln of a conformal test martingale after each score: growth says that the scores have ceased to be exchangeable.

    Args:
        scores: Every score to date in order, those of the calibration first. Ranking against a fixed calibration set
            alone would raise false alarms.

    Returns:
        float array [T]. An alarm at ln(100) is raised falsely by one stream in a hundred at most.

    Source:
        Vovk et al. (2021), "Retrain or not retrain", the simple jumper with J = 0.01 and bets of -1, 0 and 1.

    Example:
        >>> [round(float(m), 6) for m in shift((.5, .4, .6, .1, .05))]
        [0.0, 0.0, -0.05657, -0.079307, -0.007848]
    """
    bets = np.array([-1.0, 0.0, 1.0])
    wealth = np.full(3, 1 / 3)
    log_scale = 0.0
    found = np.empty(len(np.asarray(scores)))
    for t, p in enumerate(conformal_p(scores)):
        wealth = (1 - JUMP) * wealth + JUMP * wealth.sum() / 3
        wealth = wealth * (1 + bets * (p - 0.5))
        total = wealth.sum()
        found[t] = log_scale + np.log(total)
        log_scale, wealth = found[t], wealth / total  # kept near 1, else a long stream would underflow
    return found
