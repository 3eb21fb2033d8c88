"""A guarded graph: after a low gate the next step has not run, whatever the edge, the stream or the nesting."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, interrupt

from gapless.boundary.contract import Contract
from gapless.boundary.guards.gate import Gate, Goto, Refuse, Review
from gapless.boundary.guards.retry import Retry
from gapless.errors import LowConfidence, PolicyConflict, SchemaBreach, UnknownName
from gapless.frameworks.guard import guard
from gapless.frameworks.langgraph.gates import Refused

MODES: list[Any] = ["values", "updates", "messages", "custom", "checkpoints", "tasks", "debug"]


class State(TypedDict, total=False):
    conf: float
    log: Annotated[list[str], operator.add]


class Graphs:
    """Graphs of x -> y with a helper h, in every way in which LangGraph knows to go on; counts what ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def x(self, state: State) -> Any:
        self.ran.append("x")
        return {"conf": state.get("conf", 0.3), "log": ["x"]}

    def y(self, state: State) -> Any:
        self.ran.append("y")
        return {"log": ["y"]}

    def h(self, state: State) -> Any:
        self.ran.append("h")
        return {"log": ["h"]}

    def build(self, kind: str, saver: Any = None, **options: Any) -> Any:
        graph = StateGraph(State)
        node: Any = self.x
        if kind == "command":
            node = lambda state: Command(update=self.x(state), goto="y")  # noqa: E731
        elif kind == "command list":
            node = lambda state: [Command(update=self.x(state), goto="y")]  # noqa: E731
        elif kind == "command send":
            node = lambda state: Command(update=self.x(state), goto=[Send("y", state)])  # noqa: E731
        elif kind == "async":
            node = self.awaited
        graph.add_node("x", node, **({"destinations": ("y",)} if "command" in kind else {}), **options)
        graph.add_node("y", self.y)
        graph.add_node("h", self.h)
        graph.add_edge(START, "x")
        if kind in ("static", "async"):
            graph.add_edge("x", "y")
        elif kind == "conditional":
            graph.add_conditional_edges("x", lambda state: "y", ["y"])
        elif kind == "mapped":
            graph.add_conditional_edges("x", lambda state: True, {True: "y", False: END})
        elif kind == "send":
            graph.add_conditional_edges("x", lambda state: [Send("y", state), Send("y", state)], ["y"])
        elif kind == "both":
            graph.add_edge("x", "y")
            graph.add_conditional_edges("x", lambda state: "y", ["y"])
        graph.add_edge("y", END)
        graph.add_edge("h", END)
        return graph.compile(checkpointer=saver)

    async def awaited(self, state: State) -> Any:
        await asyncio.sleep(0)
        return self.x(state)


KINDS = [
    "static",
    "async",
    "conditional",
    "mapped",
    "send",
    "both",
    "command",
    "command list",
    "command send",
]


def low(below: Any) -> Contract:
    return Contract(gate=Gate(signal=lambda crossing: crossing.handoff["conf"], below=below))


def runs(app: Any, given: Any, config: Any = None) -> dict[str, Callable[[], Any]]:
    """The same run in every way a graph can be run."""
    return {
        "invoke": lambda: app.invoke(given, config),
        "stream": lambda: list(app.stream(given, config, stream_mode=MODES)),
        "ainvoke": lambda: asyncio.run(app.ainvoke(given, config)),
        "astream": lambda: asyncio.run(_drain(app.astream(given, config, stream_mode=MODES))),
        "events": lambda: asyncio.run(_drain(app.astream_events(given, config, version="v2"))),
    }


async def _drain(chunks: Any) -> list[Any]:
    return [chunk async for chunk in chunks]


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        (kind, way)
        for kind in KINDS
        for way in ("invoke", "stream", "ainvoke", "astream", "events")
        if kind != "async" or way not in ("invoke", "stream")  # LangGraph runs async nodes in async runs only
    ],
)
def test_doubt_goes_elsewhere_and_the_next_step_does_not_run(kind: str, way: str) -> None:
    graphs = Graphs()
    app = guard(graphs.build(kind), {"x": low(Goto("h"))})
    runs(app, {"log": []})[way]()
    assert graphs.ran == ["x", "h"]
    graphs.ran.clear()
    runs(app, {"conf": 0.9, "log": []})[way]()
    assert set(graphs.ran) == {"x", "y"}


