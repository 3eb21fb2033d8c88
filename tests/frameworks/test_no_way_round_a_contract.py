"""Ways on that a contract did not see: inner graphs that answer for their parent, lists of commands, late steps, copies, effects."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from gapless import step
from gapless.boundary.contract import Contract
from gapless.boundary.guards.gate import Gate, Goto, Refuse, Review
from gapless.boundary.guards.retry import Retry
from gapless.errors import LowConfidence, PolicyConflict
from gapless.frameworks.guard import guard
from gapless.frameworks.target import adapt
from gapless.settings import StepSettings

CONFIG: Any = {"configurable": {"thread_id": "1"}}


class State(TypedDict, total=False):
    conf: float
    log: Annotated[list[str], operator.add]


def doubt(below: Any) -> Contract:
    return Contract(gate=Gate(signal=lambda crossing: crossing.handoff.get("conf", 0.0), below=below))


def graph(x: Any) -> Any:
    built = StateGraph(State)
    built.add_node("x", x)
    for name in ("y", "h"):
        built.add_node(name, lambda state, name=name: {"log": [name]})
        built.add_edge(name, END)
    built.add_edge(START, "x")
    return built.compile(checkpointer=InMemorySaver())


def from_inside(conf: float) -> Any:
    """A node whose inner graph sends its caller on to y."""
    inner = StateGraph(State)
    inner.add_node(
        "i", lambda state: Command(graph=Command.PARENT, update={"conf": conf, "log": ["i"]}, goto="y")
    )
    inner.add_edge(START, "i")
    compiled = inner.compile()
    return lambda state: compiled.invoke(state)


def test_a_command_that_an_inner_graph_raises_passes_the_gate_too() -> None:
    with pytest.raises(LowConfidence):
        guard(graph(from_inside(0.1)), {"x": doubt(Refuse())}).invoke({}, CONFIG)
    assert guard(graph(from_inside(0.1)), {"x": doubt(Goto("h"))}).invoke({}, CONFIG)["log"] == ["i", "h"]
    assert guard(graph(from_inside(0.9)), {"x": doubt(Refuse())}).invoke({}, CONFIG)["log"] == ["i", "y"]


async def test_a_command_that_an_inner_graph_raises_waits_for_a_person() -> None:
    careful = guard(graph(from_inside(0.1)), {"x": doubt(Review())})
    asked = (await careful.ainvoke({}, CONFIG))["__interrupt__"][0]
    done = await careful.ainvoke(Command(resume={asked.id: Review.approve(asked.value)}), CONFIG)
    assert done["log"] == ["i", "y"]


def test_an_edit_keeps_the_ways_on_of_a_list_of_commands() -> None:
    careful = guard(
        graph(lambda state: [Command(update={"conf": 0.1, "log": ["x"]}, goto="y")]), {"x": doubt(Review())}
    )
    asked = careful.invoke({}, CONFIG)["__interrupt__"][0]
    edit = Review.edit(asked.value, {"conf": 0.9, "log": ["edited"]})
    assert careful.invoke(Command(resume={asked.id: edit}), CONFIG)["log"] == ["edited", "y"]


def test_a_question_that_is_asked_again_still_says_why() -> None:
    built = StateGraph(State)
    for name in ("a", "b"):
        built.add_node(name, lambda state, name=name: {"log": [name]})
        built.add_edge(START, name)
    careful = guard(built.compile(checkpointer=InMemorySaver()), {"a": doubt(Review()), "b": doubt(Review())})
    first, second = careful.invoke({}, CONFIG)["__interrupt__"]
    again = careful.invoke(Command(resume={first.id: Review.approve(first.value)}), CONFIG)["__interrupt__"]
    assert [one.value for one in again if one.id == second.id] == [second.value]


def test_a_copy_with_another_config_keeps_to_the_contracts() -> None:
    careful = guard(graph(lambda state: {"conf": 0.1}), {"x": doubt(Refuse())})
    with pytest.raises(LowConfidence):
        careful.with_config(tags=["nightly"]).invoke({}, CONFIG)


@step
def look(question: str) -> dict[str, Any]:
    return {"conf": 0.1}


@step
async def wait(question: str) -> dict[str, Any]:
    return {"conf": 0.1}


def one_by_one(question: str) -> Iterator[Any]:
    yield look(question)


async def streamed(question: str) -> AsyncIterator[Any]:
    yield await wait(question)


def hidden(question: str) -> Any:
    return (look(one) for one in [question])


def later(question: str) -> Any:
    return wait(question)


def test_generators_are_refused_for_no_contract_would_hold() -> None:
    for made in (one_by_one, streamed):
        with pytest.raises(PolicyConflict, match="generator"):
            guard(made, {"look" if made is one_by_one else "wait": doubt(Refuse())})
    with pytest.raises(PolicyConflict, match="generator"):
        guard(hidden, {"look": doubt(Refuse())})("q")


async def test_what_a_plain_function_leaves_to_be_awaited_keeps_to_its_contracts() -> None:
    with pytest.raises(LowConfidence):
        await guard(later, {"wait": doubt(Refuse())})("q")


@step(effect=True)
def pay(order: str) -> str:
    return f"paid {order}"


def shop(order: str) -> str:
    return pay(order)


def paying(metadata: dict[str, Any] | None) -> Any:
    built = StateGraph(State)
    built.add_node("pay", lambda state: {"log": ["paid"]}, metadata=metadata)
    built.add_edge(START, "pay")
    return built.compile()


@pytest.mark.parametrize(
    "workflow",
    [shop, paying({"effect": True}), paying({"gapless.effect": True})],
    ids=["step", "node", "key"],
)
def test_an_effect_that_the_workflow_declares_is_not_tried_again_without_a_name(workflow: Any) -> None:
    with pytest.raises(PolicyConflict, match="may double it"):
        guard(workflow, {"pay": Contract(retry=Retry(3))})
    for careful in (Retry(3, safe=True), Retry(1)):
        guard(workflow, {"pay": Contract(retry=careful)})
    guard(workflow, {"pay": Contract(retry=Retry(3), idempotency_key="order")})


def test_nor_is_one_that_the_settings_declare() -> None:
    workflow = guard(paying(None), {"pay": Contract(retry=Retry(3))})
    with pytest.raises(PolicyConflict, match="pay"):
        adapt(workflow, steps={"pay": StepSettings(effect=True)})
    adapt(workflow, steps={"pay": StepSettings(effect=False)})
