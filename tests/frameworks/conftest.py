"""Graphs of every kind LangGraph can express, for the tests that drive them bare and recorded."""

import asyncio
import operator
import warnings
from typing import Annotated, Literal

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.config import get_stream_writer
from langgraph.errors import NodeError
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, RetryPolicy, Send
from pydantic import BaseModel
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    query: str
    log: Annotated[list, operator.add]
    confidence: float


def build(nodes, edges=(), branches=(), state=State, **options):
    graph = StateGraph(state)
    for name, node in nodes.items():
        graph.add_node(name, node, **options.get(name, {}))
    for source, target in edges:
        graph.add_edge(source, target)
    for branch in branches:
        graph.add_conditional_edges(*branch)
    return graph


def says(name):
    return lambda state: {"log": [name]}


async def says_async(state):
    get_stream_writer()({"progress": 1})
    await asyncio.sleep(0)
    return {"log": ["async"]}


def says_custom(state, config, runtime: Runtime):
    runtime.stream_writer({"node": config["metadata"]["langgraph_node"]})
    return {"log": [str(sorted(key for key in state))]}


def line():
    return build({"a": says_custom, "b": says("b")}, [(START, "a"), ("a", "b"), ("b", END)])


def line_async():
    return build({"a": says_async, "b": says("b")}, [(START, "a"), ("a", "b")])


def routed():
    def low(state) -> Literal["review", "write"]:
        return "write" if state.get("confidence", 0) > 0.5 else "review"

    def first(state):
        return {True: "look"}.get(True)

    nodes = {
        "look": lambda state: {"confidence": 0.9, "log": ["look"]},
        "write": says("w"),
        "review": says("r"),
    }
    return build(nodes, [("write", END)], [(START, first, ["look"]), ("look", low)])


def lambda_router():
    nodes = {"a": says("a"), "b": says("b")}
    return build(nodes, [(START, "a")], [("a", lambda state: "go", {"go": "b", "stop": END})])


async def aroute(state) -> Literal["b", "__end__"]:
    return "b"


def async_router():
    return build({"a": says("a"), "b": says("b")}, [(START, "a")], [("a", aroute)])


def loop():
    def again(state) -> Literal["work", "__end__"]:
        return "work" if len(state["log"]) < 3 else END

    return build({"work": says("w")}, [(START, "work")], [("work", again)])


def commands():
    def first(state) -> Command[Literal["third"]]:
        return Command(update={"log": ["first"]}, goto="third")

    def third(state):
        return [Command(update={"log": ["third"]}), {"log": ["more"]}]

    return build({"first": first, "second": says("2"), "third": third}, [(START, "first"), ("second", END)])


def sends():
    def plan(state):
        return [Send("work", {"query": word}) for word in "abc"] + [Send("other", {"query": "z"})]

    def work(state):
        return {"log": [state["query"]]}

    nodes = {"split": says("s"), "work": work, "other": work, "join": says("j")}
    return build(
        nodes, [(START, "split"), ("work", "join"), ("other", "join")], [("split", plan, ["work", "other"])]
    )


def joined():
    graph = build({"a": says("a"), "b": says("b"), "c": says("c")}, [(START, "a"), (START, "b")])
    graph.add_edge(["a", "b"], "c")
    return graph


def inner(**options):
    def ask(state):
        return {"log": [f"in {state.get('query')}"]}

    return build({"one": ask, "two": says("two")}, [(START, "one"), ("one", "two")]).compile(**options)


def subgraph():
    return build(
        {"before": says("b"), "sub": inner(), "after": says("a")},
        [(START, "before"), ("before", "sub"), ("sub", "after")],
    )


def nested_subgraphs():
    middle = build({"deep": inner(), "tail": says("t")}, [(START, "deep"), ("deep", "tail")]).compile()
    return build(
        {"sub": middle, "calls": lambda state: {"log": inner().invoke({"query": "x"})["log"]}},
        [(START, "sub"), ("sub", "calls")],
    )


class Log(TypedDict):
    log: Annotated[list, operator.add]


def sent_subgraphs():
    sub = StateGraph(State, output_schema=Log)
    sub.add_node("one", lambda state: {"log": [state["query"]]})
    sub.add_node("two", says("two"))
    sub.add_edge(START, "one")
    sub.add_edge("one", "two")
    send = [Send("sub", {"query": q}) for q in "xy"]
    return build({"sub": sub.compile()}, [], [(START, lambda state: send, ["sub"])])


def parent_command():
    def leave(state):
        return Command(graph=Command.PARENT, goto="far", update={"log": ["left"]})

    sub = build({"leave": leave}, [(START, "leave")]).compile()
    return build(
        {"sub": sub, "far": says("far"), "near": says("near")},
        [(START, "sub")],
        sub={"destinations": ("far",)},
    )