@pytest.mark.parametrize("kind", KINDS)
def test_without_doubt_a_guarded_graph_does_what_the_bare_one_does(kind: str) -> None:
    graphs = Graphs()
    bare = graphs.build(kind, InMemorySaver())
    app = guard(graphs.build(kind, InMemorySaver()), {"x": low(Goto("h"))})
    given, config = {"conf": 0.9, "log": []}, {"configurable": {"thread_id": "1"}}
    for mode in ("values", "updates", "custom"):
        assert asyncio.run(_drain(app.astream(given, config, stream_mode=mode))) == asyncio.run(
            _drain(bare.astream(given, config, stream_mode=mode))
        )
    drawn = [
        [(edge.source, edge.target, edge.conditional) for edge in g.get_graph().edges] for g in (app, bare)
    ]
    assert drawn[0] == drawn[1]


def test_the_update_of_a_doubtful_step_is_kept() -> None:
    app = guard(Graphs().build("static"), {"x": low(Goto("h"))})
    assert app.invoke({"log": []}) == {"conf": 0.3, "log": ["x", "h"]}


def test_goto_the_end_ends() -> None:
    graphs = Graphs()
    assert guard(graphs.build("static"), {"x": low(Goto(END))}).invoke({"log": []})["log"] == ["x"]
    assert graphs.ran == ["x"]


def test_a_gate_in_a_subgraph_acts_there() -> None:
    graphs, around = Graphs(), StateGraph(State)
    around.add_node("sub", graphs.build("static"))
    around.add_node("after", lambda state: {"log": ["after"]})
    around.add_edge(START, "sub")
    around.add_edge("sub", "after")
    app = guard(around.compile(), {"sub/x": low(Goto("h"))})
    assert app.invoke({"log": []})["log"][-1] == "after"
    assert graphs.ran == ["x", "h"]


@pytest.mark.parametrize(
    ("kind", "use_async"),
    [
        (kind, use_async)
        for kind in ("static", "conditional", "command", "async", "send")
        for use_async in (False, True)
        if kind != "async" or use_async  # LangGraph runs async nodes in async runs only
    ],
)
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("choice", ["approve", "edit", "reject"])
def test_a_person_decides_and_the_step_is_not_run_again(
    kind: str, use_async: bool, durability: Any, choice: str
) -> None:
    graphs, saver = Graphs(), InMemorySaver()
    contract = {"x": low(Review(note="look"))}
    config = {"configurable": {"thread_id": "1"}}

    def run(given: Any) -> Any:
        app = guard(graphs.build(kind, saver), contract)  # as another process would have it
        if use_async:
            return asyncio.run(app.ainvoke(given, config, durability=durability))
        return app.invoke(given, config, durability=durability)

    (asked,) = run({"log": []})["__interrupt__"]
    assert graphs.ran == ["x"]
    assert (asked.value["step"], asked.value["note"], asked.value["signal"]) == ("x", "look", 0.3)
    assert asked.value["handoff"] == {"conf": 0.3, "log": ["x"]}
    if choice == "approve":
        assert run(Command(resume={asked.id: Review.approve(asked.value)}))["log"][:2] == ["x", "y"]
    elif choice == "edit":
        changed = Review.edit(asked.value, {"conf": 0.8, "log": ["edited"]})
        assert run(Command(resume={asked.id: changed}))["log"][:2] == ["edited", "y"]
    else:
        with pytest.raises(Refused, match="too thin"):
            run(Command(resume={asked.id: Review.reject(asked.value, "too thin")}))
        for again in (None, Command(resume={asked.id: Review.approve(asked.value)})):
            with pytest.raises(Refused):
                run(again)
    assert graphs.ran.count("x") == 1
    assert ("y" in graphs.ran) == (choice != "reject")


def test_the_way_of_a_rejected_handoff_can_be_another_step() -> None:
    graphs, config = Graphs(), {"configurable": {"thread_id": "1"}}
    app = guard(graphs.build("static", InMemorySaver()), {"x": low(Review(rejected=Goto("h")))})
    (asked,) = app.invoke({"log": []}, config)["__interrupt__"]
    assert app.invoke(Command(resume={asked.id: Review.reject(asked.value)}), config)["log"] == ["x", "h"]
    assert graphs.ran == ["x", "h"]


