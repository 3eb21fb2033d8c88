"""A run as it lies in a table holds everything a run holds."""

from __future__ import annotations

import math

import msgspec

from gapless.records.row import RunRow, durations, retell, row_of, run_of, told
from gapless.records.summary import summary
from gapless.records.trial import Ruling, RulingCount, Run, StepOutcome, TrialRecord


def test_a_row_has_every_field_of_a_run() -> None:
    apart = {"history", "durations"}
    assert set(RunRow.__struct_fields__) - apart == set(Run.__struct_fields__) - {"events"}


def test_a_run_comes_back_as_it_was() -> None:
    events = (
        StepOutcome(step="a", visit=1, attempt=2, ok=False, ms=1.5, branch=0, status="error"),
        StepOutcome(step="b?", visit=3, attempt=1, ok=None, ms=0, router=True, suspicions=("empty-result",)),
    )
    run = Run(
        case="c", trial=1, group="g", outcome="wrong", events=events, planned=("a",), metadata={"x": [1]}
    )
    assert run_of(row_of(run)) == run


def test_histories_that_differ_in_time_alone_are_equal() -> None:
    def at(ms: float) -> StepOutcome:
        return StepOutcome(step="a", visit=1, attempt=1, ok=True, ms=ms)

    assert told([at(1)]) == told([at(2)])
    assert retell(told([at(1)])) == (at(0),)
    assert len(durations([1, math.nan])) == 16


def test_a_count_of_rulings_without_its_cost_is_read() -> None:
    kept = msgspec.msgpack.encode(["a", "retry", "retry", 2])
    assert msgspec.msgpack.decode(kept, type=RulingCount) == RulingCount(
        step="a", guard="retry", action="retry", count=2
    )


def test_what_rulings_of_a_kind_cost_is_added_up() -> None:
    def wait(ms: float) -> Ruling:
        return Ruling(step="a", guard="retry", action="retry", ms=ms)

    gate = Ruling(step="a", guard="gate", action="proceed", signal=0.5)
    record = TrialRecord(
        case="c",
        trial=0,
        group="c",
        outcome="escalated",
        rulings=(wait(1.5), gate, wait(2.0)),
        after_review="wrong",
    )
    assert summary(record).rulings == (
        RulingCount(step="a", guard="retry", action="retry", count=2, ms=3.5),
        RulingCount(step="a", guard="gate", action="proceed"),
    )
    assert summary(record).after_review == "wrong"
