"""A figure is held against a number by its interval: the one rule of every line."""

from __future__ import annotations

import pytest

from gapless.gap.clustered import clustered
from gapless.gap.latency import quantile, ranks
from gapless.gap.rate import proportion, wilson
from gapless.probes.judging import (
    Judged,
    at_least,
    at_most,
    not_estimable,
    quantile_at_most,
    share_at_least,
    share_at_most,
    together,
)
from gapless.records.estimate import Estimate
from gapless.records.finding import Figure


def figure(value: float, low: float | None, high: float | None) -> Figure:
    return Figure(name="p99", value=value, low=low, high=high, unit="ms")


@pytest.mark.parametrize(
    ("value", "low", "high", "status", "unsure"),
    [
        (50, 40, 60, "ok", False),
        (50, 40, 100, "ok", False),
        (50, 40, 101, "ok", True),
        (50, 40, None, "ok", True),
        (50, None, 60, "ok", False),
        (110, 90, 120, "warn", False),
        (110, None, None, "warn", False),
        (110, 100, 120, "warn", False),
        (110, 101, 120, "fail", False),
        (110, 101, None, "fail", False),
    ],
)
def test_at_most(value: float, low: float | None, high: float | None, status: str, unsure: bool) -> None:
    judged = at_most(figure(value, low, high), 100)
    assert (judged.status, bool(judged.undecided)) == (status, unsure)
    mirrored = at_least(figure(-value, None if high is None else -high, None if low is None else -low), -100)
    assert (mirrored.status, bool(mirrored.undecided)) == (status, unsure)


def test_a_sure_miss_may_be_a_warning() -> None:
    assert at_most(figure(110, 101, 120), 100, missed="warn").status == "warn"


def test_it_says_how_many_would_show_a_share() -> None:
    judged = share_at_least("right", proportion(20, 20), 0.95)
    assert judged.undecided == "right may be as low as 83.9 %: 73 in a row would show it"
    assert (wilson(73, 73).low >= 0.95, wilson(72, 72).low >= 0.95) == (True, False)
    judged = share_at_least("right", proportion(19, 20), 0.9)
    assert judged.undecided.endswith("about 139 would show it")
    assert (wilson(0.95 * 139, 139).low >= 0.9, wilson(0.95 * 138, 138).low >= 0.9) == (True, False)


def test_groups_are_what_has_to_be_many() -> None:
    share = Estimate(point=0.0, low=0.0, high=0.3, n_runs=90, n_groups=9)
    said = share_at_most("stale", share, 0.05).undecided
    needed = int(said.split(": ")[1].split()[0])
    assert said == f"stale may be as high as 30.0 %: {needed} independent groups without a miss would show it"
    enough, fewer = (clustered([0.0] * 2 * g, [n // 2 for n in range(2 * g)]) for g in (needed, needed - 1))
    assert (enough.high or 1) <= 0.05 < (fewer.high or 1)
    # groups whose runs differ among themselves are worth more than one case each: here two
    wide = wilson(0.08 * 100, 100)
    share = Estimate(point=0.08, low=wide.low, high=wide.high, n_runs=360, n_groups=50)
    alone = int(
        share_at_most("led", proportion(8, 100), 0.1).undecided.split("about ")[1].split()[0].replace(",", "")
    )
    assert (
        f"about {alone // 2 + alone % 2:,} independent groups" in share_at_most("led", share, 0.1).undecided
    )


def test_what_no_number_of_cases_would_show_says_none() -> None:
    exactly = share_at_least("right", proportion(19, 20), 0.95)
    assert exactly.status == "ok"
    assert exactly.undecided.endswith("a longer run would tell")
    assert share_at_least("right", proportion(20, 20), 1.0).undecided.endswith("a longer run would tell")


def test_a_share_that_was_never_measured_does_not_hold() -> None:
    assert share_at_least("right", proportion(0, 0), 0.9).status == "warn"


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99])
def test_so_many_values_give_a_quantile_and_no_fewer(q: float) -> None:
    least = int(not_estimable(q, 1).split("at least ")[1].split()[0])
    assert ranks(least, q).high is not None
    assert ranks(least - 1, q).high is None


def test_of_several_figures_the_worst_decides_and_what_is_open_is_said_once() -> None:
    unsure = Judged("ok", "too few")
    assert together(Judged("ok"), unsure, unsure) == unsure
    assert together(unsure, Judged("warn"), Judged("fail")) == Judged("fail")


@pytest.mark.parametrize(
    ("slow", "of", "status", "undecided"),
    [
        (0, 30, "ok", "p99 is not estimable from n=30: n of at least 368 would show it"),
        (10, 80, "fail", ""),
        (6, 80, "warn", ""),
        (0, 400, "ok", ""),
        (2, 400, "ok", "p99 may be as high as 900 ms: a longer run would tell"),
        (20, 400, "fail", ""),
    ],
)
def test_the_highest_quantile_that_there_is_stands_for_the_one_that_is_asked(
    slow: int, of: int, status: str, undecided: str
) -> None:
    values = [900.0] * slow + [50.0] * (of - slow)
    found = {q: quantile(values, q) for q in (0.5, 0.95, 0.99)}
    assert quantile_at_most(found, 100) == Judged(status, undecided)  # type: ignore[arg-type]


def test_a_quantile_that_is_a_lower_bound_does_not_hold() -> None:
    values = [10.0] * 380 + [50.0] * 20
    assert quantile_at_most({0.99: quantile(values, 0.99, cut=range(380, 400))}, 100).status == "warn"
