"""Every check on values that are right, wrong, and not to be judged."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import pytest

from gapless.errors import InvalidSuite
from gapless.evals.checks.base import MISSING, Check, CheckContext, build, judge_all, overall, run_check
from gapless.records.suite import Case, CheckSpec
from gapless.records.trial import Call, StepEvent, Verdict
from gapless.records.value import digest, encode, omitted


class Trial:
    """Events with payloads, as the recorder leaves them."""

    def __init__(self) -> None:
        self.events: list[StepEvent] = []
        self.payloads: dict[str, Any] = {}

    def keep(self, value: Any) -> str:
        address = digest(encode(value))
        self.payloads[address] = value
        return address

    def step(self, name: str, output: Any, *, tool: Any = None, **more: Any) -> Trial:
        calls = (
            (Call(kind="tool", name="t", started_ms=0, ms=0, response=self.keep(tool)),)
            if tool is not None
            else ()
        )
        visit = more.pop("visit", 1 + sum(e.step == name and e.attempt == 1 for e in self.events))
        event = StepEvent(step=name, output=self.keep(output), calls=calls, visit=visit, **more)
        self.events.append(event)
        return self

    def context(
        self, value: Any, where: str = "end", *, case: Case | None = None, **more: Any
    ) -> CheckContext:
        return CheckContext(
            case=case or Case(id="c"),
            where=where,
            value=value,
            events=tuple(self.events),
            load=self.payloads.__getitem__,
            **more,
        )


async def judged(name: str, params: dict[str, Any], context: CheckContext) -> Verdict:
    verdict = await run_check(build(CheckSpec(name=name, params=params)), context)
    assert verdict.status == "pass" or verdict.reason
    return verdict


async def status(name: str, params: dict[str, Any], value: Any, golden: Any = MISSING) -> str:
    return (
        await judged(name, params, CheckContext(case=Case(id="c"), where="end", value=value, golden=golden))
    ).status


SIMPLE: list[tuple[str, dict[str, Any], Any, Any, str]] = [
    ("exact", {"value": "yes"}, "yes", MISSING, "pass"),
    ("exact", {"value": "yes"}, "Yes ", MISSING, "fail"),
    (
        "exact",
        {"value": "yes it is", "ignore_case": True, "ignore_whitespace": True},
        " Yes  it\nis",
        MISSING,
        "pass",
    ),
    ("exact", {"value": 12}, 12.0, MISSING, "pass"),
    ("exact", {"value": 1}, True, MISSING, "fail"),
    ("exact", {"value": "12"}, 12, MISSING, "fail"),
    ("exact", {"value": "12", "as_text": True}, 12, MISSING, "pass"),
    ("exact", {"value": None}, None, MISSING, "pass"),
    ("exact", {"value": None}, 0, MISSING, "fail"),
    ("exact", {"path": "a.b[0]", "value": {"c": [1]}}, {"a": {"b": [{"c": [1]}]}}, MISSING, "pass"),
    ("exact", {"path": "a.b"}, {"a": {"b": 1}}, {"a": {"b": 1}}, "pass"),
    ("exact", {"path": "a.b"}, {"a": {"b": 1}}, {"a": {"c": 1}}, "unknown"),
    ("exact", {"path": "a.b"}, {"a": {"b": 1}}, 1, "pass"),
    ("exact", {"path": "a.x", "value": 1}, {"a": {"b": 1}}, MISSING, "fail"),
    ("exact", {}, 1, MISSING, "unknown"),
    ("exact", {"value": 1}, math.nan, MISSING, "fail"),
    ("numeric", {"value": 12, "tol": 0.5}, 12.4, MISSING, "pass"),
    ("numeric", {"value": 12, "tol": 0.5}, 12.6, MISSING, "fail"),
    ("numeric", {"value": 1000, "rel": 0.01}, 1010, MISSING, "pass"),
    ("numeric", {"value": 1000, "rel": 0.01}, 1011, MISSING, "fail"),
    ("numeric", {"value": 12}, "12.0", MISSING, "pass"),
    ("numeric", {"value": 12}, "12 apples", MISSING, "fail"),
    ("numeric", {"value": 1200000, "in_text": True}, "The cap is USD 1.2m, see 4.", MISSING, "pass"),
    ("numeric", {"value": 1200000, "in_text": True}, "1,200,000", MISSING, "pass"),
    ("numeric", {"value": 5, "in_text": True}, "The cap is USD 1.2m", MISSING, "fail"),
    ("numeric", {"value": 5, "in_text": True}, "no figures", MISSING, "fail"),
    ("numeric", {"value": 1}, True, MISSING, "fail"),
    ("numeric", {"value": 1}, math.nan, MISSING, "fail"),
    ("numeric", {"value": 1}, None, MISSING, "fail"),
    ("numeric", {"min": 0, "max": 1}, 0.5, MISSING, "pass"),
    ("numeric", {"min": 0, "max": 1}, 1.5, MISSING, "fail"),
    ("numeric", {"path": "total"}, {"total": 3}, {"total": 3}, "pass"),
    ("numeric", {"path": "total"}, {"total": 3}, {"total": "three"}, "unknown"),
    ("numeric", {}, 3, MISSING, "unknown"),
    ("contains", {"all": ["a", "b"]}, "a b", MISSING, "pass"),
    ("contains", {"all": ["a", "b"]}, "a c", MISSING, "fail"),
    ("contains", {"all": "Cap", "ignore_case": True}, {"text": "the CAP"}, MISSING, "pass"),
    ("contains", {"any": ["x", "c"]}, "a c", MISSING, "pass"),
    ("contains", {"any": ["x", "y"]}, "a c", MISSING, "fail"),
    ("contains", {"none": ["x"]}, "a x", MISSING, "fail"),
    ("contains", {}, "the answer", "answer", "pass"),
    ("contains", {}, "the answer", ["the", "answers"], "fail"),
    ("contains", {}, "the answer", MISSING, "unknown"),
    ("regex", {"pattern": "^yes"}, "yes, it is", MISSING, "pass"),
    ("regex", {"pattern": "^yes", "full": True}, "yes, it is", MISSING, "fail"),
    ("regex", {"pattern": "YES", "ignore_case": True}, "yes", MISSING, "pass"),
    ("regex", {"pattern": "no", "absent": True}, "yes", MISSING, "pass"),
    ("regex", {"pattern": "no", "absent": True}, "no", MISSING, "fail"),
    ("json_schema", {"schema": {"type": "object", "required": ["a"]}}, {"a": 1}, MISSING, "pass"),
    ("json_schema", {"schema": {"type": "object", "required": ["a"]}}, {}, MISSING, "fail"),
    ("json_schema", {"schema": {"type": "string"}, "path": "a"}, {"a": b"x"}, MISSING, "fail"),
    ("json_schema", {"schema": False}, 1, MISSING, "fail"),
    ("set", {"value": ["a", "b"]}, ["b", "a", "a"], MISSING, "pass"),
    ("set", {"value": ["a", "b"]}, ["a"], MISSING, "fail"),
    ("set", {"value": ["a", "b"], "min_recall": 0.5}, ["a"], MISSING, "pass"),
    ("set", {"value": ["a"], "min_precision": 0.5}, ["a", "b"], MISSING, "pass"),
    ("set", {"value": [1, {"k": [2]}]}, [{"k": [2.0]}, 1.0], MISSING, "pass"),
    ("set", {"value": [1]}, [True], MISSING, "fail"),
    ("set", {"value": []}, [], MISSING, "pass"),
    ("set", {"path": "a[*].id"}, {"a": [{"id": 1}, {"id": 2}]}, {"a": [{"id": 2}, {"id": 1}]}, "pass"),
    ("set", {"value": ["a"]}, "a", MISSING, "fail"),
    ("set", {"value": 3}, [3], MISSING, "unknown"),
    ("recall_at_k", {"gold": ["a", "b"], "k": 2}, ["a", "c", "b"], MISSING, "fail"),
    ("recall_at_k", {"gold": ["a", "b"], "k": 2, "min": 0.5}, ["a", "c", "b"], MISSING, "pass"),
    ("recall_at_k", {"gold": ["a"], "path": "docs"}, {"docs": [{"id": "a", "text": "t"}]}, MISSING, "pass"),
    ("recall_at_k", {"gold": ["a"], "id": "meta.key"}, [{"meta": {"key": "a"}}], MISSING, "pass"),
    ("recall_at_k", {"k": 5, "min": 0.8}, {"retrieved": ["d1", "d2"]}, {"retrieved": ["d2", "d1"]}, "pass"),
    ("recall_at_k", {"k": 1}, {"retrieved": [{"id": "d1"}]}, {"retrieved": [{"id": "d2"}]}, "fail"),
    ("recall_at_k", {"k": 1}, {"a": [1], "b": [2]}, MISSING, "unknown"),
    ("recall_at_k", {"k": 1}, ["a"], MISSING, "unknown"),
    ("recall_at_k", {"k": 1}, ["a"], [], "unknown"),
    ("recall_at_k", {"gold": ["a"], "path": "docs"}, {"docs": "a"}, MISSING, "fail"),
    ("recall_at_k", {"gold": ["a"], "path": "docs"}, {}, MISSING, "fail"),
    ("golden", {}, {"total": 12.0000000001, "more": 1}, {"total": 12}, "pass"),
    ("golden", {}, {"total": 12.1}, {"total": 12}, "fail"),
    ("golden", {"tol": 0.2}, {"total": 12.1}, {"total": 12}, "pass"),
    ("golden", {"ignore": ["id"]}, {"total": 1}, {"total": 1, "id": "x"}, "pass"),
    ("golden", {}, {"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, "fail"),
    ("golden", {}, {"docs": ["a"]}, {"docs": ["a", "b"]}, "fail"),
    ("golden", {}, {}, {"docs": []}, "fail"),
    ("golden", {}, "text", {"docs": []}, "fail"),
    ("golden", {}, "text", "text", "pass"),
    ("golden", {}, {}, MISSING, "unknown"),
    ("latency", {"max_ms": 1}, None, MISSING, "pass"),
    ("latency", {"max_ms": 1, "step": "a"}, None, MISSING, "unknown"),
    ("trajectory", {}, None, MISSING, "unknown"),
    ("grounded_figures", {}, "no figures at all", MISSING, "pass"),
    ("grounded_figures", {}, "12 %", MISSING, "unknown"),
    ("grounded_names", {}, "Acme Ltd", MISSING, "unknown"),
]


@pytest.mark.parametrize(("name", "params", "value", "golden", "expected"), SIMPLE)
async def test_checks_on_values(
    name: str, params: dict[str, Any], value: Any, golden: Any, expected: str
) -> None:
    assert await status(name, params, value, golden) == expected


async def test_reasons_show_the_values_that_decided() -> None:
    value = {"total": 13, "docs": [{"id": "d9"}], "answer": "no"}
    context = CheckContext(case=Case(id="c"), where="end", value=value)
    reasons = {
        name: (await judged(name, params, context)).reason
        for name, params in {
            "exact": {"path": "answer", "value": "yes"},
            "numeric": {"path": "total", "value": 12, "tol": 0.5},
            "recall_at_k": {"path": "docs", "gold": ["d1"], "k": 3},
            "set": {"path": "docs[*].id", "value": ["d1"]},
            "json_schema": {"path": "total", "schema": {"type": "string"}},
            "contains": {"path": "answer", "all": "because"},
            "regex": {"path": "gone.away", "pattern": "x"},
        }.items()
    }
    assert reasons == {
        "exact": "answer is 'no', expected 'yes'",
        "numeric": "total is 13, expected 12 within 0.5",
        "recall_at_k": "0 of 1 gold ids among the first 3; not among them: 'd1'",
        "set": "precision 0, recall 0; missing: 'd1'; not expected: 'd9'",
        "json_schema": 'total: 13 is not of type "string"',
        "contains": "'because' does not occur in 'no'",
        "regex": "no value at gone: its keys are total, docs, answer",
    }


async def test_messages_are_compared_by_what_they_say() -> None:
    from langchain_core.messages import AIMessage

    from gapless.records.value import to_plain

    call = {"name": "search", "args": {"q": "x"}, "id": "call_1"}
    golden = to_plain({"messages": [AIMessage("hi", id="1", tool_calls=[call])]})
    same = to_plain({"messages": [AIMessage("hi", id="2", tool_calls=[call | {"id": "call_2"}])]})
    other = to_plain({"messages": [AIMessage("hi", id="2", tool_calls=[call | {"args": {"q": "y"}}])]})
    assert await status("golden", {}, same, golden) == "pass"
    assert await status("golden", {}, other, golden) == "fail"


def test_schemas_on_the_network_are_not_fetched() -> None:
    with pytest.raises(InvalidSuite, match="no valid JSON Schema"):
        build(CheckSpec(name="json_schema", params={"schema": {"$ref": "http://127.0.0.1:9/schema.json"}}))


# -- trajectory


@pytest.mark.parametrize(
    ("mode", "executed", "expected"),
    [
        ("exact", "a b c", "pass"),
        ("exact", "a c b", "fail"),
        ("exact", "a b b c", "fail"),
        ("in_order", "a x b c", "pass"),
        ("in_order", "b a c", "fail"),
        ("any_order", "c b a", "pass"),
        ("any_order", "c b a a", "fail"),
        ("superset", "c x b a", "pass"),
        ("superset", "a b", "fail"),
        ("subset", "b a", "pass"),
        ("subset", "b a a", "fail"),
    ],
)
async def test_trajectories(mode: str, executed: str, expected: str) -> None:
    trial = Trial()
    for step in executed.split():
        trial.step(step, {})
    case = Case(id="c", path=("a", "b", "c"))
    assert (await judged("trajectory", {"mode": mode}, trial.context(None, case=case))).status == expected
    own = await judged("trajectory", {"mode": mode, "path": ["a", "b", "c"]}, trial.context(None))
    assert own.status == expected


async def test_a_trajectory_counts_visits_but_not_retries_or_routers() -> None:
    trial = (
        Trial()
        .step("a", {})
        .step("a", {}, visit=1, attempt=2)
        .step("route", {}, router=True)
        .step("b", {})
        .step("b", {})
    )
    assert (
        await judged("trajectory", {"path": ["a", "b", "b"], "max_steps": 3}, trial.context(None))
    ).status == "pass"
    assert (
        await judged("trajectory", {"path": ["a", "route", "b", "b"]}, trial.context(None))
    ).status == "pass"
    too_long = await judged("trajectory", {"max_steps": 2}, trial.context(None))
    assert (too_long.status, too_long.reason) == ("fail", "3 steps, allowed are 2: a -> b -> b")
    assert (await judged("trajectory", {"max_steps": 3}, trial.context(None))).status == "pass"
    assert (await judged("trajectory", {}, trial.context(None))).status == "unknown"


async def test_latency_of_a_trial_and_of_a_step() -> None:
    trial = Trial().step("a", {}, ms=60.0).step("a", {}, ms=50.0)
    context = trial.context(None, elapsed_ms=200.0)
    assert (await judged("latency", {"max_ms": 200}, context)).status == "pass"
    assert (await judged("latency", {"max_ms": 199}, context)).status == "fail"
    verdict = await judged("latency", {"max_ms": 100, "step": "a"}, context)
    assert (verdict.status, verdict.score, verdict.reason) == ("fail", 110.0, "110 ms, allowed are 100")


# -- grounding

ANSWER = "Acme Ltd owes USD 1.2 million by 14 March 2026, 12 % of its revenue."
FACTS = {"docs": ["ACME Limited: liability capped at 1,200,000 until 2026-03-14"], "share": 0.12}


async def test_what_earlier_steps_handed_over_is_evidence() -> None:
    trial = Trial().step("retrieve", FACTS).step("draft", {"answer": ANSWER})
    for where, context in {
        "end": trial.context({"answer": ANSWER}),
        "draft": trial.context({"answer": ANSWER}, "draft", state={"q": "?"}),
    }.items():
        for check in ("grounded_figures", "grounded_names"):
            assert (await judged(check, {"path": "answer"}, context)).status == "pass", (where, check)
    wrong = ANSWER.replace("1.2", "1.3").replace("Acme Ltd", "Acme GmbH")
    trial = Trial().step("retrieve", FACTS).step("draft", {"answer": wrong}).step("deliver", {"text": wrong})
    verdict = await judged("grounded_figures", {"path": "answer"}, trial.context({"answer": wrong}))
    assert (verdict.status, verdict.reason) == ("fail", "not in the evidence: 'USD 1.3 million'")
    assert verdict.score == pytest.approx(2 / 3)
    verdict = await judged("grounded_names", {"path": "answer"}, trial.context({"answer": wrong}))
    assert (verdict.status, verdict.reason) == ("fail", "not in the evidence: 'Acme GmbH'")


async def test_evidence_may_be_named() -> None:
    case = Case(id="c", input={"limit": 99})
    trial = Trial().step("retrieve", FACTS).step("guess", {"n": 7}).step("draft", {})

    async def ask(text: str, *evidence: str) -> str:
        context = trial.context(text, case=case)
        return (await judged("grounded_figures", {"evidence": list(evidence)}, context)).status

    assert await ask("it is 99", "input.limit") == "pass"
    assert await ask("it is 99", "retrieve") == "fail"
    assert await ask("it is 12 %", "retrieve.docs[*]") == "fail"
    assert await ask("it is 12 %", "retrieve.share") == "pass"
    assert await ask("it is 7", "input", "retrieve") == "fail"
    assert await ask("it is 7", "guess") == "pass"
    missing = await judged("grounded_figures", {"evidence": ["gone.docs"]}, trial.context("it is 7"))
    assert (missing.status, missing.reason) == ("fail", "not in the evidence: '7'; nothing at 'gone.docs'")
    allowed = await judged(
        "grounded_figures", {"evidence": ["input"], "allow": ["24/7"]}, trial.context("24/7")
    )
    assert allowed.status == "pass"
    rounded = await judged("grounded_figures", {"rel": 0.01}, trial.context("about 1.21 million"))
    assert rounded.status == "pass"


async def test_tools_are_evidence_and_the_future_is_not() -> None:
    trial = (
        Trial()
        .step("agent", {"x": "the answer of the agent is 41"}, tool={"total": 42})
        .step("later", {"n": 43})
    )
    assert (await judged("grounded_figures", {}, trial.context("it is 42", "agent"))).status == "pass"
    assert (await judged("grounded_figures", {}, trial.context("it is 43", "agent"))).status == "fail"
    assert (await judged("grounded_figures", {}, trial.context("it is 41", "agent"))).status == "fail"
    assert (await judged("grounded_figures", {}, trial.context("it is 42"))).status == "pass"


async def test_a_step_alone_rests_on_goldens() -> None:
    case = Case(id="c", golden={"retrieve": FACTS, "draft": {"answer": "99"}})
    context = CheckContext(case=case, where="draft", value="12 % and 1,200,000")
    assert (await judged("grounded_figures", {}, context)).status == "pass"
    assert (await judged("grounded_figures", {"evidence": ["retrieve.docs"]}, context)).status == "fail"


async def test_evidence_that_was_not_kept_makes_it_unknown() -> None:
    trial = Trial().step("retrieve", omitted("too large", 10**8)).step("draft", {})
    verdict = await judged("grounded_figures", {}, trial.context("it is 7"))
    assert verdict.status == "unknown"
    assert "not kept" in verdict.reason
    lost = Trial().step("retrieve", FACTS).step("draft", {})
    lost.payloads.clear()
    assert (await judged("grounded_figures", {}, lost.context("it is 7"))).status == "unknown"


# -- one's own functions


def answer_true(context: CheckContext) -> bool:
    return True


def answer_numpy(context: CheckContext) -> Any:
    import numpy as np

    return np.float64(0.7)


async def answer_slowly(context: CheckContext) -> bool:
    await asyncio.sleep(5)
    return True


def block(context: CheckContext, seconds: float = 0.0) -> bool:
    time.sleep(seconds)
    return False


def stop(context: CheckContext) -> bool:
    raise StopIteration


def leave(context: CheckContext) -> bool:
    raise SystemExit(3)


def answer(context: CheckContext, what: Any = None) -> Any:
    return what


def say_nothing(context: CheckContext) -> Verdict:
    return Verdict(check="", status="fail")


def say_nan(context: CheckContext) -> Verdict:
    return Verdict(check="mine", status="pass", score=math.nan)


def awaitable(context: CheckContext) -> Any:
    return asyncio.sleep(0, result=True)


def own(function: Any, **params: Any) -> Check:
    from pathlib import Path

    from gapless.evals.checks.base import prepare

    return build(prepare(CheckSpec(name="python", params={"function": function, **params}), Path()))


OWN: list[tuple[Any, dict[str, Any], str, str]] = [
    (answer_true, {}, "pass", ""),
    (awaitable, {}, "pass", ""),
    (block, {}, "fail", "answered False"),
    (answer_numpy, {"min": 0.7}, "pass", "0.7"),
    (answer_numpy, {"min": 0.8}, "fail", "the least is 0.8"),
    (answer_numpy, {}, "unknown", "has no `min`"),
    (answer, {}, "unknown", "answered None"),
    (answer, {"params": {"what": "yes"}}, "unknown", "allowed are bool, a number, a Verdict, None"),
    (answer, {"params": {"gone": 1}}, "unknown", "raised TypeError"),
    (answer_slowly, {"timeout_s": 0.05}, "unknown", "did not answer within 0.05 s"),
    (block, {"timeout_s": 0.05, "params": {"seconds": 0.3}}, "unknown", "did not answer within 0.05 s"),
    (stop, {}, "unknown", "raised StopIteration"),
    (leave, {}, "unknown", "raised SystemExit"),
    (say_nothing, {}, "fail", "gave no reason"),
    (say_nan, {}, "unknown", "which is no number"),
]


@pytest.mark.parametrize(("function", "params", "expected", "words"), OWN)
async def test_functions_of_ones_own(
    function: Any, params: dict[str, Any], expected: str, words: str
) -> None:
    verdict = await run_check(own(function, **params), CheckContext(case=Case(id="c"), where="end"))
    assert verdict.status == expected
    assert words in verdict.reason


async def test_a_nan_is_unknown_whatever_says_it() -> None:
    class Odd:
        def __init__(self, answer: Any) -> None:
            self.answer = answer

        def judge(self, context: CheckContext) -> Any:
            return self.answer

    context = CheckContext(case=Case(id="c"), where="end")
    for said in (Verdict(check="x", status="pass", score=math.inf), True, None):
        verdict = await run_check(Odd(said), context)
        assert (verdict.status, bool(verdict.reason)) == ("unknown", True)


def test_ctrl_c_passes_through() -> None:
    class Interrupted:
        def judge(self, context: CheckContext) -> Verdict:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(judge_all([Interrupted()], CheckContext(case=Case(id="c"), where="end")))


def test_overall() -> None:
    passed, failed, unknown = (Verdict(check="x", status=status) for status in ("pass", "fail", "unknown"))
    assert overall([passed, passed]) is True
    assert overall([passed, unknown, failed]) is False
    assert overall([passed, unknown]) is None
    assert overall([]) is None


def test_a_plug_in_is_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    points = (metadata.EntryPoint("polite", "gapless.evals.checks.contains:Contains", "gapless.checks"),)
    monkeypatch.setattr(metadata, "entry_points", lambda group: points if group == "gapless.checks" else ())
    assert build(CheckSpec(name="polite", params={"all": "please"}))
    with pytest.raises(InvalidSuite, match="Did you mean `polite`"):
        build(CheckSpec(name="polit"))
