"""The verdict on a workflow and one plain prompt: the paired difference, and what follows from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.gap.baseline import Terms, held_against
from gapless.gap.table import Table
from gapless.records.baseline import PromptBaseline
from gapless.records.trial import Outcome, Run


def table(
    rows: list[list[bool | None]], *, tokens: int | None = 100, ms: float = 10.0, groups: int | None = None
) -> Table:
    """Trials per case: right, wrong, or without a verdict."""
    said: dict[bool | None, Outcome] = {True: "correct", False: "wrong", None: "unjudged"}
    return Table.of(
        Run(
            case=f"c{i}",
            trial=trial,
            group=f"c{i}" if groups is None else f"g{i % groups}",
            outcome=said[right],
            ms=ms,
            tokens_in=tokens,
            tokens_out=None if tokens is None else 0,
        )
        for i, trials in enumerate(rows)
        for trial, right in enumerate(trials)
    )


def once(right: int, n: int, **more: object) -> Table:
    return table([[i < right] for i in range(n)], **more)  # type: ignore[arg-type]


def held(workflow: Table, prompt: Table, **terms: object) -> PromptBaseline:
    return held_against(workflow, prompt, Terms(**terms))  # type: ignore[arg-type]


def test_one_trial_per_case_is_bonett_and_price() -> None:
    ours = table([[i < 13 or i >= 17] for i in range(100)])
    theirs = table([[i >= 13] for i in range(100)])
    found = held(ours, theirs).difference
    assert found.method == "bonett-price"
    assert found.point == pytest.approx(0.09)
    assert (round(found.low or 0, 6), round(found.high or 0, 6)) == (0.006247, 0.170224)


def test_several_trials_are_t_over_cases() -> None:
    ours = table([[True, True]] * 3 + [[True, False]] * 2)
    theirs = table([[True, False]] * 3 + [[True, False]] * 2)
    found = held(ours, theirs).difference
    assert (found.method, found.n_groups) == ("paired t", 5)
    assert found.point == pytest.approx(0.3)
    assert (round(found.low or 0, 6), round(found.high or 0, 6)) == (-0.040044, 0.640044)


def test_cases_of_one_group_are_one_unit() -> None:
    ours, theirs = (once(n, 40, groups=4) for n in (40, 20))
    apart = held(once(40, 40), once(20, 40)).difference
    together = held(ours, theirs).difference
    assert together.n_groups == 4
    assert (together.high or 0) - (together.low or 0) > (apart.high or 0) - (apart.low or 0)


def test_no_difference_anywhere_is_no_certainty() -> None:
    found = held(table([[True, True]] * 10), table([[True, True]] * 10)).difference
    assert found.point == 0
    assert (found.low or 0) < -0.1
    assert (found.high or 0) > 0.1


def test_not_better_and_dearer_is_shipped_else_not() -> None:
    prompt = once(190, 200, tokens=100)
    for tokens, verdict in ((500, "ship the prompt"), (90, "undecided")):
        found = held(once(190, 200, tokens=tokens), prompt, margin=0.05)
        assert found.verdict == verdict
    assert "costs no more" in found.reason
    timed = held(once(190, 200, tokens=None, ms=50.0), once(190, 200, ms=10.0), margin=0.05)
    assert (timed.verdict, timed.cost_in) == ("ship the prompt", "milliseconds")
    unknown = held(once(190, 200, tokens=None, ms=float("nan")), once(190, 200, ms=float("nan")), margin=0.05)
    assert unknown.verdict == "undecided"
    assert "not known" in unknown.reason


def test_better_by_the_margin_is_kept_and_by_less_is_undecided() -> None:
    assert held(once(95, 100), once(60, 100)).verdict == "keep the workflow"
    open_ = held(once(95, 100), once(90, 100), margin=0.03)
    assert open_.verdict == "undecided"
    assert open_.more_cases is not None


def test_a_prompt_that_is_better_is_shipped_whatever_it_costs() -> None:
    found = held(once(60, 100, tokens=50), once(95, 100, tokens=100))
    assert found.verdict == "ship the prompt"
    assert "better by at least" in found.reason
    assert "at 2.0 times the tokens" in found.reason


def test_low_stakes_ship_a_prompt_that_is_surely_good_enough() -> None:
    assert held(once(59, 59), once(59, 59), stakes="low").verdict == "ship the prompt"
    assert held(once(58, 58), once(58, 58), stakes="low").verdict == "undecided"
    assert held(once(59, 59), once(59, 59), stakes="high").verdict == "undecided"
    repeated = held(table([[True] * 5] * 12), table([[True] * 5] * 12), stakes="low")
    assert repeated.verdict == "undecided"  # sixty trials of twelve cases are not sixty cases


def test_what_has_no_verdict_decides_nothing() -> None:
    found = held(once(100, 100), table([[None]] * 100))
    assert found.verdict == "undecided"
    assert "no end verdict" in found.reason


def test_only_shared_cases_are_compared() -> None:
    ours = once(20, 20)
    found = held(ours, once(10, 10))
    assert (found.cases, found.unshared) == (10, 10)
    assert found.workflow.n_runs == 10
    nothing = held(ours, Table.of([]))
    assert nothing.verdict == "undecided"
    assert nothing.difference.point is None
    assert nothing.prompt_at_least is None


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40), st.integers(1, 3))
def test_the_limits_hold_the_point_and_the_sides_may_change(
    pairs: list[tuple[bool, bool]], trials: int
) -> None:
    ours, theirs = (table([[pair[i]] * trials for pair in pairs]) for i in (0, 1))
    there, back = held(ours, theirs).difference, held(theirs, ours).difference
    assert there.point == pytest.approx(-(back.point or 0))
    assert there.low == pytest.approx(-(back.high or 0))
    assert -1 <= (there.low or 0) <= (there.point or 0) <= (there.high or 0) <= 1
