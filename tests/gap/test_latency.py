"""Durations: what a time limit cut off, who delivered, and retries."""

from __future__ import annotations

import pytest

from gapless.gap.latency import DELIVERED, TRIAL, latencies, quantile
from gapless.gap.table import Table
from gapless.records.trial import EventStatus, Outcome, Run, StepOutcome


def trial(number: int, ms: float, outcome: Outcome = "correct", status: EventStatus = "ok") -> Run:
    event = StepOutcome(step="tool", visit=1, attempt=1, ok=None, ms=ms, status=status)
    return Run(case=f"c{number}", trial=0, group=f"c{number}", outcome=outcome, events=(event,), ms=ms)


def test_what_was_cut_off_makes_the_tail_a_lower_bound() -> None:
    runs = [trial(i, 100 + i) for i in range(180)]
    runs += [trial(200 + i, 8000, "failed", "abandoned") for i in range(20)]
    rows = {row.step: row for row in latencies(Table.of(runs))}
    for step in (TRIAL, "tool"):
        tail = rows[step].p95
        assert (tail.point, tail.high) == (8000, None)
        assert tail.reason == "at least this: 20 of 200 were cut off by a time limit"
        assert rows[step].p50.reason is None
        assert rows[step].p50.high is not None
    assert rows[DELIVERED].p95.point == 270
    assert rows[DELIVERED].p95.n_runs == 180


def test_early_cuts_count_as_long_ones() -> None:
    """Ten values stopped at 1 ms would have gone on: they are no evidence of speed."""
    values = [float(i) for i in range(1, 191)] + [1.0] * 10
    cut = list(range(190, 200))
    middle = quantile(values, 0.5, cut=cut)
    assert middle.reason is not None
    assert middle.high is None
    assert quantile(values, 0.5).reason is None


def test_cuts_above_the_quantile_only_take_its_upper_limit() -> None:
    values = [float(i) for i in range(1, 193)] + [8000.0] * 8
    tail = quantile(values, 0.95, cut=list(range(192, 200)))
    assert (tail.point, tail.high, tail.reason) == (190.0, None, None)
    assert quantile(values, 0.95).high == 8000


def test_all_delivered_is_said_once() -> None:
    assert [row.step for row in latencies(Table.of(trial(i, 10) for i in range(8)))] == [TRIAL, "tool"]
    assert [row.step for row in latencies(Table.of(trial(i, 10, "failed") for i in range(8)))] == [
        TRIAL,
        "tool",
    ]


def test_nothing_has_no_latency() -> None:
    assert latencies(Table.of([])) == ()


@pytest.mark.parametrize("router", [True, False])
def test_a_router_has_no_row(router: bool) -> None:
    event = StepOutcome(step="tool?route", visit=1, attempt=1, ok=None, ms=1, router=router)
    run = Run(case="c", trial=0, group="c", outcome="correct", events=(event,), ms=1)
    assert len(latencies(Table.of([run]))) == (1 if router else 2)
