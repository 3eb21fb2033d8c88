"""Ranked suspects by hand: how evidence is weighed, how a trial's visits are ordered, and what a measurement says."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.gap.evidence import Visit, usual_ms, visits_of
from gapless.gap.suspects import Traced, first_suspects, ranked, scored, weigh
from gapless.records.suspects import Evidence
from gapless.records.trial import Outcome, Run, StepOutcome
from gapless.records.workflow import Shape

SHAPE = Shape()


def event(step: str, ok: bool | None = True, **more: Any) -> StepOutcome:
    return StepOutcome(**{"step": step, "visit": 1, "attempt": 1, "ok": ok, "ms": math.nan} | more)


def run(case: str, outcome: Outcome, *events: StepOutcome, **more: Any) -> Run:
    return Run(case=case, trial=0, group=case, outcome=outcome, events=events, **more)


def traced(*runs: Run) -> list[Traced]:
    usual = usual_ms(runs)
    return [Traced(r.case, r.trial, r.group, r.outcome, visits_of(r, usual)) for r in runs]


def names(visit: Visit) -> list[str]:
    return [name for name, _ in visit.signs if name != "passed here"]


def test_four_trials_by_hand() -> None:
    """b fails in both lost trials and in none of the two correct ones.

    Pooled rate (2 + 1) / (4 + 2) = 1/2; assumed 10 to 1: 10/11 and 1/11. (2 + 100/11) / (0 + 10/11) = 12.2.
    """
    trials = traced(
        *(run(c, "wrong", event("a"), event("b", False), event("c")) for c in ("1", "2")),
        *(run(c, "correct", event("a"), event("b"), event("c")) for c in ("3", "4")),
    )
    weights = weigh(trials)
    assert math.isclose(weights["b", "failed check"].ratio, 12.2)
    assert weights["b", "failed check"].assumed == 10.0
    (first, *_), apart = ranked(trials[0].visits, weights)
    assert (first.step, first.position, apart) == ("b", 2, True)
    # "passed here" is seen in all four trials and so weighs nothing: a has sqrt(12.2), b 12.2, c 1.
    whole = 12.2 + math.sqrt(12.2) + 1
    assert [round(score, 9) for score, _ in scored(trials[0].visits, weights)] == [
        round(part / whole, 9) for part in (math.sqrt(12.2), 12.2, 1.0)
    ]
    told, steps = first_suspects(trials, weights, SHAPE)
    assert [one.case for one in told] == ["1", "2"]
    assert [(row.step, row.share.point, row.share.n_runs) for row in steps] == [("b", 1.0, 2)]
    assert steps[0].examples == ("1#0", "2#0")
    assert told[0].suspects[0].reasons == (
        "its check failed [failed check: in 2 of 2 lost trials and 0 of 2 correct ones]",
    )
    assert told[0].suspects[1].reasons == ("it comes before b, visit 1, against which something speaks",)


def test_without_correct_trials_the_assumption_stands_alone() -> None:
    """One lost trial, seen in it: (1 + 1) / (1 + 2) = 2/3 assumed there, a third of that in correct trials.

    (1 + 20/3) / (1 + 10) = 23/33 against (0 + 20/9) / (0 + 10) = 2/9.
    """
    weights = weigh(traced(run("1", "failed", event("a", status="error")), run("2", "failed", event("b"))))
    assert math.isclose(weights["a", "error"].ratio, 23 / 33 * 9 / 2)
    assert weights["b", "passed here"].ratio == 1.0
    many = weigh(traced(*(run(str(n), "wrong", event("a", n % 2 == 0)) for n in range(1_000))))
    assert math.isclose(many["a", "failed check"].ratio, 10.0, rel_tol=0.01)


def test_a_trial_without_evidence_speaks_against_every_step_alike() -> None:
    trials = traced(*(run(str(n), "wrong" if n < 2 else "correct", event("a"), event("b")) for n in range(4)))
    told, steps = first_suspects(trials, weigh(trials), SHAPE)
    assert [one.told_apart for one in told] == [False, False]
    assert [(row.step, row.share.point) for row in steps] == [("a", 0.5), ("b", 0.5)]
    assert [(s.step, s.score, s.reasons) for s in told[0].suspects] == [("a", 0.5, ()), ("b", 0.5, ())]


def test_of_equals_the_earlier_visit_comes_first_and_a_second_sight_counts_half() -> None:
    seen = Evidence(name="odd", step="a", lost=1, lost_of=1, correct=0, correct_of=1, ratio=4.0, assumed=2.0)
    odd = (("odd", "odd"),)
    far = [Visit("x", n, None, None, ()) for n in range(1, 6)]
    visits = [Visit("a", 1, None, None, odd), *far, Visit("a", 2, None, None, odd)]
    scores = [score for score, _ in scored(visits, {("a", "odd"): seen})]
    assert math.isclose(scores[0] / scores[-1], 2.0)  # 4 against 4 ** 0.5
    (first, *_), _ = ranked(visits, {("a", "odd"): seen})
    assert first.position == 1
    assert [s.position for s in ranked(far, {})[0]] == [1, 2, 3, 4, 5]


def test_what_is_common_in_correct_trials_speaks_against_nobody() -> None:
    shown = [run(f"l{n}", "wrong", event("a", suspicions=("odd",)), event("b")) for n in range(30)]
    common = [run(f"c{n}", "correct", event("a", suspicions=("odd",)), event("b")) for n in range(30)]
    rare = [run(f"c{n}", "correct", event("a"), event("b")) for n in range(30)]
    assert weigh(traced(*shown, *rare))["a", "odd"].ratio > 5
    assert weigh(traced(*shown, *common))["a", "odd"].ratio < 1.2


def test_evidence_of_a_visit() -> None:
    usual = {"a": 10.0}
    events = (
        event("a", False, attempt=1, ms=5.0),
        event("a", True, attempt=2, ms=40.0),
        event("route", router=True, ok=False),
        event("a", None, visit=2, status="paused"),
        event("b", branch=1, status="error", ok=False, suspicions=("no-progress",)),
    )
    visits = visits_of(run("1", "wrong", *events, blame="b", why="off by one"), usual)
    assert [(v.step, v.visit, v.branch) for v in visits] == [("a", 1, None), ("a", 2, None), ("b", 1, 1)]
    assert [names(v) for v in visits] == [
        ["retried", "slow"],
        ["not judged", "paused", "again"],
        ["failed check", "error", "no-progress"],
    ]
    assert dict(visits[2].signs)["failed check"] == "its check failed: off by one"
    assert dict(visits[0].signs)["slow"] == "it took 4 times as long as usual"


def test_what_a_table_says_of_a_step_is_read_where_it_has_the_form() -> None:
    said = {
        0: {"message": 3, "evidence": {"stale": "40 days old"}},
        1: {"message": True, "evidence": ["stale"]},
        2: {"message": "3", "evidence": {"stale": 4, 5: "x"}, "verdict": "on the whole trial"},
    }
    visits = visits_of(run("1", "wrong", event("a"), event("b"), event("c", False), step_metadata=said), {})
    assert [(v.message, names(v)) for v in visits] == [(3, ["stale"]), (None, []), (None, [])]


def test_usual_durations_need_five_timed_events_of_correct_trials() -> None:
    runs = [run(str(n), "correct", event("a", ms=float(n)), event("b")) for n in range(1, 6)]
    assert usual_ms(runs) == {"a": 3.0}
    assert usual_ms([run("x", "wrong", event("a", ms=9.0)), *runs[:4]]) == {}


def test_intervals_take_groups_as_the_unit() -> None:
    runs = [
        Run(case=str(n), trial=0, group=str(n // 4), outcome="wrong", events=(event("a", n % 3 == 0),))
        for n in range(40)
    ]
    _, steps = first_suspects(traced(*runs), weigh(traced(*runs)), SHAPE)
    assert (steps[0].share.n_runs, steps[0].share.n_cases, steps[0].share.n_groups) == (40, 40, 10)


@pytest.mark.parametrize("outcomes", [[], ["correct"], ["unjudged", "correct"]])
def test_nothing_lost_is_nothing_ranked(outcomes: list[Outcome]) -> None:
    trials = traced(*(run(str(n), outcome, event("a")) for n, outcome in enumerate(outcomes)))
    assert first_suspects(trials, weigh(trials), SHAPE) == ((), ())


def test_a_lost_trial_without_steps_has_no_suspect() -> None:
    trials = traced(run("1", "failed"))
    told, steps = first_suspects(trials, weigh(trials), SHAPE)
    assert (told[0].suspects, told[0].told_apart, steps) == ((), False, ())


EVENTS = st.builds(
    event,
    st.sampled_from("abc"),
    st.sampled_from([True, False, None]),
    visit=st.integers(1, 3),
    status=st.sampled_from(["ok", "error"]),
    suspicions=st.sampled_from([(), ("odd",)]),
)
RUNS = st.lists(
    st.tuples(st.sampled_from(["correct", "wrong", "failed", "escalated", "unjudged"]), st.lists(EVENTS, max_size=6)),
    max_size=8,
)  # fmt: skip


@given(RUNS)
def test_scores_add_up_to_one_whatever_the_trials(found: list[tuple[Outcome, list[StepOutcome]]]) -> None:
    trials = traced(*(run(str(n), outcome, *events) for n, (outcome, events) in enumerate(found)))
    weights = weigh(trials)
    assert weights == weigh(reversed(trials))
    for trial in trials:
        suspects, _ = ranked(trial.visits, weights)
        assert sorted(s.position for s in suspects) == list(range(1, len(trial.visits) + 1))
        assert not suspects or math.isclose(sum(s.score for s in suspects), 1.0)
        assert all(0 <= s.score <= 1 for s in suspects)
    told, steps = first_suspects(trials, weights, SHAPE)
    placed = sum(bool(one.suspects) for one in told) / max(1, len(told))
    assert math.isclose(sum(row.share.point or 0 for row in steps), placed, abs_tol=1e-9)
