"""A promoted trial is a case that its own trial passes, and a benchmark never blames a step for a missing golden."""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from gapless import step
from gapless.errors import InvalidTarget, StoreError, UsageError
from gapless.operations.benchmark import benchmark_into
from gapless.operations.label import promote, put
from gapless.operations.measure import Ask, measure_into
from gapless.operations.open import import_object, open_store
from gapless.records.label import Label
from gapless.settings import Place, Settings
from gapless.stores.lock import exclusive
from gapless.stores.store import Store


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(
        root=str(tmp_path),
        settings=Settings(timeout_s=5),
        database=f"sqlite:///{tmp_path / '.gapless' / 'gapless.db'}",
    )


@step
def retrieve(query: str) -> list[str]:
    return [query, query.upper()]


@step
def draft(docs: list[str]) -> dict[str, str]:
    return {"answer": docs[-1]}


def answer(query: str) -> dict[str, str]:
    return draft(retrieve(query))


async def test_a_promoted_list_is_the_golden_of_one_visit(place: Place, tmp_path: Path) -> None:
    inputs = [{"id": "q", "input": {"query": "cap"}}]
    file = tmp_path / "suite.yaml"
    with open_store(place) as store:
        first = await measure_into(store, answer, inputs, Ask(), place=place)
        put(store, first.measurement, Label(case="q", trial=0, correct=True))
        promote(store, first.measurement, "q", 0, file)
        again = await measure_into(store, answer, file, Ask(), place=place)
        record = store.record(again.measurement.id, "q", 0)
    assert [(event.step, event.ok) for event in record.events] == [("retrieve", True), ("draft", True)]


class Fan(TypedDict, total=False):
    items: list[int]
    item: int
    found: Annotated[list[int], operator.add]


def fan() -> Any:
    def square(state: Fan) -> Fan:
        return {"found": [state.get("item", 0) ** 2]}

    def spread(state: Fan) -> list[Send]:
        return [Send("square", {"item": item}) for item in state.get("items", [])]

    graph = StateGraph(Fan)
    graph.add_node("square", square)
    graph.add_conditional_edges(START, spread, ["square"])
    graph.add_edge("square", END)
    return graph.compile()


async def test_parallel_branches_that_differ_are_not_promoted_to_one_golden(
    place: Place, tmp_path: Path
) -> None:
    inputs = [{"id": "q", "input": {"items": [2, 3]}}]
    with open_store(place) as store:
        first = await measure_into(store, fan(), inputs, Ask(), place=place)
        put(store, first.measurement, Label(case="q", trial=0, correct=True))
        written = promote(store, first.measurement, "q", 0, tmp_path / "suite.yaml")
    assert "square" not in written["golden"]


async def test_a_golden_that_lacks_an_argument_is_no_failure_of_the_step(place: Place) -> None:
    suite = [
        {
            "id": "q",
            "input": {"query": "cap"},
            "path": ["retrieve", "draft"],
            "golden": {"retrieve": [["cap", "CAP"]], "draft": {"answer": "CAP"}},
        }
    ]
    with open_store(place) as store:
        done = await benchmark_into(store, answer, suite, place=place)
        assert [(run.step, run.ok) for run in store.components(done.measurement.id)] == [("retrieve", True)]
        assert len(done.without) == 1
        assert "'docs'" in done.without[0]
        with pytest.raises(UsageError, match="'docs'"):
            await benchmark_into(store, answer, suite, place=place, steps=("draft",))


class Pick(TypedDict, total=False):
    a: int
    out: int


async def test_a_label_shows_the_benchmark_the_path(place: Place) -> None:
    graph = StateGraph(Pick)
    graph.add_node("left", lambda state: {"out": 1})
    graph.add_node("right", lambda state: {"out": 2})
    graph.add_conditional_edges(START, lambda state: "left" if state["a"] else "right", ["left", "right"])
    graph.add_edge("left", END)
    graph.add_edge("right", END)
    workflow: Any = graph.compile()
    suite = [{"id": "q", "input": {"a": 1}, "golden": {"left": {"out": 1}}}]
    with open_store(place) as store:
        measured = await measure_into(store, workflow, suite, Ask(), place=place)
        put(store, measured.measurement, Label(case="q", trial=0, correct=True))
        done = await benchmark_into(store, workflow, suite, place=place)
        assert [(run.step, run.ok) for run in store.components(done.measurement.id)] == [("left", True)]


async def test_whoever_shares_a_database_shares_its_locks(place: Place, tmp_path: Path) -> None:
    inputs = [{"id": "q", "input": {"query": "cap"}}]
    elsewhere = Place(root=str(tmp_path / "other"), settings=place.settings, database=place.database)
    with open_store(place) as store:
        measured = await measure_into(store, answer, inputs, Ask(), place=place)
        with (
            exclusive(store.locks, measured.measurement.key),
            pytest.raises(StoreError, match="already running"),
        ):
            await measure_into(store, answer, inputs, Ask(), place=elsewhere)


def test_a_lock_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"), exclusive(tmp_path / "file", "key"):
        pass


def test_a_relative_database_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path)
    store = Store("sqlite:///kept.db")
    os.chdir("inside")
    with store._engine.connect(), store._engine.connect():
        pass
    store.close()
    assert not (tmp_path / "inside" / "kept.db").exists()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="names no file"):
        Store(url)


@pytest.mark.parametrize("code", ["raise ValueError('boom')", "import sys; sys.exit('boom')"])
def test_a_named_object_whose_file_raises_is_an_invalid_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    name = f"raises_{abs(hash(code))}"
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InvalidTarget, match="boom"):
        import_object(f"{tmp_path / name}.py:weather")