def test_a_pause_survives_in_a_file(tmp_path: Path) -> None:
    graphs, config = Graphs(), {"configurable": {"thread_id": "1"}}
    with SqliteSaver.from_conn_string(str(tmp_path / "a.db")) as saver:
        (asked,) = guard(graphs.build("static", saver), {"x": low(Review())}).invoke({"log": []}, config)[
            "__interrupt__"
        ]
    with SqliteSaver.from_conn_string(str(tmp_path / "a.db")) as saver:
        app = guard(graphs.build("static", saver), {"x": low(Review())})
        assert app.invoke(Command(resume={asked.id: Review.approve(asked.value)}), config)["log"] == [
            "x",
            "y",
        ]
    assert graphs.ran == ["x", "y"]


def test_the_interrupts_of_a_step_come_before_its_gate() -> None:
    config: Any = {"configurable": {"thread_id": "1"}}
    ran: list[Any] = []

    def x(state: State) -> Any:
        answers = [interrupt("first"), interrupt("second")]
        ran.append(answers)
        return {"conf": 0.1, "log": answers}

    graph = StateGraph(State)
    graph.add_node("x", x)
    graph.add_edge(START, "x")
    app = guard(graph.compile(checkpointer=InMemorySaver()), {"x": low(Review())})
    given: Any = {"log": []}
    for answer in ("a", "b"):
        (asked,) = app.invoke(given, config)["__interrupt__"]
        given = Command(resume={asked.id: answer})
    (asked,) = app.invoke(given, config)["__interrupt__"]
    assert asked.value["handoff"]["log"] == ["a", "b"]
    assert app.invoke(Command(resume={asked.id: Review.approve(asked.value)}), config)["log"] == ["a", "b"]
    assert ran == [["a", "b"]]


class TestAnAnswer:
    """An answer passes nothing but what it was given for."""

    def both(self) -> tuple[Any, Any, Graphs]:
        graphs, graph = Graphs(), StateGraph(State)
        graph.add_node("x", graphs.x)
        graph.add_node("z", lambda state: {"log": ["z"], "conf": 0.2})
        graph.add_node("y", graphs.y)
        graph.add_edge(START, "x")
        graph.add_edge("x", "z")
        graph.add_edge("z", "y")
        contracts = {"x": low(Review()), "z": low(Review())}
        return (
            guard(graph.compile(checkpointer=InMemorySaver()), contracts),
            {"configurable": {"thread_id": "1"}},
            graphs,
        )

    def test_meant_for_one_review_does_not_approve_the_next(self) -> None:
        app, config, graphs = self.both()
        (first,) = app.invoke({"log": []}, config)["__interrupt__"]
        (second,) = app.invoke(Command(resume=Review.approve(first.value)), config)["__interrupt__"]
        assert (first.value["step"], second.value["step"]) == ("x", "z")
        assert "y" not in graphs.ran
        with pytest.raises(LowConfidence, match="another review"):
            app.invoke(Command(resume={second.id: Review.approve(first.value)}), config)
        assert "y" not in graphs.ran

    def test_that_is_none_is_refused(self) -> None:
        app, config, graphs = self.both()
        (first,) = app.invoke({"log": []}, config)["__interrupt__"]
        with pytest.raises(LowConfidence, match="no decision"):
            app.invoke(Command(resume={first.id: "yes"}), config)
        assert graphs.ran == ["x"]

    def test_for_a_value_that_changed_is_refused(self) -> None:
        app, config, graphs = self.both()
        (first,) = app.invoke({"log": []}, config)["__interrupt__"]
        stale = {**Review.approve(first.value), "subject": "0" * 32}
        with pytest.raises(LowConfidence, match="has changed"):
            app.invoke(Command(resume={first.id: stale}), config)
        assert graphs.ran == ["x"]

    def test_that_breaks_the_contract_is_refused(self) -> None:
        graphs, config = Graphs(), {"configurable": {"thread_id": "1"}}
        contract = Contract(output=State, gate=Gate(signal=lambda _: 0.0))
        app = guard(graphs.build("static", InMemorySaver()), {"x": contract})
        (asked,) = app.invoke({"log": []}, config)["__interrupt__"]
        with pytest.raises(SchemaBreach, match="conf"):
            app.invoke(Command(resume={asked.id: Review.edit(asked.value, {"conf": "high"})}), config)
        assert graphs.ran == ["x"]


