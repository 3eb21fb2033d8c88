"""Shared cases and several paths: intervals by resampling whole groups; MOVER, with a note, where that cannot be."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from gapless.gap.analyse import analyse
from gapless.gap.blame import blame
from gapless.records.estimate import Estimate
from gapless.records.gap import Gap
from gapless.records.trial import ComponentRun, Run, StepOutcome
from gapless.records.workflow import FINISH, START, Edge, Shape, Step

SHAPE = Shape(
    steps=tuple(Step(name=name) for name in "ab"),
    edges=tuple(Edge(source=x, target=y) for x, y in ((START, "a"), ("a", "b"), ("b", FINISH))),
)


def run(case: str, trial: int, *, ok: bool) -> Run:
    events = tuple(StepOutcome(step=s, visit=1, attempt=1, ok=ok, ms=1) for s in "ab")
    outcome = "correct" if ok else "wrong"
    return Run(
        case=case, trial=trial, group=case, outcome=outcome, blame=blame(events, outcome), events=events
    )


def alone(step: str, case: str, *, ok: bool, trial: int = 0) -> ComponentRun:
    return ComponentRun(step=step, case=case, trial=trial, group=case, ok=ok)


def shared(
    n: int, failing: Sequence[int], *, hard: Sequence[int] | None = None
) -> tuple[list[Run], list[ComponentRun]]:
    """`hard` cases fail in the benchmark of a, their neighbours in that of b; `failing` cases fail end to end."""
    hard = failing if hard is None else hard
    runs = [run(f"c{i}", 0, ok=i not in failing) for i in range(n)]
    parts = [alone("a", f"c{i}", ok=i not in hard) for i in range(n)]
    return runs, parts + [alone("b", f"c{i}", ok=(i - 1) not in hard) for i in range(n)]


def limits(estimate: Estimate) -> tuple[float, float, float]:
    assert estimate.point is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.point, estimate.high


def test_shared_cases_are_resampled_together() -> None:
    gap = analyse(*shared(60, range(0, 60, 6)), SHAPE)
    split = gap.compounding
    for estimate in (
        split.predicted,
        split.interaction_loss,
        split.article_gap,
        split.compounding_loss,
    ):
        assert estimate.method == "cluster bootstrap"
        low, point, high = limits(estimate)
        assert low <= point <= high
    low, point, high = limits(split.interaction_loss)
    assert low < point < high
    assert not any("share cases" in note for note in gap.notes)


def test_a_case_hard_for_both_narrows_the_difference() -> None:
    runs, parts = shared(60, range(0, 60, 6))
    elsewhere = [
        ComponentRun(step=p.step, case=f"x{p.case}", trial=0, group=f"x{p.case}", ok=p.ok) for p in parts
    ]
    together = analyse(runs, parts, SHAPE).compounding.interaction_loss
    apart = analyse(runs, elsewhere, SHAPE).compounding.interaction_loss
    assert apart.method == "mover"
    assert apart.point == pytest.approx(together.point)
    assert limits(together)[2] - limits(together)[0] < 0.9 * (limits(apart)[2] - limits(apart)[0])


def test_the_limits_are_those_of_resampling_by_hand() -> None:
    """Unequal trials: case-weighted S, a benchmark of another size, one path."""
    rng = np.random.default_rng(11)
    runs: list[Run] = []
    parts: list[ComponentRun] = []
    share, a, b = np.zeros(40), np.zeros(40), np.zeros(40)
    for i in range(40):
        seen = [bool(rng.random() < 0.8) for _ in range(1 + i % 3)]
        runs += [run(f"c{i}", t, ok=ok) for t, ok in enumerate(seen)]
        share[i] = np.mean(seen)
        for step, store in (("a", a), ("b", b)):
            tries = [bool(rng.random() < 0.9) for _ in range(2)]
            parts += [alone(step, f"c{i}", ok=ok, trial=t) for t, ok in enumerate(tries)]
            store[i] = np.mean(tries)
    split = analyse(runs, parts, SHAPE).compounding
    drawn = rng.integers(0, 40, (40_000, 40))
    p = a[drawn].mean(1) * b[drawn].mean(1)
    s = share[drawn].mean(1)
    low, point, high = limits(split.interaction_loss)
    assert math.isclose(point, a.mean() * b.mean() - share.mean(), abs_tol=1e-12)
    assert np.allclose([low, high], np.quantile(p - s, [0.025, 0.975]), atol=0.015)
    assert np.allclose(limits(split.predicted)[::2], np.quantile(p, [0.025, 0.975]), atol=0.015)


@pytest.mark.parametrize(
    ("n", "failing", "hard", "said"),
    [
        (40, range(0, 40, 5), (), "step 'a' has no failure in its benchmark"),
        (40, range(0, 40, 5), range(-1, 41), "step 'a' has no success in its benchmark"),
        (40, (), range(0, 40, 5), "the trials all ended alike"),
        (12, (1, 2), (3, 4), "12 independent units are too few to resample"),
    ],
)
def test_mover_stands_in_with_a_note(n: int, failing: Sequence[int], hard: Sequence[int], said: str) -> None:
    gap = analyse(*shared(n, failing, hard=hard), SHAPE)
    assert gap.compounding.predicted.method == "mover"
    assert gap.compounding.interaction_loss.method == "mover"
    assert [note for note in gap.notes if said in note and "MOVER" in note and "share cases" in note]


def test_no_failure_anywhere_still_has_a_lower_limit() -> None:
    gap = analyse(*shared(40, (), hard=()), SHAPE)
    low, point, high = limits(gap.compounding.predicted)
    assert (point, high) == (1, 1)
    assert 0.5 < low < 1


def several_paths(groups: str) -> Gap:
    runs, parts = shared(60, range(0, 60, 7))
    parts = [
        ComponentRun(step=p.step, case=groups + p.case, trial=0, group=groups + p.case, ok=p.ok)
        for p in parts
    ]
    return analyse(runs, parts, SHAPE, paths={f"c{i}": ("a", "b") if i % 3 else ("a",) for i in range(60)})


def test_several_paths_are_resampled_even_on_other_cases() -> None:
    split = several_paths("x").compounding
    assert split.predicted.method == "cluster bootstrap"
    expected = (51 / 60) * (1 / 3 + 2 / 3 * 51 / 60)
    assert split.predicted.point == pytest.approx(expected, abs=1e-12)
    low, point, high = limits(split.predicted)
    assert low < point < high


def test_the_order_of_rows_does_not_move_a_limit() -> None:
    runs, parts = shared(50, range(0, 50, 6))
    first, second = analyse(runs, parts, SHAPE), analyse(runs[::-1], parts[::-1], SHAPE)
    assert limits(first.compounding.interaction_loss) == pytest.approx(
        limits(second.compounding.interaction_loss), abs=1e-12
    )


def test_cases_needed_shrink_as_the_difference_grows() -> None:
    near = analyse(*shared(60, range(0, 60, 5), hard=range(0, 60, 12)), SHAPE).compounding
    far = analyse(*shared(60, range(0, 60, 2), hard=range(0, 60, 12)), SHAPE).compounding
    assert near.cases_for_interaction is not None
    assert near.cases_for_interaction > 60
    assert far.cases_for_interaction is None
    assert limits(far.interaction_loss)[0] > 0


def apart(**passes: tuple[int, int]) -> list[ComponentRun]:
    """Benchmark cases that no trial has seen."""
    return [alone(step, f"bench{i}", ok=i < k) for step, (k, n) in passes.items() for i in range(n)]


def test_a_step_needed_twice_counts_twice_in_the_limits() -> None:
    runs = [run(f"c{i}", 0, ok=i >= 4) for i in range(40)]
    once = analyse(runs, apart(a=(45, 50)), SHAPE, paths={f"c{i}": ("a",) for i in range(40)})
    twice = analyse(runs, apart(a=(45, 50)), SHAPE, paths={f"c{i}": ("a", "a") for i in range(40)})
    first, second = limits(once.compounding.predicted), limits(twice.compounding.predicted)
    assert once.compounding.predicted.method == "mover"
    assert second == pytest.approx([limit**2 for limit in first], abs=1e-12)


def test_a_blocked_route_still_has_room_above() -> None:
    runs = [run(f"c{i}", 0, ok=i % 2 == 0) for i in range(40)]
    paths = {f"c{i}": ("a",) if i % 2 == 0 else ("b",) for i in range(40)}
    blocked = analyse(runs, apart(a=(45, 50), b=(0, 20)), SHAPE, paths=paths)
    split = blocked.compounding
    assert split.predicted.point == pytest.approx(0.45)
    only_a = (
        limits(
            analyse(runs, apart(a=(45, 50)), SHAPE, paths=dict.fromkeys(paths, ("a",))).compounding.predicted
        )[2]
        - 0.9
    ) / 2
    assert limits(split.predicted)[2] > 0.45 + max(only_a, 0.5 * 0.16 - 1e-3)
    assert any("step 'b' has no success" in note and "different paths" in note for note in blocked.notes)


def test_a_shape_without_steps_of_its_own_has_no_path() -> None:
    desk = Shape(
        steps=(Step(name="desk", router=True),),
        edges=(Edge(source=START, target="desk"), Edge(source="desk", target=FINISH)),
    )
    assert desk.only_route() == ()
    split = analyse([run("c0", 0, ok=True)], [], desk).compounding
    assert split.predicted.point is None
    assert split.predicted.reason
