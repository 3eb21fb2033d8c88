"""Before and after: METHOD's examples digit by digit, and what pairing has to keep."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.gap.compare import answer, compare
from gapless.gap.multiplicity import holm
from gapless.gap.paired import Pairs, bonett_price, difference, mcnemar, paired_t, sign_flips
from gapless.gap.power import discordant_cases, paired_cases
from gapless.gap.table import Table
from gapless.records.trial import Outcome, Run, StepOutcome


def table(
    outcomes: dict[str, list[Outcome]], groups: dict[str, str] | None = None, blame: str = "tool"
) -> Table:
    return Table.of(
        Run(
            case=case,
            trial=number,
            group=(groups or {}).get(case, case),
            outcome=outcome,
            events=(StepOutcome(step=blame, visit=1, attempt=1, ok=outcome == "correct", ms=0.0),),
        )
        for case, ended in outcomes.items()
        for number, outcome in enumerate(ended)
    )


def one_each(right: int, wrong: int, first: int = 0) -> dict[str, list[Outcome]]:
    ended: list[Outcome] = ["correct"] * right + ["wrong"] * wrong
    return {f"c{first + n:03}": [outcome] for n, outcome in enumerate(ended)}


def test_the_worked_examples() -> None:
    x = np.array([0.5, 0.5, 0.5, 0, 0])
    assert round(paired_t(x), 6) == 0.070484
    assert sign_flips(x) == 0.25
    assert round(mcnemar(4, 13), 6) == 0.030884
    assert round(mcnemar(4, 13, exact=True), 6) == 0.049042
    assert bonett_price(4, 13, 100) == pytest.approx((0.006247, 0.170224), abs=5e-7)
    assert mcnemar(0, 0) == 1.0
    assert (discordant_cases(0.17, 0.09), discordant_cases(0.20, 0.08)) == (163, 243)
    assert [paired_cases(0.05, between=0.02, within=(0.1, 0.1), trials=(k, k)) for k in (1, 5)] == [691, 189]


def test_five_cases_of_two_trials() -> None:
    before = table({f"c{n}": ["wrong", "correct"] for n in range(5)})
    after = table({f"c{n}": ["correct", "correct"] if n < 3 else ["wrong", "correct"] for n in range(5)})
    pairs = Pairs.of(before, after)
    found, test = difference(pairs, before.is_("correct"), after.is_("correct"))
    assert (found.point, found.low, found.high) == pytest.approx((0.3, -0.040044, 0.640044), abs=5e-7)
    assert (found.method, test.name, test.p, found.reason) == ("paired t", "sign flips", 0.25, "few cases")


def test_one_trial_per_case() -> None:
    before = {f"c{n:03}": ["correct" if n < 60 else "wrong"] for n in range(100)}
    after: dict[str, Any] = dict(before)
    for n in range(4):
        after[f"c{n:03}"] = ["wrong"]
    for n in range(60, 73):
        after[f"c{n:03}"] = ["correct"]
    found = compare(table(before), table(after)).success  # type: ignore[arg-type]
    assert found.test == "mcnemar mid-p"
    assert round(found.p or 0, 6) == 0.030884
    assert (found.difference.low, found.difference.high) == pytest.approx((0.006247, 0.170224), abs=5e-7)
    assert (found.before.point, found.after.point) == pytest.approx((0.6, 0.69))
    assert answer(found, 0.03) == "better"


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=12))
def test_sign_flips_are_counted_exactly(values: list[float]) -> None:
    x = np.array(values)
    sizes = [abs(value) for value in values if value]
    flips = [
        sum(sign * size for sign, size in zip(signs, sizes, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(sizes))
    ]
    expected = sum(abs(flip) >= abs(x.sum()) - 1e-9 for flip in flips) / len(flips)
    assert sign_flips(x) == pytest.approx(expected)


def test_holm_keeps_the_order_and_never_exceeds_one() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_only_shared_cases_count_and_the_others_are_told() -> None:
    found = compare(table(one_each(8, 2)), table(one_each(8, 2, first=5)))
    assert (len(found.pairs.cases), found.pairs.only_before, found.pairs.only_after) == (5, 5, 5)
    assert found.success.before.n_runs == 5


def test_groups_are_the_units() -> None:
    groups = {f"c{n:03}": f"g{n // 5}" for n in range(20)}
    before, after = table(one_each(10, 10), groups), table(one_each(20, 0), groups)
    found = compare(before, after)
    assert found.pairs.n_groups == 4
    assert found.success.difference.n_groups == 4
    assert found.success.test == "sign flips"
    assert (found.success.p or 0) >= 2 ** (1 - 2)


def test_nothing_differs() -> None:
    same = {f"c{n}": ["correct", "wrong"] for n in range(40)}
    found = compare(table(same), table(same)).success  # type: ignore[arg-type]
    assert found.difference.point == 0
    assert found.p == 1.0
    assert -0.1 < (found.difference.low or 0) < 0 < (found.difference.high or 0) < 0.1


def test_all_move_by_the_same() -> None:
    before = table({f"c{n}": ["correct", "wrong"] for n in range(40)})
    after = table({f"c{n}": ["correct", "correct"] for n in range(40)})
    found = compare(before, after).success
    assert found.difference.method == "mover"
    assert (found.difference.low or 0) > 0.2


def test_one_group_says_nothing_of_others() -> None:
    found = compare(table({"a": ["wrong"]}), table({"a": ["correct"]})).success
    assert (found.difference.low, found.difference.high, found.p) == (-1.0, 1.0, None)


def test_a_boundary_that_moved_is_found_and_adjusted() -> None:
    before = table(one_each(40, 60))
    after = table(one_each(95, 5), blame="draft")
    rows = {row.name: row for row in compare(before, after).boundaries}
    assert set(rows) == {"tool", "draft"}
    assert rows["tool"].difference.point == pytest.approx(-0.6)
    assert rows["draft"].difference.point == pytest.approx(0.05)
    assert (rows["draft"].p_holm or 0) >= (rows["draft"].p or 0)


@pytest.mark.parametrize(
    ("right_after", "margin", "expected"),
    [(190, 0.03, "better"), (100, 0.10, "no regression"), (100, 0.001, "not excluded"), (20, 0.03, "worse")],
)
def test_the_answer_is_about_a_margin(right_after: int, margin: float, expected: str) -> None:
    found = compare(table(one_each(100, 100)), table(one_each(right_after, 200 - right_after)))
    assert answer(found.success, margin) == expected


def test_how_many_more_groups_would_tell() -> None:
    found = compare(table(one_each(100, 100)), table(one_each(104, 96))).success
    assert found.more_groups is not None
    assert found.more_groups > 100
    assert compare(table(one_each(100, 100)), table(one_each(190, 10))).success.more_groups is None
