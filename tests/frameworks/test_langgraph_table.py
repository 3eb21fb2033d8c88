"""What LangGraph does under our gates where nobody had looked: streams of checkpoints, calls inside a node, awaited refusals."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command

from gapless.boundary.contract import Contract
from gapless.boundary.guards.gate import Gate, Goto, Refuse, Review
from gapless.errors import LowConfidence
from gapless.frameworks.guard import guard
from gapless.testing.fake_llm import FakeLLM, Reply, Rule, Script, ToolCall, When

STREAMS = ["debug", "checkpoints", "tasks"]


class State(TypedDict, total=False):
    conf: float
    log: Annotated[list[str], operator.add]


class Line:
    """x -> y, with a helper h; counts what ran."""

    def __init__(self, conf: float = 0.3) -> None:
        self.ran: list[str] = []
        self.conf = conf

    def build(self, saver: Any = None) -> Any:
        graph: Any = StateGraph(State)
        graph.add_node("x", lambda state: self._did("x", conf=self.conf))
        graph.add_node("y", lambda state: self._did("y"))
        graph.add_node("h", lambda state: self._did("h"))
        graph.add_edge(START, "x")
        graph.add_edge("x", "y")
        return graph.compile(checkpointer=saver)

    def _did(self, name: str, **more: Any) -> dict[str, Any]:
        self.ran.append(name)
        return {"log": [name], **more}


def low(below: Any) -> Contract:
    return Contract(gate=Gate(signal=lambda crossing: crossing.handoff["conf"], below=below))


def _plain(chunk: Any) -> Any:
    """A chunk without what differs from run to run: ids, times and the config that holds them."""
    if isinstance(chunk, dict):
        drop = ("id", "ts", "timestamp", "config", "parent_config", "metadata", "checkpoint")
        return {key: _plain(value) for key, value in chunk.items() if key not in drop}
    return [_plain(one) for one in chunk] if isinstance(chunk, (list, tuple)) else chunk


def _streamed(app: Any, given: Any, config: Any, awaited: bool) -> list[Any]:
    async def drain() -> list[Any]:
        return [chunk async for chunk in app.astream(given, config, stream_mode=STREAMS)]

    chunks = asyncio.run(drain()) if awaited else list(app.stream(given, config, stream_mode=STREAMS))
    return [(mode, _plain(chunk)) for mode, chunk in chunks]


def _config() -> Any:
    return {"configurable": {"thread_id": "1"}}


@pytest.mark.parametrize("awaited", [False, True])
class TestStreams:
    def test_without_doubt_debug_checkpoints_and_tasks_say_what_the_bare_graph_says(
        self, awaited: bool
    ) -> None:
        bare = Line(conf=0.9).build(InMemorySaver())
        app = guard(Line(conf=0.9).build(InMemorySaver()), {"x": low(Review()), "x->y": low(Goto("h"))})
        assert _streamed(app, {"log": []}, _config(), awaited) == _streamed(
            bare, {"log": []}, _config(), awaited
        )

    def test_after_goto_the_checkpoint_names_the_other_step_and_never_the_next(self, awaited: bool) -> None:
        app = guard(Line().build(InMemorySaver()), {"x": low(Goto("h"))})
        chunks = _streamed(app, {"log": []}, _config(), awaited)
        following = [tuple(chunk["next"]) for mode, chunk in chunks if mode == "checkpoints"]
        assert following[-2:] == [("h",), ()]
        assert all("y" not in names for names in following)
        assert [chunk["name"] for mode, chunk in chunks if mode == "tasks" and "input" in chunk] == ["x", "h"]

    def test_a_pause_shows_the_question_and_keeps_the_output_out_of_the_streams(self, awaited: bool) -> None:
        app = guard(Line().build(InMemorySaver()), {"x": low(Review())})
        chunks = _streamed(app, {"log": []}, _config(), awaited)
        ended = [
            chunk
            for mode, chunk in chunks
            if mode == "tasks" and "interrupts" in chunk and chunk["interrupts"]
        ]
        assert [chunk["name"] for chunk in ended] == ["x"]
        assert ended[0]["interrupts"][0]["value"]["step"] == "x"
        assert "__gapless_output" not in repr(chunks)
        (waiting,) = app.get_state(_config()).interrupts
        resumed = Command(resume={waiting.id: Review.approve(waiting.value)})
        after = _streamed(app, resumed, _config(), awaited)
        assert [chunk["next"] for mode, chunk in after if mode == "checkpoints"][-1] == []
        assert "__gapless_output" not in repr(after)


@pytest.fixture(params=["memory", "sqlite"])
def saver_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("rejected", [False, True])
async def test_an_awaited_refusal_stays_one(
    saver_kind: str, durability: Any, rejected: bool, tmp_path: Path
) -> None:
    line = Line()

    async def run(saver: Any) -> None:
        app = guard(line.build(saver), {"x": low(Review() if rejected else Refuse("no"))})
        given: Any = {"log": []}
        if rejected:
            paused = await app.ainvoke(given, _config(), durability=durability)
            (waiting,) = paused["__interrupt__"]
            given = Command(resume={waiting.id: Review.reject(waiting.value, "no")})
        for again in (given, None, None):
            with pytest.raises(LowConfidence, match="x"):
                await app.ainvoke(again, _config(), durability=durability)
        if rejected:  # a change of mind comes too late
            late = Command(resume={waiting.id: Review.approve(waiting.value)})
            with pytest.raises(LowConfidence):
                await app.ainvoke(late, _config(), durability=durability)

    if saver_kind == "memory":
        await run(InMemorySaver())
    else:
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "c.db")) as saver:
            await run(saver)
    assert "y" not in line.ran
    # Under "exit" nothing of a first start is kept before it ends: a refusal of its own is found again all the same.
    assert line.ran.count("x") == 1


@pytest.mark.parametrize("below", [Goto("h"), Review(), Refuse("no")], ids=["goto", "review", "refuse"])
@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream", "events"])
@pytest.mark.parametrize("depth", [1, 2])
def test_in_a_subgraph_the_next_step_does_not_run_either(below: Any, way: str, depth: int) -> None:
    line = Line()
    app, address = line.build(), "x"
    for _ in range(depth):
        around: Any = StateGraph(State)
        around.add_node("sub", app)
        around.add_node("after", lambda state: line._did("after"))
        around.add_edge(START, "sub")
        around.add_edge("sub", "after")
        app, address = around.compile(checkpointer=InMemorySaver()), f"sub/{address}"

    async def drain() -> None:
        guarded = guard(app, {address: low(below)})
        if way == "events":
            _ = [one async for one in guarded.astream_events({"log": []}, _config(), version="v2")]
        elif way == "astream":
            _ = [one async for one in guarded.astream({"log": []}, _config(), stream_mode=STREAMS)]
        elif way == "ainvoke":
            await guarded.ainvoke({"log": []}, _config())
        elif way == "stream":
            _ = list(guarded.stream({"log": []}, _config(), stream_mode=STREAMS))
        else:
            guarded.invoke({"log": []}, _config())

    if isinstance(below, Refuse):
        with pytest.raises(LowConfidence):
            asyncio.run(drain())
    else:
        asyncio.run(drain())
    assert line.ran == (["x", "h", *["after"] * depth] if isinstance(below, Goto) else ["x"])


class TestCalledInsideANode:
    """A graph that a node's function calls has numbers in its namespace: the first call, the second."""

    def _around(self, inner: Any, saver: Any) -> tuple[Any, list[int]]:
        calls: list[int] = []

        def twice(state: State) -> Any:
            calls.append(1)
            first = inner.invoke({"log": [], "conf": 0.0})
            second = inner.invoke({"log": [], "conf": 0.0})
            return {"log": [*first["log"], *second["log"]]}

        graph: Any = StateGraph(State)
        graph.add_node("twice", twice)
        graph.add_edge(START, "twice")
        return graph.compile(checkpointer=saver), calls

    def test_each_call_asks_for_itself_and_no_step_runs_twice(self, tmp_path: Path) -> None:
        line = Line()
        inner = guard(line.build(True), {"x": low(Review())})
        with SqliteSaver.from_conn_string(str(tmp_path / "c.db")) as saver:
            app, _ = self._around(inner, saver)
            state = app.invoke({"log": []}, _config())
            asked = []
            while "__interrupt__" in state:
                (waiting,) = state["__interrupt__"]
                asked.append(waiting.id)
                state = app.invoke(Command(resume={waiting.id: Review.approve(waiting.value)}), _config())
                assert len(asked) < 5
            assert state["log"] == ["x", "y", "x", "y"]
        assert len(set(asked)) == 2
        assert line.ran == ["x", "y", "x", "y"]

    def test_a_refusal_in_there_stays_one(self, tmp_path: Path) -> None:
        line = Line()
        inner = guard(line.build(True), {"x": low(Refuse("no"))})
        with SqliteSaver.from_conn_string(str(tmp_path / "c.db")) as saver:
            app, calls = self._around(inner, saver)
            for given in ({"log": []}, None):
                with pytest.raises(LowConfidence):
                    app.invoke(given, _config())
        assert line.ran == ["x"]
        assert len(calls) == 2


