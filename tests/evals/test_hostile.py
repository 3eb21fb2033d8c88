"""Workflows that misbehave: each costs its own trial, and the others and the record stay whole."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph

from gapless.boundary.ending import Ending
from gapless.boundary.session import current_session
from gapless.evals.harness import Harness
from gapless.evals.judge import Judge
from gapless.evals.plan import Planned
from gapless.evals.trial import Conditions, run_trial
from gapless.operations.benchmark import benchmark_into
from gapless.operations.measure import Ask, measure_into
from gapless.operations.open import open_store
from gapless.records.suite import Case
from gapless.records.trial import TrialRecord
from gapless.records.workflow import Shape
from gapless.settings import Place, Settings
from gapless.trace.recorder import TrialRecorder


class State(TypedDict, total=False):
    a: Any
    out: Any


class Strange(BaseException):
    """No Exception."""


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("no text")


def graph(node: Any) -> Any:
    drawn = StateGraph(State)
    drawn.add_node("work", node)
    drawn.add_edge(START, "work")
    drawn.add_edge("work", END)
    return drawn.compile()


def cases(count: int = 4, **more: Any) -> list[dict[str, Any]]:
    check = {"end": [{"numeric": {"path": "out", "value": 1}}]}
    return [{"id": f"c{a}", "input": {"a": a}, "checks": check, **more} for a in range(count)]


def place_in(folder: Path, **settings: Any) -> Place:
    return Place(
        root=str(folder),
        settings=Settings(**{"timeout_s": 5.0, **settings}),
        database=f"sqlite:///{folder / '.gapless' / 'gapless.db'}",
    )


async def records(place: Place, workflow: Any, suite: Any) -> dict[str, TrialRecord]:
    with open_store(place) as store:
        measured = await measure_into(store, workflow, suite, Ask(), place=place)
        assert measured.complete
        assert measured.done == measured.total
        return {record.case: record for record in store.records(measured.measurement.id)}


@pytest.mark.parametrize("raised", [SystemExit(3), Strange("x"), BaseExceptionGroup("g", [Strange("x")])])
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_step_that_raises_no_exception_fails_its_own_trial(
    tmp_path: Path, raised: BaseException, is_async: bool
) -> None:
    def work(state: State) -> State:
        if state["a"] == 1:
            raise raised
        return {"out": 1}

    async def awork(state: State) -> State:
        return work(state)

    found = await records(place_in(tmp_path), graph(awork if is_async else work), cases())
    assert [record.outcome for record in found.values()] == ["correct", "failed", "correct", "correct"]
    error = found["c1"].error
    assert error is not None
    assert error.type == type(raised).__name__


async def test_a_step_that_exits_fails_its_own_benchmark_run(tmp_path: Path) -> None:
    def work(state: State) -> State:
        if state["a"] == 1:
            sys.exit("enough")
        return {"out": 1}

    place = place_in(tmp_path)
    with open_store(place) as store:
        suite = cases(golden={"work": {"out": 1}})
        done = await benchmark_into(store, graph(work), suite, place=place)
        assert done.complete
        assert [run.ok for run in store.components(done.measurement.id)] == [True, False, True, True]


async def cancels_itself(a: int) -> dict[str, int]:
    if a == 1:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
    return {"out": 1}


async def test_a_workflow_that_cancels_itself_is_a_failed_trial_and_not_a_missing_one(tmp_path: Path) -> None:
    found = await records(place_in(tmp_path), cancels_itself, cases())
    assert [record.outcome for record in found.values()] == ["correct", "failed", "correct", "correct"]


async def test_a_step_that_cancels_itself_is_a_failed_benchmark_run(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    with open_store(place) as store:
        suite = cases(golden={"cancels_itself": {"out": 1}})
        done = await benchmark_into(store, cancels_itself, suite, place=place)
        assert [run.ok for run in store.components(done.measurement.id)] == [True, False, True, True]


async def test_a_unit_that_something_cancelled_leaves_the_rest_incomplete() -> None:
    async def work(unit: int) -> int:
        if unit == 1:
            raise asyncio.CancelledError
        return unit

    async def commit(finished: int | None, following: int | None) -> None:
        pass

    assert not await Harness(work, commit, lambda _: None, concurrency=2).run(range(4))


async def ignores_cancellation(a: int) -> dict[str, int]:
    end = time.monotonic() + 2 if a == 1 else 0
    while time.monotonic() < end:
        try:
            await asyncio.sleep(0.5)
        except asyncio.CancelledError:
            continue
    return {"out": 1}


async def test_an_answer_after_the_time_limit_is_a_timeout(tmp_path: Path) -> None:
    found = await records(place_in(tmp_path, timeout_s=0.3), ignores_cancellation, cases())
    assert [record.outcome for record in found.values()] == ["correct", "failed", "correct", "correct"]


@pytest.mark.parametrize(
    "make", [lambda: "\ud800", lambda: {Unprintable(): 1}, lambda: 10**5000], ids=["surrogate", "key", "int"]
)
async def test_a_value_that_cannot_be_kept_does_not_break_the_step(tmp_path: Path, make: Any) -> None:
    def work(state: State) -> State:
        return {"out": 1, "a": make()}

    found = await records(place_in(tmp_path), graph(work), cases())
    assert not any(record.error for record in found.values())
    assert all(record.omitted for record in found.values())


async def test_an_answer_too_large_to_keep_is_not_called_wrong(tmp_path: Path) -> None:
    def work(state: State) -> State:
        return {"out": 1, "a": "x" * 4000}

    suite = cases(golden={"work": {"out": 1, "a": "x" * 4000}})
    found = await records(place_in(tmp_path, max_payload_bytes=2048), graph(work), suite)
    assert {record.outcome for record in found.values()} == {"unjudged"}
    assert "max_payload_bytes" in found["c0"].verdicts[0].reason
    assert found["c0"].events[0].ok is None


class Stashes:
    """A workflow that leaves its recorder behind, as a thread that outlives its trial would."""

    target = fingerprint = "stashes"
    shape = Shape()

    def __init__(self) -> None:
        self.left: list[TrialRecorder] = []

    async def run(self, value: Any, *, trial: str) -> Ending:
        session = current_session.get()
        assert session is not None
        self.left.append(session.recorder)
        return Ending(output=value)


async def test_what_a_left_behind_thread_records_does_not_reach_the_writer() -> None:
    workflow: Any = Stashes()
    finished = await run_trial(workflow, Planned(Case(id="c", input=1), 0), Conditions(), Judge(Shape()))
    kept = dict(finished.payloads)
    workflow.left[0].keep("late")
    assert finished.payloads == kept
