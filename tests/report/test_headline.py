"""What a report says in words: as much as the numbers carry, and no more."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from gapless.records.estimate import Estimate
from gapless.records.gap import CRASH, ESCALATION, UNOBSERVED, BoundaryRow, Compounding, Gap
from gapless.records.report import Report
from gapless.records.trial import OUTCOMES, Outcome
from gapless.report.headline import sentences
from gapless.report.view import headline

Sample = Callable[[str], Report]


def known(point: float, low: float, high: float, n: int = 100, method: str = "wilson") -> Estimate:
    return Estimate(point=point, low=low, high=high, method=method, n_runs=n, n_cases=n, n_groups=n)


ABSENT = Estimate(reason="no benchmark for step 'b', which is on a planned path")


def gap(
    success: Estimate,
    outcomes: dict[Outcome, int],
    *rows: BoundaryRow,
    predicted: Estimate = ABSENT,
    loss: Estimate = ABSENT,
    band: tuple[float, float] | None = None,
    weighting: str = "runs",
) -> Gap:
    split = Compounding(
        best=predicted,
        weakest=predicted,
        predicted=predicted,
        success=success,
        article_gap=loss,
        compounding_loss=loss,
        interaction_loss=loss,
        frechet_low=band[0] if band else None,
        frechet_high=band[1] if band else None,
    )
    n = sum(outcomes.values())
    return Gap(
        n_runs=n,
        n_cases=n,
        n_groups=n,
        weighting=weighting,
        outcomes=dict.fromkeys(OUTCOMES, 0) | outcomes,
        outcome_rates={},
        success=success,
        coverage=success,
        silent_failure_rate=success,
        selective_risk=success,
        compounding=split,
        boundaries=rows,
    )


S = known(0.83, 0.745, 0.891)
A_TO_B = BoundaryRow(exit="a", receivers=("b",), points=known(0.1, 0.055, 0.174), wrong=7, failed=3)


def test_the_first_sentence_counts_every_outcome() -> None:
    said = sentences(gap(S, {"correct": 83, "wrong": 10, "escalated": 3, "failed": 4}, A_TO_B))
    assert said[0] == (
        "83 of 100 trials end correct, S = 83.0 % (95 % interval 74.5-89.1); "
        "10 silently wrong, 3 escalated and 4 failed loudly."
    )
    assert said[1] == "The largest loss arises at a -> b: 10.0 points (5.5 to 17.4), 7 silent and 3 loud."


def test_a_missing_prediction_is_said_with_its_reason() -> None:
    said = headline(gap(S, {"correct": 83, "wrong": 17}, A_TO_B))
    assert "P, what the steps alone would predict, is not known (no benchmark for step 'b'" in said


def test_a_loss_near_zero_is_not_distinguishable_from_it() -> None:
    row = BoundaryRow(exit="a", receivers=("b",), points=known(0.01, 0.0018, 0.054), wrong=1)
    said = headline(gap(known(0.99, 0.946, 0.998), {"correct": 99, "wrong": 1}, row))
    assert "1.0 points (0.2 to 5.4), not distinguishable from zero" in said


def test_equal_losses_have_no_largest() -> None:
    rows = [msgspec.structs.replace(A_TO_B, exit=name, receivers=()) for name in "abcde"]
    said = headline(gap(S, {"correct": 50, "wrong": 50}, *rows))
    assert "The largest losses are equal, 10.0 points (5.5 to 17.4) each, at a, b, c and 2 others." in said


@pytest.mark.parametrize(
    ("exit_", "words"),
    [(UNOBSERVED, "no step's check saw it"), (ESCALATION, "a person was asked"), (CRASH, "loud failure")],
)
def test_a_loss_at_no_step_is_not_put_on_one(exit_: str, words: str) -> None:
    nowhere = BoundaryRow(exit=exit_, points=known(0.12, 0.07, 0.2), wrong=12)
    said = headline(gap(S, {"correct": 83, "wrong": 17}, nowhere, A_TO_B))
    assert words in said
    assert "The largest loss arises at a" not in said
    assert "Of the steps, a -> b loses most: 10.0 points" in said


def against(s: Estimate, p: Estimate, loss: Estimate, band: tuple[float, float]) -> str:
    correct = round(100 * (s.point or 0))
    return sentences(gap(s, {"correct": correct, "wrong": 100 - correct}, predicted=p, loss=loss, band=band))[
        -1
    ]


def test_below_the_frechet_limit_no_dependence_explains_it() -> None:
    p, loss = known(0.97, 0.94, 0.99, method="mover"), known(0.14, 0.08, 0.22, method="mover")
    said = against(S, p, loss, (0.96, 0.99))
    assert (
        "no dependence between steps explains an S below 96.0 %: 14.0 points (8.0 to 22.0) are lost" in said
    )


def test_within_the_band_length_alone_may_explain_it() -> None:
    p, loss = known(0.833, 0.77, 0.88, method="mover"), known(0.003, -0.08, 0.1, method="mover")
    said = against(S, p, loss, (0.82, 0.97))
    assert said.startswith("Length alone predicts P = 83.3 %")
    assert "P - S = 0.3 points (-8.0 to 10.0) is not distinguishable from zero" in said
    assert "S is within what dependence between steps could explain (82.0-97.0 %)" in said


def test_a_limit_that_the_interval_of_s_reaches_proves_nothing() -> None:
    p, loss = known(0.95, 0.92, 0.97, method="mover"), known(0.12, 0.05, 0.21, method="mover")
    said = against(S, p, loss, (0.88, 0.99))
    assert "no dependence" not in said
    assert "only the upper end of the interval of S is within" in said


def test_doing_better_than_predicted_is_said_too() -> None:
    p, loss = known(0.6, 0.5, 0.7, method="mover"), known(-0.23, -0.35, -0.1, method="mover")
    said = against(S, p, loss, (0.5, 0.9))
    assert (
        "S is better by 23.0 points (10.0 to 35.0): the workflow repairs, or its steps fail together" in said
    )


def test_weighted_by_case_says_so() -> None:
    said = headline(gap(S, {"correct": 80, "wrong": 20}, weighting="cases"))
    assert said.startswith(
        "S = 83.0 % (95 % interval 74.5-89.1) over 100 cases, each counting the same; 80 of 100"
    )


def test_unlabelled_is_suspected_and_never_measured(sample: Sample) -> None:
    report = sample("unlabelled")
    assert report.headline.startswith("No label yet: a silent failure is suspected in 5 of 24 trials, 20.8 %")
    assert "most at retrieve -> assess (errors-ignored 5x)" in report.headline
    assert "3 failed loudly" in report.headline
    assert "suspected" in sample("unsuspected").headline
    assert "S =" not in report.headline + sample("unsuspected").headline


def test_what_lacks_a_verdict_bounds_s_both_ways(sample: Sample) -> None:
    said = sample("half-judged").headline
    assert "are known to end correct and" in said
    assert "S lies between" in said
    assert "S is not yet known well enough to compare" in said


def test_all_none_and_one(sample: Sample) -> None:
    assert sample("all-correct").headline.startswith("60 of 60 trials end correct: S is at least 94.0 %.")
    assert "that is a bound, not a promise" in sample("all-correct").headline
    assert sample("all-lost").headline.startswith("None of 60 trials ends correct: S is at most 6.0 %")
    assert "one case says nothing about others" in sample("one-case").headline
    assert sample("empty").headline == "Never measured: no trial has run yet."


def test_no_kind_of_report_overclaims(sample: Sample, kind: str) -> None:
    said = sample(kind).headline
    assert "significant" not in said
    assert "= 100.0 %" not in said
    assert "root cause" not in said
