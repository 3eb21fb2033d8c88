from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from gapless.boundary.suspicions import UNKNOWN, Normal, ObservedEvent, ObservedTrial, learn, observe, suspect
from gapless.records.trial import Call, ErrorInfo, StepEvent, TrialRecord
from gapless.records.value import OMITTED, digest, encode, to_plain

GOOD_ANSWER = "The supplier's cap on liability is set out in clause four."


def event(step: str, output: Any, state: Any = None, **more: Any) -> ObservedEvent:
    calls = more.pop("calls", ())
    status = "ok" if output is not UNKNOWN else "error"
    record = StepEvent(
        step=step,
        status=more.pop("status", status),
        input=digest(encode(state)),
        output=digest(encode(output)) if output is not UNKNOWN else None,
        **more,
    )
    return ObservedEvent(record, state, output, tuple(calls))


def chain(name: int, *outputs: tuple[str, Any], ended: Any = "ok") -> ObservedTrial:
    """A workflow without messages: each step's update, one after another."""
    events = tuple(event(step, output, {"q": name, "n": i}) for i, (step, output) in enumerate(outputs))
    return ObservedTrial(f"c{name}", 0, {"q": name}, outputs[-1][1], events, ended)


def answers(results: Iterable[Any], answer: Any = GOOD_ANSWER) -> list[ObservedTrial]:
    """Trials of retrieve -> draft in which `retrieve` hands over each result in turn."""
    return [chain(i, ("retrieve", result), ("draft", {"answer": answer})) for i, result in enumerate(results)]


def fired(trials: list[ObservedTrial], normal: Normal | None = None) -> dict[str, dict[int, int]]:
    """Check -> event index -> how many trials it fired in."""
    normal = normal if normal is not None else learn(trials)
    found: dict[str, dict[int, int]] = {}
    for trial in trials:
        for index, some in suspect(trial, normal).items():
            for one in {one.check for one in some}:
                found.setdefault(one, {})[index] = found.get(one, {}).get(index, 0) + 1
    return found


DOCS = {"docs": ["one", "two", "three"], "source": "index"}


def spoiled(bad: Any, good: Any = DOCS, n: int = 24, faulty: int = 6) -> list[ObservedTrial]:
    """24 trials, 6 of them faulty."""
    return answers([bad] * faulty + [good] * (n - faulty))


# -- errors ignored


@pytest.mark.parametrize(
    "error",
    [
        {"docs": [], "error": "quota exceeded"},
        {"tool_result": {"error": {"code": -32602, "message": "bad argument"}}},
        {"tool_result": {"isError": True, "content": [{"type": "text", "text": "no such tool"}]}},
        {"tool_result": {"status_code": 503, "message": "down"}},
        {"tool_result": {"status": "error", "message": "down"}},
        {"tool_result": "503 Service Unavailable"},
        "Traceback (most recent call last):\n  File ...",
        "Error executing tool 'search' with kwargs {}",
        '{"error": "timeout"}',
        "requests.exceptions.ConnectionError: refused",
        {"docs": ["Error: timed out", "Error: timed out"]},
    ],
)
@pytest.mark.parametrize("faulty", [1, 6, 20])
def test_an_ignored_error_is_flagged_however_often_it_comes(error: Any, faulty: int) -> None:
    assert fired(spoiled(error, faulty=faulty)) == {"errors-ignored": {0: faulty}}


@pytest.mark.parametrize(
    "fine",
    [
        {"error": None, "docs": ["a"]},
        {"error": "", "docs": ["a"]},
        {"error": 0.02, "docs": ["a"]},
        {"status": "active", "docs": ["a"]},
        {"status": 200, "docs": ["a"]},
        "Errors and omissions insurance is required.",
        "500 shares were issued to the supplier.",
        "450 Lexington Avenue, New York.",
        "Error rates fell to two percent in spring.",
        {"hits": [{"status": "error", "line": 3}, {"status": "ok", "line": 4}]},
        {"errors": ["line 3 is too long"], "data": {"linted": True}},
    ],
)
def test_what_only_speaks_of_errors_is_no_error(fine: Any) -> None:
    assert fired(answers([fine] * 6)) == {}