def parent_command_raised():
    def leave(state):
        return Command(graph=Command.PARENT, goto="far", update={"log": ["left"]})

    sub = build({"leave": leave}, [(START, "leave")]).compile()

    def call(state):
        return sub.invoke(state)

    nodes = {"call": call, "far": says("far")}
    return build(nodes, [(START, "call")], call={"destinations": ("far",)})


def retried():
    calls = []

    def flaky(state):
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError("down")
        return {"log": [len(calls)]}

    policy = RetryPolicy(initial_interval=0.001, jitter=False)
    return build({"flaky": flaky}, [(START, "flaky")], flaky={"retry_policy": policy})


def failing():
    def broken(state):
        raise KeyError("broken")

    return build({"a": says("a"), "broken": broken}, [(START, "a"), ("a", "broken")])


def handled():
    def broken(state):
        raise ValueError("broken")

    def repair(state, error: NodeError):
        return Command(update={"log": [f"{error.node}: {error.error}"]}, goto="after")

    nodes = {"broken": broken, "after": says("after")}
    return build(nodes, [(START, "broken")], broken={"error_handler": repair, "destinations": ("after",)})


class Typed(BaseModel):
    query: str = ""
    log: Annotated[list, operator.add] = []


def pydantic_state():
    return build(
        {"a": lambda state: {"log": [state.query]}},
        [(START, "a")],
        [("a", lambda s: END, [END])],
        state=Typed,
    )


def root_state():
    return build(
        {"a": lambda state: ["a"], "b": lambda state: [len(state)]},
        [(START, "a"), ("a", "b")],
        state=Annotated[list, operator.add],
    )


def generator():
    def pieces(state):
        yield {"log": ["x"]}
        yield {"log": ["y"]}

    return build({"pieces": pieces}, [(START, "pieces")])


class Scripted(GenericFakeChatModel):
    def bind_tools(self, tools, **kwargs):
        return self


def script(*messages):
    return Scripted(messages=iter(messages))


def sequence():
    prompt = ChatPromptTemplate.from_messages([("user", "{query}")])
    chain = prompt | script(AIMessage("hello there friend")) | RunnableLambda(lambda m: {"log": [m.content]})

    def stop(state) -> Literal["end"]:
        return "end"

    return build({"chain": chain, "end": says("e")}, [(START, "chain")], [("chain", stop)])


def model_node():
    model = script(AIMessage("one two three"))
    return build(
        {"chat": lambda s: {"messages": [model.invoke(s["messages"])]}},
        [(START, "chat")],
        state=MessagesState,
    )


@tool
def weather(city: str) -> str:
    """Weather of a city."""
    return f"21C in {city}"


def tool_script():
    call = {"name": "weather", "args": {"city": "Oslo"}, "id": "c1", "type": "tool_call"}
    other = {"name": "weather", "args": {"city": "Rome"}, "id": "c2", "type": "tool_call"}
    return script(AIMessage("", tool_calls=[call, other]), AIMessage("It is 21C there"))


def react_agent():
    from langgraph.prebuilt import create_react_agent

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return create_react_agent(tool_script(), [weather])


def new_agent():
    from langchain.agents import create_agent

    return create_agent(tool_script(), [weather])


QUESTION = {"query": "q", "log": []}
CHAT = {"messages": [HumanMessage("hi", id="h")]}
GRAPHS = {
    **{
        f.__name__: (f, QUESTION)
        for f in (line, line_async, routed, lambda_router, async_router, loop, commands, sends)
    },
    **{
        f.__name__: (f, QUESTION)
        for f in (joined, subgraph, nested_subgraphs, sent_subgraphs, parent_command)
    },
    **{f.__name__: (f, QUESTION) for f in (parent_command_raised, retried, failing, handled, pydantic_state)},
    **{f.__name__: (f, QUESTION) for f in (generator, sequence)},
    "root_state": (root_state, ["q"]),
    **{f.__name__: (f, CHAT) for f in (model_node, react_agent, new_agent)},
}
PARALLEL = {"sends", "joined", "sent_subgraphs", "react_agent", "new_agent"}


def pytest_generate_tests(metafunc):
    """A test that takes `graph_case` runs on every graph: (name, factory, input, whether its branches race)."""
    if "graph_case" in metafunc.fixturenames:
        cases = [(name, *entry, name in PARALLEL) for name, entry in GRAPHS.items()]
        metafunc.parametrize("graph_case", cases, ids=list(GRAPHS))


@pytest.fixture
def build_graph():
    """Builds a StateGraph from nodes, edges and branches."""
    return build


@pytest.fixture
def graphs():
    """Name -> (factory, input)."""
    return GRAPHS
