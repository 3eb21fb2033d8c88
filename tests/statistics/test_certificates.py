"""The guarantee, checked by simulation: how many calibrations promise a risk that the truth exceeds (METHOD 8g).

Trials are binormal: a signal of AUROC .85, 17 % of the answers wrong, alpha .05, delta .10. The truth at a threshold is known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from gapless.gap.certify import (
    GRID,
    Trials,
    accepted,
    conformal_threshold,
    order_by_pareto,
    p_values,
    vectors,
)

ALPHA, DELTA, WRONG = 0.05, 0.10, 0.17
APART = float(np.sqrt(2) * stats.norm.ppf(0.85))
ODDS = np.log((1 - WRONG) / WRONG)
Simulated = tuple[NDArray[np.float64], NDArray[np.bool_]]


def posterior(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-(ODDS + APART * z - APART * APART / 2)))


def at(threshold: float) -> float:
    """The raw signal at which the posterior is the threshold."""
    if threshold in (0.0, 1.0):
        return -np.inf if threshold == 0.0 else np.inf
    return float((np.log(threshold / (1 - threshold)) - ODDS + APART * APART / 2) / APART)


def truth(threshold: float, risk: str) -> float:
    lost = WRONG * stats.norm.sf(at(threshold))
    sent = lost + (1 - WRONG) * stats.norm.sf(at(threshold) - APART)
    return float(lost if risk == "joint" else lost / sent if sent > 0 else 0.0)


TRUE = {risk: {value: truth(value, risk) for value in GRID} for risk in ("joint", "conditional")}


def draw(rng: np.random.Generator, n: int) -> Simulated:
    wrong = rng.random(n) < WRONG
    return posterior(rng.normal(size=n) + APART * ~wrong), wrong


def trials(
    signal: NDArray[np.float64], wrong: NDArray[np.bool_], group: NDArray[np.int64] | None = None
) -> Trials:
    group = np.arange(len(wrong)) if group is None else group
    return Trials(signal[:, None], wrong, np.ones(len(wrong), dtype=bool), group)


def learn_then_test(data: Trials) -> float | None:
    p = p_values(data, [(v,) for v in GRID], alpha=ALPHA, delta=DELTA, risk="joint")
    kept = accepted(p, DELTA)
    return GRID[kept - 1] if kept else None


def best_on_calibration(data: Trials) -> float | None:
    fits = [v for v in GRID if float(np.mean(data.delivered([v]) & data.wrong)) <= ALPHA]
    return fits[-1] if fits else None


def split_conditional(data: Trials) -> float | None:
    half = np.arange(len(data)) % 2 == 0
    tune, cal = data.part(half), data.part(~half)
    p = p_values(tune, [(v,) for v in GRID], alpha=ALPHA, delta=DELTA, risk="conditional")
    coverage = np.array([float(tune.delivered([v]).mean()) for v in GRID])
    order = [GRID[i] for i in order_by_pareto(p, coverage)]
    tested = p_values(cal, [(v,) for v in order], alpha=ALPHA, delta=DELTA, risk="conditional")
    kept = order[: accepted(tested, DELTA)]
    return min(kept) if kept else None


def exceeded(
    choose: Callable[[Trials], float | None], n: int, sims: int, risk: str = "joint"
) -> tuple[float, float]:
    """Share of calibrations whose true risk is above alpha, and the share that chose nothing."""
    rng = np.random.default_rng(11)
    picked = [choose(trials(*draw(rng, n))) for _ in range(sims)]
    bad = [one is not None and TRUE[risk][one] > ALPHA for one in picked]
    return float(np.mean(bad)), float(np.mean([one is None for one in picked]))


def limit(rate: float, sims: int) -> float:
    """What a true rate shows at most, 999 times in a thousand."""
    return float(stats.binom.ppf(0.999, sims, rate)) / sims


@pytest.mark.parametrize("n", [200, 1000])
def test_joint_risk_keeps_its_promise_and_the_naive_choice_does_not(n: int) -> None:
    sims = 150
    ours, _ = exceeded(learn_then_test, n, sims)
    naive, _ = exceeded(best_on_calibration, n, sims)
    assert ours <= limit(DELTA, sims)
    assert naive > 0.25


def test_conformal_risk_control_holds_on_average_only() -> None:
    sims = 150
    rng = np.random.default_rng(5)
    picked = [conformal_threshold(trials(*draw(rng, 1000)), GRID, alpha=ALPHA) for _ in range(sims)]
    risks = [0.0 if one is None else TRUE["joint"][one] for one in picked]
    assert np.mean(risks) <= ALPHA
    assert np.mean(np.array(risks) > ALPHA) > 0.25  # so it is offered as an average guarantee


@pytest.mark.full
@pytest.mark.parametrize(("n", "measured"), [(200, 0.0535), (1000, 0.0410)])
def test_joint_risk_at_length(n: int, measured: float) -> None:
    sims = 2000
    ours, _ = exceeded(learn_then_test, n, sims)
    assert ours <= limit(DELTA, sims)
    assert ours == pytest.approx(measured, abs=0.025)


@pytest.mark.full
@pytest.mark.parametrize(("n", "measured", "none"), [(200, 0.0090, 0.955), (1000, 0.0560, 0.336)])
def test_conditional_risk_at_length(n: int, measured: float, none: float) -> None:
    sims = 1000
    ours, nothing = exceeded(split_conditional, n, sims, risk="conditional")
    assert ours <= limit(DELTA, sims)
    assert ours == pytest.approx(measured, abs=0.03)
    assert nothing == pytest.approx(none, abs=0.15)


def _correlated(rng: np.random.Generator, cases: int, k: int) -> tuple[Trials, NDArray[np.int64]]:
    """Trials that share their case's luck: half of the wrong ones are wrong every time."""
    group = np.repeat(np.arange(cases), k)
    always = rng.random(cases) < WRONG / 2
    wrong = always[group] | (rng.random(cases * k) < (WRONG / 2) / (1 - WRONG / 2))
    signal = posterior(
        rng.normal(size=cases * k) * 0.7 + rng.normal(size=cases)[group] * np.sqrt(0.51) + APART * ~wrong
    )
    return trials(signal, wrong, group), group


