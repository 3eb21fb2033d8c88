"""Trials that a later step loses whatever it is given: undamaged until then."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gapless.gap.damage import split
from gapless.gap.rescue import later_losses


def test_a_step_that_always_gets_some_cases_wrong_keeps_its_share() -> None:
    # four trials are spoilt by the first of three steps; one the third step never gets right
    golden = np.array([[1.0, 1.0, 1.0]] * 4 + [[0.0, 0.0, 1.0]])
    observed = np.zeros((5, 3))
    plain = split(golden.sum(axis=0), observed.sum(axis=0))
    assert plain.shares.round(3).tolist() == [1.0, 0.0, 0.0]  # without it the third step goes free
    v, u, later = later_losses(golden, observed, np.full((5, 3), 2))
    assert split(v.sum(axis=0), u.sum(axis=0)).shares.round(3).tolist() == [0.8, 0.0, 0.2]
    assert later.sum(axis=0).tolist() == [1, 1, 0]


def test_bad_luck_is_not_taken_for_a_later_loss() -> None:
    golden = np.array([[0.5, 1.0]] * 9 + [[0.0, 1.0]])  # two reruns that fail by chance are nothing unusual
    observed = np.zeros((10, 2))
    v, _, later = later_losses(golden, observed, np.full((10, 2), 2))
    assert not later.any()
    assert (v == golden).all()


def test_what_nothing_rescues_stays_as_it_is() -> None:
    nothing = np.zeros((3, 2))
    v, u, later = later_losses(nothing, nothing, np.full((3, 2), 5))
    assert not later.any()
    assert not v.any()
    assert not u.any()


def test_a_skipped_step_is_no_evidence() -> None:
    golden = np.array([[1.0, 1.0]] * 5 + [[0.0, 0.0]])
    reruns = np.array([[3, 3]] * 5 + [[0, 0]])
    assert not later_losses(golden, np.zeros((6, 2)), reruns)[2].any()


@given(st.integers(1, 8), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_only_trials_that_never_passed_are_changed(n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    reruns = rng.integers(0, 5, size=(n, k))
    golden = rng.binomial(4, 0.6, size=(n, k)) / 4 * (rng.random((n, 1)) < 0.8)
    observed = golden * (rng.random((n, k)) < 0.5)
    v, u, later = later_losses(golden, observed, reruns)
    assert (v[~later] == golden[~later]).all()
    assert (u[~later] == observed[~later]).all()
    assert (v[later] == u[later]).all()
    passed = np.cumsum(golden * (reruns > 0), axis=1) > 0
    assert not (later & passed).any()
