"""Which visit of a fanned-out step counts, on visits numbered as a recorded trial numbers them."""

from __future__ import annotations

from collections.abc import Sequence

from gapless.gap.analyse import analyse
from gapless.gap.blame import blame, first_failure, last_visits
from gapless.gap.paths import planned_paths
from gapless.gap.table import Table
from gapless.records.suite import Case
from gapless.records.trial import Run, StepOutcome
from gapless.records.workflow import Shape, Step
from gapless.trace.recorder import TrialRecorder

SHAPE = Shape(steps=(Step(name="split"), Step(name="work"), Step(name="join")))
Arrival = tuple[str, Sequence[int | None], Sequence[int | None]]


def trial(*arrivals: Arrival) -> tuple[StepOutcome, ...]:
    """(step, the branches it was sent to, those that failed), in time order."""
    recorder = TrialRecorder()
    events: list[StepOutcome] = []
    for step, branches, failing in arrivals:
        for branch in branches:
            opened = recorder.begin(step, None, branch=branch)
            recorder.end(opened)
            ok = branch not in failing
            events.append(
                StepOutcome(step=step, visit=opened.visit, attempt=opened.attempt, ok=ok, ms=0, branch=branch)
            )
    return tuple(events)


ALONE = (None,)


def test_one_failed_branch_of_the_last_visit_is_enough() -> None:
    events = trial(("split", ALONE, ()), ("work", (0, 1, 2), (1,)), ("join", ALONE, ALONE))
    assert first_failure(events) == "work"


def test_an_item_sent_again_alone_and_done_well_is_no_longer_a_failure() -> None:
    """The second fan-out has one branch, number 0; the failure was branch 2 of the first."""
    events = trial(("work", (0, 1, 2), (2,)), ("join", ALONE, ()), ("work", (0,), ()), ("join", ALONE, ()))
    assert last_visits(events)["work"] == {0: (2, 1)}
    assert first_failure(events) is None
    assert blame(events, "wrong") == "(unobserved)"


def test_a_fan_out_that_grows_again_counts_every_branch_of_its_last_visit() -> None:
    events = trial(("work", (0, 1), ()), ("work", (0,), ()), ("work", (0, 1), (1,)))
    assert last_visits(events)["work"] == {0: (3, 1), 1: (2, 1)}
    assert first_failure(events) == "work"


def test_a_step_reached_alone_after_a_fan_out_stands_for_itself() -> None:
    assert first_failure(trial(("work", (0, 1), (0, 1)), ("work", ALONE, ()))) is None
    assert first_failure(trial(("work", ALONE, ALONE), ("work", (0, 1), ()))) is None
    assert first_failure(trial(("work", ALONE, ()), ("work", (0, 1), (1,)))) == "work"


def test_a_retry_among_parallel_branches_begins_no_visit() -> None:
    def at(branch: int, attempt: int, ok: bool) -> StepOutcome:
        return StepOutcome(step="work", visit=1, attempt=attempt, ok=ok, ms=0, branch=branch)

    mended = (at(0, 1, False), at(1, 1, True), at(0, 2, True))
    assert first_failure(mended) is None
    assert first_failure((*mended, at(1, 2, False))) == "work"


def test_work_done_again_is_counted_once_on_a_planned_path() -> None:
    events = trial(("split", ALONE, ()), ("work", (0, 1, 2), (2,)), ("work", (0,), ()), ("join", ALONE, ()))
    run = Run(case="c", trial=0, group="c", outcome="correct", events=events)
    assert planned_paths([Case(id="c")], Table.of([run]), SHAPE)["c"] == (
        "split",
        "work",
        "work",
        "work",
        "join",
    )


def test_a_table_without_blame_is_placed_by_the_rule() -> None:
    bad = trial(("split", ALONE, ()), ("work", ALONE, ALONE))
    runs = [
        Run(
            case=f"c{i}",
            trial=0,
            group=f"c{i}",
            outcome="wrong" if i % 4 == 0 else "correct",
            blame="join" if i == 1 else None,
            events=bad if i % 4 == 0 else (),
        )
        for i in range(40)
    ]
    rows = analyse(runs, [], SHAPE).boundaries
    assert [(row.exit, row.points.point, row.wrong) for row in rows] == [("work", 0.25, 10)]


def test_a_blame_that_a_person_named_stays() -> None:
    run = Run(
        case="c", trial=0, group="c", outcome="wrong", blame="join", events=trial(("work", ALONE, ALONE))
    )
    assert [row.exit for row in analyse([run], [], SHAPE).boundaries if row.wrong] == ["join"]
