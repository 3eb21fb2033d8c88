"""Measuring end to end, with real workflows and a real store: what is run, kept, resumed and concluded."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from gapless import Weather, step
from gapless.boundary.faults.timeout import Timeout
from gapless.errors import InvalidSuite, StoreError, UsageError
from gapless.operations.benchmark import benchmark_into
from gapless.operations.measure import Ask, measure_into
from gapless.operations.open import open_store
from gapless.operations.progress import Progress, Stop
from gapless.operations.report import report_on, run_table
from gapless.records.seed import seed_of
from gapless.settings import Place, Settings


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(
        root=str(tmp_path),
        settings=Settings(timeout_s=5),
        database=f"sqlite:///{tmp_path / '.gapless' / 'gapless.db'}",
    )


class State(TypedDict, total=False):
    a: int
    b: int
    total: int


def build(*, bad: set[int] = frozenset(), boom: set[int] = frozenset(), ask: set[int] = frozenset()) -> Any:  # type: ignore[assignment]
    def add(state: State) -> State:
        if state["a"] in boom:
            raise ConnectionError("503 upstream")
        return {"total": state["a"] + state["b"] + (100 if state["a"] in bad else 0)}

    def check(state: State) -> State:
        if state["a"] in ask:
            interrupt("sure?")
        return {}

    graph = StateGraph(State)
    graph.add_node("add", add, metadata={"layer": "tool"})
    graph.add_node("check", check)
    graph.add_edge(START, "add")
    graph.add_edge("add", "check")
    graph.add_edge("check", END)
    return graph.compile(checkpointer=InMemorySaver())


def cases(count: int = 12) -> list[dict[str, Any]]:
    return [
        {
            "id": f"c{a}",
            "input": {"a": a, "b": 1},
            "golden": {"add": {"total": a + 1}},
            "checks": {"end": [{"numeric": {"path": "total", "value": a + 1}}]},
        }
        for a in range(count)
    ]


async def run(place: Place, workflow: Any, suite: Any, **ask: Any) -> Any:
    with open_store(place) as store:
        measured = await measure_into(store, workflow, suite, Ask(**ask), place=place)
        return report_on(store, measured.measurement)


async def test_outcomes_and_blame_fall_where_they_belong(place: Place) -> None:
    report = await run(place, build(bad={1, 2}, boom={3}, ask={4}), cases())
    gap = report.gap
    assert gap.outcomes == {"correct": 8, "wrong": 2, "escalated": 1, "failed": 1, "unjudged": 0}
    by_exit = {row.exit: row for row in gap.boundaries}
    assert (by_exit["add"].wrong, by_exit["add"].failed) == (2, 1)
    assert by_exit["add"].receivers == ("check",)
    assert by_exit["(escalation)"].escalated == 1
    assert math.isclose(sum(row.points.point for row in gap.boundaries), 1 - gap.success.point, abs_tol=1e-12)


async def test_the_same_question_is_not_asked_twice(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Path(place.root) / "calls.log"
    monkeypatch.setenv("CALLS", str(log))

    async def double(value: int) -> int:
        with open(os.environ["CALLS"], "a") as file:  # noqa: ASYNC230, PTH123
            file.write(f"{value}\n")
        return 2 * value

    def counts() -> set[int]:
        return set(Counter(log.read_text().split()).values())

    suite = [{"id": f"c{i}", "input": i, "checks": {"end": [{"exact": {"value": 2 * i}}]}} for i in range(5)]
    first = await run(place, double, suite)
    again = await run(place, double, suite)
    assert again.measurement.id == first.measurement.id
    assert counts() == {1}
    more = await run(place, double, suite, trials=3)
    assert more.measurement.id == first.measurement.id
    assert more.gap.n_runs == 15
    assert counts() == {3}
    other = await run(place, double, suite, condition="other")
    assert other.measurement.id != first.measurement.id


async def test_seeds_depend_on_case_and_trial_alone(place: Place) -> None:
    with open_store(place) as store:
        seeds = []
        for condition in ("one", "two"):
            measured = await measure_into(
                store, build(), cases(3), Ask(condition=condition, trials=2), place=place
            )
            seeds.append({(r.case, r.trial): r.seed for r in store.records(measured.measurement.id)})
    assert seeds[0] == seeds[1]
    assert seeds[0]["c1", 1] == seed_of(0, "c1", 1, "trial")


async def test_a_trial_that_takes_too_long_fails_loudly_and_the_rest_go_on(place: Place) -> None:
    def slow(value: int) -> int:
        time.sleep(3 if value == 0 else 0)
        return value

    suite = [{"id": f"c{i}", "input": i, "checks": {"end": [{"exact": {"value": i}}]}} for i in range(6)]
    began = time.monotonic()
    report = await run(place, slow, suite, timeout_s=0.3, concurrency=2)
    assert time.monotonic() - began < 2.5
    assert report.gap.outcomes["failed"] == 1
    assert report.gap.outcomes["correct"] == 5
    assert report.gap.boundaries[0].exit == "slow"


async def test_stopping_keeps_what_is_done_and_the_next_call_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Path(place.root) / "ran.log"
    monkeypatch.setenv("RAN", str(log))

    async def work(value: int) -> int:
        with open(os.environ["RAN"], "a") as file:  # noqa: ASYNC230, PTH123
            file.write(f"{value}\n")
        await asyncio.sleep(0.01)
        return value

    suite = [{"id": f"c{i}", "input": i} for i in range(40)]
    stop = Stop()

    def tell(update: Progress) -> None:
        if update.done >= 10:
            stop.request()

    with open_store(place) as store:
        first = await measure_into(store, work, suite, Ask(), place=place, tell=tell, stop=stop)
        assert not first.complete
        assert 10 <= first.done < 40
        second = await measure_into(store, work, suite, Ask(), place=place)
        assert second.complete
        assert (second.done, second.total) == (40, 40)
        interrupted = store.measurement(second.measurement.id).interrupted
    # a start is on disk before its trial runs, so it may be counted without having run
    assert 40 <= len(log.read_text().split()) <= 40 + interrupted


async def test_what_cannot_be_kept_is_counted_and_breaks_nothing(place: Place) -> None:
    def odd(value: int) -> Any:
        return {"thing": object(), "nan": float("nan"), "big": "x" * (2_000_000 if value else 1)}

    small = Place(root=place.root, settings=Settings(max_payload_bytes=1_000_000), database=place.database)
    suite = [
        {"id": f"c{i}", "input": i, "checks": {"end": [{"numeric": {"path": "nan", "value": 1}}]}}
        for i in range(2)
    ]
    with open_store(small) as store:
        measured = await measure_into(store, odd, suite, Ask(), place=small)
        records = list(store.records(measured.measurement.id))
    assert all(record.omitted for record in records)
    assert all(record.outcome in ("wrong", "unjudged") for record in records)


async def test_a_check_that_raises_is_unknown_with_a_reason(place: Place, tmp_path: Path) -> None:
    (tmp_path / "broken_check.py").write_text("def judge(context):\n    return 1 / 0\n")
    suite = [
        {"id": "c", "input": 1, "checks": {"end": [{"python": f"{tmp_path / 'broken_check.py'}:judge"}]}}
    ]

    def same(value: int) -> int:
        return value

    with open_store(place) as store:
        measured = await measure_into(store, same, suite, Ask(), place=place)
        record = next(store.records(measured.measurement.id))
    assert record.outcome == "unjudged"
    assert "division by zero" in record.verdicts[0].reason


async def test_weather_strikes_the_same_trials_under_every_condition(place: Place) -> None:
    weather = Weather(faults=(Timeout(step="add", rate=0.5, wait_s=0.0),))
    with open_store(place) as store:
        hit = []
        for condition in ("one", "two"):
            ask = Ask(condition=condition, weather=weather)
            measured = await measure_into(store, build(), cases(20), ask, place=place)
            hit.append({r.case for r in store.records(measured.measurement.id) if r.outcome == "failed"})
            assert measured.measurement.weather_table == {"timeout@add": 0.5}
    assert hit[0] == hit[1]
    assert 0 < len(hit[0]) < 20


async def test_benchmark_and_measurement_meet_in_the_report(place: Place) -> None:
    suite = cases(12)
    for case in suite:
        case["golden"]["check"] = {}
        case["path"] = ["add", "check"]
    graph = build(bad={1, 2, 3})
    with open_store(place) as store:
        done = await benchmark_into(store, graph, suite, place=place)
        assert [rate.step for rate in done.rates] == ["add", "check"]
        measured = await measure_into(store, graph, suite, Ask(), place=place)
        gap = report_on(store, measured.measurement).gap
    assert gap.compounding.predicted.point == pytest.approx(0.75)
    assert gap.success.point == pytest.approx(0.75)
    assert gap.compounding.weakest_step == "add"


async def test_a_golden_that_lacks_what_the_next_step_reads_is_no_failure_of_that_step(place: Place) -> None:
    suite = cases(6)
    for case in suite:
        case["golden"] = {"add": {}, "check": {}}
        case["path"] = ["add", "check"]

    class Late(TypedDict, total=False):
        a: int
        b: int
        total: int

    graph = StateGraph(Late)
    graph.add_node("add", lambda state: {"total": state["a"] + state["b"]})
    graph.add_node("check", lambda state: {"total": state["total"]})
    graph.add_edge(START, "add")
    graph.add_edge("add", "check")
    graph.add_edge("check", END)
    with open_store(place) as store:
        done = await benchmark_into(store, graph.compile(), suite, place=place)
    assert [rate.step for rate in done.rates] == ["add"]
    assert "lacks 'total'" in done.without[0]


async def test_steps_of_a_function_are_recorded_and_their_order_is_learnt(place: Place) -> None:
    @step
    def find(question: str) -> str:
        return question.upper()

    @step(layer="model")
    async def write(found: str) -> dict[str, str]:
        return {"answer": found}

    async def agent(question: str) -> dict[str, str]:
        return await write(find(question))

    with open_store(place) as store:
        measured = await measure_into(store, agent, [{"id": "c", "input": "q"}], Ask(), place=place)
        record = next(store.records(measured.measurement.id))
        shape = measured.measurement.shape
        assert [event.step for event in record.events] == ["find", "write"]
        assert store.payload(record.events[1].output) == {"answer": "Q"}
        assert next(run_table(store, measured.measurement)).case == "c"
    assert shape.receivers("find") == ("write",)
    assert shape.step("write").layer == "model"


async def test_a_failing_store_stops_the_measurement_with_its_reason(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(place) as store:

        def full(_: Any) -> None:
            raise StoreError("the disk is full")

        monkeypatch.setattr(store, "commit", full)
        with pytest.raises(StoreError, match="disk is full"):
            await measure_into(store, build(), cases(), Ask(), place=place)


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        ([{"id": "a", "input": 1}, {"id": "a", "input": 2}], "a"),
        ([{"id": "a", "inptu": 1}], "inptu"),
        ([{"id": "a", "input": 1, "golden": {"nope": {}}}], "nope"),
    ],
)
async def test_a_bad_suite_is_one_clear_error(place: Place, suite: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(InvalidSuite, match=said):
        await run(place, build(), suite)


async def test_without_workflow_or_suite_it_says_what_to_do(place: Place) -> None:
    with pytest.raises(UsageError, match="gapless init"):
        await run(place, None, cases())
    with pytest.raises(UsageError, match="--suite"):
        await run(place, build(), None)


async def test_a_stop_while_suspicions_are_sought_keeps_the_trials(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gapless.boundary import suspicions

    suite = [{"id": str(a), "input": {"a": a, "b": 1}} for a in range(8)]
    stop, real = Stop(), suspicions.learn

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        stop.request()  # what Ctrl-C does
        return real(*args, **kwargs)

    with open_store(place) as store:
        with monkeypatch.context() as patched:
            patched.setattr(suspicions, "learn", interrupted)
            measured = await measure_into(store, build(), suite, Ask(), place=place, stop=stop)
        assert (measured.complete, measured.done, measured.total) == (False, 8, 8)
        assert measured.measurement.finished_at is None
        again = await measure_into(store, build(), suite, Ask(), place=place)
        assert again.complete
        assert again.measurement.id == measured.measurement.id
        assert again.measurement.finished_at is not None


async def test_a_target_is_the_same_measurement_however_it_is_named(place: Place, tmp_path: Path) -> None:
    (tmp_path / "named_app.py").write_text(
        "from typing import TypedDict\n"
        "from langgraph.graph import END, START, StateGraph\n"
        "class State(TypedDict, total=False):\n    a: int\n"
        "builder = StateGraph(State)\n"
        "builder.add_node('write', lambda state: {'a': state['a'] + 1})\n"
        "builder.add_edge(START, 'write')\n"
        "builder.add_edge('write', END)\n"
        "graph = builder.compile()\n"
    )
    file = tmp_path / "named_app.py"
    with open_store(place) as store:
        for target in (f"{file}", f"{file}:graph", f"{file}:builder", "named_app:graph"):
            await measure_into(store, target, [{"id": "a", "input": {"a": 1}}], Ask(), place=place)
        assert len(store.measurements()) == 1
