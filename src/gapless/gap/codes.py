"""Counting where sorting is not needed: codes without gaps, how many there are, rows that are alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SPARSE = 8
_SEED = 0


def present(codes: NDArray[Any]) -> NDArray[Any]:
    """The different codes, in order.

    Example:
        >>> present(np.array([3, 1, 3])).tolist()
        [1, 3]
    """
    return np.flatnonzero(np.bincount(codes))


def distinct(codes: NDArray[Any]) -> int:
    """How many different codes there are."""
    return int(np.count_nonzero(np.bincount(codes)))


def compact(codes: NDArray[Any], n: int | None = None) -> tuple[NDArray[Any], int]:
    """Codes without gaps, in the same order, and how many there are; what `numpy.unique` sorts for, counted.

    Args:
        codes: int array, 0 or more.
        n: Upper bound of the codes, exclusive, where it is known.

    Example:
        >>> compact(np.array([5, 2, 5]))[0].tolist()
        [1, 0, 1]
    """
    seen = np.bincount(codes, minlength=n or 0) > 0
    return (np.cumsum(seen) - 1)[codes], int(np.count_nonzero(seen))


def pairs(first: NDArray[Any], second: NDArray[Any], n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The different pairs in order, as an int array [kinds, 2], and the kind of each element.

    Args:
        first: int array, 0 or more.
        second: int array, 0..n-1.
        n: Upper bound of `second`, exclusive.
    """
    key = first.astype(np.int64) * n + second
    if len(key) and int(key.max()) > _SPARSE * len(key) + 1000:  # counting would need more room than it saves
        kinds, code = np.unique(key, return_inverse=True)
    else:
        kinds, code = present(key), compact(key)[0]
    return np.stack([kinds // n, kinds % n], axis=1), code


def kinds_of(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The different rows in order and how often each occurs, as `numpy.unique` has them along the first axis.

    Rows are told apart by a random number for each, and held against each other afterwards: sorting numbers is ten times
    faster than sorting rows.

    Args:
        rows: int array [n, columns].
    """
    mixed = np.random.default_rng(_SEED).integers(1, 2**62, size=rows.shape[1])
    _, index, code = np.unique(rows @ mixed, return_index=True, return_inverse=True)
    kinds = rows[index]
    if not np.array_equal(kinds[code], rows):
        return np.unique(rows, axis=0, return_counts=True)
    order = np.lexsort(kinds.T[::-1])
    return kinds[order], np.bincount(code, minlength=len(kinds))[order]
