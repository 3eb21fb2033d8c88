"""Contracts on single edges: looked at after routing, on every kind of edge, and on no other edge of the step."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy, Command, Send

from gapless.boundary.contract import Contract
from gapless.boundary.guards.gate import Gate, Goto, Refuse, Review
from gapless.boundary.guards.retry import Retry
from gapless.errors import InvalidContract, LowConfidence, PolicyConflict, SchemaBreach, UnknownName
from gapless.evals.suite import from_data
from gapless.frameworks.guard import guard
from gapless.operations.measure import measure
from gapless.settings import Place, Settings


class State(TypedDict, total=False):
    n: int
    to: str
    log: Annotated[list[str], operator.add]


class Graphs:
    """x leads to y or z, in every way LangGraph knows; counts what ran."""

    def __init__(self, n: int = 0, to: str = "y") -> None:
        self.ran: list[str] = []
        self.n, self.to = n, to

    def x(self, state: State) -> Any:
        self.ran.append("x")
        return {"n": self.n, "to": self.to, "log": ["x"]}

    def node(self, name: str) -> Callable[[State], Any]:
        def run(state: State) -> Any:
            self.ran.append(name)
            return {"log": [f"{name}{state.get('n')}"]}

        return run

    def build(self, kind: str, saver: Any = None, **options: Any) -> Any:
        graph: Any = StateGraph(State)
        node: Any = self.x
        if kind == "command":
            node = lambda state: Command(update=self.x(state), goto=self.to)  # noqa: E731
            options["destinations"] = ("y", "z")
        elif kind == "async":

            async def node(state: State) -> Any:
                return self.x(state)

        graph.add_node("x", node, **options)
        for name in "yzh":
            graph.add_node(name, self.node(name))
        graph.add_edge(START, "x")
        if kind == "static":
            graph.add_edge("x", self.to)
        elif kind in ("conditional", "async"):
            graph.add_conditional_edges("x", lambda state: state["to"], ["y", "z", END])
        elif kind == "send":
            graph.add_conditional_edges(
                "x", lambda state: [Send(state["to"], {"n": n}) for n in (0, 7)], ["y", "z"]
            )
        return graph.compile(checkpointer=saver)


KINDS = ["static", "conditional", "command", "send"]
POSITIVE = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}


def low(below: Any, at_least: float = 1.0) -> Contract:
    """A gate that doubts an n below one."""
    signal = lambda crossing: min(float(crossing.handoff["n"]), 1.0)  # noqa: E731
    return Contract(gate=Gate(signal=signal, at_least=at_least, below=below))


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_contract_on_an_edge_holds_on_that_edge_alone(kind: str, awaited: bool) -> None:
    for to in ("y", "z"):
        graphs = Graphs(n=0, to=to)
        app = graphs.build(kind)
        if kind == "static" and to == "z":
            with pytest.raises(InvalidContract, match="no such way"):
                guard(app, {"x->y": Contract(output=POSITIVE)})
            continue
        app = guard(app, {"x->y": Contract(output=POSITIVE)})
        run: Any = (
            (lambda app: asyncio.run(app.ainvoke({"log": []})))
            if awaited
            else (lambda app: app.invoke({"log": []}))
        )
        if to == "y":
            with pytest.raises(SchemaBreach, match="x->y"):
                run(app)
            assert graphs.ran == ["x"]
        else:
            run(app)
            assert set(graphs.ran) == {"x", "z"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_repair_on_an_edge_changes_what_goes_over_it(kind: str) -> None:
    mended = Contract(output=POSITIVE, repair=lambda crossing, handoff, breach: {**handoff, "n": 5})
    app = guard(Graphs().build(kind), {"x->y": mended})
    log = app.invoke({"log": []})["log"]
    assert log == (["x", "y5", "y7"] if kind == "send" else ["x", "y5"])


def test_a_repair_that_changes_the_way_on_is_held_against_the_edge_it_now_takes() -> None:
    elsewhere = Contract(
        output=POSITIVE, repair=lambda crossing, handoff, breach: {**handoff, "n": 5, "to": "z"}
    )
    graphs = Graphs()
    odd = {"type": "object", "properties": {"n": {"maximum": 4}}}
    with pytest.raises(SchemaBreach, match="x->z"):
        guard(graphs.build("conditional"), {"x->y": elsewhere, "x->z": Contract(output=odd)}).invoke(
            {"log": []}
        )
    assert graphs.ran == ["x"]
    assert guard(graphs.build("conditional"), {"x->y": elsewhere}).invoke({"log": []})["log"] == ["x", "z5"]


@pytest.mark.parametrize("kind", [*KINDS, "async"])
def test_doubt_on_an_edge_goes_elsewhere_and_the_receiver_does_not_run(kind: str) -> None:
    graphs = Graphs()
    app = guard(graphs.build(kind), {"x->y": low(Goto("h"))})
    log = asyncio.run(app.ainvoke({"log": []}))["log"]
    assert sorted(log) == (["h0", "x", "y7"] if kind == "send" else ["h0", "x"])

    async def streamed() -> None:
        async for _ in app.astream_events({"log": []}, version="v2"):
            pass

    graphs.ran.clear()
    asyncio.run(streamed())
    assert sorted(graphs.ran) == (["h", "x", "y"] if kind == "send" else ["h", "x"])


def test_another_edge_of_the_same_step_goes_on_beside_a_diverted_one() -> None:
    graph: Any = StateGraph(State)
    graphs = Graphs()
    graph.add_node("x", graphs.x)
    for name in "yzh":
        graph.add_node(name, graphs.node(name))
    graph.add_edge(START, "x")
    graph.add_edge("x", "y")
    graph.add_edge("x", "z")
    mended = Contract(output=POSITIVE, repair=lambda crossing, handoff, breach: {**handoff, "n": 5})
    app = guard(graph.compile(), {"x->y": low(Goto("h"))})
    assert sorted(app.invoke({"log": []})["log"]) == ["h0", "x", "z0"]
    both = guard(graph.compile(), {"x->y": low(Goto("h")), "x->z": mended})
    assert sorted(both.invoke({"log": []})["log"]) == [
        "h5",
        "x",
        "z5",
    ]  # diverted it stays, though the update changed


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_person_decides_about_one_edge_and_the_step_runs_once(kind: str, awaited: bool) -> None:
    for choice, expected in (("approve", "y0"), ("edit", "y3"), ("reject", "h0")):
        graphs = Graphs()
        app = guard(graphs.build(kind, InMemorySaver()), {"x->y": low(Review(rejected=Goto("h")))})
        config: Any = {"configurable": {"thread_id": "1"}}

        def run(given: Any, app: Any = app, config: Any = config) -> Any:
            return asyncio.run(app.ainvoke(given, config)) if awaited else app.invoke(given, config)

        paused = run({"log": []})
        (waiting,) = paused["__interrupt__"]
        assert graphs.ran == ["x"]
        assert waiting.value["step"] == "x->y"
        handoff = waiting.value["handoff"]
        answer = (
            Review.edit(waiting.value, {**handoff, "n": 3})
            if choice == "edit"
            else getattr(Review, choice)(waiting.value)
        )
        log = run(Command(resume={waiting.id: answer}))["log"]
        assert expected in log
        assert graphs.ran.count("x") == 1


def test_two_edges_ask_one_after_the_other_and_a_step_gate_before_them(tmp_path: Path) -> None:
    graph: Any = StateGraph(State)
    graphs = Graphs()
    graph.add_node("x", graphs.x)
    for name in "yz":
        graph.add_node(name, graphs.node(name))
    graph.add_edge(START, "x")
    graph.add_edge("x", "y")
    graph.add_edge("x", "z")
    asked: list[str] = []
    with SqliteSaver.from_conn_string(str(tmp_path / "c.db")) as saver:
        ask = low(Review())
        app = guard(graph.compile(checkpointer=saver), {"x": ask, "x->y": ask, "x->z": ask})
        config: Any = {"configurable": {"thread_id": "1"}}
        state = app.invoke({"log": []}, config)
        while "__interrupt__" in state:
            (waiting,) = state["__interrupt__"]
            asked.append(waiting.value["step"])
            state = app.invoke(Command(resume={waiting.id: Review.approve(waiting.value)}), config)
    assert asked == ["x", "x->y", "x->z"]
    assert sorted(graphs.ran) == ["x", "y", "z"]


@pytest.mark.parametrize("awaited", [False, True])
def test_a_refusal_on_an_edge_stays_one(awaited: bool) -> None:
    graphs = Graphs()
    app = guard(graphs.build("conditional", InMemorySaver()), {"x->y": low(Refuse("no"))})
    config: Any = {"configurable": {"thread_id": "1"}}
    for given in ({"log": []}, None, None):
        with pytest.raises(LowConfidence, match="x->y"):
            asyncio.run(app.ainvoke(given, config)) if awaited else app.invoke(given, config)
    assert graphs.ran == ["x"]


def test_the_way_to_the_end_is_an_edge_as_well() -> None:
    with pytest.raises(SchemaBreach, match="x->__end__"):
        guard(Graphs(to=END).build("conditional"), {"x->__end__": Contract(output=POSITIVE)}).invoke(
            {"log": []}
        )
    with pytest.raises(SchemaBreach, match="y->__end__"):
        guard(Graphs().build("static"), {"y->__end__": Contract(output={"required": ["n"]})}).invoke(
            {"log": []}
        )


def test_edges_inside_a_subgraph_have_their_full_address() -> None:
    around: Any = StateGraph(State)
    graphs = Graphs()
    around.add_node("sub", graphs.build("conditional"))
    around.add_node("after", graphs.node("after"))
    around.add_edge(START, "sub")
    around.add_edge("sub", "after")
    app = guard(around.compile(), {"sub/x->sub/y": low(Goto("h"))})
    assert app.invoke({"log": []})["log"] == ["x", "h0", "after0"]
    assert guard(app, {"sub/h->__end__": Contract()}).invoke({"log": []})["log"] == ["x", "h0", "after0"]


def test_drawings_and_shapes_are_as_before() -> None:
    for kind in KINDS:
        bare = Graphs().build(kind)
        app = guard(bare, {"x->y": low(Goto("h"))})
        drawn = [
            sorted((e.source, e.target, e.conditional) for e in g.get_graph().edges) for g in (app, bare)
        ]
        assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("contracts", "options", "error", "named"),
    [
        ({"x->y": Contract(timeout_s=1)}, {}, InvalidContract, "timeout"),
        ({"x->y": Contract(retry=Retry(2))}, {}, InvalidContract, "retry"),
        ({"x->y": Contract(effect=True)}, {}, InvalidContract, "effect"),
        ({"x->h": Contract()}, {}, InvalidContract, "no such way"),
        ({"x->nope": Contract()}, {}, InvalidContract, "no such way"),
        ({"nope->x": Contract()}, {}, UnknownName, "nope"),
        ({"x->y": low(Goto("nope"))}, {}, PolicyConflict, "leads nowhere"),
        ({"x->y": low(Review())}, {}, PolicyConflict, "checkpointer"),
        ({"x->y": low(Goto("h"))}, {"cache_policy": CachePolicy()}, PolicyConflict, "cache"),
    ],
)
def test_what_cannot_hold_on_an_edge_is_refused(contracts: Any, options: Any, error: Any, named: str) -> None:
    with pytest.raises(error, match=named):
        guard(Graphs().build("conditional", **options), contracts)


def test_a_router_without_declared_ends_may_lead_anywhere() -> None:
    graph: Any = StateGraph(State)
    graphs = Graphs()
    graph.add_node("x", graphs.x)
    graph.add_node("y", graphs.node("y"))
    graph.add_edge(START, "x")
    graph.add_conditional_edges("x", lambda state: "y")
    with pytest.raises(SchemaBreach):
        guard(graph.compile(), {"x->y": Contract(output=POSITIVE)}).invoke({"log": []})
    with pytest.raises(InvalidContract, match="no such way"):
        guard(graph.compile(), {"x->typo": Contract(output=POSITIVE)})


async def test_in_a_measurement_the_ruling_names_the_edge_and_shadow_lets_it_pass(tmp_path: Path) -> None:
    suite = from_data(
        [{"id": "a", "input": {"log": []}, "checks": {"end": [{"contains": {"path": "log", "all": ["y0"]}}]}}]
    )
    app = guard(Graphs().build("conditional"), {"x->y": low(Refuse())})
    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path}/g.db")
    guarded = await measure(app, suite, place=place)
    assert guarded.gap.outcomes["failed"] == 1
    assert [(r.step, r.guard, r.action) for r in guarded.gap.rulings] == [("x->y", "gate", "refuse")]
    shadow = await measure(app, suite, condition="shadow", place=place)
    assert shadow.gap.outcomes["failed"] == 0


def test_functions_have_no_edges() -> None:
    def run(n: int) -> int:
        return n

    with pytest.raises(InvalidContract, match="own code"):
        guard(run, {"run->other": Contract()})


class Typed(TypedDict):
    n: int


def test_an_annotated_command_declares_its_way() -> None:
    def x(state: Typed) -> Command[Literal["y"]]:
        return Command(update={"n": 0}, goto="y")

    graph: Any = StateGraph(Typed)
    graph.add_node("x", x)
    graph.add_node("y", lambda state: {})
    graph.add_edge(START, "x")
    with pytest.raises(SchemaBreach):
        guard(graph.compile(), {"x->y": Contract(output=POSITIVE)}).invoke({"n": 1})
