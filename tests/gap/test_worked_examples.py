"""Every worked example of the method, with its digits."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from gapless.gap.analyse import analyse
from gapless.gap.blame import blame
from gapless.gap.clustered import (
    clustered,
    design_effect,
    effective_runs,
    intraclass_correlation,
    korn_graubard,
    standard_error,
    units,
)
from gapless.gap.compounding import component_rates, compounding, plan
from gapless.gap.latency import quantile, ranks
from gapless.gap.rate import clopper_pearson, jeffreys, proportion, wilson
from gapless.records.estimate import Estimate
from gapless.records.trial import ComponentRun, Run, StepOutcome
from gapless.records.workflow import FINISH, START, Edge, Shape, Step

SIX = [1] * 11 + [0] + [1, 1, 0, 0] + [0] * 4 + [1] * 4
SIX_GROUPS = [group for group in range(6) for _ in range(4)]


def rounded(values: object, digits: int = 6) -> tuple[float, ...]:
    return tuple(round(float(value), digits) for value in values)  # type: ignore[attr-defined]


def chain(*names: str) -> Shape:
    ends = [START, *names, FINISH]
    edges = tuple(Edge(source=a, target=b) for a, b in itertools.pairwise(ends))
    return Shape(steps=tuple(Step(name=name) for name in names), edges=edges)


def alone(**passes: tuple[int, int]) -> list[ComponentRun]:
    return [
        ComponentRun(step=step, case=f"c{i}", trial=0, group=f"c{i}", ok=i < k)
        for step, (k, n) in passes.items()
        for i in range(n)
    ]


def test_one_rate() -> None:
    assert rounded(wilson(83, 100)) == (0.744520, 0.891064)
    assert rounded(clopper_pearson(83, 100)) == (0.741825, 0.897735)
    assert rounded(jeffreys(83, 100)) == (0.747507, 0.893723)
    assert rounded([wilson(20, 20).low, clopper_pearson(20, 20).low, jeffreys(20, 20).low]) == (
        0.838875,
        0.831567,
        0.883361,
    )
    assert round(clopper_pearson(0, 20, level=0.90).high, 6) == 0.139108
    assert wilson(20, 20).high == 1.0
    assert wilson(0, 20).low == 0.0


def test_nothing_measured_is_no_number() -> None:
    none = proportion(0, 0)
    assert (none.point, none.low, none.high, none.reason) == (None, 0.0, 1.0, "never measured")
    assert clustered([], []).point is None


def test_rates_agree_with_scipy() -> None:
    for k, n in ((0, 7), (3, 7), (97, 100), (200, 200)):
        test = stats.binomtest(k, n)
        for ours, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
            theirs = test.proportion_ci(method=method)
            assert np.allclose(ours(k, n), (theirs.low, theirs.high), atol=1e-12)


def test_six_cases_of_four() -> None:
    table = units(SIX_GROUPS)
    estimate = clustered(SIX, table, method="t-wilson")
    assert rounded([estimate.point, estimate.low, estimate.high]) == (0.708333, 0.289106, 0.935495)
    assert round(standard_error(SIX, table), 6) == 0.163512
    assert round(design_effect(SIX, table) or 0, 6) == 3.105882
    assert round(effective_runs(SIX, table), 6) == 7.727273
    assert round(intraclass_correlation(SIX, table) or 0, 6) == 0.583333
    assert rounded(wilson(17, 24)) == (0.508323, 0.850854)
    assert rounded(korn_graubard(17 / 24, effective_runs(SIX, table), 6)) == (0.192574, 0.984023)
    by_rule = clustered(SIX, table)
    assert (by_rule.method, by_rule.reason) == ("korn-graubard", "few cases")


def test_the_clustered_error_is_the_one_of_a_regression_on_a_constant() -> None:
    rng = np.random.default_rng(4)
    groups = rng.integers(0, 25, 200)
    y = (rng.random(200) < 0.8).astype(float)
    fit = sm.OLS(y, np.ones(200)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    g = len(set(groups))
    expected = float(fit.bse[0]) * math.sqrt(g / (g - 1))
    assert math.isclose(standard_error(y, units(list(groups), weighting="runs")), expected, rel_tol=1e-9)


def test_one_group_says_nothing_of_others() -> None:
    estimate = clustered([1, 1, 0], ["a", "a", "a"])
    assert (estimate.low, estimate.high, estimate.reason) == (0.0, 1.0, "one case: no generalisation")


def test_no_failure_in_any_group_is_a_bound() -> None:
    estimate = clustered([1] * 40, [i // 4 for i in range(40)])
    assert estimate.point == 1
    assert estimate.high == 1
    assert estimate.low is not None
    assert 0.5 < estimate.low < clopper_pearson(10, 10).low + 0.05


def test_six_steps_of_97() -> None:
    shape = chain(*"abcdef")
    found = plan([tuple("abcdef")], [1.0])
    components = component_rates(alone(**dict.fromkeys("abcdef", (97, 100))), shape, found, 0.95)
    split = compounding(components, found, Estimate(point=0.83, low=0.7, high=0.9))
    assert round(split.predicted.point or 0, 6) == 0.832972
    assert round(split.article_gap.point or 0, 6) == 0.140000
    assert round(split.compounding_loss.point or 0, 6) == 0.137028
    assert round(split.interaction_loss.point or 0, 6) == 0.002972
    assert rounded([split.frechet_low, split.frechet_high]) == (0.82, 0.97)


def test_mover() -> None:
    passes = dict(zip("abcdef", (97, 98, 100, 96, 97, 99), strict=True))
    shape = chain(*"abcdef")
    found = plan([tuple("abcdef")], [1.0])
    components = component_rates(alone(**{s: (k, 100) for s, k in passes.items()}), shape, found, 0.95)
    split = compounding(components, found, proportion(166, 200))
    p, i = split.predicted, split.interaction_loss
    assert rounded([p.point, p.low, p.high]) == (0.876347, 0.769498, 0.913490)
    assert rounded([i.point, i.low, i.high]) == (0.046347, -0.069873, 0.115355)
    assert split.cases_for_interaction is None or split.cases_for_interaction > 100


def test_a_step_needed_twice_enters_twice() -> None:
    found = plan([("a", "b", "a")], [1.0])
    components = component_rates(alone(a=(9, 10), b=(8, 10)), chain("a", "b"), found, 0.95)
    split = compounding(components, found, proportion(5, 10))
    assert math.isclose(split.predicted.point or 0, 0.9**2 * 0.8)
    assert math.isclose(split.frechet_low or 0, 1 - 0.2 - 0.2)


def test_a_step_that_never_passes_leaves_an_upper_limit() -> None:
    found = plan([("a", "b")], [1.0])
    components = component_rates(alone(a=(0, 10), b=(8, 10)), chain("a", "b"), found, 0.95)
    predicted = compounding(components, found, proportion(5, 10)).predicted
    assert (predicted.point, predicted.low) == (0, 0)
    assert 0 < (predicted.high or 0) < 0.4


@pytest.mark.parametrize(
    ("paths", "said"), [([None], "several routes"), ([("a", "zz")], "no benchmark for step 'zz'")]
)
def test_without_a_path_or_a_benchmark_there_is_no_p(paths: list[object], said: str) -> None:
    found = plan(paths, [1.0])  # type: ignore[arg-type]
    components = component_rates(alone(a=(9, 10)), chain("a"), found, 0.95)
    split = compounding(components, found, proportion(5, 10))
    assert split.predicted.point is None
    assert said in (split.predicted.reason or "")
    assert split.interaction_loss.point is None


def hundred_runs() -> list[Run]:
    """78 clean, 2 with A failed but correct; lost: 5 (A, B bad), 3 (A), 4 (B), 6 (C, loud), 2 (no check failed)."""
    kinds = [
        ("", "correct", 78),
        ("A", "correct", 2),
        ("AB", "wrong", 5),
        ("A", "wrong", 3),
        ("B", "wrong", 4),
    ]
    kinds += [("C", "failed", 6), ("", "wrong", 2)]
    runs: list[Run] = []
    for bad, outcome, count in kinds:
        for _ in range(count):
            events = tuple(StepOutcome(step=s, visit=1, attempt=1, ok=s not in bad, ms=1) for s in "ABC")
            case = f"c{len(runs)}"
            runs.append(
                Run(
                    case=case,
                    trial=0,
                    group=case,
                    outcome=outcome,  # type: ignore[arg-type]
                    blame=blame(events, outcome),  # type: ignore[arg-type]
                    events=events,
                )
            )
    return runs


def test_points_of_a_hundred_runs() -> None:
    gap = analyse(hundred_runs(), [], chain("A", "B", "C"))
    rows = {row.exit: row for row in gap.boundaries}
    assert {name: round(row.points.point or 0, 6) for name, row in rows.items()} == {
        "A": 0.08,
        "C": 0.06,
        "B": 0.04,
        "(unobserved)": 0.02,
    }
    assert (rows["A"].first_failures, rows["A"].repaired) == (10, 2)
    assert (rows["A"].wrong, rows["C"].failed) == (8, 6)
    assert gap.success.point == 0.8
    assert gap.verdict_share == 1


def test_ranks_of_quantiles() -> None:
    assert [tuple(ranks(200, q)) for q in (0.5, 0.95, 0.99)] == [(86, 115), (184, 197), (195, None)]
    assert ranks(71, 0.95).high is None
    assert ranks(72, 0.95).high == 72
    assert ranks(367, 0.99).high is None
    assert ranks(368, 0.99).high == 368


def test_too_few_runs_give_no_quantile() -> None:
    tail = quantile([float(i) for i in range(100)], 0.99)
    assert tail.point is None
    assert "p99 not estimable from 100 runs" in (tail.reason or "")
    middle = quantile([float(i) for i in range(1, 201)], 0.5)
    assert (middle.point, middle.low, middle.high) == (100, 86, 115)
