"""What code is seen to do, and what a graph's wiring says beyond its shape, on graphs of LangGraph's own."""

from __future__ import annotations

import operator
import sqlite3
from functools import partial
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.tools import tool
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.errors import InvalidUpdateError
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import CachePolicy, Command, Send
from langgraph.types import interrupt as ask_somebody

from gapless.frameworks.langgraph import wiring
from gapless.frameworks.langgraph.seen import seen_in


class State(TypedDict, total=False):
    a: str
    b: str
    many: Annotated[list[str], operator.add]


def test_keys_that_code_returns() -> None:
    def plain(state: Any) -> dict[str, Any]:
        def inner() -> dict[str, Any]:
            return {"not": "ours"}

        if state:
            return {"a": inner(), "b": 2}
        return {"a": 1, "c": 3, **state}

    async def later(state: Any) -> dict[str, Any]:
        return {"d": state}

    def kept(state: Any) -> dict[str, Any]:
        update = {"f": 1}
        print(update)
        return update

    def unsure(state: Any) -> Any:
        update = {"g": 1}
        update = state
        print(update)
        return update

    assert seen_in(plain).writes == ("a", "b", "c")
    assert seen_in(later).writes == ("d",)
    assert seen_in(kept).writes == ("f",)
    assert seen_in(unsure).writes == ()
    assert seen_in(partial(plain)).writes == ("a", "b", "c")
    assert seen_in(lambda s: {"h": s}).writes == ("h",)
    assert seen_in(dict).writes == ()
    assert seen_in(None).writes == ()


def test_where_code_sends_the_run() -> None:
    def either(state: Any) -> Any:
        return Command(goto="left" if state else END, update={"a": 1})

    def up(state: Any) -> Any:
        return Command(graph=Command.PARENT, goto=["p", "q"])

    def computed(state: Any) -> Any:
        return Command[str](goto=state["next"])

    def stays(state: Any) -> Any:
        return Command(update={"a": 1}, graph=None)

    assert (seen_in(either).goes, seen_in(either).writes) == (("left", END), ("a",))
    assert (seen_in(up).goes, seen_in(up).leaves_to) == ((), ("p", "q"))
    assert seen_in(computed).anywhere
    assert seen_in(stays) == seen_in(lambda s: {"a": s})


def test_several_sends_at_once() -> None:
    assert seen_in(lambda s: [Send("work", one) for one in s]).fans == ("work",)
    assert seen_in(lambda s: [Send("work", 1), Send("work", 2), Send("other", 3)]).fans == ("work",)
    assert seen_in(lambda s: [Send("work", 1), Send("other", 2)]).fans == ()
    assert seen_in(lambda s: Send(s, 1)).anywhere


def test_whoever_is_asked_is_seen_under_any_name() -> None:
    def renamed(state: Any) -> Any:
        return {"a": ask_somebody("well?")}

    def imported(state: Any) -> Any:
        from langgraph.types import interrupt

        return {"a": interrupt("well?")}

    assert seen_in(renamed).asks
    assert seen_in(imported).asks
    assert not seen_in(lambda s: {"interrupt": s}).asks


def writes_a(state: Any) -> dict[str, Any]:
    return {"a": "x"}


def writes_b(state: Any) -> dict[str, Any]:
    return {"b": "x"}


WRITES = {"a": writes_a, "b": writes_b}


def graph(keys: dict[str, str], *edges: tuple[Any, str], state: Any = State) -> StateGraph[Any]:
    built = StateGraph(state)
    for name, key in keys.items():
        built.add_node(name, WRITES[key])
    for source, target in edges:
        built.add_edge(source, target)
    return built


DIAMOND = ((START, "l1"), (START, "r1"), ("l1", "l2"), ("r1", "r2"))


@pytest.mark.parametrize(
    ("built", "rounds", "clash"),
    [
        (
            graph({"l1": "a", "r1": "b", "l2": "a", "r2": "a"}, *DIAMOND),
            (("l1", "r1"), ("l2", "r2")),
            True,
        ),
        (
            graph({"l": "a", "r1": "b", "r2": "a"}, (START, "l"), (START, "r1"), ("r1", "r2")),
            (("l", "r1"),),
            False,
        ),
        (
            graph(
                {"l": "a", "r1": "b", "r2": "b", "all": "a"},
                (START, "l"),
                (START, "r1"),
                ("r1", "r2"),
                (["l", "r2"], "all"),
            ),
            (("l", "r1"),),
            False,
        ),
    ],
    ids=["one level down", "another round", "a join waits"],
)
def test_rounds_are_those_of_langgraph(
    built: StateGraph[Any], rounds: tuple[tuple[str, ...], ...], clash: bool
) -> None:
    compiled: Any = built.compile()
    assert wiring(compiled).rounds == rounds
    if clash:
        with pytest.raises(InvalidUpdateError):
            compiled.invoke({"b": "x"})
    else:
        compiled.invoke({"b": "x"})


