"""The correction for a judge that errs: its worked example, its limits, and when it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.gap.rate import cases_without_failure, clopper_pearson, proportion
from gapless.gap.verdict_error import corrected
from gapless.records.estimate import Estimate


def test_the_worked_example() -> None:
    sharp = [Estimate(point=p, low=p, high=p) for p in (0.83, 0.95, 0.90)]
    found = corrected(*sharp)
    assert round(found.point or 0, 6) == 0.858824
    assert found.low == pytest.approx(found.point)
    assert found.high == pytest.approx(found.point)
    assert found.method == "rogan-gladen"


def test_a_judge_without_an_error_on_its_sample_still_widens_the_limits() -> None:
    observed = proportion(83, 100)
    found = corrected(observed, proportion(20, 20), proportion(20, 20))
    assert found.point == pytest.approx(0.83)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low > 1.2 * ((observed.high or 1) - (observed.low or 0))


@pytest.mark.parametrize(("s", "c"), [(50, 50), (30, 60)])
def test_a_judge_no_better_than_chance_corrects_nothing(s: int, c: int) -> None:
    found = corrected(proportion(83, 100), proportion(s, 100), proportion(c, 100))
    assert (found.point, found.low, found.high) == (None, None, None)
    assert "no better than chance" in (found.reason or "")


def test_an_unmeasured_judge_corrects_nothing() -> None:
    found = corrected(proportion(83, 100), proportion(0, 0), proportion(90, 100))
    assert (found.point, found.reason) == (None, "never measured")


@given(st.integers(0, 60), st.integers(0, 25), st.integers(0, 25))
def test_the_corrected_rate_stays_a_rate_within_its_limits(k: int, s: int, c: int) -> None:
    found = corrected(proportion(k, 60), proportion(s, 25), proportion(c, 25))
    if found.point is None:
        assert s + c <= 25
        return
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.point <= found.high <= 1


@pytest.mark.parametrize(("rate", "n"), [(0.03, 99), (0.01, 299), (0.001, 2995)])
def test_cases_that_must_pass_for_a_claim(rate: float, n: int) -> None:
    assert cases_without_failure(rate) == n
    assert clopper_pearson(0, n, level=0.90).high <= rate < clopper_pearson(0, n - 1, level=0.90).high
