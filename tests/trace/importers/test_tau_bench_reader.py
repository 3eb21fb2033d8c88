"""tau-bench episodes: which calls were made, what came back, and where a lost episode is placed."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from gapless.errors import ImporterError
from gapless.gap.blame import blame
from gapless.records.trial import Run, ToolCount
from gapless.trace.importers.base import Learnt
from gapless.trace.importers.source import Source
from gapless.trace.importers.tau_bench import read

GOLD = {"name": "book", "kwargs": {"seat": 3, "meal": "no"}}


def call(name: str, arguments: Any, result: str = "done", id_: str = "x") -> list[dict[str, Any]]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": id_, "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": id_, "name": name, "content": result},
    ]


def episode(
    *messages: dict[str, Any], reward: float | None = 0.0, gold: Any = (GOLD,), **info: Any
) -> dict[str, Any]:
    task = {"user_id": "u", "actions": list(gold), "instruction": "", "outputs": []}
    said = {"role": "user", "content": "hello"}
    return {
        "task_id": 4,
        "trial": 1,
        "reward": reward,
        "info": {"task": task, **info},
        "traj": [said, *messages],
    }


def one(body: dict[str, Any]) -> Run:
    ((arm, run),) = rows(json.dumps(body).encode())
    assert (arm, run.case, run.trial, run.group) == ("A", "4", 1, "4")
    return run


def rows(data: bytes) -> list[Any]:
    return list(read(Source(io.BytesIO(data), "tau.json"), Learnt()))


def exit_of(run: Run) -> tuple[str | None, str]:
    return blame(run.events, run.outcome), run.why


def test_a_tool_that_was_never_called() -> None:
    run = one(episode(*call("search", {}), user_cost=0.5))
    assert exit_of(run) == ("tool choice", "book was never called")
    assert run.metadata == {"user_cost": 0.5}


def test_other_arguments_than_were_needed_name_what_differs_in_the_nearest_call() -> None:
    run = one(episode(*call("book", {"seat": 9}), *call("book", {"seat": 3, "meal": "yes"})))
    assert exit_of(run) == ("tool arguments", "book: other arguments (meal)")


def test_what_no_call_explains_is_unobserved() -> None:
    said = "the final state or the answer was not what it should be"
    assert exit_of(one(episode(*call("book", GOLD["kwargs"])))) == (
        "(unobserved)",
        f"every needed call was made exactly; {said}",
    )
    assert exit_of(one(episode(gold=()))) == ("(unobserved)", f"no tool call was needed; {said}")


def test_arguments_are_equal_whatever_their_order_and_unreadable_ones_never() -> None:
    assert one(episode(*call("book", {"meal": "no", "seat": 3}))).events[-2].ok is True
    broken = call("book", {})
    broken[0]["tool_calls"][0]["function"]["arguments"] = '{"seat": 3,'
    assert exit_of(one(episode(*broken)))[1] == "book: other arguments (unreadable)"


def test_a_right_episode_that_lacked_a_needed_call_is_no_loss() -> None:
    run = one(episode(*call("search", {}), reward=1.0))
    assert (run.outcome, exit_of(run)) == ("correct", (None, ""))
    assert [event.ok for event in run.events if event.step == "tool choice"] == [False]


def test_only_the_last_visit_is_judged() -> None:
    run = one(episode(*call("search", {}), *call("book", GOLD["kwargs"]), reward=1.0))
    assert [(e.step, e.visit, e.ok) for e in run.events] == [
        ("user message", 1, None),
        ("tool choice", 1, None),
        ("tool arguments", 1, None),
        ("tool call", 1, None),
        ("tool choice", 2, True),
        ("tool arguments", 2, True),
        ("tool call", 2, None),
    ]


def test_errors_and_empty_results_are_counted_by_tool() -> None:
    run = one(
        episode(
            *call("think", {}, ""),
            *call("search", {}, "[]"),
            *call("search", {}, "Error: no such flight"),
            *call("search", {}, "[1]"),
        )
    )
    assert run.tools == (
        ToolCount(tool="think", calls=1, empty=1),
        ToolCount(tool="search", calls=3, errors=1, empty=1),
    )
    assert [event.status for event in run.events if event.step == "tool call"] == ["ok", "ok", "error", "ok"]


def test_results_find_their_calls_also_when_several_are_open() -> None:
    first, second = call("a", {}, "Error", "1"), call("b", {}, "[]", "2")
    both = first[0] | {"tool_calls": first[0]["tool_calls"] + second[0]["tool_calls"]}
    run = one(episode(both, second[1], first[1]))
    assert run.tools == (
        ToolCount(tool="a", calls=1, errors=1, empty=0),
        ToolCount(tool="b", calls=1, empty=1),
    )


def test_a_crash_is_a_loud_failure_and_no_reward_is_no_verdict() -> None:
    crashed = one(episode(error="RateLimitError: 429"))
    assert (crashed.outcome, crashed.why) == ("failed", "RateLimitError: 429")
    assert one(episode(reward=None)).outcome == "unjudged"


def test_a_list_and_lines_are_the_same() -> None:
    bodies = [episode(reward=1.0) | {"trial": trial} for trial in range(3)]
    listed, lined = json.dumps(bodies, indent=1), "\n".join(json.dumps(body) for body in bodies)
    assert rows(listed.encode()) == rows(lined.encode())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            b'[{"task_id": 1, "reward": 0, "traj": []}, {"task_id": 1}]',
            "element 2 of the list: object missing required field",
        ),
        (
            b'{"task_id": 1, "reward": "high", "traj": []}',
            "line 1: `reward`: expected `float | null`, got `str`",
        ),
        (b'[{"task_id": 1,', "line 1: is no JSON: input data was truncated"),
        (
            b'{"task_id": 1, "reward": 0, "traj": [{"content": "x"}]}',
            "line 1: `traj[0]`: object missing required field `role`",
        ),
    ],
)
def test_a_bad_episode_is_refused_with_its_place(data: bytes, said: str) -> None:
    with pytest.raises(ImporterError) as refused:
        rows(data)
    assert said.lower() in str(refused.value).lower()
