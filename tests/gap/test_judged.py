"""A model's verdicts beside people's: whose verdict decided, the two rates, the corrected S, and the random draw."""

from __future__ import annotations

import pytest

from gapless.gap.judged import Judged, Judgement, drawn, rests_on_judge
from gapless.gap.table import Table
from gapless.records.judge import JudgeQuality
from gapless.records.summary import summary
from gapless.records.trial import Outcome, Run, TrialRecord, Verdict

JUDGE = ("llm_judge",)


def run(number: int, outcome: Outcome, *, label: bool | None = None, decided: tuple[str, ...] = JUDGE) -> Run:
    said: Outcome = outcome if label is None else "correct" if label else "wrong"
    judged = None if label is None else outcome
    return Run(case=f"c{number}", trial=0, group=f"c{number}", outcome=said, decided=decided, judged=judged)


def quality(runs: list[Run], **more: object) -> JudgeQuality | None:
    judged = Judged()
    table = Table.of(judged.of(runs))
    return judged.quality(table, **more)  # type: ignore[arg-type]


def table_of(
    passed: int, failed: int, *, right_passed: int, right: int, wrong_failed: int, wrong: int
) -> list[Run]:
    """Trials as judged, of which some have labels: `right_passed` of the `right` ones passed, and so on."""
    labels_passed = [True] * right_passed + [False] * (wrong - wrong_failed)
    labels_failed = [True] * (right - right_passed) + [False] * wrong_failed
    rows: list[Run] = []
    for total, outcome, labels in ((passed, "correct", labels_passed), (failed, "wrong", labels_failed)):
        known: list[bool | None] = [*labels, *[None] * (total - len(labels))]
        rows += [run(len(rows) + i, outcome, label=known[i]) for i in range(total)]  # type: ignore[arg-type]
    return rows


def test_the_worked_example_from_a_run_table() -> None:
    found = quality(table_of(166, 34, right_passed=57, right=60, wrong_failed=18, wrong=20))
    assert found is not None
    assert (found.decided, found.labelled) == (200, 80)
    assert found.sensitivity.point == pytest.approx(0.95)
    assert found.specificity.point == pytest.approx(0.90)
    assert found.as_judged.point == pytest.approx(0.83)
    assert round(found.corrected.point or 0, 6) == 0.858824
    low, high = found.corrected.low, found.corrected.high
    assert low is not None
    assert high is not None
    assert found.as_judged.low is not None
    assert found.as_judged.high is not None
    assert low < found.as_judged.low
    assert high > found.as_judged.high


def test_what_the_judge_did_not_decide_is_not_corrected() -> None:
    runs = table_of(80, 10, right_passed=19, right=20, wrong_failed=9, wrong=10)
    runs += [run(200 + i, "failed", decided=()) for i in range(10)]
    found = quality(runs)
    assert found is not None
    assert found.as_judged.point == pytest.approx(0.80)
    assert found.corrected.point == pytest.approx((0.80 - 0.1 * 0.9) / 0.85)


def test_without_labels_nothing_is_corrected_and_trials_are_drawn() -> None:
    found = quality(table_of(20, 5, right_passed=0, right=0, wrong_failed=0, wrong=0))
    assert found is not None
    assert not found.measured
    assert found.corrected.point is None
    assert found.corrected.reason == "nobody has labelled a trial yet"
    assert len(found.draw) == 5
    assert found.labels_useful == 25


def test_a_judge_no_better_than_chance_is_refused() -> None:
    found = quality(table_of(60, 40, right_passed=10, right=20, wrong_failed=10, wrong=20))
    assert found is not None
    assert found.measured
    assert found.corrected.point is None
    assert "no better than chance" in (found.corrected.reason or "")


def test_labels_that_were_not_drawn_are_counted() -> None:
    names = drawn(f"c{i}#0" for i in range(40))
    for picked, chosen in ((names[:10], 0), (names[-10:], 10), (names[5:15], 5)):
        runs = [run(i, "correct", label=True if f"c{i}#0" in picked else None) for i in range(40)]
        found = quality(runs)
        assert found is not None
        assert found.chosen == chosen
        assert not set(found.draw) & set(picked)


def test_labels_of_other_measurements_count_for_the_rates_alone() -> None:
    other = [Judgement(f"c{i}#0", f"c{i}", i < 18, i < 20) for i in range(30)]
    found = quality([run(i, "correct") for i in range(10)], elsewhere=other)
    assert found is not None
    assert (found.labelled, found.labelled_elsewhere, found.decided) == (30, 30, 10)
    assert found.sensitivity.point == pytest.approx(0.9)
    assert found.specificity.point == 1.0


def test_labels_of_one_group_are_not_independent() -> None:
    apart = [Judgement(f"c{i}#0", f"c{i}", i % 4 > 0, True) for i in range(40)]
    together = [Judgement(f"c{i}#0", f"g{i % 4}", i % 4 > 0, True) for i in range(40)]
    widths = []
    for labels in (apart, together):
        found = quality([run(0, "correct")], elsewhere=labels)
        assert found is not None
        widths.append((found.sensitivity.high or 0) - (found.sensitivity.low or 0))
    assert widths[1] > 2 * widths[0]


def record(**statuses: str) -> TrialRecord:
    verdicts = tuple(Verdict(check=name, status=status) for name, status in statuses.items())  # type: ignore[arg-type]
    outcome: Outcome = (
        "wrong"
        if "fail" in statuses.values()
        else "unjudged"
        if "unknown" in statuses.values()
        else "correct"
    )
    return TrialRecord(case="c", trial=0, group="c", outcome=outcome, verdicts=verdicts)


@pytest.mark.parametrize(
    ("statuses", "decided", "rests"),
    [
        ({"llm_judge": "pass", "exact": "pass"}, ("llm_judge", "exact"), True),
        ({"llm_judge": "fail", "exact": "pass"}, ("llm_judge",), True),
        ({"llm_judge": "fail", "exact": "fail"}, ("llm_judge", "exact"), False),
        ({"llm_judge": "pass", "exact": "fail"}, ("exact",), False),
        ({"exact": "pass"}, ("exact",), False),
        ({}, (), False),
    ],
)
def test_whose_verdict_it_is(statuses: dict[str, str], decided: tuple[str, ...], rests: bool) -> None:
    row = summary(record(**statuses))
    assert row.decided == decided
    assert rests_on_judge(row) is rests


def test_a_judge_without_a_verdict_says_why_and_is_counted() -> None:
    verdict = Verdict(check="llm_judge", status="unknown", reason="the judge gave no verdict: it is down")
    row = summary(TrialRecord(case="c", trial=0, group="c", outcome="unjudged", verdicts=(verdict,)))
    assert row.why == "llm_judge: the judge gave no verdict: it is down"
    found = quality([row])
    assert found is not None
    assert (found.unknown, found.decided) == (1, 0)


def test_no_judge_no_quality_and_every_source_is_counted() -> None:
    judged = Judged()
    rows = [run(i, "correct", decided=("exact", "regex")) for i in range(3)]
    table = Table.of(judged.of([*rows, run(9, "wrong", decided=("exact",))]))
    assert judged.quality(table) is None
    assert judged.sources == {"exact": 4, "regex": 3}
