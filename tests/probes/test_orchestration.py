"""What the graph's code shows, clashes in recorded trials, doubled time limits, verdicts of the prompt, and kills."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from planted import clashing, graph, killed, prompted

from gapless.frameworks.langgraph.writes import written_by
from gapless.probes import check
from gapless.probes.base import Subject
from gapless.records.baseline import BaselineVerdict
from gapless.records.wiring import StepWiring


def test_keys_that_code_is_seen_to_write() -> None:
    def plain(state: Any) -> dict[str, Any]:
        def inner() -> dict[str, Any]:
            return {"not": "ours"}

        if state:
            return {"a": inner(), "b": 2}
        return {"a": 1, "c": 3, **state}

    async def later(state: Any) -> dict[str, Any]:
        return {"d": state}

    assert written_by(plain) == ("a", "b", "c")
    assert written_by(later) == ("d",)
    assert written_by(lambda s: {"e": s}) == ("e",)
    assert written_by(dict) == ()
    assert written_by(None) == ()


def test_clashes_of_recorded_trials_count_too() -> None:
    (found,) = check(clashing(("one", "one")), "parallel-writes")
    assert (found.status, "one (a, b)" in found.said) == ("fail", True)
    (found,) = check(clashing(("one", "both")), "parallel-writes")
    assert found.status == "ok"


def test_a_time_limit_with_two_owners() -> None:
    from gapless import Contract

    subject = graph(contracts={"retrieve": Contract(timeout_s=5), "pay": Contract(timeout_s=5)})
    assert subject.wiring is not None
    steps = {**subject.wiring.steps, "pay": StepWiring(timeout=True)}
    twice = replace(subject, wiring=msgspec.structs.replace(subject.wiring, steps=steps))
    (found,) = check(twice, "time-limits")
    assert found.status == "warn"
    assert "pay has a time limit of the framework's beside the contract's" in found.said
    (found,) = check(subject, "time-limits")
    assert found.status == "ok"


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        ("ship the prompt", "warn"),
        ("keep the workflow", "ok"),
        ("undecided", "warn"),
        ("no evidence", "warn"),
        (None, "warn"),
    ],
)
def test_the_verdict_on_record_is_said(verdict: BaselineVerdict | None, status: str) -> None:
    (found,) = check(prompted(verdict), "orchestration-needed")
    assert found.status == status
    assert (verdict or "nobody has asked") in found.said


def test_kills_need_leave_and_say_how_many_there_were() -> None:
    (found,) = check(graph(), "crash-recovery")
    assert (found.status, "--leave" in found.said) == ("not-applicable", True)
    (found,) = check(killed("pay"), "crash-recovery")
    assert "pay took place twice" in found.said
    (found,) = check(replace(graph(), no_crash="not here", leave=True), "crash-recovery")
    assert found.said == "not here"


def test_a_workflow_that_cannot_be_opened_is_named_by_every_line() -> None:
    for one in check(Subject(no_workflow="app.py could not be opened: ouch"), "typed-state", "time-limits"):
        assert (one.status, one.said) == ("not-applicable", "app.py could not be opened: ouch")
