"""Gate thresholds: the worked examples of METHOD 8 and 10, and data on which a careless rule would promise too much."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from gapless.gap import certify, selective
from gapless.gap.calibrate import Declared, Outcome, calibrate
from gapless.gap.drift import ALARM, harm, shift
from gapless.gap.probability import cross_fitted, fit, predict
from gapless.gap.shadow import shadow_of
from gapless.records.trial import RulingCount, Run

S = (0.9, 0.8, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2)
WRONG = np.array((0, 0, 1, 0, 0, 1, 0, 1), dtype=bool)


def runs(n: int, *, seed: int = 0, wrong: float = 0.17, sep: float = 1.47, **changes: Any) -> list[Run]:
    """Trials whose signal knows something: two normal distributions, `sep` apart."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        bad = bool(rng.random() < wrong)
        z = rng.normal() + sep * (not bad)
        run = {"case": f"c{i}", "trial": 0, "group": f"g{i}", "outcome": "wrong" if bad else "correct"}
        made.append(Run(**{**run, "signals": {"gate": float(1 / (1 + np.exp(-z)))}, **changes}))
    return made


def certified(rows: list[Run], **declared: Any) -> Outcome:
    return calibrate(shadow_of(rows), Declared(**{"alpha": 0.05, **declared}))


class TestWorkedExamples:
    def test_what_a_signal_is_worth(self) -> None:
        assert selective.auroc(S, ~WRONG) == pytest.approx(0.7)
        assert selective.aurc(S, WRONG) == pytest.approx(0.253423, abs=5e-7)
        assert selective.aurc(S, WRONG) - selective.excess_aurc(S, WRONG) == pytest.approx(0.103423, abs=5e-7)
        assert selective.brier(S, ~WRONG) == pytest.approx(0.20375)
        assert selective.calibration_error(S, ~WRONG, bins=5) == pytest.approx(0.2625)

    def test_libraries_say_the_same(self) -> None:
        rng = np.random.default_rng(1)
        s, right = rng.random(300).round(1), rng.random(300) < 0.7
        u = stats.mannwhitneyu(s[right], s[~right]).statistic
        assert selective.auroc(s, right) == pytest.approx(u / (right.sum() * (~right).sum()))

    def test_binomial_p_values_and_the_walk(self) -> None:
        p = [float(stats.binom.cdf(k, 200, 0.05)) for k in (0, 1, 3, 5, 6, 9)]
        assert p == pytest.approx([0.000035, 0.000404, 0.009048, 0.062342, 0.123743, 0.454710], abs=5e-7)
        assert certify.accepted(p, 0.1) == 4

    def test_groups_with_several_trials(self) -> None:
        losses = np.array([0.0] * 190 + [0.2] * 6 + [0.6] * 4)
        assert float(certify.betting(losses, 0.05, 0.1)) == pytest.approx(0.000120, abs=5e-7)
        assert certify.hoeffding_bentkus(float(losses.mean()), 200, 0.05) == pytest.approx(0.059092, abs=5e-7)
        assert certify.hoeffding_bentkus(3 / 200, 200, 0.05) == pytest.approx(0.024596, abs=5e-7)

    def test_trials_that_show_more_than_alpha_certify_nothing(self) -> None:
        """Bets won by the groups that happen to come first are not kept against all that came after."""
        place = np.empty(300, dtype=int)
        place[np.random.default_rng(0).permutation(300)] = np.arange(
            300
        )  # of each group in the order of the bets
        wrong = np.repeat(place >= 270, 2)
        trials = certify.Trials(
            np.ones((600, 1)), wrong, np.ones(600, dtype=bool), np.repeat(np.arange(300), 2)
        )
        ordered = (np.sort(place) >= 270).astype(float)
        assert float(certify.betting(ordered, 0.05, 0.1)) < 0.001
        assert certify.p_values(trials, [(0.5,)], alpha=0.05, delta=0.1, risk="joint") == [1.0]
        assert certify.p_values(trials, [(0.5,)], alpha=0.15, delta=0.1, risk="joint") < 0.1

    def test_sizes_that_are_enough_without_an_error(self) -> None:
        assert [certify.groups_needed(a, 0.1) for a in (0.1, 0.05, 0.03, 0.02, 0.01)] == [
            22,
            45,
            76,
            114,
            230,
        ]
        assert [certify.groups_needed(a, 0.1, test="betting") for a in (0.1, 0.05, 0.03)] == [25, 48, 80]

    def test_the_shift_martingale(self) -> None:
        assert [float(x) for x in shift((0.5, 0.4, 0.6, 0.1, 0.05))] == pytest.approx(
            [0, 0, -0.056570, -0.079307, -0.007848], abs=5e-7
        )
        low, high = harm([False] * 100)
        assert (low, high) == (0.0, pytest.approx(0.057029, abs=5e-7))


