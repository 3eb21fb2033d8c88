"""Splits 1 - prod c_j over its factors: Shapley values, and the logarithmic mean as a check (METHOD section 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def shapley(conditionals: Sequence[float] | NDArray[Any]) -> NDArray[Any]:
    """Shapley values of v(T) = 1 - prod over T of c_j: a fair split of arithmetic, not causal.

    The multilinear extension makes them an integral of a polynomial, phi_j = (1 - c_j) * int_0^1 prod over i != j of
    (1 - t (1 - c_i)) dt, which Gauss-Legendre nodes integrate exactly.

    Args:
        conditionals: c_j in [0, 1], shape [..., n].

    Returns:
        Values of the same shape; along the last axis they add up to 1 - prod c_j.

    Source:
        Shapley (1953); Owen (1972), Management Science 18, for the integral.

    Example:
        >>> [round(float(value), 6) for value in shapley([0.99, 0.90, 0.95])]
        [0.009267, 0.097017, 0.047267]
    """
    lost = 1 - np.asarray(conditionals, dtype=float)
    n = lost.shape[-1]
    if n == 0:
        return lost
    nodes, weights = np.polynomial.legendre.leggauss(n // 2 + 1)
    t, w = (nodes + 1) / 2, weights / 2
    left = 1 - lost[..., None] * t  # [..., n, nodes], above 0: the nodes lie inside (0, 1)
    return lost * np.sum(np.prod(left, axis=-2, keepdims=True) / left * w, axis=-1)


def lmdi(conditionals: Sequence[float]) -> list[float] | None:
    """Shares in proportion to the logs; None where a factor is 0.

    Source:
        Ang (2004), Energy Policy 32 (logarithmic mean Divisia index).

    Example:
        >>> [round(value, 6) for value in lmdi([0.99, 0.90, 0.95])]
        [0.009257, 0.097047, 0.047246]
    """
    if any(c <= 0 for c in conditionals):
        return None
    logs = [-math.log(c) for c in conditionals]
    total = math.fsum(logs)
    whole = -math.expm1(-total)
    return [log * whole / total if total > 0 else 0.0 for log in logs]
