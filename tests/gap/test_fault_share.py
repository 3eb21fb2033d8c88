"""How often faults end silently: limits that are claims, by group."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gapless.gap.faults import over_cells, silent_share
from gapless.records.trial import Run


def runs(groups: int) -> list[Run]:
    return [Run(case=f"c{n}", trial=0, group=f"c{n}", outcome="correct") for n in range(groups)]


def test_none_of_twelve_leaves_room_for_a_fifth() -> None:
    found = silent_share(runs(12), [False] * 12)
    assert found.high == pytest.approx(1 - 0.05 ** (1 / 12))  # 22.1 %


def test_nothing_counted_is_no_estimate() -> None:
    assert silent_share([], []).point is None


def test_the_limit_over_cells_never_falls_when_one_more_trial_is_silent() -> None:
    limits: list[float] = []
    for bad in range(4):
        cells = [(f"f{k}@s", runs(12), [k == 0 and n < bad for n in range(12)]) for k in range(20)]
        found = over_cells(cells)
        assert found.high is not None
        limits.append(found.high)
    assert all(later >= earlier for earlier, later in pairwise(limits)), limits
