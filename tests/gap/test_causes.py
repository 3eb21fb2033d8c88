"""Causes from reruns: the worked example, what is carried where nothing was run, and what is said where nothing can be."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.gap.causes import NO_GOLDEN, LostTrials, causes
from gapless.gap.clustered import ONE_GROUP
from gapless.gap.damage import NEVER_RESCUES, NO_RERUN, split
from gapless.gap.group_bootstrap import ALIKE
from gapless.gap.replays import last_visit_path, path_order
from gapless.records.replay import Arm, Causes, ReplayRun, StepCause
from gapless.records.trial import StepOutcome
from gapless.records.workflow import Shape, Step

Passes = dict[str, tuple[float | None, float | None]]
"""Step -> (V, U) in halves; None: no rerun in that arm."""


def reruns(case: str, passes: Passes, *, group: str | None = None) -> list[ReplayRun]:
    found: list[ReplayRun] = []
    for place, (step, shares) in enumerate(passes.items()):
        arms: tuple[Arm, Arm] = ("golden", "observed")
        for arm, share in zip(arms, shares, strict=True):
            if share is not None:
                found += [
                    ReplayRun(
                        case=case, trial=0, group=group or case, step=step, position=place + 1, arm=arm, rep=rep,
                        ok=rep < 2 * share,
                    )
                    for rep in range(2)
                ]  # fmt: skip
    return found


def row(found: Causes, step: str) -> StepCause:
    return next(row for row in found.rows if row.step == step)


def shares(found: Causes) -> dict[str, float | None]:
    return {row.step: None if row.share.point is None else round(row.share.point, 6) for row in found.rows}


WORKED = [
    *reruns("run 1", {"A": (0.5, 0.5), "B": (0.5, 0.0), "C": (1.0, 0.0)}),
    *reruns("run 2", {"A": (1.0, 1.0), "B": (1.0, 1.0), "C": (1.0, 0.0)}),
]
SPOILED_AT: dict[str, Passes] = {
    "a": {"a": (1, 0), "b": (1, 0), "c": (1, 0)},
    "b": {"a": (1, 1), "b": (1, 0), "c": (1, 0)},
    "c": {"a": (1, 1), "b": (1, 1), "c": (1, 0)},
}


def test_the_worked_example() -> None:
    found = causes(WORKED, ("A", "B", "C"))
    assert shares(found) == {"A": 0.0, "B": 0.333333, "C": 0.666667}
    assert found.verdict_noise.point == 0.0
    assert [row.effect.point for row in found.rows] == [0.0, 0.25, 1.0]
    assert [row.golden_pass for row in found.rows] == [0.75, 0.75, 1.0]
    assert [row.observed_pass for row in found.rows] == [0.75, 0.5, 0.0]
    assert (found.sampled, found.sampled_groups, found.reps, found.replays) == (2, 2, 2, 24)


def test_a_skipped_step_carries_what_was_before_it() -> None:
    """A trial that never sees b loses nothing there; one that begins at c has lost nothing before."""
    found = causes(
        [
            *reruns("x", {"a": (1, 1), "c": (1, 0)}),
            *reruns("y", {"c": (1, 0)}),
            *reruns("z", SPOILED_AT["b"]),
        ],
        ("a", "b", "c"),
    )
    assert shares(found) == {"a": 0.0, "b": 0.333333, "c": 0.666667}
    assert [row.n_trials for row in found.rows] == [2, 1, 3]


def test_what_comes_after_a_crash_loses_nothing() -> None:
    found = causes([*reruns("x", {"a": (1, 1), "b": (1, 0)}), *reruns("y", SPOILED_AT["c"])], ("a", "b", "c"))
    assert shares(found) == {"a": 0.0, "b": 0.5, "c": 0.5}


def test_branches_stand_in_the_order_of_the_paths() -> None:
    left, right = (
        reruns("x", {"a": (1, 1), "left": (1, 0), "d": (1, 0)}),
        reruns("y", {"a": (1, 1), "right": (1, 1), "d": (1, 0)}),
    )
    found = causes([*left, *right])
    assert shares(found) == {"a": 0.0, "left": 0.5, "right": 0.0, "d": 0.5}
    assert found.notes == ()


def test_a_step_reached_later_than_in_most_trials_is_no_older_state() -> None:
    """y goes b, a: the state after a is the last one, and what b loses there cannot be told from it."""
    found = causes(
        [*reruns("x", {"a": (1, 1), "b": (1, 1)}), *reruns("y", {"b": (1, 0), "a": (1, 0)})], ("a", "b")
    )
    assert shares(found) == {"a": 0.5, "b": 0.0}
    assert found.verdict_noise.point == 0.5
    assert any(note.startswith("Some trials come to b in another order") for note in found.notes)


def test_a_step_without_golden_is_merged_into_the_next() -> None:
    lost = LostTrials(count=9, paths={("x", 0): ("a", "b", "c", "d"), ("y", 0): ("a", "b", "c", "d")})
    found = causes(
        [
            *reruns("x", {"a": (1, 1), "c": (1, 0)}),
            *reruns("y", {"a": (1, 0), "c": (1, 0)}),
        ],
        ("a", "b", "c", "d"),
        lost,
    )
    assert shares(found) == {"a": 0.5, "b": None, "c": 0.5, "d": None}
    assert row(found, "c").together_with == ("b",)
    assert row(found, "a").together_with == ()
    assert found.not_estimable["b"] == f"{NO_GOLDEN}: what is lost there is in the share of c"
    assert found.not_estimable["d"].endswith("in what is left after the last share")
    assert row(found, "b").share.reason == row(found, "b").effect.reason == found.not_estimable["b"]
    assert found.lost == 9


def test_a_golden_that_only_some_trials_have_is_told() -> None:
    lost = LostTrials(paths={("x", 0): ("a", "b"), ("y", 0): ("a", "b")})
    found = causes([*reruns("x", {"b": (1, 0)}), *reruns("y", {"a": (1, 0), "b": (1, 0)})], ("a", "b"), lost)
    assert any(note.startswith("a has no golden output in 1 of the 2 trials") for note in found.notes)


def test_a_golden_output_that_never_rescues_gives_no_share() -> None:
    found = causes([*reruns("x", {"a": (0, 0), "b": (0, 0)}), *reruns("y", {"a": (0, 0)})], ("a", "b"))
    assert shares(found) == {"a": None, "b": None}
    assert found.not_estimable == {"a": NEVER_RESCUES, "b": NEVER_RESCUES}
    assert found.verdict_noise.point is None
    assert found.verdict_noise.reason == NEVER_RESCUES
    assert row(found, "a").effect.point == 0.0


def test_a_step_whose_golden_never_rescues_is_merged_too() -> None:
    found = causes([*reruns("x", {"a": (0, 0), "b": (1, 0)}), *reruns("y", {"a": (0, 0), "b": (1, 0)})])
    assert shares(found) == {"a": None, "b": 1.0}
    assert row(found, "b").together_with == ("a",)
    assert found.not_estimable["a"].startswith(NEVER_RESCUES)


def test_reruns_without_a_verdict_are_counted_and_left_out() -> None:
    """x has no verdict at b in the golden arm: it carries V of a; one of two observed reruns is enough for U."""
    unknown = [
        msgspec.structs.replace(run, ok=None, reason="no judge" if run.arm == "golden" else "")
        if run.case == "run 1"
        and run.step == "B"
        and (run.arm, run.rep) in {("golden", 0), ("golden", 1), ("observed", 1)}
        else run
        for run in WORKED
    ]
    found = causes(unknown, ("A", "B", "C"))
    assert found.unsettled == {"no judge": 2, "no verdict": 1}
    assert shares(found) == {"A": 0.0, "B": 0.333333, "C": 0.666667}


def test_a_trial_that_never_settles_is_left_out_and_told() -> None:
    blind = [msgspec.structs.replace(run, ok=None) for run in reruns("z", SPOILED_AT["a"])]
    found = causes([*WORKED, *blind], ("A", "B", "C", "a", "b", "c"))
    assert row(found, "B").share.n_runs == 2
    assert "1 trial without a settled rerun in one of the arms: left out of the shares." in found.notes
    assert found.not_estimable["a"].startswith(NO_RERUN)
    assert found.sampled == 3


def test_no_rerun_at_all_says_why() -> None:
    found = causes([], ("a",))
    assert (found.sampled, found.rows, found.verdict_noise.point) == (0, (), None)
    assert found.verdict_noise.reason == NO_RERUN


def test_one_group_has_no_interval() -> None:
    found = causes([run for run in WORKED if run.case == "run 1"])
    assert [(row.share.low, row.share.high, row.share.reason) for row in found.rows] == [
        (None, None, ONE_GROUP)
    ] * 3
    assert all(row.effect.low is None and row.first is None for row in found.rows)


@pytest.mark.parametrize("groups", [2, 5, 12, 40])
def test_groups_that_all_say_the_same_leave_a_width(groups: int) -> None:
    found = causes([run for i in range(groups) for run in reruns(f"c{i}", SPOILED_AT["b"])])
    none, all_ = row(found, "a").share, row(found, "b").share
    assert (none.point, none.low, all_.point, all_.high) == (0.0, 0.0, 1.0, 1.0)
    assert none.high is not None
    assert all_.low is not None
    assert none.high == pytest.approx(1 - all_.low)
    assert none.high > 0.8 / groups
    assert ALIKE in (none.reason or "")
    assert ("few cases" in (none.reason or "")) == (groups < 10)
    effect = row(found, "b").effect
    assert effect.low is not None
    assert effect.low < 1.0
    assert row(found, "b").first == 1.0


def test_intervals_resample_groups_and_not_trials() -> None:
    one = [run for i in range(12) for run in reruns(f"c{i}", SPOILED_AT["abc"[i % 3]])]
    copies = [
        msgspec.structs.replace(run, trial=trial, group=f"g{int(run.case[1:]) % 12}")
        for run in one
        for trial in range(20)
    ]
    narrow, wide = causes(one), causes(copies)
    assert row(narrow, "b").share.low == pytest.approx(row(wide, "b").share.low)
    assert row(wide, "b").share.n_runs == 240
    assert row(wide, "b").share.n_groups == 12


def test_the_same_table_gives_the_same_numbers_in_any_order() -> None:
    some = [run for i in range(12) for run in reruns(f"c{i:02}", SPOILED_AT["abbc"[i % 4]])]
    mixed = [some[i] for i in np.random.default_rng(5).permutation(len(some))]
    assert causes(some, "abc") == causes(mixed, "abc")
    assert row(causes(some, "abc", seed=1), "b").share.low is not None


def test_the_largest_is_as_sure_as_the_groups_agree() -> None:
    some = [run for i in range(20) for run in reruns(f"c{i:02}", SPOILED_AT["bbac"[i % 4]])]
    found = causes(some)
    chances = [row.first or 0.0 for row in found.rows]
    assert math.fsum(chances) == pytest.approx(1)
    assert 0.6 < chances[1] < 1


def test_a_step_that_mends_damage_has_a_negative_share() -> None:
    found = causes([*reruns("x", {"a": (1, 0), "b": (1, 0.5), "c": (1, 0)}), *reruns("y", SPOILED_AT["a"])])
    assert shares(found) == {"a": 1.0, "b": -0.25, "c": 0.25}


def test_suspicion_stands_beside_cause() -> None:
    blamed = {("run 1", 0): "B", ("run 2", 0): "(unobserved)", ("never replayed", 0): "A"}
    shape = Shape(steps=(Step(name="B", layer="tool", layer_source="calls"),))
    found = causes(WORKED, ("A", "B", "C"), LostTrials(measurement="01", count=7, blamed=blamed), shape=shape)
    assert [row.suspected.point for row in found.rows] == [0.0, 0.5, 0.0]
    assert [row.suspected.n_runs for row in found.rows] == [2, 2, 2]
    assert found.unseen.point == 0.5
    assert (row(found, "B").layer, row(found, "B").layer_guessed) == ("tool", True)
    assert row(found, "A").layer is None
    assert row(found, "A").suspected.method == "korn-graubard"


def subset(case: str, golden: str, ok: bool | None) -> ReplayRun:
    return ReplayRun(case=case, trial=0, group=case, step=golden, position=0, arm="subset", ok=ok)


def test_a_loss_that_needs_two_bad_inputs_is_split_between_them() -> None:
    """x: only both together mend it; y: a alone does."""
    order = ("a", "b+c")
    some = [run for case in "xy" for run in reruns(case, {"a": (1, 0), "b+c": (1, 0)})]
    some += [subset("x", "", False), subset("x", "a", False), subset("x", "b+c", False)]
    some += [subset("x", "a+b+c", True), subset("y", "a+b+c", True), subset("y", "", False)]
    some += [subset("y", "a", True), subset("y", "b+c", False)]
    found = causes(some, order)
    assert {each.step: each.value.point for each in found.interactions} == {"a": 0.75, "b+c": 0.25}
    assert math.fsum(each.value.point or 0.0 for each in found.interactions) == 1.0
    assert all(each.value.reason == "few cases" for each in found.interactions)


def test_an_incomplete_game_is_left_out() -> None:
    some = [*reruns("x", {"a": (1, 0)}), subset("x", "", None), subset("x", "a", True)]
    found = causes(some)
    assert found.interactions == ()
    assert any("left out of the Shapley values" in note for note in found.notes)


def test_a_path_is_that_of_the_last_visits() -> None:
    def at(step: str, visit: int, *, router: bool = False) -> StepOutcome:
        return StepOutcome(step=step, visit=visit, attempt=1, ok=True, ms=0, router=router)

    events = [at("agent", 1), at("route", 1, router=True), at("tool", 1), at("agent", 2), at("draft", 1)]
    assert last_visit_path(events) == ("tool", "agent", "draft")
    assert path_order([("a", "b"), ("b", "a")]) == ("a", "b")


halves = st.sampled_from([0.0, 0.5, 1.0])
passes = st.dictionaries(
    st.sampled_from("abcde"), st.tuples(st.none() | halves, st.none() | halves), max_size=5
)


@given(st.lists(st.tuples(passes, st.integers(0, 4)), max_size=12))
def test_shares_and_noise_add_up_to_one(trials: list[tuple[Passes, int]]) -> None:
    some = [run for i, (mine, group) in enumerate(trials) for run in reruns(f"c{i}", mine, group=f"g{group}")]
    found = causes(some, "abcde")
    placed = [row.share.point for row in found.rows if row.share.point is not None]
    if not placed:
        assert found.verdict_noise.point is None
        assert found.verdict_noise.reason
        return
    assert found.verdict_noise.point is not None
    assert math.fsum([*placed, found.verdict_noise.point]) == pytest.approx(1, abs=1e-15)
    for estimate in (row.share for row in found.rows):
        if estimate.point is None:
            assert estimate.reason
        elif estimate.low is not None and estimate.high is not None:
            assert estimate.low <= estimate.point <= estimate.high
            assert estimate.high - estimate.low > 1e-6
        else:
            assert estimate.reason


def test_resamples_are_split_all_at_once() -> None:
    golden, observed = np.ones((4, 3)), np.tile([1.0, 0.5, 0.0], (4, 1))
    found = split(golden, observed)
    assert found.shares.shape == (4, 3)
    assert found.noise.tolist() == [0.0] * 4
