"""What a recorded graph leaves behind: visits, attempts, branches, routers, addresses, nested calls, errors, pauses."""

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from gapless.boundary.session import Session, current_session
from gapless.frameworks.calls import recorded_calls
from gapless.frameworks.langgraph import record, shape
from gapless.records.value import decode
from gapless.settings import StepSettings
from gapless.trace.recorder import TrialRecorder


@pytest.fixture
def run(graphs):
    """Runs a named graph recorded; answers events, and a reader of payloads."""

    def start(name, middlewares=(), graph=None, config=None):
        factory, given = graphs[name]
        made = graph or factory()
        made = made.compile() if isinstance(made, StateGraph) else made
        recorder = TrialRecorder()
        token = current_session.set(Session(recorder, middlewares=middlewares))
        try:
            with recorded_calls():
                record(made).invoke(given, config)
        except Exception:
            pass
        finally:
            current_session.reset(token)
        return recorder.close(), lambda address: decode(recorder.payloads[address])

    return start


def of(events, step):
    return [event for event in events if event.step == step]


def test_a_line_is_recorded_with_the_state_before_and_the_update_after(run):
    events, read = run("line")
    assert [event.step for event in events] == ["a", "b"]
    assert read(events[1].input)["log"] == ["['log', 'query']"]
    assert read(events[1].output) == {"log": ["b"]}
    assert all(event.status == "ok" and event.ms >= 0 and event.branch is None for event in events)


def test_routers_are_steps_that_say_where_they_lead(run):
    events, read = run("routed")
    assert [(e.step, e.router, e.routed) for e in events] == [
        ("__start__?first", True, ("look",)),
        ("look", False, ()),
        ("look?low", True, ("write",)),
        ("write", False, ()),
    ]
    assert read(events[2].output) == "write"


def test_a_path_map_is_read_through_and_an_end_is_an_end(run):
    assert of(run("lambda_router")[0], "a?condition")[0].routed == ("b",)
    assert of(run("loop")[0], "work?again")[-1].routed == ("__end__",)


def test_a_loop_counts_visits_and_a_retry_counts_attempts(run):
    events, _ = run("loop")
    assert [(e.visit, e.attempt) for e in of(events, "work")] == [(1, 1), (2, 1), (3, 1)]
    events, _ = run("retried")
    assert [(e.visit, e.attempt, e.status) for e in events] == [
        (1, 1, "error"),
        (1, 2, "error"),
        (1, 3, "ok"),
    ]
    assert events[0].error.type == "ConnectionError"


def test_a_command_hands_over_its_update_and_names_the_receiver(run):
    events, read = run("commands")
    assert of(events, "first")[0].routed == ("third",)
    assert read(of(events, "first")[0].output) == {"log": ["first"]}
    assert read(of(events, "third")[0].output) == {"log": ["third", "more"]}


def test_a_fan_out_numbers_the_branches_of_each_step(run):
    events, read = run("sends")
    assert sorted((e.branch, read(e.input)["query"]) for e in of(events, "work")) == [
        (0, "a"),
        (1, "b"),
        (2, "c"),
    ]
    assert [e.branch for e in of(events, "other")] == [0]
    assert of(events, "split?plan")[0].routed == ("work", "other")
    assert [e.branch for e in of(events, "join")] == [None]


def test_subgraphs_have_addresses_and_keep_the_branch_that_started_them(run):
    events, _ = run("subgraph")
    assert [e.step for e in events] == ["before", "sub/one", "sub/two", "after"]
    events, _ = run("nested_subgraphs")
    assert [e.step for e in events] == ["sub/deep/one", "sub/deep/two", "sub/tail", "calls"]
    events, _ = run("sent_subgraphs")
    assert sorted((e.step, e.branch, e.visit) for e in events if not e.router) == [
        ("sub/one", 0, 1),
        ("sub/one", 1, 1),
        ("sub/two", 0, 1),
        ("sub/two", 1, 1),
    ]


def test_a_command_for_the_parent_is_a_handover_not_a_pause(run):
    events, read = run("parent_command")
    assert [(e.step, e.status, e.routed) for e in events] == [
        ("sub/leave", "ok", ("far",)),
        ("far", "ok", ()),
    ]
    events, read = run("parent_command_raised")
    assert [(e.step, e.status, e.routed) for e in events] == [("call", "ok", ("far",)), ("far", "ok", ())]
    assert read(events[0].output) == {"log": ["left"]}


