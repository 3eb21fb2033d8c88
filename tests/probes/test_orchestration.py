"""What the graph's code shows, clashes in recorded trials, doubled time limits, verdicts of the prompt, and kills."""

from __future__ import annotations

import operator
from dataclasses import replace
from types import SimpleNamespace
from typing import Annotated, Any, TypedDict

import msgspec
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from planted import ONCE, State, clashing, event, forked, graph, killed, prompted, records

from gapless.frameworks.langgraph import wiring
from gapless.frameworks.target import adapt
from gapless.probes import check
from gapless.probes.base import Subject
from gapless.records.baseline import BaselineVerdict
from gapless.records.wiring import StepWiring
from gapless.records.workflow import Edge, Shape, Step


def test_clashes_of_recorded_trials_count_too() -> None:
    (found,) = check(clashing(("one", "one")), "parallel-writes")
    assert (found.status, "one (a, b)" in found.said) == ("fail", True)
    (found,) = check(clashing(("one", "both")), "parallel-writes")
    assert found.status == "ok"


def test_a_time_limit_with_two_owners() -> None:
    from gapless import Contract

    subject = graph(contracts={"retrieve": Contract(timeout_s=5), "pay": Contract(timeout_s=5)})
    assert subject.wiring is not None
    steps = {**subject.wiring.steps, "pay": StepWiring(timeout=True)}
    twice = replace(subject, wiring=msgspec.structs.replace(subject.wiring, steps=steps))
    (found,) = check(twice, "time-limits")
    assert found.status == "warn"
    assert "pay has a time limit of the framework's beside the contract's" in found.said
    (found,) = check(subject, "time-limits")
    assert found.status == "ok"
    bare = graph(contracts={"pay": Contract(timeout_s=5)})
    (found,) = check(replace(bare, wiring=twice.wiring), "time-limits")
    assert "no limit that gapless can see ends a call of retrieve that hangs" in found.said
    assert "; pay has a time limit" in found.said


@pytest.mark.parametrize(
    ("stops", "status"),
    [
        ({"interrupt_before": ["pay"]}, "ok"),
        ({"interrupt_before": "*"}, "ok"),
        ({"interrupt_after": ["retrieve"]}, "ok"),
        ({"interrupt_after": ["pay"]}, "warn"),
        ({"interrupt_after": ["pay"], "interrupt_before": ["pay"]}, "ok"),
    ],
)
def test_a_person_who_is_asked_afterwards_stands_before_nothing(stops: dict[str, Any], status: str) -> None:
    (found,) = check(graph(saver=InMemorySaver(), stops=stops), "person-before-effect")
    assert found.status == status


def test_a_retry_that_is_not_seen_is_not_said_to_be_none() -> None:
    (found,) = check(graph(), "retry-owners")
    assert found.status == "warn"
    assert "gapless sees no step that is tried again" in found.said
    assert "native" not in found.target, "it is not the double one that is missed here"


@pytest.mark.parametrize("probe", ["effects-once", "orchestration-needed"])
def test_a_command_can_be_typed_as_it_stands(probe: str) -> None:
    subject = graph()
    (found,) = check(subject, probe)
    assert found.command.split()[:2] in (["gapless", "crash"], ["gapless", "measure"])
    (found,) = check(replace(subject, named="app.py:graph"), probe)
    assert found.command.split()[2] == "app.py:graph"
    (found,) = check(replace(subject, named="app.py:graph", has_suite=False), probe)
    assert (found.command, "app.py:graph --suite suite.yaml" in found.next_step) == ("", True)
    (found,) = check(replace(subject, own_workflow=False), probe)
    assert found.command in ("", "gapless demo")
    assert "With your graph: `gapless" in found.next_step


def test_why_nothing_was_killed_names_what_would_help() -> None:
    def said(**more: Any) -> str:
        (found,) = check(replace(graph(), **more), "crash-recovery")
        assert found.status == "not-applicable"
        return found.said

    assert "say --leave" in said()
    assert "`suite` in gapless.toml" in said(has_suite=False)
    for leave in (False, True):
        stands_in = said(own_workflow=False, leave=leave)
        assert "--leave" not in stands_in
        assert "gapless crash app.py:graph --suite" in stands_in


def test_ways_that_exclude_each_other_are_not_side_by_side() -> None:
    either = Shape(
        steps=(Step(name="a"), Step(name="b"), Step(name="c")),
        edges=(
            Edge(source="a", target="b", conditional=True),
            Edge(source="a", target="c", conditional=True),
        ),
    )
    workflow: Any = SimpleNamespace(shape=either, target="t")
    (found,) = check(Subject(workflow=workflow), "orchestration-needed")
    assert "3 steps, and nobody has asked" in found.said
    (found,) = check(forked("one"), "orchestration-needed")
    assert "up to 2 side by side" in found.said