@pytest.mark.parametrize(
    "answer",
    [
        "I could not retrieve the contract.",
        "Sorry, the contract database did not answer.",
        "We were unable to find the supplier's documents.",
        "There is no data for this supplier.",
        "The retrieval service is unavailable at the moment.",
    ],
)
def test_an_error_the_answer_admits_is_not_silent(answer: str) -> None:
    bad = [chain(i, ("retrieve", {"error": "down"}), ("draft", {"answer": answer})) for i in range(3)]
    assert fired(bad) == {}


def test_a_structured_refusal_is_not_silent() -> None:
    refusal = {"answer": None, "status": "no_data"}
    assert fired([chain(0, ("retrieve", {"error": "down"}), ("draft", refusal))]) == {}
    assert fired([chain(0, ("only", {"error": "unknown supplier"}))]) == {}


def test_an_error_delivered_as_the_answer_is_flagged() -> None:
    assert fired([chain(0, ("retrieve", DOCS), ("draft", {"answer": "503 Service Unavailable"}))]) == {
        "errors-ignored": {1: 1}
    }
    assert fired([chain(0, ("model", "RateLimitError: too many requests for this key"))]) == {
        "errors-ignored": {0: 1}
    }


@pytest.mark.parametrize("ended", ["failed", "escalated"])
def test_a_trial_that_ended_loudly_ignored_no_error(ended: Any) -> None:
    trial = chain(0, ("retrieve", {"error": "down"}), ("draft", {"answer": GOOD_ANSWER}), ended=ended)
    assert fired([trial]) == {}


def _raising(*after: ObservedEvent) -> ObservedTrial:
    error = ErrorInfo(type="TimeoutError", message="no answer after 8 s")
    events = (event("retrieve", UNKNOWN, 1, error=error), *after)
    return ObservedTrial("c", 0, {}, {"answer": GOOD_ANSWER}, events, "ok")


def test_a_step_that_raised_and_never_succeeded_is_flagged_unless_retried() -> None:
    last = event("draft", {"answer": GOOD_ANSWER})
    assert fired([_raising(last)]) == {"errors-ignored": {0: 1}}
    assert fired([_raising(event("retrieve", DOCS, 1, attempt=2), last)]) == {}
    assert fired([_raising(event("retrieve", None, 1, attempt=2), last)]) == {}, (
        "it returns nothing by design"
    )
    assert fired([_raising(event("retrieve", DOCS, 1, branch=1), last)]) != {}, "another branch is no retry"


def _call(name: str, *, error: str | None = None) -> Call:
    info = ErrorInfo(type="HTTPError", message=error) if error else None
    return Call(kind="tool", name=name, started_ms=0, ms=1, request="r", response=None, error=info)


def test_a_nested_call_that_raised_inside_a_step_that_returned_is_flagged() -> None:
    lost = (_call("search", error="503"), {"q": "a"}, UNKNOWN)
    found = (_call("search"), {"q": "a"}, ["one"])
    other = (_call("search"), {"q": "unrelated question"}, ["two"])

    def one(*calls: Any) -> ObservedTrial:
        events = (event("retrieve", DOCS, 1, calls=calls), event("draft", {"answer": GOOD_ANSWER}))
        return ObservedTrial("c", 0, {}, None, events, "ok")

    assert fired([one(lost)]) == {"errors-ignored": {0: 1}}
    assert fired([one(lost, found)]) == {}
    assert fired([one(lost, other)]) == {"errors-ignored": {0: 1}}


def test_success_false_is_flagged_only_where_success_is_usual() -> None:
    good, bad = {"success": True, "id": "a"}, {"success": False, "id": "a"}
    assert fired(spoiled(bad, good)) == {"errors-ignored": {0: 6}}
    assert fired(spoiled(bad, good, faulty=12)) == {}


# -- empty and partial results


@pytest.mark.parametrize(
    "empty",
    [{"docs": [], "source": "index"}, {"docs": None, "source": "index"}, {}, None, "", "No results found."],
)
def test_a_rare_empty_result_is_flagged(empty: Any) -> None:
    assert fired(spoiled(empty)).get("empty-result") == {0: 6}


def test_what_is_usually_empty_is_normal() -> None:
    assert fired(spoiled({"docs": [], "source": "index"}, faulty=16)) == {}
    assert fired(answers([None] * 8)) == {}
    assert fired(answers([{"docs": ["a"], "note": ""}] * 8)) == {}