def test_reviews_of_a_fan_out_are_answered_one_by_one() -> None:
    ran: list[Any] = []

    def each(state: Any) -> Any:
        ran.append(state["item"])
        return {"log": [state["item"]]}

    graph = StateGraph(State)
    graph.add_node("each", each)
    graph.add_conditional_edges(START, lambda state: [Send("each", {"item": n}) for n in "abc"], ["each"])
    app = guard(
        graph.compile(checkpointer=InMemorySaver()), {"each": Contract(gate=Gate(signal=lambda _: None))}
    )
    config: Any = {"configurable": {"thread_id": "1"}}
    asked = app.invoke({"log": []}, config)["__interrupt__"]
    assert len(asked) == 3
    still = app.invoke(Command(resume={asked[0].id: Review.approve(asked[0].value)}), config)["__interrupt__"]
    assert len(still) == 2
    done = app.invoke(Command(resume={one.id: Review.approve(one.value) for one in still}), config)
    assert sorted(done["log"]) == ["a", "b", "c"]
    assert sorted(ran) == ["a", "b", "c"]


@pytest.mark.parametrize("use_async", [False, True])
def test_refusal_ends_loudly_with_its_value_and_is_not_retried(use_async: bool) -> None:
    graphs = Graphs()
    handled: list[Any] = []
    graph = StateGraph(State)
    graph.add_node(
        "x",
        graphs.x,
        retry_policy=RetryPolicy(max_attempts=3, initial_interval=0.001, retry_on=Exception),
        error_handler=lambda state: handled.append(state) or {"log": ["handled"]},
    )
    graph.add_edge(START, "x")
    app = guard(graph.compile(), {"x": low(Refuse({"sorry": True}))})
    with pytest.raises(LowConfidence) as caught:
        asyncio.run(app.ainvoke({"log": []})) if use_async else app.invoke({"log": []})
    assert caught.value.value == {"sorry": True}
    assert (graphs.ran, handled) == (["x"], [])


def test_guards_act_in_a_graph_too() -> None:
    calls: list[int] = []

    def flaky(state: State) -> Any:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError("gone")
        return {"log": ["ok"], "unknown": 1}

    graph = StateGraph(State)
    graph.add_node("x", flaky)
    graph.add_edge(START, "x")
    bare = graph.compile()
    with pytest.raises(SchemaBreach, match="unknown key 'unknown'"):
        guard(
            bare,
            {
                "x": Contract(
                    output=State, retry=Retry(3, backoff_s=0.001, on=lambda e: isinstance(e, ConnectionError))
                )
            },
        ).invoke({"log": []})
    calls.clear()
    mended = Contract(
        output=State,
        retry=Retry(3, backoff_s=0.001),
        repair=lambda crossing, handoff, breach: {"log": handoff["log"]},
    )
    assert guard(bare, {"x": mended}).invoke({"log": []}) == {"log": ["ok"]}


@pytest.mark.parametrize(
    ("contracts", "options", "error", "named"),
    [
        ({"nope": Contract()}, {}, UnknownName, "nope"),
        ({"x": low(Goto("nope"))}, {}, PolicyConflict, "leads nowhere"),
        ({"x": low(Review())}, {}, PolicyConflict, "checkpointer"),
        ({"x": Contract(retry=Retry(2))}, {"retry_policy": RetryPolicy()}, PolicyConflict, "retry"),
        ({"x": low(Goto("h"))}, {"cache_policy": CachePolicy()}, PolicyConflict, "cache"),
    ],
)
def test_what_cannot_hold_is_refused_when_guarding(
    contracts: Any, options: Any, error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        guard(Graphs().build("static", **options), contracts)


def test_goto_round_a_join_is_refused() -> None:
    graph = StateGraph(State)
    for name in ("x", "b", "j"):
        graph.add_node(name, lambda state: {"log": []})
    graph.add_edge(START, "x")
    graph.add_edge(START, "b")
    graph.add_edge(["x", "b"], "j")
    with pytest.raises(PolicyConflict, match="waits for"):
        guard(graph.compile(), {"x": low(Goto("b"))})


def test_the_original_stays_as_it_was_and_guarding_again_adds() -> None:
    graphs = Graphs()
    bare = graphs.build("static")
    first = guard(bare, {"x": low(Goto("h"))})
    again = guard(first, {"h": Contract(output={"type": "array"})})
    assert bare.invoke({"log": []})["log"] == ["x", "y"]
    with pytest.raises(SchemaBreach):
        again.invoke({"log": []})
    assert graphs.ran == ["x", "y", "x", "h"]
