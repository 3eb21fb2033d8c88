"""What reviewers made of escalated trials: h is measured, and P(C) + h P(E) is nothing without it."""

from __future__ import annotations

import pytest

from gapless.gap.after_review import Reviewed
from gapless.gap.table import Table
from gapless.records.gap import AfterReview
from gapless.records.trial import Outcome, Run


def told(*trials: tuple[str, Outcome, Outcome | None]) -> AfterReview | None:
    runs = [
        Run(case=case, trial=trial, group=case, outcome=outcome, after_review=after)
        for trial, (case, outcome, after) in enumerate(trials)
    ]
    reviewed = Reviewed()
    return reviewed.told(Table.of(reviewed.of(runs)))


SIX: list[tuple[str, Outcome, Outcome | None]] = [(f"c{n}", "correct", None) for n in range(6)]
ONE: list[tuple[str, Outcome, Outcome | None]] = [("c6", "wrong", None)]


def test_the_worked_example() -> None:
    found = told(
        *SIX,
        *ONE,
        ("c7", "escalated", "correct"),
        ("c8", "escalated", "correct"),
        ("c9", "escalated", "failed"),
    )
    assert found is not None
    assert (found.n_escalated, found.n_asked) == (3, 3)
    assert found.outcomes == {"correct": 2, "failed": 1}
    assert found.right.point == pytest.approx(2 / 3)
    assert found.right.n_runs == 3
    assert found.system.point == pytest.approx(0.6 + 2 / 3 * 0.3)
    assert found.system.low is not None
    assert found.system.low < 0.8 < (found.system.high or 0)


def test_nothing_is_said_where_nobody_was_asked() -> None:
    assert told(*SIX, ("c7", "escalated", None)) is None


def test_h_of_some_is_not_taken_for_all() -> None:
    found = told(*SIX, ("c7", "escalated", "correct"), ("c8", "escalated", None))
    assert found is not None
    assert found.right.point == 1.0
    assert (found.system.point, found.system.reason) == (
        None,
        "1 of 2 escalated trials never came before a reviewer",
    )


@pytest.mark.parametrize("after", ["unjudged", "failed", "escalated"])
def test_without_a_verdict_h_is_not_known(after: Outcome) -> None:
    found = told(*SIX, ("c7", "escalated", "unjudged"), ("c8", "escalated", after))
    assert found is not None
    assert (found.right.point, found.system.point) == (None, None)


def test_cases_that_hold_different_numbers_of_trials_count_the_same() -> None:
    found = told(
        ("a", "escalated", "correct"),
        ("a", "escalated", "wrong"),
        ("b", "escalated", "correct"),
        ("c", "correct", None),
    )
    assert found is not None
    assert found.right.point == pytest.approx(0.75)  # a: half, b: all
    assert found.system.point == pytest.approx(1 / 3 + 0.75 * 2 / 3)
