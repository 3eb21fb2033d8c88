"""Budgets by interval, and numbers that may be looked at all the time: METHOD's examples and what must hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gapless.gap.budget import check, claim
from gapless.gap.rate import clopper_pearson, wilson
from gapless.gap.sequential import Sprt, confidence_sequence, log_e, paired_e
from gapless.gap.table import Table
from gapless.records.trial import Outcome, Run


def table(right: int, wrong: int, *, per_group: int = 1, ms: float = 100.0) -> Table:
    ended: list[Outcome] = ["correct"] * right + ["wrong"] * wrong
    return Table.of(
        Run(case=f"c{n}", trial=0, group=f"g{n // per_group}", outcome=o, ms=ms + n, labelled=True)
        for n, o in enumerate(ended)
    )


def test_the_worked_examples() -> None:
    assert tuple(confidence_sequence(83, 100)) == pytest.approx((0.683865, 0.929250), abs=5e-7)
    assert confidence_sequence(0, 100).high == pytest.approx(0.057029, abs=5e-7)
    assert log_e(83, 100, 0.9) == pytest.approx(-0.231914, abs=5e-7)
    assert paired_e(13, 4) == pytest.approx(2.333832, abs=5e-7)
    test = Sprt(bad=0.90, good=0.95, most=200)
    assert (test.per_pass, test.per_fail) == pytest.approx((0.054067, -0.693147), abs=5e-7)
    assert (test.accept_at, test.reject_at) == pytest.approx((2.772589, -1.558145), abs=5e-7)
    assert [test.decide(51, 0), test.decide(52, 0)] == ["go on", "accept"]
    assert test.decide(185, 15) == "undecided" or test.decide(185, 15) in ("accept", "reject")
    assert Sprt(bad=0.9, good=0.95, most=5).decide(5, 0) == "undecided"


def test_edges_of_the_sequence() -> None:
    assert tuple(confidence_sequence(0, 0)) == (0.0, 1.0)
    assert confidence_sequence(5, 5).high == 1.0
    assert confidence_sequence(0, 5).low == 0.0
    assert paired_e(0, 0) == 1.0


def test_looking_all_the_time_is_paid_for() -> None:
    """Peeking after every run up to 500: the sequence misses the truth rarely, Wilson's interval again and again."""
    rng = np.random.default_rng(5)
    truth, missed, fooled, worlds = 0.8, 0, 0, 150
    for _ in range(worlds):
        wins = np.cumsum(rng.random(500) < truth)
        looks = range(10, 501, 5)
        missed += any(not _inside(confidence_sequence(int(wins[n - 1]), n), truth) for n in looks)
        fooled += any(not _inside(wilson(int(wins[n - 1]), n), truth) for n in looks)
    assert missed / worlds <= 0.06
    assert fooled / worlds > 0.2


def _inside(limits: tuple[float, float], truth: float) -> bool:
    return limits[0] <= truth <= limits[1]


@pytest.mark.parametrize(
    ("right", "wrong", "limit", "verdict"),
    [
        (300, 0, 0.02, "kept"),
        (100, 0, 0.02, "undecided"),
        (80, 20, 0.02, "broken"),
        (99, 1, 0.02, "undecided"),
    ],
)
def test_silent_failures_are_claimed_by_exact_limits(
    right: int, wrong: int, limit: float, verdict: str
) -> None:
    (line,) = check(table(right, wrong), {"max_silent_failures": limit})
    assert line.verdict == verdict
    assert line.estimate.high == pytest.approx(clopper_pearson(wrong, right + wrong, level=0.9).high)
    assert ("more groups would decide" in line.sentence or "too close" in line.sentence) == (
        verdict == "undecided"
    )


def test_success_must_be_proven() -> None:
    assert check(table(99, 1), {"min_success": 0.9})[0].verdict == "kept"
    assert check(table(92, 8), {"min_success": 0.9})[0].verdict == "undecided"
    assert check(table(50, 50), {"min_success": 0.9})[0].verdict == "broken"


def test_groups_are_the_units_of_a_claim() -> None:
    alone = claim(table(95, 5).is_("wrong"), table(95, 5))
    grouped = table(95, 5, per_group=5)
    together = claim(grouped.is_("wrong"), grouped)
    assert together.n_groups == 20
    assert together.method == "korn-graubard"
    assert (together.high or 0) > (alone.high or 1)
    one = table(3, 0, per_group=3)
    assert (claim(one.is_("wrong"), one).low, claim(one.is_("wrong"), one).high) == (0.0, 1.0)


def test_times_are_held_by_order_statistics() -> None:
    assert check(table(200, 0), {"p95_ms": 500})[0].verdict == "kept"
    assert check(table(200, 0), {"p95_ms": 150})[0].verdict == "broken"
    assert check(table(20, 0), {"p99_ms": 500})[0].verdict == "undecided"


def test_without_verdicts_nothing_is_proven() -> None:
    rows = Table.of(
        Run(case=f"c{n}", trial=0, group=f"c{n}", outcome="unjudged", ms=math.nan) for n in range(99)
    )
    assert check(rows, {"max_silent_failures": 0.02})[0].verdict == "undecided"
    assert check(rows, {"p95_ms": 5})[0].verdict == "undecided"
