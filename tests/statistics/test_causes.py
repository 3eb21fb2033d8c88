"""Truth is known: whether replays find the step that spoils lost trials where its own check is blind (METHOD section 9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from gapless.gap.causes import LostTrials, causes
from gapless.records.estimate import Estimate
from gapless.records.replay import Arm, Causes, ReplayRun

STEPS = ("understand", "retrieve", "tool", "draft", "deliver")
CULPRIT = STEPS.index("tool")
SPOILS = np.array([0.05, 0.05, 0.2, 0.04, 0.04])
SEES = np.array([0.9, 0.9, 0.15, 0.9, 0.9])
"""Sensitivity of each step's own check to a bad value, its own or one that it was handed."""
REPS = 2


@dataclass(frozen=True)
class World:
    """Lost trials of a chain, rerun in both arms."""

    runs: tuple[ReplayRun, ...]
    blamed: dict[tuple[str, int], str]
    realised: np.ndarray
    """Share of the sampled lost trials that each step was the first to spoil."""


def spoil_rates(cases: int, rng: np.random.Generator) -> np.ndarray:
    """How often each step spoils its output, hard cases more often at every step: float array [cases, steps]."""
    hard = rng.normal(scale=0.6, size=(cases, 1))
    return 1 / (1 + np.exp(-(np.log(SPOILS / (1 - SPOILS)) + hard)))


def first_spoiled(spoiled: np.ndarray) -> np.ndarray:
    return np.where(spoiled.any(axis=1), spoiled.argmax(axis=1), len(STEPS))


def with_skips(rates: np.ndarray, skip: float, rng: np.random.Generator) -> np.ndarray:
    """A branch: some trials never visit the second step, which then can spoil nothing: NaN."""
    if skip:
        rates = rates.copy()
        rates[rng.random(len(rates)) < skip, 1] = np.nan
    return rates


def world(cases: int, trials: int, seed: int, skip: float = 0.0) -> World:
    rng = np.random.default_rng(seed)
    rates = with_skips(np.repeat(spoil_rates(cases, rng), trials, axis=0), skip, rng)
    spoiled = rng.random(rates.shape) < rates
    seen = (np.cumsum(spoiled, axis=1) > 0) & (rng.random(rates.shape) < SEES)
    runs: list[ReplayRun] = []
    blamed: dict[tuple[str, int], str] = {}
    lost = np.flatnonzero(spoiled.any(axis=1))
    for row in lost:
        case, trial = f"c{row // trials:03d}", int(row % trials)
        blamed[case, trial] = STEPS[seen[row].argmax()] if seen[row].any() else "(unobserved)"
        runs += reruns(case, trial, spoiled[row], rates[row], rng)
    first = first_spoiled(spoiled[lost])
    return World(tuple(runs), blamed, np.bincount(first, minlength=len(STEPS)) / len(first))


def reruns(
    case: str, trial: int, spoiled: np.ndarray, rates: np.ndarray, rng: np.random.Generator
) -> list[ReplayRun]:
    found: list[ReplayRun] = []
    arms: tuple[Arm, Arm] = ("golden", "observed")
    for k, step in enumerate(STEPS):
        for arm in arms if not np.isnan(rates[k]) else ():
            kept_bad = arm == "observed" and spoiled[: k + 1].any()
            again = rng.random((REPS, len(STEPS) - k - 1)) < rates[k + 1 :]
            found += [
                ReplayRun(
                    case=case,
                    trial=trial,
                    group=case,
                    step=step,
                    position=k + 1,
                    arm=arm,
                    rep=rep,
                    ok=bool(not kept_bad and not again[rep].any()),
                )
                for rep in range(REPS)
            ]
    return found


def expected(skip: float = 0.0) -> np.ndarray:
    """The shares of a very large table with endlessly many reruns."""
    rng = np.random.default_rng(1)
    rates = np.nan_to_num(with_skips(spoil_rates(400_000, rng), skip, rng))
    spoiled = rng.random(rates.shape) < rates
    lost = spoiled.any(axis=1)
    rates, first = rates[lost], first_spoiled(spoiled[lost])
    after = np.cumprod((1 - rates)[:, ::-1], axis=1)[:, ::-1]
    golden = np.concatenate([after[:, 1:], np.ones((len(after), 1))], axis=1)
    observed = golden * (first[:, None] > np.arange(len(STEPS)))
    return np.diff(1 - observed.sum(axis=0) / golden.sum(axis=0), prepend=0.0)


def found_in(made: World) -> Causes:
    return causes(made.runs, STEPS, LostTrials(blamed=made.blamed))


def holds(estimate: Estimate, truth: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low - 1e-9 <= truth <= estimate.high + 1e-9


def named(values: list[float]) -> int:
    return int(np.argmax(values))


def check(cases: int, sims: int) -> None:
    truth = expected()
    assert truth[CULPRIT] > 0.5
    by_share = by_check = by_rescue = 0
    realised: list[bool] = []
    of_all: list[bool] = []
    for seed in range(sims):
        made = world(cases, trials=3, seed=seed)
        rows = found_in(made).rows
        by_share += named([row.share.point or 0.0 for row in rows]) == CULPRIT
        by_check += named([row.suspected.point or 0.0 for row in rows]) == CULPRIT
        by_rescue += named([row.golden_pass or 0.0 for row in rows]) == CULPRIT
        realised += [holds(row.share, share) for row, share in zip(rows, made.realised, strict=True)]
        of_all += [holds(row.share, share) for row, share in zip(rows, truth, strict=True)]
    assert by_share >= sims * 29 / 30
    assert by_check <= sims * 2 / 30
    assert by_rescue == 0
    # The rows of one world are not independent: the error is taken as if a world had one.
    error = 2 * (0.95 * 0.05 / sims) ** 0.5
    assert np.mean(realised) >= 0.95 - error
    assert np.mean(of_all) >= 0.95 - error


def test_replay_names_the_culprit_that_its_own_check_hardly_sees() -> None:
    check(cases=100, sims=30)


@pytest.mark.full
def test_and_so_it_does_in_many_worlds() -> None:
    check(cases=100, sims=300)


def test_a_step_that_half_of_the_trials_skip_gets_no_more_than_its_own() -> None:
    truth, sims = expected(skip=0.5), 40
    found = [found_in(world(60, trials=2, seed=700 + seed, skip=0.5)).rows for seed in range(sims)]
    estimated = np.array([[row.share.point or 0.0 for row in rows] for rows in found])
    error = estimated.std(axis=0) / sims**0.5
    assert np.all(np.abs(estimated.mean(axis=0) - truth) < 3.5 * error)
    held = [holds(row.share, share) for rows in found for row, share in zip(rows, truth, strict=True)]
    assert np.mean(held) >= 0.95 - 2 * (0.95 * 0.05 / sims) ** 0.5


@pytest.mark.parametrize("cases", [20, 40])
def test_a_small_share_of_few_trials_is_held(cases: int) -> None:
    truth, sims = expected(), 60
    held: list[bool] = []
    for seed in range(sims):
        last = found_in(world(cases, trials=2, seed=900 + seed)).rows[-2:]
        held += [
            holds(row.share, share)
            for row, share in zip(last, truth[-2:], strict=True)
            if row.share.low is not None
        ]
    assert np.mean(held) >= 0.95 - 2 * (0.95 * 0.05 / sims) ** 0.5
