"""What holds for every run table: points add up to 1 - S, order does not matter, no number is invented."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.gap.analyse import analyse
from gapless.gap.blame import blame, first_failure
from gapless.gap.paths import planned_paths
from gapless.gap.table import Table
from gapless.records.estimate import Estimate
from gapless.records.suite import Case
from gapless.records.trial import ComponentRun, Run, StepOutcome
from gapless.records.workflow import FINISH, START, Edge, Shape, Step

STEPS = "abc"
SHAPE = Shape(
    steps=tuple(Step(name=name) for name in STEPS),
    edges=tuple(Edge(source=x, target=y) for x, y in ((START, "a"), ("a", "b"), ("b", "c"), ("c", FINISH))),
)

events = st.lists(
    st.builds(
        StepOutcome,
        step=st.sampled_from(STEPS),
        visit=st.integers(1, 3),
        attempt=st.integers(1, 3),
        ok=st.sampled_from([True, False, None]),
        ms=st.floats(0, 1e4),
        branch=st.sampled_from([None, None, 0, 1]),
        suspicions=st.sampled_from([(), (), ("empty-result",)]),
    ),
    max_size=6,
)
outcomes = st.sampled_from(["correct", "correct", "wrong", "escalated", "failed", "unjudged"])


@st.composite
def tables(draw: st.DrawFn) -> list[Run]:
    runs: list[Run] = []
    for case in range(draw(st.integers(0, 8))):
        for trial in range(draw(st.integers(1, 3))):
            seen, outcome = tuple(draw(events)), draw(outcomes)
            runs.append(
                Run(
                    case=f"c{case}",
                    trial=trial,
                    group=f"g{case // 2}",
                    outcome=outcome,
                    blame=blame(seen, outcome),
                    events=seen,
                    ms=draw(st.floats(0, 1e5)),
                    labelled=outcome in ("correct", "wrong"),
                )
            )
    return runs


components = st.lists(
    st.builds(
        ComponentRun,
        step=st.sampled_from(STEPS),
        case=st.sampled_from(["c0", "c1", "c2"]),
        trial=st.integers(0, 2),
        group=st.sampled_from(["g0", "g1"]),
        ok=st.sampled_from([True, True, False, None]),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(tables(), components)
def test_points_add_up_and_the_split_is_exact(runs: list[Run], alone: list[ComponentRun]) -> None:
    gap = analyse(runs, alone, SHAPE)
    if gap.success.point is not None:
        lost = math.fsum(row.points.point or 0 for row in gap.boundaries)
        assert math.isclose(lost, 1 - gap.success.point, abs_tol=1e-12)
    split = gap.compounding
    a, k, i = (e.point for e in (split.article_gap, split.compounding_loss, split.interaction_loss))
    if None not in (a, k, i):
        assert math.isclose(a, k + i, abs_tol=1e-12)  # type: ignore[arg-type,operator]
    if split.predicted.point is not None:
        assert split.frechet_low is not None
        assert split.frechet_high is not None
        assert split.frechet_low - 1e-12 <= split.predicted.point <= split.frechet_high + 1e-12


@settings(max_examples=60, deadline=None)
@given(tables(), components, st.randoms())
def test_the_order_of_rows_changes_nothing(runs: list[Run], alone: list[ComponentRun], rng: object) -> None:
    shuffled = list(runs)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = analyse(runs, alone, SHAPE), analyse(shuffled, alone, SHAPE)
    assert first.outcomes == second.outcomes
    for x, y in zip(_all(first), _all(second), strict=True):
        for left, right in ((x.point, y.point), (x.low, y.low), (x.high, y.high)):
            assert (left is None) == (right is None)
            assert left is None or math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(tables(), components)
def test_intervals_hold_their_point_and_nothing_is_nan(runs: list[Run], alone: list[ComponentRun]) -> None:
    gap = analyse(runs, alone, SHAPE)
    rates = [
        gap.success,
        gap.coverage,
        gap.silent_failure_rate,
        gap.selective_risk,
        *gap.outcome_rates.values(),
    ]
    rates += [row.points for row in gap.boundaries] + [c.rate for c in gap.components]
    rates += [row.rate for row in gap.suspected]
    for estimate in rates:
        for value in (estimate.point, estimate.low, estimate.high):
            assert value is None or 0 <= value <= 1
        if estimate.point is not None:
            assert (
                (estimate.low or 0) - 1e-9
                <= estimate.point
                <= (1 if estimate.high is None else estimate.high) + 1e-9
            )
        else:
            assert estimate.reason
    if gap.next_label is not None:
        assert gap.next_label.expected_width <= gap.next_label.width + 1e-12


def _all(gap: object) -> list[Estimate]:
    names = ("success", "coverage", "silent_failure_rate", "selective_risk")
    found = [getattr(gap, name) for name in names]
    return found + sorted((row.points for row in gap.boundaries), key=lambda e: (e.point, e.low))  # type: ignore[attr-defined]


def event(
    step: str, ok: bool | None, visit: int = 1, attempt: int = 1, branch: int | None = None
) -> StepOutcome:
    return StepOutcome(step=step, visit=visit, attempt=attempt, ok=ok, ms=1, branch=branch)


def test_the_blame_rule() -> None:
    retried = [event("a", False), event("a", True, attempt=2), event("b", False)]
    looped = [event("a", False), event("b", True), event("a", True, visit=2)]
    looped_bad = [event("a", True), event("b", False), event("a", False, visit=2)]
    fanned = [event("a", True), event("b", True, branch=0), event("b", False, branch=1), event("c", False)]
    assert blame(retried, "wrong") == "b"
    assert blame(looped, "wrong") == "(unobserved)"
    assert blame(looped_bad, "wrong") == "b"
    assert blame(fanned, "failed") == "b"
    assert blame([], "escalated") == "(escalation)"
    assert blame([event("a", None)], "failed") == "(crash)"
    assert blame([], "unjudged") == "(unjudged)"
    assert blame(fanned, "correct") is None
    assert first_failure(fanned) == "b"


def test_planned_paths_by_precedence() -> None:
    passed = Run(
        case="seen", trial=0, group="g", outcome="correct", events=(event("a", True), event("c", True))
    )
    failed = Run(case="lost", trial=0, group="g", outcome="wrong", events=(event("a", True),))
    cases = [Case(id="said", path=("a", "b")), Case(id="seen"), Case(id="lost")]
    paths = planned_paths(cases, Table.of([passed, failed]), SHAPE)
    assert paths == {"said": ("a", "b"), "seen": ("a", "c"), "lost": ("a", "b", "c")}
    several = Shape(steps=SHAPE.steps, edges=(*SHAPE.edges, Edge(source="a", target="c")))
    assert "lost" not in planned_paths(cases, Table.of([failed]), several)


def test_a_table_without_verdicts_has_bounds_and_no_point() -> None:
    runs = [
        Run(case=f"c{i}", trial=0, group=f"c{i}", outcome="unjudged", blame="(unjudged)") for i in range(9)
    ]
    runs.append(Run(case="x", trial=0, group="x", outcome="failed", blame="(crash)"))
    gap = analyse(runs, [], SHAPE)
    assert gap.success.point is None
    assert gap.success_bounds == pytest.approx((0.0, 0.9))
    assert [row.exit for row in gap.boundaries] == ["(crash)"]


def test_labels_narrow_the_widest_suspicion() -> None:
    fired = StepOutcome(step="b", visit=1, attempt=1, ok=None, ms=1, suspicions=("errors-ignored",))
    runs = [
        Run(
            case=f"c{i}",
            trial=0,
            group=f"c{i}",
            outcome="unjudged",
            blame="(unjudged)",
            events=(fired,) if i < 4 else (),
        )
        for i in range(12)
    ]
    before = analyse(runs, [], SHAPE)
    assert before.suspected[0].exit == "b"
    assert before.suspected[0].receivers == ("c",)
    assert before.next_label is not None
    assert (before.next_label.exit, before.next_label.case) == ("b", "c0")
    labelled = Run(case="c0", trial=0, group="c0", outcome="wrong", blame="b", events=(fired,), labelled=True)
    after = analyse([labelled, *runs[1:]], [], SHAPE).next_label
    assert after is not None
    assert after.case != "c0"
    assert after.width < before.next_label.width
