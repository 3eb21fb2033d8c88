"""Counting gives what sorting gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gapless.gap.codes import compact, distinct, kinds_of, pairs, present

numbers = st.lists(st.integers(0, 6), max_size=30)


@given(numbers)
def test_codes_are_what_sorting_says(values: list[int]) -> None:
    codes = np.array(values, dtype=np.int64)
    kinds, inverse = np.unique(codes, return_inverse=True)
    assert present(codes).tolist() == kinds.tolist()
    assert distinct(codes) == len(kinds)
    packed, n = compact(codes)
    assert (packed.tolist(), n) == (inverse.tolist(), len(kinds))


@given(st.lists(st.tuples(st.sampled_from([0, 1, 5, 10**9]), st.integers(0, 3)), max_size=30))
def test_pairs_are_what_sorting_says(values: list[tuple[int, int]]) -> None:
    both = np.array(values, dtype=np.int64).reshape(-1, 2)
    kinds, code = pairs(both[:, 0], both[:, 1], 4)
    wanted, inverse = np.unique(both, axis=0, return_inverse=True)
    assert kinds.tolist() == wanted.tolist()
    assert code.tolist() == inverse.tolist()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_rows_are_what_sorting_says(values: list[tuple[int, int, int]]) -> None:
    rows = np.array(values, dtype=np.int64)
    wanted, counts = np.unique(rows, axis=0, return_counts=True)
    kinds, times = kinds_of(rows)
    assert kinds.tolist() == wanted.tolist()
    assert times.tolist() == counts.tolist()