def test_a_deferred_node_runs_when_nothing_else_does() -> None:
    built = graph({"l": "a", "r1": "b", "r2": "b"}, (START, "l"), (START, "r1"), ("r1", "r2"), ("l", "late"))
    built.add_node("late", writes_b, defer=True)
    compiled: Any = built.compile()
    assert wiring(compiled).rounds == (("l", "r1"),)
    compiled.invoke({"b": "x"})


def test_subgraphs_have_keys_of_their_own_and_hand_over_what_they_wrote() -> None:
    inner: Any = graph({"one": "a"}, (START, "one")).compile()
    outer = StateGraph(State)
    for name in ("left", "right"):
        outer.add_node(name, inner)
        outer.add_edge(START, name)
    found = wiring(outer.compile())
    assert found.rounds == (("left", "right"),)
    assert found.steps["left"].writes == ("a",)
    assert found.inside["left"] == found.keys == {"a": False, "b": False, "many": True}


def test_a_step_may_leave_for_a_node_around_its_graph() -> None:
    inner = StateGraph(State)
    inner.add_node("leave", lambda s: Command(graph=Command.PARENT, goto="last"))
    inner.add_edge(START, "leave")
    outer = graph({"last": "a"})
    outer.add_node("inner", inner.compile())
    outer.add_edge(START, "inner")
    assert wiring(outer.compile()).steps["inner/leave"].goes == ("last",)


def test_a_tool_may_hand_the_run_over() -> None:
    @tool
    def hand_over(to: str) -> Any:
        """Hands over."""
        return Command(goto="other", graph=Command.PARENT)

    @tool
    def stay(to: str) -> str:
        """Stays."""
        return to

    inner = StateGraph(MessagesState)
    inner.add_node("tools", ToolNode([hand_over, stay]))
    inner.add_edge(START, "tools")
    outer = StateGraph(MessagesState)
    outer.add_node("agent", inner.compile())
    outer.add_node("other", lambda s: {"messages": []})
    outer.add_edge(START, "agent")
    assert wiring(outer.compile()).steps["agent/tools"].goes == ("other",)
    alone = StateGraph(MessagesState)
    alone.add_node("tools", ToolNode([stay]))
    alone.add_edge(START, "tools")
    assert wiring(alone.compile()).steps["tools"].goes == ()


def test_a_limit_of_all_steps_is_a_limit_of_each() -> None:
    compiled: Any = graph({"one": "a"}, (START, "one")).compile()
    assert not wiring(compiled).steps["one"].timeout
    compiled.step_timeout = 5.0
    assert wiring(compiled).steps["one"].timeout


@pytest.mark.parametrize(("place", "lasting"), [(":memory:", False), ("file", True), (None, False)])
def test_sqlite_in_memory_does_not_last(place: str | None, lasting: bool, tmp_path: Any) -> None:
    built = graph({"one": "a"}, (START, "one"))
    if place is None:
        assert wiring(built.compile(checkpointer=InMemorySaver())).lasting is lasting
        return
    connection = sqlite3.connect(tmp_path / "saver.db" if place == "file" else place)
    try:
        assert wiring(built.compile(checkpointer=SqliteSaver(connection))).lasting is lasting
    finally:
        connection.close()


@pytest.mark.parametrize(("own", "around"), [(False, False), (True, False), (False, True)])
def test_a_cache_policy_does_something_only_where_its_graph_has_a_cache(own: bool, around: bool) -> None:
    ran: list[int] = []

    def node(state: Any) -> dict[str, Any]:
        ran.append(1)
        return {"a": "x"}

    inner = StateGraph(State)
    inner.add_node("one", node, cache_policy=CachePolicy())
    inner.add_edge(START, "one")
    outer = StateGraph(State)
    outer.add_node("inner", inner.compile(cache=InMemoryCache() if own else None))
    outer.add_edge(START, "inner")
    compiled: Any = outer.compile(cache=InMemoryCache() if around else None)
    for _ in range(2):
        compiled.invoke({"b": "x"})
    assert wiring(compiled).steps["inner/one"].cached is own
    assert len(ran) == (1 if own else 2)