def test_an_empty_result_that_was_found_later_or_admitted_is_fine() -> None:
    normal = learn(spoiled({"docs": [], "source": "index"}))
    empty, answer = ("retrieve", {"docs": [], "source": "index"}), ("draft", {"answer": GOOD_ANSWER})
    assert "empty-result" in fired([chain(0, empty, answer)], normal)
    assert fired([chain(0, empty, ("retrieve", DOCS), answer)], normal) == {}
    assert fired([chain(0, empty, ("draft", {"answer": "I found no documents on this."}))], normal) == {}


@pytest.mark.parametrize(
    "part",
    [
        {"docs": ["one"], "source": "index"},
        {"docs": ["one", "two", "three"]},
        {"docs": ["one", "two", "three"], "source": "index", "truncated": True},
        {"docs": ["one", "two", "three"], "source": "index", "has_more": True},
        {"docs": ["one", "two", "three"], "source": "index", "next_cursor": "abc"},
        {"docs": ["one", "two", "three"], "source": "index", "total": 9},
    ],
)
def test_a_part_used_as_if_it_were_all_is_flagged(part: Any) -> None:
    assert fired(spoiled(part)) == {"partial-result": {0: 6}}
    if "total" not in part:  # a key like any other: then it is the four without it that lack something
        assert fired(spoiled(part, faulty=20)) == {}, "what nearly all trials show is normal"


def test_markers_that_are_normal_are_not_flagged() -> None:
    assert fired(answers([{**DOCS, "has_more": True, "total": 10}] * 12)) == {}


def test_lists_of_no_usual_length_and_optional_keys_are_normal() -> None:
    lists = [{"docs": ["x"] * (1 + i % 7)} for i in range(24)]
    assert fired(answers(lists)) == {}
    optional = [{"id": i, "name": "n"} | ({"note": "some"} if i % 2 else {}) for i in range(24)]
    assert fired(answers(optional)) == {}


def test_items_are_held_to_the_keys_that_items_usually_have() -> None:
    good = {"docs": [{"id": "a", "text": "t"}, {"id": "b", "text": "t"}, {"id": "c", "text": "t"}]}
    bad = {"docs": [{"id": "a", "text": "t"}, {"id": "b"}, {"id": "c", "text": "t"}]}
    assert fired(spoiled(bad, good)) == {"partial-result": {0: 6}}


def test_a_text_that_breaks_off_is_flagged_where_texts_usually_end() -> None:
    whole, cut = "The cap is five million euro, and it renews.", "The cap is five million euro, and it ren"
    assert fired(spoiled({"text": cut}, {"text": whole})) == {"partial-result": {0: 6}}
    assert fired(answers([{"text": cut}] * 12)) == {}
    assert fired(spoiled('{"docs": ["one", "tw', '{"docs": ["one", "two"]}')) == {"partial-result": {0: 6}}


# -- schemas


def test_a_renamed_field_and_a_changed_type_are_breaches() -> None:
    good = {"total": 12, "currency": "EUR"}
    trials = spoiled({"amount": 12, "currency": "EUR"}, good)
    assert fired(trials) == {"schema-breach": {0: 6}}
    (one,) = suspect(trials[0], learn(trials))[0]
    assert one.reason == "retrieve: 'amount' stands where 'total' is in 18 of 24 trials"
    assert fired(spoiled({"total": "12", "currency": "EUR"}, good)) == {"schema-breach": {0: 6}}
    assert fired(spoiled({"total": 12.5, "currency": "EUR"}, good)) == {}
    assert fired(spoiled({"sum": 12}, {"total": 12})) == {"schema-breach": {0: 6}}


def test_a_declared_schema_takes_the_place_of_the_learnt_one() -> None:
    schema = {"type": "object", "properties": {"total": {"type": "string"}}, "required": ["total"]}
    trials = answers([{"total": 12}] * 5 + [{"total": "12"}])
    normal = learn(trials, declared={"retrieve": schema})
    assert fired(trials, normal) == {"schema-breach": {0: 5}}
    assert fired(trials) == {"schema-breach": {0: 1}}


# -- loops and retries


