"""Tables as workflows leave them (loops, retries, branches, skips, crashes, repairs): what must hold for every one."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gapless.gap.analyse import analyse
from gapless.gap.blame import blame, first_failure
from gapless.gap.boundaries import boundaries
from gapless.gap.clustered import Units, clustered, units
from gapless.gap.paths import planned_paths
from gapless.gap.table import Table
from gapless.records.estimate import Estimate
from gapless.records.gap import Gap
from gapless.records.suite import Case
from gapless.records.trial import ComponentRun, EventStatus, Outcome, Run, StepOutcome
from gapless.records.workflow import FINISH, START, Edge, Shape, Step

STEPS = ("fetch", "plan", "tool", "write")
ENDS = (START, *STEPS, FINISH)
CHAIN = Shape(
    steps=tuple(Step(name=name) for name in STEPS),
    edges=tuple(Edge(source=ENDS[i], target=ENDS[i + 1]) for i in range(len(STEPS) + 1)),
)
ROUTED = Shape(
    steps=(*CHAIN.steps, Step(name="route", router=True), Step(name="desk", review=True)),
    edges=(
        *CHAIN.edges,
        Edge(source="plan", target="route"),
        Edge(source="route", target="write", conditional=True),
        Edge(source="route", target="desk", conditional=True),
    ),
)
VERDICTS = st.sampled_from([True, True, True, False, None])
OUTCOMES: list[Outcome] = ["correct", "correct", "correct", "wrong", "escalated", "failed", "unjudged"]


@st.composite
def visited(draw: st.DrawFn) -> tuple[StepOutcome, ...]:
    """A walk: each step skipped, visited, retried, fanned out or looped back to; it may stop anywhere."""
    events: list[StepOutcome] = []
    visits: dict[tuple[str, int | None], int] = defaultdict(int)
    walk = list(STEPS[: draw(st.integers(0, 4))])
    if draw(st.booleans()):
        walk += draw(st.lists(st.sampled_from(STEPS), max_size=3))
    for step in walk:
        if draw(st.integers(0, 5)) == 0:
            continue
        branches: tuple[int | None, ...] = draw(st.sampled_from([(None,), (None,), (None,), (0, 1)]))
        for branch in branches:
            visits[step, branch] += 1
            for attempt in range(1, draw(st.sampled_from([1, 1, 1, 2, 3])) + 1):
                status: EventStatus = draw(st.sampled_from(["ok", "ok", "error"]))
                events.append(
                    StepOutcome(
                        step=step,
                        visit=visits[step, branch],
                        attempt=attempt,
                        ok=draw(VERDICTS),
                        ms=draw(st.integers(0, 50)),
                        branch=branch,
                        status=status,
                        suspicions=draw(st.sampled_from([(), (), ("empty-result", "retry-storm")])),
                    )
                )
        if step == "plan" and draw(st.booleans()):
            events.append(StepOutcome(step="route", visit=1, attempt=1, ok=None, ms=0, router=True))
    return tuple(events)


@st.composite
def tables(draw: st.DrawFn) -> list[Run]:
    """0 to 7 cases of 1 to 3 trials, alone or in groups of two, all outcomes or a few of them only."""
    allowed = draw(st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=7))
    per_group, equal = draw(st.sampled_from([1, 1, 2, 7])), draw(st.sampled_from([0, 0, 1, 2]))
    runs: list[Run] = []
    for case in range(draw(st.integers(0, 7))):
        for trial in range(equal or draw(st.integers(1, 3))):
            events, outcome = draw(visited()), draw(st.sampled_from(allowed))
            runs.append(
                Run(
                    case=f"c{case}",
                    trial=trial,
                    group=f"g{case // per_group}",
                    outcome=outcome,
                    blame=blame(events, outcome),
                    slice={"kind": "odd" if case % 2 else "even"},
                    planned=draw(
                        st.sampled_from([None, ("fetch", "plan"), STEPS, ("fetch", "tool", "tool")])
                    ),
                    events=events,
                    ms=draw(st.integers(0, 500)),
                    labelled=outcome in ("correct", "wrong"),
                )
            )
    return runs


@st.composite
def benchmarks(draw: st.DrawFn) -> list[ComponentRun]:
    tested = draw(st.sampled_from([(), STEPS, STEPS, STEPS[:3]]))
    return [
        ComponentRun(step=step, case=f"c{case}", trial=trial, group=f"g{case}", ok=draw(VERDICTS))
        for step in tested
        for case in range(draw(st.integers(1, 4)))
        for trial in range(draw(st.integers(1, 2)))
    ]


shapes = st.sampled_from([CHAIN, ROUTED, Shape()])
quiet = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def weights_of(runs: list[Run]) -> list[float]:
    """1/N if every group is equally large, else 1/(G n_g): METHOD section 2, written again."""
    sizes: dict[str, int] = defaultdict(int)
    for run in runs:
        sizes[run.group] += 1
    if len(set(sizes.values())) == 1:
        return [1 / len(runs)] * len(runs)
    return [1 / (len(sizes) * sizes[run.group]) for run in runs]


def estimates(value: Any) -> Iterator[Estimate]:
    if isinstance(value, Estimate):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from estimates(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from estimates(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from estimates(item)


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from numbers(item)


@quiet
@given(tables(), benchmarks(), shapes)
def test_points_sum_to_what_was_lost_under_the_weights_of_the_table(
    runs: list[Run], alone: list[ComponentRun], shape: Shape
) -> None:
    table = units([run.group for run in runs])
    rows = boundaries(Table.of(runs), table, shape)
    weights = weights_of(runs) if runs else []
    success = math.fsum(w for w, run in zip(weights, runs, strict=True) if run.outcome == "correct")
    if runs:
        assert math.isclose(math.fsum(row.points.point or 0.0 for row in rows), 1 - success, abs_tol=1e-12)
    for row in rows:
        mine = [w for w, run in zip(weights, runs, strict=True) if run.blame == row.exit]
        assert math.isclose(row.points.point or 0.0, math.fsum(mine), abs_tol=1e-12)
        assert row.wrong + row.escalated + row.failed + row.unjudged == len(mine)
        assert row.repaired <= row.first_failures
        assert row.share is None or 0 <= row.share <= 1 + 1e-12
        assert (row.share is None) == (success > 1 - 1e-12)
    gap = analyse(runs, alone, shape)
    if gap.success.point is not None:
        assert math.isclose(gap.success.point, success, abs_tol=1e-12)


@quiet
@given(tables(), benchmarks(), shapes)
def test_the_split_is_exact_and_inside_its_band(
    runs: list[Run], alone: list[ComponentRun], shape: Shape
) -> None:
    gap = analyse(runs, alone, shape)
    split = gap.compounding
    a, k, i = (e.point for e in (split.article_gap, split.compounding_loss, split.interaction_loss))
    if a is not None and k is not None and i is not None:
        assert math.isclose(a, k + i, abs_tol=1e-12)
    if split.predicted.point is None:
        assert split.predicted.reason
        assert split.frechet_low is None
        assert i is None
        return
    assert split.frechet_low is not None
    assert split.frechet_high is not None
    assert 0 <= split.frechet_low <= split.predicted.point + 1e-12
    assert split.predicted.point <= split.frechet_high + 1e-12 <= 1 + 1e-12
    rates = {part.step: part.rate.point or 0.0 for part in gap.components}
    route = shape.only_route()
    expected = math.fsum(
        weight * math.prod(rates[step] for step in (run.planned or route or ()))
        for weight, run in zip(weights_of(runs), runs, strict=True)
    )
    assert math.isclose(split.predicted.point, expected, abs_tol=1e-12)


@quiet
@given(tables(), benchmarks(), shapes)
def test_every_number_is_a_number_inside_its_interval(
    runs: list[Run], alone: list[ComponentRun], shape: Shape
) -> None:
    gap = analyse(runs, alone, shape)
    assert all(math.isfinite(number) for number in numbers(msgspec.to_builtins(gap)))
    assert msgspec.json.decode(msgspec.json.encode(gap), type=Gap) == gap
    for estimate in estimates(gap):
        if estimate.point is None:
            assert estimate.reason
            continue
        assert estimate.low is None or estimate.low <= estimate.point + 1e-9
        assert estimate.high is None or estimate.point <= estimate.high + 1e-9
    split = gap.compounding
    shares = [
        *(gap.success, gap.coverage, gap.silent_failure_rate, gap.selective_risk),
        *(split.predicted, split.best, split.weakest, *gap.outcome_rates.values()),
        *(row.points for row in gap.boundaries),
        *(row.rate for row in gap.suspected),
        *(row.success for row in gap.slices),
    ]
    for share in shares:
        assert all(0 <= x <= 1 for x in (share.point, share.low, share.high) if x is not None)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), benchmarks(), shapes, st.integers(0, 9))
def test_shuffling_runs_and_benchmark_changes_nothing(
    runs: list[Run], alone: list[ComponentRun], shape: Shape, seed: int
) -> None:
    def told(runs: list[Run], alone: list[ComponentRun]) -> Any:
        gap = analyse(runs, alone, shape)
        rows = tuple(msgspec.structs.replace(row, examples=()) for row in gap.boundaries)
        seen = tuple(msgspec.structs.replace(row, examples=()) for row in gap.suspected)
        return msgspec.to_builtins(msgspec.structs.replace(gap, boundaries=rows, suspected=seen))

    other, parts = list(runs), list(alone)
    random.Random(seed).shuffle(other)
    random.Random(seed).shuffle(parts)
    assert not differences(told(runs, alone), told(other, parts))


def differences(first: Any, second: Any, at: str = "") -> list[str]:
    """Where two values differ by more than rounding."""
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        return [one for key in first for one in differences(first[key], second[key], f"{at}.{key}")]
    if isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        pairs = enumerate(zip(first, second, strict=True))
        return [one for place, pair in pairs for one in differences(*pair, f"{at}[{place}]")]
    if isinstance(first, float) and isinstance(second, float):
        same = math.isclose(first, second, rel_tol=1e-9, abs_tol=1e-9)
    else:
        same = bool(first == second)
    return [] if same else [f"{at}: {first!r} and {second!r}"]


@quiet
@given(visited(), st.sampled_from(OUTCOMES))
def test_blame_follows_the_rule_as_written(events: tuple[StepOutcome, ...], outcome: Outcome) -> None:
    """Status = verdict of the last attempt of the last visit; blame = the earliest event of a failed status."""
    last: dict[str, dict[int | None, int]] = defaultdict(dict)
    over: set[str] = set()
    for index in reversed(
        range(len(events))
    ):  # from the end: an older visit begins where a branch comes again
        event = events[index]
        mine = last[event.step]
        again = event.branch in mine and events[mine[event.branch]].visit != event.visit
        if again or (mine and (event.branch is None) != (None in mine)):
            over.add(event.step)
        if event.step not in over:
            mine.setdefault(event.branch, index)
    failing = [index for mine in last.values() for index in mine.values() if events[index].ok is False]
    expected = events[min(failing)].step if failing else None
    assert first_failure(events) == expected
    if outcome == "correct":
        assert blame(events, outcome) is None
    elif expected is not None:
        assert blame(events, outcome) == expected
    else:
        names = {
            "escalated": "(escalation)",
            "failed": "(crash)",
            "wrong": "(unobserved)",
            "unjudged": "(unjudged)",
        }
        assert blame(events, outcome) == names[outcome]


@quiet
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=25), st.integers(0, 2**25))
def test_a_part_of_a_table_keeps_groups_and_ratios(rows: list[tuple[int, bool]], mask: int) -> None:
    import numpy as np

    groups, values = [group for group, _ in rows], np.array([value for _, value in rows], dtype=float)
    keep = np.array([bool(mask >> i & 1) for i in range(len(rows))])
    keep[0] = True
    table = units(groups)
    part: Units = table.part(keep, n_cases=1)
    whole = np.asarray(table.weights)
    assert part.n_groups == len({group for group, kept in zip(groups, keep, strict=True) if kept})
    estimate = clustered(values[keep], part)
    expected = float((whole[keep] * values[keep]).sum() / whole[keep].sum())
    assert estimate.point is not None
    assert math.isclose(estimate.point, expected, abs_tol=1e-12)


def test_selective_risk_is_the_ratio_of_the_two_rates() -> None:
    outcomes: list[list[Outcome]] = [["correct", "wrong"], ["wrong", "failed"], ["correct", "correct"]]
    runs = [
        Run(case=f"c{i}", trial=t, group=f"c{i}", outcome=outcome, blame=blame((), outcome))
        for i, trials in enumerate(outcomes)
        for t, outcome in enumerate(trials)
    ]
    gap = analyse(runs, [], CHAIN)
    assert gap.silent_failure_rate.point == 2 / 6
    assert gap.coverage.point is not None
    assert math.isclose(gap.selective_risk.point or 0, 2 / 5)


def test_a_visit_made_good_is_no_planned_success() -> None:
    def seen(step: str, visit: int, ok: bool | None) -> StepOutcome:
        return StepOutcome(step=step, visit=visit, attempt=1, ok=ok, ms=1)

    repaired = (seen("plan", 1, False), seen("tool", 1, True), seen("plan", 2, True), seen("write", 1, False))
    loops = (seen("plan", 1, True), seen("tool", 1, None), seen("plan", 2, True))
    runs = [
        Run(case="mended", trial=1, group="m", outcome="correct", events=loops),
        Run(case="mended", trial=0, group="m", outcome="correct", events=repaired),
        Run(case="agent", trial=0, group="a", outcome="correct", events=loops),
    ]
    paths = planned_paths([Case(id="mended"), Case(id="agent")], Table.of(runs), CHAIN)
    assert paths == {"mended": ("tool", "plan", "write"), "agent": ("plan", "tool", "plan")}


def test_the_router_and_the_desk_are_on_no_planned_path_of_their_own() -> None:
    events = (
        StepOutcome(step="fetch", visit=1, attempt=1, ok=True, ms=1),
        StepOutcome(step="route", visit=1, attempt=1, ok=None, ms=1, router=True),
        StepOutcome(step="desk", visit=1, attempt=1, ok=None, ms=1, status="paused"),
        StepOutcome(step="write", visit=1, attempt=1, ok=True, ms=1),
    )
    run = Run(case="c", trial=0, group="c", outcome="correct", events=events)
    said = Case(id="said", path=("fetch", "route", "write"))
    assert planned_paths([Case(id="c"), said], Table.of([run]), ROUTED) == {
        "c": ("fetch", "write"),
        "said": ("fetch", "route", "write"),
    }


def test_a_step_that_only_was_repaired_has_an_upper_bound() -> None:
    bad = StepOutcome(step="plan", visit=1, attempt=1, ok=False, ms=1)
    runs = [
        Run(case=f"c{i}", trial=0, group=f"c{i}", outcome="correct", events=(bad,) if i == 0 else ())
        for i in range(20)
    ]
    (row,) = analyse(runs, [], CHAIN).boundaries
    assert (row.exit, row.points.point, row.points.low, row.share) == ("plan", 0, 0, None)
    assert (row.repaired, row.first_failures) == (1, 1)
    assert row.points.method == "korn-graubard"
    assert 0.1 < (row.points.high or 0) < 0.25
