"""Functions as workflows, and steps inside them."""

import asyncio
import inspect

import pytest

from gapless.boundary.session import Session, current_session
from gapless.errors import UnknownName, UsageError
from gapless.frameworks.function import step
from gapless.frameworks.layers import learn_shape
from gapless.frameworks.target import adapt
from gapless.records.trial import Call, StepEvent, TrialRecord
from gapless.records.value import decode
from gapless.records.workflow import Edge, Shape, Step
from gapless.trace.recorder import TrialRecorder


@step(layer="context")
def retrieve(query, *, k=2):
    return {"docs": [query] * k}


@step
async def draft(query, docs):
    await asyncio.sleep(0)
    return {"answer": f"{query} {len(docs)}"}


async def answer(query):
    found = retrieve(query, k=3)
    return await draft(query, docs=found["docs"])


def plain(question):
    return question.upper()


@pytest.fixture
def recorder():
    recorder = TrialRecorder()
    token = current_session.set(Session(recorder))
    yield recorder
    current_session.reset(token)


def test_outside_a_trial_a_step_is_a_plain_function():
    assert retrieve("a") == {"docs": ["a", "a"]}
    assert inspect.iscoroutinefunction(draft)
    assert retrieve.__name__ == "retrieve"
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        retrieve()


async def test_inner_steps_are_the_steps_of_a_function(recorder):
    workflow = adapt(answer)
    assert (await workflow.run({"query": "x"}, trial="t")).output == {"answer": "x 3"}
    events = recorder.close()
    assert [(e.step, e.visit, e.status) for e in events] == [("retrieve", 1, "ok"), ("draft", 1, "ok")]
    assert decode(recorder.payloads[events[0].input]) == {"query": "x", "k": 3}
    assert [(s.name, s.layer, s.layer_source) for s in workflow.shape.steps] == [
        ("retrieve", "context", "metadata"),
        ("draft", "model", "name"),
    ]
    assert workflow.shape.only_route() is None


async def test_a_function_without_steps_is_one_step(recorder):
    workflow = adapt(plain)
    assert (await workflow.run("abc", trial="t")).output == "ABC"
    assert [event.step for event in recorder.close()] == ["plain"]
    assert workflow.shape.only_route() == ("plain",)
    assert workflow.state_before("plain", "abc", {}) == "abc"
    assert await workflow.run_step("plain", "abc") == "ABC"


async def test_visits_errors_and_nesting(recorder):
    @step
    def inner(x):
        if x == 2:
            raise ValueError("two")
        return x

    @step(name="outside")
    def outer(x):
        return inner(x)

    def flow(x):
        return [outer(i) for i in range(x)]

    with pytest.raises(ValueError, match="two"):
        await adapt(flow).run(3, trial="t")
    assert [(e.step, e.visit, e.status) for e in recorder.close()] == [
        ("outside", 1, "ok"),
        ("outside/inner", 1, "ok"),
        ("outside", 2, "ok"),
        ("outside/inner", 2, "ok"),
        ("outside", 3, "error"),
        ("outside/inner", 3, "error"),
    ]


async def test_a_middleware_changes_arguments_and_results():
    def fault(crossing, proceed):
        found = yield from proceed({**crossing.state, "k": 1})
        return {"docs": [*found["docs"], "stale"]}

    token = current_session.set(Session(TrialRecorder(), middlewares=(fault,)))
    try:
        assert retrieve("a", k=5) == {"docs": ["a", "stale"]}
    finally:
        current_session.reset(token)


async def test_a_step_alone_takes_its_arguments_by_name():
    workflow = adapt(answer)
    state = workflow.state_before("draft", {"query": "q"}, {"retrieve": {"docs": ["g"]}})
    assert state == {"query": "q", "docs": ["g"]}
    assert await workflow.run_step("draft", state) == {"answer": "q 1"}
    with pytest.raises(UsageError, match="argument 'docs'"):
        workflow.state_before("draft", {"query": "q"}, {})
    with pytest.raises(UnknownName, match="it has retrieve, draft"):
        await workflow.run_step("x", {})


def test_the_shape_learns_steps_edges_and_layers_from_trials():
    def event(name, *, calls=(), **more):
        return StepEvent(
            step=name, calls=tuple(Call(kind=k, name="c", started_ms=0, ms=1) for k in calls), **more
        )

    def trial(*events):
        return TrialRecord(case="c", trial=0, group="c", outcome="correct", events=events)

    seen = trial(
        event("a", calls=("http", "model")), event("b", calls=("http",)), event("c", status="paused")
    )
    known = Shape(steps=(Step(name="a", layer="tool", layer_source="metadata"), Step(name="b")))
    learnt = learn_shape(known, [seen])
    assert [(s.name, s.layer, s.layer_source, s.review) for s in learnt.steps] == [
        ("a", "tool", "metadata", False),
        ("b", "tool", "calls", False),
        ("c", "orchestration", "default", True),
    ]
    assert learnt.receivers("a") == ("b",)
    guessed = Shape(
        steps=(Step(name="ask_api", layer="tool", layer_source="name"),),
        edges=(Edge(source="__start__", target="ask_api"),),
    )
    routed = learn_shape(guessed, [trial(event("ask_api", calls=("model",), routed=("z",)))])
    assert routed.step("ask_api").layer == "model"
    assert routed.edges[-1] == Edge(source="ask_api", target="z", conditional=True)