def test_errors_are_recorded_where_they_arose(run):
    events, _ = run("failing")
    assert [(e.step, e.status) for e in events] == [("a", "ok"), ("broken", "error")]
    assert events[1].error.type == "KeyError"
    assert "conftest.py:" in events[1].error.where
    events, _ = run("handled")
    assert [(e.step, e.status) for e in events] == [
        ("broken", "error"),
        ("__error_handler__broken", "ok"),
        ("after", "ok"),
    ]


def test_an_interrupt_is_a_pause_and_its_resume_another_attempt(run):
    graph = StateGraph(dict)
    graph.add_node("ask", lambda state: {"answer": interrupt("?")})
    graph.add_edge(START, "ask")
    compiled = graph.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    events, _ = run("line", graph=compiled, config=config)
    assert [(e.step, e.status, e.error) for e in events] == [("ask", "paused", None)]
    assert (
        events[0].checkpoint
        == next(iter(compiled.get_state_history(config))).config["configurable"]["checkpoint_id"]
    )


def test_models_and_tools_are_nested_calls_of_their_step(run):
    for name in ("react_agent", "new_agent"):
        events, read = run(name)
        tools = [call for event in of(events, "tools") for call in event.calls]
        assert [(call.kind, call.name, call.error) for call in tools] == [("tool", "weather", None)] * 2
        assert sorted(read(call.request)["city"] for call in tools) == ["Oslo", "Rome"]
        assert sorted(read(call.response)["content"] for call in tools) == ["21C in Oslo", "21C in Rome"]
        asked = next(event for event in events if event.calls)
        assert [call.kind for call in asked.calls] == ["model"]
        assert read(asked.calls[0].request)["messages"][-1]["content"] == "hi"


def test_a_middleware_changes_what_the_graph_is_given(run):
    def louder(crossing, proceed):
        update = yield from proceed(crossing.state)
        crossing.faults.append("loud")
        return (
            {"log": [str(entry).upper() for entry in update["log"]]} if crossing.step == "sub/one" else update
        )

    events, read = run("subgraph", (louder,))
    assert read(of(events, "sub/two")[0].input)["log"][-1] == "IN Q"
    assert of(events, "sub/one")[0].faults == ("loud",)


def test_the_shape_has_steps_edges_routers_and_layers(graphs):
    drawn = shape(graphs["routed"][0]().compile(), {"write": StepSettings(layer="tool", effect=True)})
    assert [step.name for step in drawn.steps] == ["__start__?first", "look", "look?low", "write", "review"]
    assert {(e.source, e.target, e.conditional) for e in drawn.edges} == {
        ("__start__", "look", True),
        ("look", "write", True),
        ("look", "review", True),
        ("write", "__end__", False),
        ("review", "__end__", False),
    }
    assert (drawn.step("write").layer, drawn.step("write").layer_source) == ("tool", "settings")
    assert drawn.step("write").effect
    assert not drawn.step("review").review  # a name is no proof
    assert drawn.only_route() is None


def test_the_shape_of_a_subgraph_stands_in_place_of_its_node(graphs):
    drawn = shape(graphs["subgraph"][0]().compile())
    assert drawn.only_route() == ("before", "sub/one", "sub/two", "after")
    assert shape(record(graphs["subgraph"][0]().compile())) == drawn


def test_layers_come_from_metadata_or_from_the_name():
    graph = StateGraph(dict)
    for name, metadata in (
        ("callTool", None),
        ("retrieve_docs", None),
        ("draft", {"layer": "context"}),
        ("plan", None),
    ):
        graph.add_node(name, lambda state: {}, metadata=metadata)
        graph.add_edge(START, name)
    steps = {step.name: (step.layer, step.layer_source) for step in shape(graph.compile()).steps}
    assert steps == {
        "callTool": ("tool", "name"),
        "retrieve_docs": ("context", "name"),
        "draft": ("context", "metadata"),
        "plan": ("orchestration", "default"),
    }


def test_recording_twice_records_once(graphs):
    recorder = TrialRecorder()
    twice = record(record(graphs["subgraph"][0]().compile()))
    token = current_session.set(Session(recorder))
    try:
        twice.invoke({"query": "q", "log": []})
    finally:
        current_session.reset(token)
    assert [event.step for event in recorder.close()] == ["before", "sub/one", "sub/two", "after"]
