"""What a workflow's author declared is held against its steps from the first trial on, without labels."""

from __future__ import annotations

import datetime as dt
import operator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from langchain_core.messages import AnyMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from pydantic import BaseModel, computed_field

from gapless import step
from gapless.operations.measure import Ask, measure_into
from gapless.operations.open import open_store, open_workflow
from gapless.operations.run import run_program
from gapless.records.trial import Suspicion
from gapless.settings import Place, Privacy, Settings


@pytest.fixture
def place(tmp_path: Path) -> Place:
    database = f"sqlite:///{tmp_path / '.gapless' / 'gapless.db'}"
    return Place(root=str(tmp_path), settings=Settings(timeout_s=20), database=database)


class Line(BaseModel):
    name: str
    price: float = 1.0

    @computed_field
    @property
    def shown(self) -> str:
        return f"{self.name}: {self.price}"


@dataclass
class Point:
    x: int
    y: int


class Nested(TypedDict):
    id: str
    note: NotRequired[str]


class State(TypedDict, total=False):
    total: int
    mode: Literal["fast", "slow"]
    line: Line
    lines: list[Line]
    point: Point | None
    nested: Nested
    when: dt.datetime
    waited: dt.timedelta
    price: Decimal
    raw: bytes
    seen: set[str]
    anything: Any
    loose: dict[str, Any]
    foreign: Path.__class__  # type: ignore[name-defined]
    log: Annotated[list[str], operator.add]
    messages: Annotated[list[AnyMessage], add_messages]


class Settled(BaseModel):
    total: int = 0
    count: int = 0


def graph_of(update: Any, state: Any = State) -> Any:
    def write(_: Any) -> Any:
        return update

    graph = StateGraph(state)
    graph.add_node("write", write)
    graph.add_edge(START, "write")
    graph.add_edge("write", END)
    return graph.compile()


async def suspicions(
    workflow: Any, place: Place, given: Any = None, *, trials: int = 1
) -> list[tuple[Suspicion, ...]]:
    with open_store(place) as store:
        suite = [{"id": "a", "input": given if given is not None else {"total": 1}}]
        measured = await measure_into(store, workflow, suite, Ask(trials=trials), place=place)
        found = store.suspicions(measured.measurement.id)
        return [some for trial in found.values() for some in trial.values()]


RIGHT: dict[str, Any] = {
    "total": 3,
    "mode": "fast",
    "line": Line(name="a"),
    "lines": [Line(name="a"), {"name": "b"}],
    "point": Point(1, 2),
    "nested": {"id": "x"},
    "when": dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
    "waited": dt.timedelta(seconds=2),
    "price": Decimal("1E+2"),
    "raw": b"\x00\xff",
    "seen": {"a", "b"},
    "anything": [1, "a"],
    "loose": {"a": float("nan")},
    "log": ["a"],
    "messages": ("ai", "hello"),
    "unknown": 3,
}


async def test_what_keeps_to_the_state_is_not_suspected(place: Place) -> None:
    found = await suspicions(graph_of(RIGHT), place)
    assert [one for some in found for one in some if one.check == "schema-breach"] == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"total": "three"}, 'total: "three" is not of type "integer"'),
        ({"mode": "quick"}, "mode:"),
        ({"line": {"nom": "a"}}, 'line: "name" is a required property'),
        ({"lines": ["a"]}, 'lines.0: "a" is not of type "object"'),
        ({"point": {"x": "left", "y": 2}}, "point:"),
        ({"nested": {"note": "x"}}, 'nested: "id" is a required property'),
        ({"loose": "text"}, 'loose: "text" is not of type "object"'),
    ],
)
async def test_a_wrong_type_is_suspected_in_the_first_trial(
    place: Place, wrong: dict[str, Any], said: str
) -> None:
    ((one,),) = [
        tuple(one for one in some if one.check == "schema-breach")
        for some in await suspicions(graph_of(RIGHT | wrong), place)
    ]
    assert one.reason.startswith(f"write: against its declared schema, {said}")


async def test_keys_with_a_reducer_nulls_and_masked_values_are_no_breach(place: Place) -> None:
    settings = Settings(privacy=Privacy(redact=("total",)))
    masked = Place(root=place.root, settings=settings, database=place.database)
    update = {"total": 5, "mode": None, "messages": "hi"}
    for some in await suspicions(graph_of(update), masked):
        assert not [one for one in some if one.check == "schema-breach"]


async def test_a_pydantic_state_and_a_subgraph_declare_as_well(place: Place) -> None:
    inner = graph_of({"count": "many"}, Settled)
    outer = StateGraph(Settled)
    outer.add_node("inner", inner)
    outer.add_edge(START, "inner")
    outer.add_edge("inner", END)
    workflow = open_workflow(outer.compile(), place)
    assert set(workflow.declared()) == {"inner/write"}  # type: ignore[attr-defined]
    some = await suspicions(workflow, place)
    assert any('count: "many" is not of type "integer"' in one.reason for found in some for one in found)


async def test_what_is_not_declared_is_still_learnt(place: Place) -> None:
    def write(state: State) -> State:
        total = state["total"]
        return {"loose": {"amount" if total == 5 else "sum": 3.5, "currency": "EUR"}, "total": total}

    graph = StateGraph(State)
    graph.add_node("write", write)
    graph.add_edge(START, "write")
    graph.add_edge("write", END)
    suite = [{"id": str(n), "input": {"total": n}} for n in range(12)]
    with open_store(place) as store:
        measured = await measure_into(store, graph.compile(), suite, Ask(), place=place)
        found = store.suspicions(measured.measurement.id)
    assert list(found) == [("5", 0)]
    assert "'loose.amount' stands where 'sum' is" in found["5", 0][0][0].reason


async def test_a_function_declares_what_it_returns(place: Place) -> None:
    @step
    def count(text: str) -> int:
        return text  # type: ignore[return-value]

    @step
    def tell(text: str) -> str | None:
        return '{"a": 1}'

    def workflow(text: str) -> str:
        return f"{count(text)}{tell(text)}"

    ((one,),) = await suspicions(workflow, place, {"text": "three"})
    assert one.reason == 'count: against its declared schema, "three" is not of type "integer"'


PROGRAM = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph
class State(TypedDict, total=False):
    total: int
graph = StateGraph(State)
graph.add_node("write", lambda state: {"total": "many"})
graph.add_edge(START, "write")
graph.add_edge("write", END)
graph.compile().invoke({"total": 1})
"""


def test_a_program_that_is_only_recorded_declares_as_well(place: Place, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    with open_store(place) as store:
        ran = run_program(store, tmp_path / "program.py", [], place)
        ((found,),) = store.suspicions(ran.measurements[0].id).values()
        del found
        (trial,) = store.suspicions(ran.measurements[0].id).values()
    assert 'total: "many" is not of type "integer"' in trial[0][0].reason
