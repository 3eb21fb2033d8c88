"""A run as it lies in a table holds everything a run holds."""

from __future__ import annotations

import math

from gapless.records.row import RunRow, durations, retell, row_of, run_of, told
from gapless.records.trial import Run, StepOutcome


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