class TestAnHonestSignal:
    def test_it_is_certified_and_the_risk_there_is_below_alpha(self) -> None:
        found = certified(runs(1000))
        assert found.thresholds is not None
        assert (found.method, found.test) == ("learn-then-test", "binomial")
        assert found.calibrated.joint.point < 0.05
        assert (
            0.5
            < found.calibrated.coverage.point
            < found.calibrated.best_coverage
            < found.calibrated.perfect_coverage
        )

    def test_repeated_trials_are_bet_on_by_group(self) -> None:
        rows = [
            Run(case=f"c{i}", trial=t, group=f"g{i}", outcome=row.outcome, signals=row.signals)
            for i, row in enumerate(runs(300))
            for t in range(5)
        ]
        found = certified(rows)
        assert (found.test, found.n_groups, found.n_runs) == ("betting", 300, 1500)
        # five copies of each trial say no more than one
        assert certified(runs(300)).calibrated.coverage.point >= found.calibrated.coverage.point - 0.15

    def test_conditional_risk_orders_on_one_half_and_tests_on_the_other(self) -> None:
        found = certified(runs(2000), risk="conditional")
        assert found.method == "pareto-testing"
        assert found.n_runs == 1000
        assert found.calibrated.conditional.point < 0.05

    def test_two_gates(self) -> None:
        rng = np.random.default_rng(3)
        rows = [
            Run(
                case=r.case,
                trial=0,
                group=r.group,
                outcome=r.outcome,
                signals={
                    "a": r.signals["gate"],
                    "b": float(np.clip(r.signals["gate"] + rng.normal() / 5, 0, 1)),
                },
            )
            for r in runs(2000)
        ]
        found = certified(rows)
        assert found.thresholds is not None
        assert len(found.thresholds) == 2
        assert found.calibrated.joint.point < 0.05

    def test_declared_splits_are_kept_to(self) -> None:
        rows = [
            Run(case=r.case, trial=0, group=r.group, outcome=r.outcome, signals=r.signals, split=split)
            for r, split in zip(runs(900), ["tune", "cal", "test"] * 300, strict=True)
        ]
        found = certified(rows)
        assert (found.n_runs, found.tested.joint.n_runs) == (300, 300)

    def test_asking_again_costs(self) -> None:
        rows = runs(600)
        assert certified(rows, looks=5).calibrated.coverage.point <= certified(rows).calibrated.coverage.point


class TestSignalsThatPromiseNothing:
    def test_a_shuffled_signal_certifies_nothing_or_sends_nearly_everything_to_a_person(self) -> None:
        for seed in range(5):
            rows = runs(600, seed=seed)
            signals = np.random.default_rng(seed).permutation([r.signals["gate"] for r in rows])
            mixed = [
                Run(case=r.case, trial=0, group=r.group, outcome=r.outcome, signals={"gate": float(s)})
                for r, s in zip(rows, signals, strict=True)
            ]
            assert certified(mixed).calibrated.coverage.point < 0.35

    def test_an_always_sure_gate_is_certified_only_where_no_gate_is_needed(self) -> None:
        assert certified(runs(1000, signals={"gate": 1.0})).thresholds is None
        without = certified(runs(1000, wrong=0.01, signals={"gate": 1.0}))
        assert without.calibrated.coverage.point == 1.0

    def test_a_perfect_gate_delivers_what_is_right(self) -> None:
        rows = [
            Run(
                case=r.case,
                trial=0,
                group=r.group,
                outcome=r.outcome,
                signals={"gate": float(r.outcome == "correct")},
            )
            for r in runs(500)
        ]
        found = certified(rows)
        right = np.mean([r.outcome == "correct" for r in rows])
        assert found.calibrated.coverage.point == pytest.approx(right)
        assert found.gates[0].quality[0].auroc.point == 1.0

    def test_ties_everywhere(self) -> None:
        rows = [
            Run(
                case=r.case,
                trial=0,
                group=r.group,
                outcome=r.outcome,
                signals={"gate": round(r.signals["gate"])},
            )
            for r in runs(1000)
        ]
        assert certified(rows).calibrated.joint.point <= 0.05

    @pytest.mark.parametrize(("wrong", "coverage"), [(0.0, 1.0), (1.0, 0.0)])
    def test_one_kind_of_trial(self, wrong: float, coverage: float) -> None:
        found = certified(runs(200, wrong=wrong))
        assert found.calibrated.coverage.point == pytest.approx(coverage, abs=0.05)
        quality = found.gates[0].quality[0]
        assert quality.auroc.point is None
        assert "nothing to tell apart" in quality.auroc.reason

    def test_twenty_cases_are_too_few(self) -> None:
        assert certified(runs(20, wrong=0.0)).thresholds is None

    def test_nobodys_number_is_doubt(self) -> None:
        rows = runs(300, signals={"gate": math.nan})
        assert certified(rows).thresholds is None
        assert certified(runs(300, signals={"gate": 87.0})).thresholds is None
        assert certified(runs(300, signals={"gate": None})).thresholds is None

    def test_another_scale_is_declared(self) -> None:
        rows = [
            Run(
                case=r.case,
                trial=0,
                group=r.group,
                outcome=r.outcome,
                signals={"gate": 100 * r.signals["gate"]},
            )
            for r in runs(1000)
        ]
        shadow = shadow_of(rows, scales={"gate": (0, 100)})
        hundred = calibrate(shadow, Declared(alpha=0.05, scales={"gate": (0, 100)}))
        assert hundred.thresholds == (pytest.approx(100 * certified(runs(1000)).thresholds[0]),)

    def test_no_trials_at_all(self) -> None:
        nothing = calibrate(shadow_of([], gates=["gate"]), Declared())
        assert nothing.thresholds is None
        assert nothing.calibrated.joint.reason == "no trials"


