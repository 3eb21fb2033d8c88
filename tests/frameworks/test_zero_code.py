"""A program that knows nothing of gapless: every run of its graphs is told, and nothing it sees changes."""

import asyncio

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from gapless.frameworks.zero_code import install


@pytest.fixture
def seen():
    runs = []
    with install(runs.append):
        yield runs


def steps(run):
    return [event.step for event in run.recorder.close() if not event.router]


GIVEN = {"query": "q", "log": []}


def test_each_way_to_call_is_one_trial(seen, graphs):
    graph = graphs["line"][0]().compile()
    output = graph.invoke(GIVEN)
    asyncio.run(graph.ainvoke(GIVEN))
    list(graph.stream(GIVEN))
    list(graph.stream(GIVEN, stream_mode=["values", "debug"], subgraphs=True))
    list(graph.stream(GIVEN, stream_mode="updates", version="v2"))
    graph.batch([GIVEN, GIVEN])

    async def events():
        return [event async for event in graph.astream_events(GIVEN, version="v2")]

    asyncio.run(events())
    assert [steps(run) for run in seen] == [["a", "b"]] * 8
    assert [run.output for run in seen[:5]] == [output] * 5
    assert all(run.error is None and not run.paused and run.input == GIVEN for run in seen)


def test_a_stream_that_does_not_tell_the_state_leaves_the_output_unknown(seen, graphs):
    list(graphs["line"][0]().compile().stream(GIVEN, stream_mode="custom"))
    assert [run.output for run in seen] == [None]


def test_streams_stay_lazy_and_may_be_left(seen, graphs):
    graph = graphs["line"][0]().compile()
    stream = graph.stream(GIVEN)
    assert seen == []
    next(stream)
    stream.close()
    assert [steps(run) for run in seen] == [["a"]]
    assert isinstance(seen[0].error, GeneratorExit)


def test_errors_pass_through_and_are_told(seen, graphs):
    with pytest.raises(KeyError):
        graphs["failing"][0]().compile().invoke(GIVEN)
    assert isinstance(seen[0].error, KeyError)
    assert [event.status for event in seen[0].recorder.close()] == ["ok", "error"]


def test_a_pause_and_its_resume_are_two_trials(seen):
    builder = StateGraph(dict)
    builder.add_node("ask", lambda state: {"answer": interrupt("?")})
    builder.add_edge(START, "ask")
    graph = builder.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    assert "__interrupt__" in graph.invoke({"query": "q"}, config)
    assert graph.invoke(Command(resume="yes"), config) == {"answer": "yes"}
    assert [run.paused for run in seen] == [True, False]
    assert "__interrupt__" not in (seen[0].output or {})


def test_a_graph_inside_a_graph_is_no_trial_of_its_own(seen, graphs):
    graphs["nested_subgraphs"][0]().compile().invoke(GIVEN)
    (run,) = seen
    assert steps(run) == ["sub/deep/one", "sub/deep/two", "sub/tail", "calls", "calls/one", "calls/two"]


def test_parallel_runs_do_not_mix(seen, graphs):
    graph = graphs["line_async"][0]().compile()

    async def both():
        await asyncio.gather(*(graph.ainvoke(GIVEN) for _ in range(5)))

    asyncio.run(both())
    assert [steps(run) for run in seen] == [["a", "b"]] * 5


def test_a_listener_that_fails_does_not_disturb_the_program(graphs, caplog):
    def broken(run):
        raise RuntimeError("disk full")

    with install(broken):
        assert graphs["line"][0]().compile().invoke(GIVEN)["log"]
    assert "was not recorded" in caplog.text


def test_afterwards_nothing_is_recorded(graphs):
    runs = []
    before = StateGraph.compile
    with install(runs.append):
        graph = graphs["line"][0]().compile()
    graph.invoke(GIVEN)
    assert runs == []
    assert StateGraph.compile is before
