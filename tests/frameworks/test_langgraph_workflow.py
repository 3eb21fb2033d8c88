"""A graph as the harness runs it: input, ending, threads, one step alone, the state before a step."""

import operator
from typing import Annotated

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, RetryPolicy, interrupt
from typing_extensions import TypedDict

from gapless.boundary.ending import Ending, StepPaused
from gapless.boundary.session import Session, current_session
from gapless.errors import UnknownName
from gapless.frameworks.target import adapt
from gapless.trace.recorder import TrialRecorder


class State(TypedDict, total=False):
    query: str
    docs: Annotated[list, operator.add]
    answer: str


def chain(*nodes, state=State, **options):
    graph = StateGraph(state)
    for before, (name, node) in zip([START, *(name for name, _ in nodes)], nodes, strict=False):
        graph.add_node(name, node, **options.get(name, {}))
        graph.add_edge(before, name)
    return graph


def retrieve(state):
    return {"docs": [f"about {state['query']}"]}


async def answer(state):
    return {"answer": f"{state['query']}: {len(state['docs'])}"}


def ask(state):
    return {"answer": interrupt("sure?")}


@pytest.fixture
def recorder():
    recorder = TrialRecorder()
    token = current_session.set(Session(recorder))
    yield recorder
    current_session.reset(token)


async def test_it_runs_and_ends_with_the_final_state(recorder):
    workflow = adapt(chain(("retrieve", retrieve), ("answer", answer)), target="app.py:graph")
    ending = await workflow.run({"query": "x"}, trial="t")
    assert ending == Ending(output={"query": "x", "docs": ["about x"], "answer": "x: 1"})
    assert [event.step for event in recorder.close()] == ["retrieve", "answer"]
    assert workflow.target == "app.py:graph"
    assert workflow.shape.only_route() == ("retrieve", "answer")


@pytest.mark.parametrize("saver", ["none", "memory", "sqlite"])
async def test_a_pause_is_an_ending_with_any_checkpointer(saver, recorder):
    with SqliteSaver.from_conn_string(":memory:") as sqlite:
        savers = {"none": None, "memory": InMemorySaver(), "sqlite": sqlite}
        graph = chain(("retrieve", retrieve), ("ask", ask)).compile(checkpointer=savers[saver])
        workflow = adapt(graph)
        ending = await workflow.run({"query": "x"}, trial="same")
        assert ending.paused
        assert ending.output == {"query": "x", "docs": ["about x"]}
        again = await workflow.run({"query": "y"}, trial="same")  # a second start finds nothing of the first
        assert again.output == {"query": "y", "docs": ["about y"]}
    assert [event.status for event in recorder.close()] == ["ok", "paused"] * 2


async def test_a_breakpoint_is_a_pause_too():
    graph = chain(("retrieve", retrieve), ("ask", ask)).compile(
        checkpointer=InMemorySaver(), interrupt_before=["ask"]
    )
    assert (await adapt(graph).run({"query": "x"}, trial="t")).paused


async def test_an_exception_arrives_as_it_was(recorder):
    def broken(state):
        raise KeyError("k")

    with pytest.raises(KeyError):
        await adapt(chain(("broken", broken))).run({"query": "x"}, trial="t")


async def test_a_text_becomes_a_message_or_the_only_key():
    talk = adapt(
        chain(("talk", lambda s: {"messages": [("ai", s["messages"][-1].content)]}), state=MessagesState)
    )
    assert [m.content for m in (await talk.run("hi", trial="t")).output["messages"]] == ["hi", "hi"]
    roles = [{"role": "user", "content": "yo"}]
    assert [m.content for m in (await talk.run(roles, trial="t")).output["messages"]] == ["yo", "yo"]

    class One(TypedDict):
        question: str

    graph = chain(("echo", lambda state: {"question": state["question"] * 2}), state=One)
    assert (await adapt(graph).run("a", trial="t")).output == {"question": "aa"}


async def test_the_golden_state_goes_through_the_reducers():
    workflow = adapt(chain(("retrieve", retrieve), ("more", retrieve), ("answer", answer)))
    golden = {"retrieve": {"docs": ["a"]}, "more": {"docs": ["b"], "unknown": 1}}
    state = workflow.state_before("answer", {"query": "q"}, golden)
    assert state == {"query": "q", "docs": ["a", "b"]}
    assert await workflow.run_step("answer", state) == {"answer": "q: 2"}


async def test_a_step_alone_reads_the_state_past_its_reducers():
    class Doubled(TypedDict):
        docs: Annotated[list, lambda old, new: [*old, *new, "merged"]]

    workflow = adapt(chain(("see", lambda state: {"docs": list(state["docs"])}), state=Doubled))
    assert await workflow.run_step("see", {"docs": ["a"]}) == {"docs": ["a"]}


async def test_a_step_alone_keeps_its_retries_and_unpacks_its_command(recorder):
    calls = []

    def flaky(state):
        calls.append(1)
        if len(calls) < 2:
            raise ConnectionError("down")
        return Command(update={"answer": "up"}, goto="nowhere")

    policy = {"retry_policy": RetryPolicy(initial_interval=0.001, jitter=False)}
    workflow = adapt(chain(("flaky", flaky), flaky=policy))
    assert await workflow.run_step("flaky", {"query": "q"}) == {"answer": "up"}
    assert [(event.step, event.attempt, event.status) for event in recorder.close()] == [
        ("flaky", 1, "error"),
        ("flaky", 2, "ok"),
    ]


async def test_a_step_alone_that_asks_is_paused_and_one_that_fails_fails(recorder):
    def broken(state):
        raise ValueError("no")

    workflow = adapt(chain(("ask", ask), ("broken", broken)).compile(checkpointer=InMemorySaver()))
    with pytest.raises(StepPaused):
        await workflow.run_step("ask", {"query": "q"})
    with pytest.raises(ValueError, match="no"):
        await workflow.run_step("broken", {"query": "q"})
    assert [event.status for event in recorder.close()] == ["paused", "error"]


async def test_subgraphs_are_one_step_or_several():
    inner = chain(("find", retrieve), ("check", lambda state: {"answer": str(state["docs"])})).compile()

    class Outer(TypedDict, total=False):
        query: str
        answer: str
        done: bool

    workflow = adapt(
        chain(("sub", inner), ("end", lambda state: {"done": bool(state["answer"])}), state=Outer)
    )
    assert [step.name for step in workflow.shape.steps] == ["sub/find", "sub/check", "end"]
    state = workflow.state_before("sub/check", {"query": "q"}, {"sub/find": {"docs": ["gold"]}})
    assert state == {"query": "q", "docs": ["gold"]}
    assert await workflow.run_step("sub/check", state) == {"answer": "['gold']"}
    golden = {"sub/find": {"docs": ["gold"]}, "sub/check": {"answer": "right"}}
    assert workflow.state_before("end", {"query": "q"}, golden) == {"query": "q", "answer": "right"}
    assert workflow.state_before("end", {"query": "q"}, {"sub": {"answer": "whole"}})["answer"] == "whole"
    whole = await workflow.run_step("sub", {"query": "q"})
    assert whole["answer"] == "['about q']"


async def test_an_unknown_step_is_named_with_those_there_are():
    workflow = adapt(chain(("retrieve", retrieve)))
    with pytest.raises(UnknownName, match=r"no step 'x'.*retrieve"):
        workflow.state_before("x", {}, {})
    with pytest.raises(UnknownName):
        await workflow.run_step("retrieve/x", {})