class TestWhatNobodyKnows:
    def test_an_unknown_verdict_counts_as_wrong(self) -> None:
        rows = [
            Run(
                case=r.case,
                trial=0,
                group=r.group,
                outcome="unjudged" if r.outcome == "wrong" else "correct",
                signals=r.signals,
            )
            for r in runs(1000)
        ]
        assert certified(rows).thresholds == certified(runs(1000)).thresholds

    def test_what_a_live_gate_stopped_can_only_tighten(self) -> None:
        at = 0.8
        stopped = (RulingCount(step="gate", guard="gate", action="review"),)
        rows = [
            r
            if r.signals["gate"] >= at
            else Run(
                case=r.case, trial=0, group=r.group, outcome="escalated", signals=r.signals, rulings=stopped
            )
            for r in runs(1000)
        ]
        live = calibrate(shadow_of(rows, live=True), Declared(alpha=0.05))
        assert live.thresholds is not None
        assert live.thresholds[0] >= at - 0.05
        assert certified(runs(1000)).thresholds[0] < live.thresholds[0]

    def test_what_failed_is_not_delivered(self) -> None:
        rows = [
            *runs(500),
            *(Run(case=f"f{i}", trial=0, group=f"f{i}", outcome="failed", signals={}) for i in range(500)),
        ]
        found = certified(rows)
        assert found.calibrated.coverage.point < 0.5
        assert (
            found.calibrated.reviews_per_1000.point + 1000 * found.calibrated.coverage.point
            == pytest.approx(500)
        )

    def test_a_trial_that_did_not_come_to_a_gate_passes_it(self) -> None:
        rows = runs(500)
        other = [Run(case=f"o{i}", trial=0, group=f"o{i}", outcome="correct", signals={}) for i in range(500)]
        assert certified([*rows, *other]).calibrated.coverage.point > 0.5


class TestSeveralSignals:
    def _rows(self, n: int, seed: int = 0) -> list[Run]:
        rng = np.random.default_rng(seed)
        made = []
        for r in runs(n, seed=seed, sep=2.0):
            z = math.log(r.signals["gate"] / (1 - r.signals["gate"]))
            parts = {"a": z + rng.normal(), "b": z + rng.normal(), "noise": rng.normal()}
            signals = {"gate": None, **{f"gate#{name}": float(v) for name, v in parts.items()}}
            made.append(Run(case=r.case, trial=0, group=r.group, outcome=r.outcome, signals=signals))
        return made

    def test_together_they_know_more_than_each_and_noise_carries_nothing(self) -> None:
        gate = certified(self._rows(2000)).gates[0]
        whole, *parts = gate.quality
        assert whole.auroc.point > max(one.auroc.point for one in parts)
        carried = {one.name: one.loss_without for one in parts}
        assert carried["a"].low > 0
        assert abs(carried["noise"].point) < 0.01
        assert whole.ece < 0.06

    def test_the_model_reads_alike_from_its_plain_numbers(self) -> None:
        rng = np.random.default_rng(0)
        x, right = rng.normal(size=(400, 2)), rng.random(400) < 0.6
        x[::7, 1] = math.nan
        model = fit(("a", "b"), x, right)
        one = model.probability({"a": float(x[1, 0]), "b": float(x[1, 1])})
        assert one == pytest.approx(float(predict(model, x[1:2])[0]))
        assert model.probability({"a": None, "b": math.nan}) is None
        far, edge = (
            model.probability({"a": 1e9, "b": 0.0}),
            model.probability({"a": float(x[:, 0].max()), "b": 0.0}),
        )
        assert far == edge  # surer than anything that was seen is no surer

    def test_cross_fitting_never_judges_a_group_by_itself(self) -> None:
        # A group's own number says everything of it, and nothing of others.
        group = np.repeat(np.arange(40), 5)
        right = np.repeat(np.random.default_rng(0).random(40) < 0.5, 5)
        x = np.eye(40)[group]
        said = cross_fitted([f"g{i}" for i in range(40)], x, right, group)
        assert selective.auroc(said, right) < 0.6


class TestDrift:
    def test_more_harm_than_certified_raises_an_alarm_and_less_does_not(self) -> None:
        rng = np.random.default_rng(0)
        assert harm(list(rng.random(800) < 0.12))[0] > 0.05
        assert harm(list(rng.random(800) < 0.04))[0] < 0.05

    def test_a_shift_is_found_and_none_is_not(self) -> None:
        rng = np.random.default_rng(0)
        before = rng.normal(size=300)
        assert max(shift(np.append(before, rng.normal(size=900)))) < math.log(ALARM)
        moved = shift(np.append(before, rng.normal(-0.7, 1, size=300)))[300:]
        assert max(moved) > math.log(ALARM)
