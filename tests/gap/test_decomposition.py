"""Repeats, the chain rule, Shapley shares, retries and the mix of cases: METHOD's examples digit by digit, and what must always hold."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.gap.analyse import analyse
from gapless.gap.chain import chain, node_order, p_largest
from gapless.gap.clustered import clustered, design_effect, units
from gapless.gap.repeats import pass_at_k, pass_hat_k, repeats
from gapless.gap.shapley import lmdi, shapley
from gapless.gap.table import Table
from gapless.records.trial import ComponentRun, Outcome, Run, StepOutcome
from gapless.records.workflow import FINISH, START, Edge, Shape, Step

TAU = Path(__file__).parents[3] / "shared" / "data" / "tau_airline_gpt4o" / "trajectories.jsonl"
ABC = Shape(
    steps=tuple(Step(name=name) for name in "ABC"),
    edges=tuple(Edge(source=a, target=b) for a, b in ((START, "A"), ("A", "B"), ("B", "C"), ("C", FINISH))),
)


def run(
    case: str, outcome: Outcome, failing: str = "", trial: int = 0, group: str | None = None, **more: Any
) -> Run:
    events = tuple(
        StepOutcome(step=name, visit=1, attempt=1, ok=name not in failing, ms=1.0) for name in "ABC"
    )
    return Run(case=case, trial=trial, group=group or case, outcome=outcome, events=events, **more)


def hundred() -> list[Run]:
    """78 clean, 2 with A failed but right; lost: 5 (A, B), 3 (A), 4 (B), 6 (C, loud), 2 unseen."""
    kinds: list[tuple[int, Outcome, str]] = [
        (78, "correct", ""),
        (2, "correct", "A"),
        (5, "wrong", "AB"),
        (3, "wrong", "A"),
        (4, "wrong", "B"),
        (6, "failed", "C"),
        (2, "wrong", ""),
    ]
    return [
        run(f"c{k}-{n}", outcome, bad) for k, (count, outcome, bad) in enumerate(kinds) for n in range(count)
    ]


def six(groups: tuple[str, ...] = tuple("abcdef")) -> list[Run]:
    wins = (4, 4, 3, 2, 0, 4)
    return [
        Run(case=f"k{n}", trial=t, group=groups[n], outcome="correct" if t < c else "wrong")
        for n, c in enumerate(wins)
        for t in range(4)
    ]


class TestRepeats:
    def test_the_worked_examples(self) -> None:
        assert round(pass_at_k(10, 7, 3), 6) == 0.991667
        assert round(pass_hat_k(10, 7, 3), 6) == 0.291667
        rows = repeats(Table.of(six()))
        expected = {
            1: (0.708333, 0.708333, 0.163512, 0.163512),
            2: (0.805556, 0.611111, None, None),
            3: (0.833333, 0.541667, 0.166667, 0.208333),
            4: (0.833333, 0.500000, None, None),
        }
        for row in rows:
            at, hat, error_at, error_hat = expected[row.k]
            assert (row.pass_at_k.point, row.pass_hat_k.point) == pytest.approx((at, hat), abs=5e-7)
            if error_at is not None:
                assert (row.se_pass_at_k, row.se_pass_hat_k) == pytest.approx((error_at, error_hat), abs=5e-7)
            assert row.n_excluded == 0
        assert [row.k for row in rows] == [1, 2, 3, 4]

    def test_groups_change_the_error_alone(self) -> None:
        alone, together = repeats(Table.of(six())), repeats(Table.of(six(("a", "a", "b", "b", "c", "c"))))
        assert [r.pass_hat_k.point for r in alone] == [r.pass_hat_k.point for r in together]
        assert together[1].pass_hat_k.n_groups == 3
        assert together[1].se_pass_hat_k != alone[1].se_pass_hat_k

    def test_cases_with_too_few_trials_are_left_out_and_counted(self) -> None:
        rows = repeats(Table.of([*six(), Run(case="short", trial=0, group="s", outcome="correct")]))
        assert [row.n_excluded for row in rows] == [0, 1, 1, 1]
        assert rows[1].pass_at_k.n_cases == 6

    def test_one_trial_per_case_has_no_repeats(self) -> None:
        assert repeats(Table.of([run("a", "correct"), run("b", "wrong")])) == ()
        assert repeats(Table.of([])) == ()

    def test_no_spread_is_no_certainty(self) -> None:
        rows = repeats(
            Table.of(
                [
                    Run(case=f"c{n}", trial=t, group=f"c{n}", outcome="correct")
                    for n in range(12)
                    for t in range(2)
                ]
            )
        )
        low = rows[1].pass_hat_k.low
        assert low is not None
        assert low < 0.8


@pytest.mark.skipif(not TAU.exists(), reason="the shared tau-bench trajectories are not on this machine")
def test_a_real_agents_reference_figures() -> None:
    rows = [json.loads(line) for line in TAU.read_text(encoding="utf-8").splitlines()]
    gap = analyse(
        [
            Run(
                case=str(row["task_id"]),
                trial=row["trial"],
                group=str(row["task_id"]),
                outcome="correct" if row["reward"] == 1 else "wrong",
            )
            for row in rows
        ],
        [],
        Shape(),
    )
    assert [round(row.pass_hat_k.point or 0, 4) for row in gap.repeats] == [0.42, 0.2733, 0.22, 0.2]
    assert [round(row.pass_at_k.point or 0, 4) for row in gap.repeats[1:]] == [0.5667, 0.66, 0.72]
    assert round(gap.se_naive or 0, 4) == 0.0349
    assert round(gap.se_cr0 or 0, 4) == 0.0517
    assert round(gap.design_effect_cr0 or 0, 3) == 2.194
    assert round(gap.icc or 0, 4) == 0.4046


class TestChain:
    def test_the_worked_example(self) -> None:
        gap = analyse(hundred(), [], ABC)
        rows = {row.exit: row for row in gap.chain}
        assert list(rows) == ["A", "B", "C", "(unobserved)"]
        points = {row.exit: row.points.point for row in gap.boundaries}
        assert points == pytest.approx({"A": 0.08, "B": 0.04, "C": 0.06, "(unobserved)": 0.02})
        for name, c, log, share, mean in (
            ("A", 0.920000, 0.083382, 0.074708, 0.074734),
            ("B", 0.956522, 0.044452, 0.039857, 0.039841),
            ("C", 0.931818, 0.070618, 0.063287, 0.063293),
            ("(unobserved)", 0.975610, 0.024693, 0.022148, 0.022132),
        ):
            row = rows[name]
            assert row.shapley is not None
            assert (row.conditional, row.log_loss, row.shapley.point, row.lmdi) == pytest.approx(
                (c, log, share, mean), abs=1e-6
            )
        assert math.fsum(row.log_loss or 0 for row in gap.chain) == pytest.approx(0.223144, abs=1e-6)
        first = gap.boundaries[0]
        assert (first.exit, first.first_failures, first.repaired) == ("A", 10, 2)
        assert first.repair_rate is not None
        assert first.repair_rate.point == pytest.approx(0.2)

    def test_shapley_examples(self) -> None:
        assert shapley([0.97] * 6) == pytest.approx([0.027838] * 6, abs=5e-7)
        assert shapley([0.99, 0.90, 0.95]) == pytest.approx([0.009267, 0.097017, 0.047267], abs=5e-7)
        assert lmdi([0.5, 0.0]) is None
        assert shapley([]).tolist() == []

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
    def test_shares_add_up(self, conditionals: list[float]) -> None:
        whole = 1 - math.prod(conditionals)
        assert float(np.sum(shapley(conditionals))) == pytest.approx(whole, abs=1e-12)
        means = lmdi(conditionals)
        assert means is None or math.fsum(means) == pytest.approx(whole, abs=1e-12)

    def test_shapley_is_the_average_over_orders(self) -> None:
        from itertools import permutations

        conditionals = [0.9, 0.5, 0.8, 1.0]
        expected = [0.0] * 4
        orders = list(permutations(range(4)))
        for order in orders:
            left = 1.0
            for place in order:
                expected[place] += left * (1 - conditionals[place]) / len(orders)
                left *= conditionals[place]
        assert shapley(conditionals) == pytest.approx(expected, abs=1e-14)

    def test_a_skipped_step_stays_at_risk_and_survives(self) -> None:
        def skipping(case: str) -> Run:
            events = tuple(StepOutcome(step=name, visit=1, attempt=1, ok=True, ms=0.0) for name in "AC")
            return Run(case=case, trial=0, group=case, outcome="correct", events=events)

        gap = analyse(
            [
                *(skipping(f"s{n}") for n in range(5)),
                *(run(f"r{n}", "wrong" if n else "correct", "B" if n else "") for n in range(5)),
            ],
            [],
            ABC,
        )
        b = next(row for row in gap.chain if row.exit == "B")
        assert (b.conditional, b.reach, b.hazard) == pytest.approx((0.6, 0.5, 0.8))

    def test_nothing_right_has_points_and_no_logs(self) -> None:
        gap = analyse([run("a", "wrong", "A"), run("b", "wrong", "B")], [], ABC)
        assert [row.shapley for row in gap.chain] == [None] * 3
        assert gap.chain[1].conditional == 0
        assert gap.chain[1].log_loss is None
        assert gap.chain[2].conditional is None

    def test_order_without_a_drawing_is_by_first_visit(self) -> None:
        def looping(order: str) -> Run:
            events = tuple(StepOutcome(step=name, visit=1, attempt=1, ok=True, ms=0.0) for name in order)
            return Run(case=order, trial=0, group=order, outcome="correct", events=events)

        assert node_order(Table.of([looping("ZAB"), looping("ZBA"), looping("ZAB")]), Shape()) == (
            "Z",
            "A",
            "B",
        )

    def test_layers_add_up(self) -> None:
        shape = Shape(
            steps=(Step(name="A", layer="tool"), Step(name="B", layer="model"), Step(name="C", layer="tool")),
            edges=ABC.edges,
        )
        gap = analyse(hundred(), [], shape)
        assert [(row.layer, round(row.points.point or 0, 6)) for row in gap.layers] == [
            ("tool", 0.14),
            ("model", 0.04),
        ]
        shares = {row.exit: row.shapley.point or 0 for row in gap.chain if row.shapley}
        assert gap.layers[0].shapley == pytest.approx(shares["A"] + shares["C"])

    def test_the_chance_of_being_the_largest_adds_up_and_follows_the_data(self) -> None:
        table = Table.of(hundred())
        chances = p_largest(table, table.units())
        assert math.fsum(chances.values()) == pytest.approx(1)
        assert max(chances, key=chances.__getitem__) == "A"
        ties = Table.of(
            [
                *(run(f"a{n}", "wrong", "A") for n in range(20)),
                *(run(f"b{n}", "wrong", "B") for n in range(20)),
            ]
        )
        assert p_largest(ties, ties.units())["A"] == pytest.approx(0.5, abs=0.05)
        assert p_largest(Table.of([run("a", "wrong", "A")]), Table.of([run("a", "wrong", "A")]).units()) == {}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9),
            st.sampled_from(["correct", "wrong", "escalated", "failed", "unjudged"]),
            st.text("ABC", max_size=3),
            st.integers(1, 3),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_the_decomposition_is_exact(rows: list[tuple[int, Outcome, str, int]]) -> None:
    runs: list[Run] = []
    for number, (case, outcome, failing, attempts) in enumerate(rows):
        events = tuple(
            StepOutcome(
                step=name, visit=visit, attempt=attempt, ok=name not in failing or attempt < attempts, ms=1.0
            )
            for visit in (1, 2)
            for name in "ABC"
            for attempt in range(1, attempts + 1)
        )
        runs.append(Run(case=f"c{case}", trial=number, group=f"c{case}", outcome=outcome, events=events))
    table = Table.of(runs)
    units = table.units()
    gap = analyse(table, [], ABC)
    if gap.success.point is None:
        return
    assert math.fsum(row.points.point or 0 for row in gap.boundaries) == pytest.approx(
        1 - gap.success.point, abs=1e-12
    )
    along = chain(table, units, ABC)
    assert math.prod(1.0 if row.conditional is None else row.conditional for row in along) == pytest.approx(
        gap.success.point, abs=1e-12
    )
    shares = [row.shapley.point for row in along if row.shapley is not None and row.shapley.point is not None]
    if shares:
        assert math.fsum(shares) == pytest.approx(1 - gap.success.point, abs=1e-12)


def test_retries_tell_what_they_bought_and_cost() -> None:
    def tried(case: str, *ended: bool) -> Run:
        events = tuple(
            StepOutcome(step="tool", visit=1, attempt=n, ok=ok, ms=10.0 * n)
            for n, ok in enumerate(ended, start=1)
        )
        return Run(case=case, trial=0, group=case, outcome="correct" if ended[-1] else "wrong", events=events)

    runs = [
        tried("a", True),
        tried("b", False, True),
        tried("c", False, False, True),
        tried("d", False, False),
    ]
    (row,) = analyse(runs, [], Shape()).retries
    assert (row.step, row.n_visits, row.n_retried, row.extra_attempts) == ("tool", 4, 3, 4)
    assert (row.first_attempt.point, row.last_attempt.point, row.gain) == (0.25, 0.75, 0.5)
    assert row.extra_ms_per_trial == pytest.approx((20 + 20 + 30 + 20) / 4)
    assert analyse([tried("a", True)], [], Shape()).retries == ()


class TestCaseMix:
    """Cases differ in difficulty; a step in the chain sees those that survived."""

    def world(self, leak: float) -> Any:
        random = Random(7)
        steps = [f"n{k}" for k in range(6)]
        shape = Shape(
            steps=tuple(Step(name=name) for name in steps),
            edges=tuple(
                Edge(source=a, target=b) for a, b in zip([START, *steps], [*steps, FINISH], strict=True)
            ),
        )
        runs: list[Run] = []
        alone: list[ComponentRun] = []
        for number in range(1500):
            case, hard = f"c{number}", random.gauss(0, 2)
            chance = 1 / (1 + math.exp(-(2.5 - hard)))
            alone += [
                ComponentRun(step=name, case=case, trial=t, group=case, ok=random.random() < chance)
                for name in steps
                for t in range(3)
            ]
            for trial in range(3):
                events: list[StepOutcome] = []
                for name in steps:
                    ok = random.random() < chance * (1 - leak if name == "n4" else 1)
                    events.append(StepOutcome(step=name, visit=1, attempt=1, ok=ok, ms=0.0))
                    if not ok:
                        break
                right = bool(events[-1].ok)
                runs.append(
                    Run(
                        case=case,
                        trial=trial,
                        group=case,
                        outcome="correct" if right else "wrong",
                        events=tuple(events),
                    )
                )
        gap = analyse(runs, alone, shape)
        return next(row for row in gap.case_mix if row.step == "n4")

    @pytest.mark.parametrize("leak", [0.0, 0.08])
    def test_selection_is_told_from_the_boundary(self, leak: float) -> None:
        row = self.world(leak)
        planted = -math.log(1 - leak)
        assert row.reason is None
        assert row.boundary == pytest.approx(planted, abs=0.025)
        assert row.selection < -0.05
        assert row.total == pytest.approx(row.selection + row.boundary)

    def test_without_repeats_only_the_total_is_told(self) -> None:
        alone = [ComponentRun(step="A", case=f"c{n}", trial=0, group=f"c{n}", ok=True) for n in range(5)]
        (row,) = analyse([run(f"c{n}", "correct") for n in range(5)], alone, ABC).case_mix
        assert row.selection is None
        assert row.boundary is None
        assert "boundary and selection together" in str(row.reason)


def test_the_worst_slice_is_one_of_several() -> None:
    runs = [
        run(f"c{n}", "wrong" if n < 5 else "correct", slice={"kind": "hard" if n < 10 else "easy"})
        for n in range(20)
    ]
    gap = analyse(runs, [], ABC)
    assert gap.worst_slice is not None
    assert (gap.worst_slice.value, gap.worst_slice.success.point) == ("hard", 0.5)
    assert gap.worst_slice.success.level > 0.95
    assert analyse(runs[:5], [], ABC).worst_slice is None


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=3, max_size=30), st.data())
def test_merging_two_groups_narrows_no_interval_by_more_than_its_design_effect(
    groups: list[list[bool]], data: Any
) -> None:
    """A merge may lower the design effect (the two err in opposite ways); the width may fall in that proportion, not more."""
    values = [float(ok) for group in groups for ok in group]
    codes = [number for number, group in enumerate(groups) for _ in group]
    first, second = data.draw(
        st.lists(st.sampled_from(range(len(groups))), min_size=2, max_size=2, unique=True)
    )
    merged = [first if code == second else code for code in codes]
    before, after = (units(c, weighting="runs") for c in (codes, merged))
    effects = [design_effect(values, table) for table in (before, after)]
    if None in effects or min(effect or 0 for effect in effects) < 1e-6:
        return  # without spread a group counts as one observation, whatever its size
    widths = [
        (estimate.high or 0) - (estimate.low or 0)
        for estimate in (clustered(values, table, method="t-wilson") for table in (before, after))
    ]
    allowed = min(1.0, max(effects[1] or 0, 1.0) / max(effects[0] or 0, 1.0))
    assert widths[1] >= widths[0] * allowed - 1e-9
