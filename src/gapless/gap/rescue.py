"""Lost trials that no golden output before some step rescues: nothing was lost yet where they stand (beyond METHOD section 9).

METHOD's damage weighs each trial by its golden pass share. A trial that a later step loses whatever it is given (a case that
this step always gets wrong) has no weight at the steps before, and full weight behind: its loss would be shared out to the
culprits of the others. Where others are rescued so often that chance leaves a trial without one less than once in a
hundred, it counts there as what it is, undamaged so far, with the weight of the rescued ones. In small or lucky tables,
and in METHOD's own examples, nothing changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BY_CHANCE = 0.01
"""How improbable a row of failed rescues has to be before it is taken for no bad luck."""


def later_losses(
    golden: NDArray[Any], observed: NDArray[Any], reruns: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Both arms with the trials that are lost later counted as undamaged so far.

    Args:
        golden: V, float array [N, K]: pass share with golden outputs up to each step, in path order.
        observed: U, float array [N, K]: pass share with the recorded outputs kept.
        reruns: int array [N, K]: settled reruns of the golden arm; 0 where a trial skips the step.

    Returns:
        V, U, and a boolean array [N, K] of what was changed in them.

    Example:
        >>> v = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])  # the third trial is lost at the second step, always
        >>> u = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
        >>> v, u, later = later_losses(v, u, np.full((3, 2), 2))
        >>> (1 - u.sum(axis=0) / v.sum(axis=0)).round(3).tolist(), later.sum(axis=0).tolist()
        ([0.667, 1.0], [1, 0])
    """
    passed = np.cumsum((golden + observed) * (reruns > 0), axis=1) > 0
    rescued = passed.sum(axis=0)
    luck = (golden * passed).sum(axis=0) / np.maximum(rescued, 1)
    missed = np.cumprod((1 - luck) ** reruns, axis=1)
    later = ~passed & (missed < BY_CHANCE) & (rescued > 0)
    return np.where(later, luck, golden), np.where(later, luck, observed), later
