"""What a report notes of a run besides its arithmetic."""

from __future__ import annotations

import pytest

from gapless.gap.table import Table
from gapless.operations.report import _tokens  # pyright: ignore[reportPrivateUsage]
from gapless.records.trial import Outcome, Run


def noted(*trials: tuple[Outcome, int | None, int | None]) -> list[str]:
    rows = [
        Run(case=f"c{i}", trial=0, group=f"c{i}", outcome=outcome, tokens_in=read, tokens_out=written)
        for i, (outcome, read, written) in enumerate(trials)
    ]
    return list(_tokens(Table.of(iter(rows))))


@pytest.mark.parametrize(
    ("outcomes", "end"),
    [
        (("correct", "wrong"), ": 1,500 and 30 per trial, 3,000 and 60 per correct trial."),
        (("wrong", "failed"), ": 1,500 and 30 per trial; none of them is correct."),
        (("unjudged", "correct"), ": 1,500 and 30 per trial."),
    ],
)
def test_tokens_are_counted_per_trial_and_per_correct_trial(
    outcomes: tuple[Outcome, Outcome], end: str
) -> None:
    first, second = outcomes
    (said,) = noted((first, 1000, 20), (second, 2000, 40))
    assert said == f"Models read 3,000 and wrote 60 tokens in 2 trials{end}"


def test_trials_that_do_not_say_are_left_out() -> None:
    assert noted(("correct", None, None)) == []
    (said,) = noted(("correct", 1000, 20), ("correct", None, 5))
    assert "in the 1 of 2 trials that say so: 1,000 and 20 per trial" in said