@pytest.mark.full
def test_repeated_trials_are_no_independent_ones() -> None:
    sims, cases, k = 600, 300, 5
    rng = np.random.default_rng(2)
    # the truth, from very many cases
    big, _ = _correlated(np.random.default_rng(99), 60_000, k)
    true = {v: float(np.mean(big.delivered([v]) & big.wrong)) for v in GRID}
    bad = {"betting": 0, "as if independent": 0}
    for _ in range(sims):
        data, _ = _correlated(rng, cases, k)
        loose = Trials(data.signals, data.wrong, data.deliverable, np.arange(len(data)))
        for name, one in (("betting", data), ("as if independent", loose)):
            picked = learn_then_test(one)
            bad[name] += picked is not None and true[picked] > ALPHA
    assert bad["betting"] / sims <= limit(DELTA, sims)
    assert bad["as if independent"] > bad["betting"]


@pytest.mark.full
def test_two_gates_at_length() -> None:
    """Two signals of one trial; Pareto testing keeps its promise where the best of the calibration does not."""
    sims, n = 300, 1000
    rng = np.random.default_rng(4)
    grid = vectors(2, most=120)

    def two(size: int, source: np.random.Generator) -> Trials:
        wrong = source.random(size) < WRONG
        shared = source.normal(size=size)
        pair = [posterior(0.6 * shared + 0.8 * source.normal(size=size) + APART * ~wrong) for _ in range(2)]
        return Trials(np.column_stack(pair), wrong, np.ones(size, dtype=bool), np.arange(size))

    big = two(400_000, np.random.default_rng(77))
    true = {v: float(np.mean(big.delivered(v) & big.wrong)) for v in grid}
    ours = naive = 0
    for _ in range(sims):
        data = two(n, rng)
        half = np.arange(n) % 2 == 0
        tune, cal = data.part(half), data.part(~half)
        p = p_values(tune, grid, alpha=ALPHA, delta=DELTA, risk="joint")
        coverage = np.array([float(tune.delivered(v).mean()) for v in grid])
        order = [grid[i] for i in order_by_pareto(p, coverage)]
        kept = order[: accepted(p_values(cal, order, alpha=ALPHA, delta=DELTA, risk="joint"), DELTA)]
        if kept:
            ours += true[max(kept, key=lambda v: float(cal.delivered(v).mean()))] > ALPHA
        fits = [v for v in grid if float(np.mean(data.delivered(v) & data.wrong)) <= ALPHA]
        naive += bool(fits) and true[max(fits, key=lambda v: float(data.delivered(v).mean()))] > ALPHA
    assert ours / sims <= limit(DELTA, sims)
    assert naive / sims > 0.25