def test_the_same_input_and_output_three_times_is_no_progress() -> None:
    def loop(rounds: int, **more: Any) -> ObservedTrial:
        events = tuple(event("plan", {"next": "x"}, {"s": 1}, visit=i + 1, **more) for i in range(rounds))
        return ObservedTrial("c", 0, {}, None, events, "ok")

    assert fired([loop(2)]) == {}
    assert fired([loop(9)]) == {"no-progress": {2: 1}}
    moving = tuple(event("plan", {"next": "x"}, {"s": i}, visit=i + 1) for i in range(9))
    assert fired([ObservedTrial("c", 0, {}, None, moving, "ok")]) == {}
    fanned = tuple(event("plan", {"next": "x"}, {"s": 1}, branch=i) for i in range(9))
    assert fired([ObservedTrial("c", 0, {}, None, fanned, "ok")]) == {}
    assert fired([loop(9, router=True)]) == {}


def test_four_attempts_or_far_more_retries_than_usual_are_a_storm() -> None:
    error = ErrorInfo(type="TimeoutError", message="no answer")

    def tried(attempts: int, visits: int = 1) -> ObservedTrial:
        events: list[ObservedEvent] = []
        for visit in range(1, visits + 1):
            for attempt in range(1, attempts):
                events.append(event("tool", UNKNOWN, visit, visit=visit, attempt=attempt, error=error))
            events.append(event("tool", DOCS, visit, visit=visit, attempt=attempts))
        return ObservedTrial("c", 0, {}, None, tuple(events), "ok")

    assert fired([tried(3)]) == {}
    assert fired([tried(4)]) == {"retry-storm": {3: 1}}
    assert fired([tried(2, visits=5)] + [tried(1)] * 5) == {"retry-storm": {9: 1}}
    assert fired([tried(2, visits=5)] * 6) == {}, "a step that always needs them is no storm"


# -- messages, as LangGraph's agents keep them


def react(name: int, results: dict[str, Any], answer: str = GOOD_ANSWER, **more: Any) -> ObservedTrial:
    """A ReAct trial: agent asks for each tool, tools answers, agent concludes. Messages are LangChain's own."""
    state: list[Any] = [HumanMessage("what is the cap?")]
    events: list[ObservedEvent] = []

    def add(step: str, message: Any) -> None:
        events.append(
            event(step, to_plain({"messages": [message]}), to_plain({"messages": state}), visit=len(state))
        )
        state.append(message)

    for place, (tool, result) in enumerate(results.items()):
        call = {
            "name": tool.rstrip("_"),
            "args": {"supplier": name, **more.get("args", {})},
            "id": f"{name}-{place}",
        }
        add("agent", AIMessage("", tool_calls=[call]))
        answered = (
            result if isinstance(result, ToolMessage) else ToolMessage(str(result), tool_call_id=call["id"])
        )
        add("tools", answered)
    add("agent", AIMessage(answer, response_metadata={"finish_reason": more.get("finish", "stop")}))
    return ObservedTrial(f"c{name}", 0, {}, to_plain({"messages": state}), tuple(events), "ok")


def _mixed(bad: dict[str, Any], good: dict[str, Any], **more: Any) -> list[ObservedTrial]:
    return [react(i, bad if i < 6 else good, **more) for i in range(24)]


def test_a_silent_tool_failure_in_a_react_agent_is_named() -> None:
    good = {"lookup": '{"cap": "five million", "clause": "four"}', "think": ""}
    failed = ToolMessage("boom", tool_call_id="0-0", name="lookup", status="error")
    for bad in (failed, '{"error": "quota"}', "Error: timed out", "503 Service Unavailable"):
        trials = _mixed({**good, "lookup": bad}, good)
        assert fired(trials) == {"errors-ignored": {1: 6}}
        (one,) = suspect(trials[0], learn(trials))[1]
        assert "lookup answered with an error" in one.reason


def test_a_tool_that_returns_nothing_by_design_is_judged_apart_from_its_neighbours() -> None:
    good = {"lookup": '{"cap": "five million"}', "think": ""}
    assert fired(_mixed({**good, "lookup": "[]"}, good)) == {"empty-result": {1: 6}}


def test_an_error_that_the_agent_retries_or_tells_is_fine() -> None:
    good = {"lookup": '{"cap": "five million"}'}
    assert fired(_mixed({"lookup": "Error: timed out", "lookup_": '{"cap": "five million"}'}, good)) == {}
    told = [react(i, {"lookup": "Error: timed out"}, "I could not look the cap up.") for i in range(6)]
    assert fired(told) == {}


