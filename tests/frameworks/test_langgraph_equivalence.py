"""A recorded graph behaves as the bare one: the same graphs, driven in every way LangGraph has, compared."""

import asyncio
import operator
import re
from contextlib import nullcontext
from typing import Annotated

import pytest
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.errors import NodeTimeoutError
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Command, Send, interrupt
from typing_extensions import TypedDict

from gapless.boundary.session import Session, current_session
from gapless.frameworks.calls import recorded_calls
from gapless.frameworks.langgraph import record
from gapless.frameworks.zero_code import install
from gapless.records.value import to_plain
from gapless.trace.recorder import TrialRecorder

MODES = ["values", "updates", "messages", "custom", "checkpoints", "tasks", "debug"]
QUESTION = {"query": "q", "log": []}


class Recording:
    """The ways a graph can be recorded."""

    def __init__(self, kind):
        self.kind = kind

    def make(self, factory, **options):
        if self.kind == "observed":
            with install(lambda seen: None):
                return _compiled(factory, options)
        graph = _compiled(factory, options)
        return graph if self.kind == "bare" else record(graph)

    def __enter__(self):
        self._calls = recorded_calls() if self.kind == "session" else nullcontext()
        self._calls.__enter__()
        if self.kind == "observed":
            self._install = install(lambda seen: None)
            self._install.__enter__()
        self._token = current_session.set(Session(TrialRecorder()) if self.kind == "session" else None)
        return self

    def __exit__(self, *error):
        current_session.reset(self._token)
        self._calls.__exit__(*error)
        if self.kind == "observed":
            self._install.__exit__(*error)


def _compiled(factory, options):
    made = factory()
    return made.compile(**options) if isinstance(made, StateGraph) else made


KINDS = ["idle", "session", "observed"]
IDS = re.compile(
    r"(lc_run-+)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(-\d+)?|\b[0-9a-f]{32}\b"
)
TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+]+|0x[0-9a-f]+")


def normal(value, numbered=True):
    """Plain data with ids numbered by first appearance, and without times."""
    ids: dict[str, str] = {}

    def number(match):
        return f"<id {ids.setdefault(match[0], str(len(ids)))}>" if numbered else "<id>"

    def walk(plain):
        if isinstance(plain, str):
            return IDS.sub(number, TIMES.sub("<time>", plain))
        if isinstance(plain, dict):
            return {walk(k): walk(v) for k, v in sorted(plain.items())}
        return [walk(item) for item in plain] if isinstance(plain, list) else plain

    return walk(to_plain(value))


def unordered(chunks):
    """Chunks of parallel branches, without the order the branches happened to end in; ids only count as ids."""

    def walk(plain):
        if isinstance(plain, dict):
            return {key: walk(value) for key, value in plain.items()}
        return sorted(map(walk, plain), key=repr) if isinstance(plain, list) else plain

    return sorted(repr(walk(normal(chunk, numbered=False))) for chunk in chunks)


def same(racing, bare, recorded):
    order = unordered if racing else normal
    assert order(recorded) == order(bare)


def collect(chunks):
    seen = []
    try:
        for chunk in chunks():
            seen.append(chunk)
    except Exception as error:
        seen.append([type(error).__name__, str(error), getattr(error, "__notes__", [])])
    return seen


async def acollect(chunks):
    seen = []
    try:
        async for chunk in chunks():
            seen.append(chunk)
    except Exception as error:
        seen.append([type(error).__name__, str(error), getattr(error, "__notes__", [])])
    return seen


@pytest.mark.parametrize("kind", KINDS)
def test_sync_streams(graph_case, kind):
    _, factory, given, racing = graph_case

    def drive(how):
        seen = []
        with how:
            seen += collect(lambda: [how.make(factory).invoke(given)])
            for mode in MODES:
                seen += collect(lambda mode=mode: how.make(factory).stream(given, stream_mode=mode))
            seen += collect(lambda: how.make(factory).stream(given, stream_mode=MODES, subgraphs=True))
            seen += collect(
                lambda: how.make(factory).stream(given, stream_mode=["updates", "values"], version="v2")
            )
        return seen

    same(racing, drive(Recording("bare")), drive(Recording(kind)))


