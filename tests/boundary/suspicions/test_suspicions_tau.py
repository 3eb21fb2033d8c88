"""False-positive control on 200 real trajectories of an airline agent; nobody here wrote them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gapless.boundary.suspicions import ObservedEvent, ObservedTrial, learn, suspect
from gapless.boundary.suspicions.reading.story import tell
from gapless.boundary.suspicions.reading.symptoms import error_in, is_empty
from gapless.records.trial import StepEvent, Suspicion

DATA = Path(__file__).parents[4] / "shared" / "data" / "tau_airline_gpt4o" / "trajectories.jsonl"
pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="the shared tau-bench trajectories are not on this machine"
)


def observed(record: dict[str, Any]) -> ObservedTrial:
    """A tau-bench trajectory as the crossings of a two-step graph: agent and tools, state {"messages": [...]}."""
    messages = record["traj"]
    events: list[ObservedEvent] = []
    for place, message in enumerate(messages):
        step = {"assistant": "agent", "tool": "tools"}.get(message["role"])
        if step is not None:
            event = StepEvent(step=step, visit=place + 1, input=f"{place}", output=f"{place}+")
            events.append(ObservedEvent(event, {"messages": messages[:place]}, {"messages": [message]}))
    name = f"task-{record['task_id']}"
    return ObservedTrial(name, record["trial"], messages[:1], {"messages": messages}, tuple(events), "ok")


def trials() -> Iterator[ObservedTrial]:
    with DATA.open() as lines:
        for line in lines:
            yield observed(json.loads(line))


@cache
def flags() -> tuple[tuple[str, str, int, Suspicion], ...]:
    """(trial, tool or step, event, suspicion) for all that fires."""
    normal = learn(trials())
    found: list[tuple[str, str, int, Suspicion]] = []
    for trial in trials():
        named = {result.event: result.named for result in tell(trial).results}
        for index, some in suspect(trial, normal).items():
            found.extend((f"{trial.case}#{trial.trial}", named.get(index, "?"), index, one) for one in some)
    return tuple(found)


def test_the_symptoms_agree_with_the_published_counts() -> None:
    results = [(place, result) for place, trial in enumerate(trials()) for result in tell(trial).results]
    tools = [(place, result) for place, result in results if result.kind == "tool"]
    errors = [(place, result) for place, result in tools if result.error is not None]
    empties = [result for _, result in tools if result.error is None and is_empty(result.value)]
    assert len(tools) == 1164
    assert (len(errors), len({place for place, _ in errors})) == (73, 36)
    assert (len(empties), sum(result.tool == "think" for result in empties)) == (120, 92)
    assert all(error_in(result.value) for _, result in errors)


def test_what_is_empty_by_design_is_never_flagged() -> None:
    assert not [flag for flag in flags() if flag[1] == "think"]


def test_what_fires_is_printed_and_stays_defensible(capsys: pytest.CaptureFixture[str]) -> None:
    table = Counter((named, one.check) for _, named, _, one in flags())
    flagged = {trial for trial, *_ in flags()}
    with capsys.disabled():
        print(f"\n  fires, by tool or step ({len(flagged)} of 200 trials)")
        for (named, check), count in sorted(table.items()):
            print(f"    {named:32} {check:20} {count:4}")
    assert len(flagged) <= 30
    assert {check for _, check in table} <= {
        "errors-ignored",
        "empty-result",
        "no-progress",
        "ungrounded-figure",
    }


def test_an_error_that_the_agent_mended_or_told_is_not_flagged() -> None:
    """73 errors in 36 episodes: the agent corrects most of its calls, or tells the customer. Three it buries."""
    ignored = {trial for trial, _, _, one in flags() if one.check == "errors-ignored"}
    assert 1 <= len(ignored) <= 6
    assert "task-9#2" in ignored, "seven failing bookings in a row, and the episode ends without a word"