def test_steps_that_no_trial_ran_side_by_side_are_not_judged() -> None:
    apart = records((event("left", 0.0, superstep=1), event("right", 2.0, superstep=2)))
    subject = replace(forked("answer"), records=apart.records)
    (found,) = check(subject, "parallel-writes")
    assert (found.status, "left, right run side by side" in found.said) == ("ok", True)
    assert subject.wiring is not None
    mute = replace(subject, wiring=msgspec.structs.replace(subject.wiring, steps={}))
    (found,) = check(mute, "parallel-writes")
    assert (found.status, "in none of 1 recorded trials" in found.said) == ("not-applicable", True)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        ("ship the prompt", "warn"),
        ("keep the workflow", "ok"),
        ("undecided", "warn"),
        ("no evidence", "warn"),
        (None, "warn"),
    ],
)
def test_the_verdict_on_record_is_said(verdict: BaselineVerdict | None, status: str) -> None:
    (found,) = check(prompted(verdict), "orchestration-needed")
    assert found.status == status
    assert (verdict or "nobody has asked") in found.said


def test_kills_need_leave_and_say_how_many_there_were() -> None:
    (found,) = check(graph(), "crash-recovery")
    assert (found.status, "--leave" in found.said) == ("not-applicable", True)
    (found,) = check(killed("pay"), "crash-recovery")
    assert "pay took place twice" in found.said
    (found,) = check(replace(graph(), no_crash="not here", leave=True), "crash-recovery")
    assert found.said == "not here"


def test_why_a_run_that_was_begun_again_is_harm_is_said() -> None:
    table = killed("pay").crash
    assert table is not None
    cell = msgspec.structs.replace(table.cells[0], doubled=(), restarted=True, found=False, same=True)
    (found,) = check(
        replace(killed("pay"), crash=msgspec.structs.replace(table, cells=(cell,))), "crash-recovery"
    )
    assert found.status == "fail"
    assert "The harm: the run had been accepted, and nothing is left that says so" in found.said


def test_a_workflow_that_cannot_be_opened_is_named_by_every_line() -> None:
    broken = Subject(no_workflow="app.py could not be opened: ouch")
    first, *others = check(broken, "typed-state", "time-limits", "crash-recovery", "verdicts")
    assert (first.status, first.said) == ("fail", "app.py could not be opened: ouch")
    assert "Mend the module" in first.next_step
    assert {(one.status, one.said) for one in others} == {("not-applicable", "see typed-state")}


def going(goto: str | None, *, asks: bool = False) -> Subject:
    """A graph whose first step sends the run on by a Command that no edge and no annotation declares."""

    def first(state: State) -> Any:
        return Command(goto="pay", update={"one": "x"})

    def asking(state: State) -> Any:
        return Command(goto="pay", update={"one": interrupt("may I?")})

    def computed(state: State) -> Any:
        return Command(goto=state["question"])

    built = StateGraph(State)
    built.add_node("first", computed if goto is None else asking if asks else first)
    built.add_node("pay", lambda s: {"answer": "y"}, metadata={"layer": "tool", "effect": True})
    built.add_edge(START, "first")
    built.add_edge("pay", END)
    compiled: Any = built.compile(checkpointer=InMemorySaver())
    return Subject(workflow=adapt(compiled), wiring=wiring(compiled))


@pytest.mark.parametrize("goto", ["pay", None])
def test_a_command_in_code_is_a_way_too(goto: str | None) -> None:
    reach, people = check(going(goto), "reachable-steps", "person-before-effect")
    assert (reach.status, people.status) == ("ok", "warn")


def test_a_person_whom_code_asks_is_one() -> None:
    people, saved = check(going("pay", asks=True), "person-before-effect", "checkpoints")
    assert people.status == "ok"
    assert saved.status == "fail"


def test_a_function_of_langgraph_has_no_state_that_could_be_typed() -> None:
    @entrypoint()
    def alone(given: int) -> int:
        return given

    subject = Subject(workflow=adapt(alone), wiring=wiring(alone))
    (found,) = check(subject, "typed-state")
    assert (found.status, "under @entrypoint" in found.said) == ("not-applicable", True)


def test_a_limit_that_bounds_nothing_is_no_bound() -> None:
    (found,) = check(graph(loop=True, limit=9_999), "bounded-loops")
    assert (found.status, "only a limit of 9,999 supersteps ends that" in found.said) == ("warn", True)
    (found,) = check(graph(loop=True), "bounded-loops")
    assert "only the framework's own limit ends that" in found.said


def test_a_stop_before_a_subgraph_is_one_before_its_steps() -> None:
    inner = StateGraph(State)
    inner.add_node("pay", lambda s: {"answer": "y"}, metadata={"layer": "tool", "effect": True})
    inner.add_edge(START, "pay")
    for stops, status in (({"interrupt_before": ["inner"]}, "ok"), ({"interrupt_after": ["inner"]}, "warn")):
        outer = StateGraph(State)
        outer.add_node("inner", inner.compile())
        outer.add_edge(START, "inner")
        compiled: Any = outer.compile(checkpointer=InMemorySaver(), **stops)
        (found,) = check(Subject(workflow=adapt(compiled), wiring=wiring(compiled)), "person-before-effect")
        assert found.status == status, stops