@pytest.mark.parametrize("kind", KINDS)
async def test_async_streams_and_events(graph_case, kind):
    _, factory, given, racing = graph_case

    async def drive(how):
        async def invoked():
            yield await how.make(factory).ainvoke(given)

        with how:
            seen = await acollect(invoked)
            for mode in MODES:
                seen += await acollect(lambda mode=mode: how.make(factory).astream(given, stream_mode=mode))
            seen += await acollect(
                lambda: how.make(factory).astream(given, stream_mode=MODES, subgraphs=True)
            )
            seen += await acollect(lambda: how.make(factory).astream_events(given, version="v2"))
        return seen

    same(racing, await drive(Recording("bare")), await drive(Recording(kind)))


@pytest.mark.parametrize("kind", ["idle", "observed"])
def test_drawing_and_subgraphs(graph_case, kind):
    _, factory, _, _ = graph_case

    def look(how):
        with how:
            graph = how.make(factory)
            drawn = [graph.get_graph(xray=deep).draw_mermaid() for deep in (False, True)]
            subs = [(ns, type(sub).__name__) for ns, sub in graph.get_subgraphs(recurse=True)]
            return [
                drawn,
                subs,
                type(graph).__name__,
                graph.get_input_jsonschema(),
                graph.get_output_jsonschema(),
            ]

    assert normal(look(Recording("bare"))) == normal(look(Recording(kind)))


def test_the_original_is_untouched_and_tools_are_seen(graphs):
    bare = graphs["react_agent"][0]()
    before = {name: (node.bound, list(node.writers)) for name, node in bare.nodes.items()}
    recorded = record(bare)
    assert {name: (node.bound, list(node.writers)) for name, node in bare.nodes.items()} == before
    assert recorded.nodes["tools"].bound.tools_by_name == bare.nodes["tools"].bound.tools_by_name
    assert isinstance(recorded.nodes["tools"].bound, type(bare.nodes["tools"].bound))
    assert recorded.get_graph().to_json() == bare.get_graph().to_json()
    assert type(recorded.with_config(tags=["t"])) is type(recorded)


class State(TypedDict, total=False):
    query: str
    log: Annotated[list, operator.add]


def says(name):
    return lambda state: {"log": [name]}


def chain(*nodes):
    graph = StateGraph(State)
    for before, (name, node) in zip([START, *(name for name, _ in nodes)], nodes, strict=False):
        graph.add_node(name, node)
        graph.add_edge(before, name)
    return graph


def asking():
    def ask(state):
        first = interrupt({"question": 1})
        second = interrupt({"question": 2})
        return {"log": [first, second]}

    return chain(("a", says("a")), ("ask", ask), ("z", says("z")))


def asking_inside():
    return chain(("sub", asking().compile()), ("end", says("end")))


def asking_in_parallel():
    def ask(state):
        return {"log": [interrupt(state["query"])]}

    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_node("end", says("end"))
    graph.add_edge("ask", "end")
    graph.add_conditional_edges(START, lambda state: [Send("ask", {"query": q}) for q in "ab"], ["ask"])
    return graph


ASKING = [asking, asking_inside, asking_in_parallel]


def answers(result):
    return {one.id: f"answer to {one.value}" for one in result["__interrupt__"]}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("saver", ["memory", "sqlite"])