def test_a_model_stopped_by_its_token_limit_is_flagged_even_when_usual() -> None:
    trials = [react(i, {"lookup": "{}"}, finish="length") for i in range(6)]
    assert fired(trials) == {"partial-result": {2: 6}}


def test_the_same_call_three_times_is_no_progress() -> None:
    names = {"lookup": '{"page": 1}', "lookup_": '{"page": 1}', "lookup__": '{"page": 1}'}
    good = {"lookup": '{"page": 1}'}
    assert fired(_mixed(names, good)) == {"no-progress": {5: 6}}
    assert fired([react(i, names) for i in range(8)]) == {}, "a tool that is polled in most trials"
    moving = {"lookup": '{"page": 1}', "lookup_": '{"page": 2}', "lookup__": '{"page": 3}'}
    assert fired(_mixed(moving, good)) == {}


def test_commands_and_whole_conversations_are_read_as_updates() -> None:
    ask = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
    }
    lost = {"role": "tool", "tool_call_id": "1", "content": "Error: timed out"}
    said = {"role": "assistant", "content": GOOD_ANSWER}
    command = {"graph": None, "update": {"messages": [lost]}, "resume": None, "goto": "agent"}
    for output in (command, [command], {"messages": [ask, lost]}, [lost], [["messages", [lost]]]):
        update = {**command, "update": output} if output == [["messages", [lost]]] else output
        events = (event("tools", update, {"messages": [ask]}), event("agent", {"messages": [said]}))
        assert fired([ObservedTrial("c", 0, {}, None, events, "ok")]) == {"errors-ignored": {0: 1}}


def test_a_subgraph_is_not_blamed_for_what_its_own_step_handed_over() -> None:
    inner = event("team/tools", {"docs": "Error: timed out"})
    outer = event("team", {"docs": "Error: timed out"})
    last = event("draft", {"answer": GOOD_ANSWER})
    trial = ObservedTrial("c", 0, {}, None, (outer, inner, last), "ok")
    assert fired([trial]) == {"errors-ignored": {1: 1}}


# -- reading a record


def _record(**more: Any) -> TrialRecord:
    seen = StepEvent(step="retrieve", input="in", output="out", calls=(_call("search"),))
    return TrialRecord(case="c", trial=2, group="c", outcome="unjudged", events=(seen,), output="out", **more)


def test_a_record_is_read_once_per_value() -> None:
    asked: list[str] = []

    def load(address: str) -> Any:
        asked.append(address)
        return {"in": {"q": 1}, "out": DOCS, "r": {"query": "a"}}[address]

    trial = observe(_record(), load)
    assert (trial.case, trial.trial, trial.ended) == ("c", 2, "ok")
    assert trial.input == {"q": 1}
    assert trial.output == trial.events[0].output == DOCS
    assert trial.events[0].calls[0][1:] == ({"query": "a"}, UNKNOWN)
    assert sorted(asked) == ["in", "out", "r"]
    assert observe(_record(), load, {"q": 5}).input == {"q": 5}


def test_a_value_that_was_not_kept_raises_no_suspicion() -> None:
    kept = {"out": {OMITTED: "larger than 8 MiB", "bytes": 9}}
    normal = learn(spoiled({}, DOCS))
    trial = observe(_record(), lambda address: kept[address])
    assert trial.events[0].output is UNKNOWN
    assert suspect(trial, normal) == {}


@pytest.mark.parametrize(
    ("outcome", "ended"), [("failed", "failed"), ("escalated", "escalated"), ("wrong", "ok")]
)
def test_the_outcome_says_how_a_trial_ended(outcome: Any, ended: str) -> None:
    record = TrialRecord(case="c", trial=0, group="c", outcome=outcome)
    assert observe(record, lambda _: None).ended == ended


def test_what_is_normal_travels_as_json_and_suspects_the_same() -> None:
    trials = spoiled({"docs": [], "source": "index"}) + _mixed({"lookup": "[]"}, {"lookup": '{"a": 1}'})
    normal = learn(trials)
    again = msgspec.json.decode(msgspec.json.encode(normal), type=Normal)
    assert again == normal
    assert learn(trials) == normal
    for trial in trials:
        assert suspect(trial, again) == suspect(trial, normal)