def test_an_effect_that_a_cache_answers_does_not_take_place() -> None:
    subject = graph(contracts={"pay": ONCE})
    (found,) = check(subject, "effects-once")
    assert found.status == "ok"
    assert subject.wiring is not None
    steps = {**subject.wiring.steps, "pay": StepWiring(cached=True)}
    held = replace(subject, wiring=msgspec.structs.replace(subject.wiring, steps=steps))
    (found,) = check(held, "effects-once")
    assert (found.status, "pay may not take place at all" in found.said) == ("fail", True)


def test_who_takes_exceptions_decides_nothing_about_outputs() -> None:
    built = StateGraph(State)
    built.add_node(
        "retrieve",
        lambda s: {"found": "x"},
        metadata={"layer": "context"},
        error_handler=lambda s, error: {"found": ""},
    )
    built.add_edge(START, "retrieve")
    built.add_edge("retrieve", END)
    compiled: Any = built.compile()
    (found,) = check(Subject(workflow=adapt(compiled), wiring=wiring(compiled)), "doubt-has-a-way")
    assert found.status == "warn"


class Counted(TypedDict, total=False):
    n: int
    docs: list[str]
    found: Annotated[list[str], operator.add]


def looping(route: Any = None, step: Any = None, *, declared: bool = True) -> Subject:
    """A search that its own Command, or a conditional edge, may start again."""
    built: Any = StateGraph(Counted)
    built.add_node("search", step or (lambda s: {"n": s["n"] + 1}), metadata={"layer": "context"})
    built.add_edge(START, "search")
    if route is not None:
        built.add_conditional_edges("search", route, *([["search", END]] if declared else []))
    compiled: Any = built.compile()
    return Subject(workflow=adapt(compiled), wiring=wiring(compiled))


def test_a_loop_that_a_count_in_the_state_leaves_seems_to_be_bounded() -> None:
    def route(s: Counted) -> str:
        return "search" if s["n"] < 3 else END

    def enough(s: Counted) -> str:
        found = s.get("found", [])
        return END if len(found) >= 10 else "search"

    def judged(s: Any) -> str:
        return "search" if s["score"] < 0.8 else END

    def wrong(s: Any) -> str:
        return "search" if s["errors"] > 0 else END

    def step(s: Counted) -> Any:
        if s["n"] >= 3:
            return Command(goto=END)
        return Command(goto="search", update={"n": s["n"] + 1})

    for subject, said in (
        (looping(route), "bounded by s['n'] < 3 in route"),
        (looping(route, declared=False), "bounded by s['n'] < 3 in route"),
        (looping(enough), "bounded by len(found) >= 10 in enough"),
        (looping(step=step), "bounded by s['n'] >= 3 in search"),
    ):
        (found,) = check(subject, "bounded-loops")
        assert (found.status, bool(found.undecided), said in found.said) == ("ok", True, True), found.said
    (found,) = check(looping(route, declared=False), "doubt-has-a-way")
    assert found.status == "ok"
    for other in (judged, wrong, lambda s: END):
        (found,) = check(looping(other), "bounded-loops")
        assert found.status == "warn", found.said


def fanning(fan: Any, read: Any, targets: list[str]) -> Subject:
    built: Any = StateGraph(Counted)
    built.add_node("search", lambda s: {"docs": ["a"]}, metadata={"layer": "context"})
    built.add_node("read", read)
    built.add_node("sum", lambda s: {"n": 1})
    built.add_edge(START, "search")
    built.add_conditional_edges("search", fan, *([targets] if targets else []))
    built.add_edge("read", "sum")
    built.add_edge("sum", END)
    compiled: Any = built.compile()
    return Subject(workflow=adapt(compiled), wiring=wiring(compiled))


@pytest.mark.parametrize("targets", [["read"], []])
def test_a_fan_out_decides_nothing_and_its_keys_with_reducers_do_not_clash(targets: list[str]) -> None:
    def fan(s: Counted) -> Any:
        return [Send("read", doc) for doc in s["docs"]]

    def picked(s: Counted) -> Any:
        return [Send("read", doc) for doc in s["docs"] if doc]

    def unless_none(s: Counted) -> Any:
        return [Send("read", doc) for doc in s["docs"]] if s["docs"] else "sum"

    def read(doc: Any) -> Any:
        return {"found": [doc]}

    def more(doc: Any) -> Any:
        return {"found": [doc], **doc}

    doubt, writes = check(fanning(fan, read, targets), "doubt-has-a-way", "parallel-writes")
    assert (doubt.status, writes.status) == ("warn", "ok")
    assert "read is started several times at once" in writes.said
    (writes,) = check(fanning(fan, more, targets), "parallel-writes")
    assert writes.status == "not-applicable"
    for decides in (picked, unless_none):
        (doubt,) = check(fanning(decides, read, ["read", "sum"]), "doubt-has-a-way")
        assert doubt.status == "ok", decides