@pytest.mark.parametrize("factory", ASKING)
def test_interrupt_resume_history_and_fork(factory, saver, kind):
    def drive(how):
        with how, SqliteSaver.from_conn_string(":memory:") as sqlite:
            graph = how.make(factory, checkpointer=InMemorySaver() if saver == "memory" else sqlite)
            config = {"configurable": {"thread_id": "t"}}
            seen = [graph.invoke(QUESTION, config), graph.get_state(config, subgraphs=True)]
            while "__interrupt__" in seen[-2]:
                seen += [graph.invoke(Command(resume=answers(seen[-2])), config), graph.get_state(config)]
            history = list(graph.get_state_history(config))
            seen.append(history)
            seen.append(graph.invoke(None, history[-2].config))
            fork = graph.update_state(history[-2].config, {"log": ["forked"]})
            seen += [list(graph.stream(None, fork, stream_mode="debug")), graph.get_state(config)]
        return seen

    same(True, drive(Recording("bare")), drive(Recording(kind)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("saver", ["memory", "sqlite"])
@pytest.mark.parametrize("factory", ASKING)
async def test_interrupt_resume_async(factory, saver, kind):
    async def drive(how):
        with how:
            async with AsyncSqliteSaver.from_conn_string(":memory:") as sqlite:
                graph = how.make(factory, checkpointer=InMemorySaver() if saver == "memory" else sqlite)
                config = {"configurable": {"thread_id": "t"}}
                seen = [await graph.ainvoke(QUESTION, config), await graph.aget_state(config, subgraphs=True)]
                while "__interrupt__" in seen[-2]:
                    seen += [
                        await graph.ainvoke(Command(resume=answers(seen[-2])), config),
                        await graph.aget_state(config),
                    ]
                history = [state async for state in graph.aget_state_history(config)]
                fork = await graph.aupdate_state(history[-2].config, {"log": ["forked"]})
                seen += [history, [c async for c in graph.astream(None, fork, stream_mode="updates")]]
        return seen

    same(True, await drive(Recording("bare")), await drive(Recording(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_breakpoints(graphs, kind):
    line = graphs["line"][0]

    def drive(how):
        with how:
            graph = how.make(line, checkpointer=InMemorySaver(), interrupt_before=["b"])
            config = {"configurable": {"thread_id": "t"}}
            return [graph.invoke(QUESTION, config), graph.get_state(config).next, graph.invoke(None, config)]

    assert normal(drive(Recording("bare"))) == normal(drive(Recording(kind)))


@pytest.mark.parametrize("kind", ["idle", "session"])
async def test_a_functional_workflow(kind):
    def make():
        @task
        def double(x):
            return x * 2

        @entrypoint(checkpointer=InMemorySaver())
        def flow(x):
            return [double(x).result(), interrupt("go on?")]

        return flow

    async def drive(how):
        with how:
            graph = make() if how.kind == "bare" else record(make())
            config = {"configurable": {"thread_id": "t"}}
            first = list(graph.stream(3, config, stream_mode=["updates", "tasks"]))
            return [first, await graph.ainvoke(Command(resume="yes"), config)]

    assert normal(await drive(Recording("bare"))) == normal(await drive(Recording(kind)))


def test_a_cached_node_is_cached_for_the_bare_and_the_recorded_graph_alike(graphs):
    calls = []

    def slow(state):
        calls.append(1)
        return {"log": ["slow"]}

    graph = StateGraph(State)
    graph.add_node("slow", slow, cache_policy=CachePolicy())
    graph.add_edge(START, "slow")
    compiled = graph.compile(cache=InMemoryCache())
    results = [compiled.invoke(QUESTION), record(compiled).invoke(QUESTION), compiled.invoke(QUESTION)]
    assert calls == [1]
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_nodes_timeout_still_holds(kind):
    async def slow(state):
        await asyncio.sleep(5)

    graph = StateGraph(State)
    graph.add_node("slow", slow, timeout=0.02)
    graph.add_edge(START, "slow")
    how = Recording(kind)
    with how:
        recorded = how.make(lambda: graph).with_config(tags=["copied"])
        with pytest.raises(NodeTimeoutError):
            await recorded.ainvoke(QUESTION)


def test_nodes_that_sync_code_cannot_run_still_say_so():
    async def only_async(state):
        return {}

    graph = record(chain(("only_async", only_async)).compile())
    with pytest.raises(TypeError, match="No synchronous function"):
        graph.invoke(QUESTION)