@tool
def price(item: str) -> str:
    """The price of an item."""
    LOOKED_UP.append(item)
    return "9.50"


LOOKED_UP: list[str] = []


@pytest.fixture(scope="module")
def model() -> Iterator[Any]:
    rules = (
        Rule(when=When(has_tool_result=True), reply=Reply(text="It costs 9.50.")),
        Rule(when=When(), reply=Reply(tool_calls=(ToolCall(name="price", arguments={"item": "pen"}),))),
    )
    with FakeLLM(Script(rules=rules)) as fake:
        yield ChatOpenAI(base_url=fake.base_url, api_key="k", model="m", max_retries=0)


class TestAnAgent:
    """LangChain's own agent: its nodes are `model` and `tools`."""

    @pytest.mark.parametrize("awaited", [False, True])
    async def test_a_tool_call_waits_for_a_person(self, model: Any, awaited: bool) -> None:
        LOOKED_UP.clear()
        calls_a_tool = lambda crossing: 0.0 if crossing.handoff["messages"][-1].tool_calls else 1.0  # noqa: E731
        agent = create_agent(model, [price], checkpointer=InMemorySaver())
        app: Any = guard(agent, {"model": Contract(gate=Gate(signal=calls_a_tool, below=Review()))})

        async def run(given: Any) -> Any:
            return await app.ainvoke(given, _config()) if awaited else app.invoke(given, _config())

        (waiting,) = (await run({"messages": [("user", "price of a pen?")]}))["__interrupt__"]
        assert LOOKED_UP == []
        done = await run(Command(resume={waiting.id: Review.approve(waiting.value)}))
        assert LOOKED_UP == ["pen"]
        assert done["messages"][-1].content == "It costs 9.50."

    def test_a_doubtful_answer_of_a_tool_ends_the_run_without_another_question_to_the_model(
        self, model: Any
    ) -> None:
        LOOKED_UP.clear()
        agent = create_agent(model, [price])
        doubt = Contract(gate=Gate(signal=lambda crossing: 0.0, below=Refuse("the price is doubtful")))
        with pytest.raises(LowConfidence):
            guard(agent, {"tools": doubt}).invoke({"messages": [("user", "price of a pen?")]})
        assert LOOKED_UP == ["pen"]

    def test_the_model_may_be_sent_to_the_end(self, model: Any) -> None:
        LOOKED_UP.clear()
        doubt = Contract(gate=Gate(signal=lambda crossing: 0.0, below=Goto("__end__")))
        done: Any = guard(create_agent(model, [price]), {"model": doubt}).invoke(
            {"messages": [("user", "pen?")]}
        )
        assert LOOKED_UP == []
        assert isinstance(done["messages"][-1], AIMessage)
