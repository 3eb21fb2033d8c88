"""Endpoints in trouble: one line says what is wrong and what to do, the others that they could not be asked, and none hangs."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from planted_model import calling

from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.model.corpus import EXTRACTIONS, FUNCTION_CASES
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.endpoints.named import endpoint_of
from gapless.probes.model.load import Lag, Load
from gapless.probes.model.measured import measured
from gapless.probes.model.saying import refused
from gapless.probes.model.times import limit_s
from gapless.probes.shelf import SHELF, card, probe
from gapless.records.finding import Finding
from gapless.records.workflow import Shape, Step
from gapless.settings import ModelSettings
from gapless.testing.fake_llm import FakeLLM

LINES = [name for name in SHELF if card(name).layer == "model"]
ANSWER = {"reply": {"text": "one two three"}}


def subject(url: str, **more: Any) -> Subject:
    model: dict[str, Any] = {"timeout_s": 5.0, "model": "m"} | more.pop("model", {})
    return Subject(model=ModelSettings(url=url, **model), **({"seconds": 1.0} | more))


def found(name: str, looked_at: Subject) -> Finding:
    (finding,) = probe(name)(looked_at)
    return finding


def down() -> str:
    with FakeLLM() as server:
        return server.base_url


def test_an_endpoint_that_is_down_costs_one_line_a_failure_and_the_others_a_reason() -> None:
    looked_at, began = subject(down()), time.perf_counter()
    finding = found("endpoint-answers", looked_at)
    assert finding.status == "fail"
    assert "Nothing listens there" in finding.next_step
    for name in LINES:
        if name not in ("endpoint-answers", "usual-client"):  # the latter meets a server of its own
            with pytest.raises(ProbeUnavailable, match="does not answer"):
                list(probe(name)(looked_at))
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize(
    ("script", "token", "said", "step"),
    [
        ({"rules": [{"fault": "503"}]}, None, "status 503", "retry with growing waits"),
        ({"rules": [{"fault": "429"}]}, None, "status 429", "after 1"),
        ({"rules": [ANSWER], "models": ["other"]}, None, "status 404", "check url"),
        ({"rules": [ANSWER]}, "secret", "status 401", "no key is sent"),
        ({"rules": [ANSWER], "faults": {"disconnect": 1.0}}, None, "dropped", "proxies"),
        ({"rules": [{"fault": "timeout"}]}, None, "no answer within 1 s", "timeout_s"),
    ],
)
def test_what_is_wrong_is_said(script: Any, token: str | None, said: str, step: str) -> None:
    with FakeLLM(script, token=token) as server:
        finding = found("endpoint-answers", subject(server.base_url, model={"timeout_s": 1.0}))
    assert finding.status == "fail"
    assert said in finding.said
    assert step in finding.next_step


def test_https_where_there_is_none() -> None:
    with FakeLLM() as server:
        finding = found("endpoint-answers", subject(server.base_url.replace("http:", "https:")))
    assert "tls" in finding.said
    assert "It speaks no TLS there" in finding.next_step


def test_no_line_asks_anything_where_no_model_is_named() -> None:
    for name in LINES:
        with pytest.raises(ProbeUnavailable, match="no model is named"):
            list(probe(name)(Subject()))
    with pytest.raises(ProbeUnavailable, match="weights"):
        list(probe("ttft")(Subject(no_model="the weights are not there")))


@pytest.mark.parametrize(("wait_s", "told"), [(0.2, "with Retry-After"), (0.0, "with Retry-After")])
def test_refusals_under_load_are_counted_by_reason(wait_s: float, told: str) -> None:
    faults = {"429": {"rate": 0.3, "retry_after_s": wait_s}, "disconnect": {"rate": 0.1}}
    with FakeLLM({"rules": [ANSWER], "faults": faults, "latency": {"ttft_ms": 20}, "seed": 2}) as server:
        looked_at = subject(server.base_url, seconds=2.0)
        assert found("endpoint-answers", looked_at).status == "ok"
        finding = found("whole-answers", looked_at)
    assert finding.status == "fail"
    assert f"429 {told}" in finding.said
    assert "Retry-After says" in finding.next_step


def test_an_option_that_is_refused_is_given_up() -> None:
    """Newer models call the longest answer otherwise, and take no temperature."""
    from gapless.probes.model.endpoints.openai import OpenAIEndpoint
    from gapless.probes.model.measured import asked

    endpoint = OpenAIEndpoint(url="http://x/v1", model="m", limit="max_completion_tokens", temperature=False)
    assert endpoint.written(asked("hi", tokens=3))[2] == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "max_completion_tokens": 3,
    }


def test_a_step_that_has_a_limit_of_its_own_is_held_to_it() -> None:
    steps = (Step(name="write", layer="model", limit_s=5.0), Step(name="look", layer="tool", limit_s=1.0))
    workflow: Any = SimpleNamespace(shape=Shape(steps=steps))
    assert limit_s(Subject(workflow=workflow)) == 5.0
    assert limit_s(Subject()) == ModelSettings().timeout_s


def test_quantiles_are_shown_by_themselves_or_said_to_be_out_of_reach() -> None:
    latency = {"ttft_ms": 10, "inter_token_ms": 1}
    with FakeLLM({"rules": [ANSWER], "latency": latency}) as server:
        looked_at = subject(server.base_url, seconds=3.0)
        finding = found("ttft", looked_at)
    names = [figure.name for figure in finding.figures]
    n = int(finding.said.rpartition("n=")[2])
    assert "first token p50" in names
    assert ("first token p95" in names) == (n >= 72)
    assert ("first token p99" in names) == (n >= 368)
    for figure in finding.figures:
        if figure.name.startswith("first token"):
            assert figure.low is None or figure.low <= figure.value


def with_load(load: Load, **more: Any) -> Subject:
    """A subject whose closed and open loops came to this."""
    looked_at = subject("http://127.0.0.1:9/v1", **more)
    endpoint: Any = endpoint_of(looked_at.model)
    known = measured(looked_at)
    known.reached = (endpoint, Reply(intended_s=0, started_s=0))
    known.loads |= {"closed": load, "open": load}
    return looked_at


def took(*first_ms: float, lost: int = 0, lag: Lag | None = None) -> Load:
    """Answers with these times to their first tokens, ten milliseconds more to the end; and some that were refused."""
    replies = [
        Reply(intended_s=i, started_s=i, arrivals=[i + ms / 1e3], ended_s=i + (ms + 10) / 1e3)
        for i, ms in enumerate(first_ms)
    ]
    for i in range(lost):
        at = len(first_ms) + i
        replies.append(
            Reply(intended_s=at, started_s=at, ended_s=at, trouble="status", status=503, said="503: busy")
        )
    return Load(replies=tuple(replies), lag=lag, seconds=10.0, how="closed loop")


QUIET = Lag(cpu_share=0.1, p95_ms=1.0, p99_ms=30.0)


@pytest.mark.parametrize(
    ("times", "lag", "status", "undecided"),
    [
        ([50.0] * 30, None, "ok", "p99 is not estimable from n=30: n of at least 368 would show it"),
        ([50.0] * 400, None, "ok", ""),
        ([50.0] * 400, QUIET, "ok", "30 ms late at p99: a quieter host would tell"),
        ([50.0] * 398 + [200.0] * 2, None, "ok", "p99 may be as high as 200 ms: a longer run would tell"),
        ([50.0] * 394 + [200.0] * 6, None, "warn", ""),
        ([50.0] * 380 + [200.0] * 20, None, "fail", ""),
        ([50.0] * 27 + [200.0] * 3, None, "fail", ""),
        ([200.0] * 2, None, "fail", ""),
    ],
)
def test_the_tail_is_held_against_its_target_by_its_interval(
    times: list[float], lag: Lag | None, status: str, undecided: str
) -> None:
    finding = found("ttft", with_load(took(*times, lag=lag), targets={"ttft": 100.0}))
    assert finding.status == status
    assert undecided in finding.undecided
    assert bool(finding.undecided) == bool(undecided)
    assert (finding.target, finding.target_source) == (
        "<= 100 ms at p99",
        "[checkup.targets] in gapless.toml",
    )


def test_first_tokens_that_did_not_come_in_time_are_not_forgotten() -> None:
    whole = took(*[50.0] * 90)
    silent = [
        Reply(intended_s=0, started_s=0, ended_s=5.0, trouble="timeout", said="no answer within 5 s")
    ] * 10
    cut = Load(replies=(*whole.replies, *silent), lag=None, seconds=9.0, how="closed loop")
    finding = found("ttft", with_load(cut))
    assert (finding.status, finding.said.endswith("n=90 and 10 cut off")) == ("fail", True)
    assert "p95 5000 ms or more" in finding.said
    all_silent = Load(replies=tuple(silent), lag=None, seconds=9.0, how="closed loop")
    with pytest.raises(ProbeUnavailable, match="no answer within 5 s"):
        found("ttft", with_load(all_silent))


def test_a_few_slow_answers_show_a_bad_tail_and_a_few_quick_ones_nothing() -> None:
    slow = found("ttft", with_load(took(9000.0, 9100.0, 9200.0)))
    assert (slow.status, slow.said.partition(";")[0]) == (
        "fail",
        "p50 and p95 and p99 not estimable, p99 at least 9100 ms",
    )
    with pytest.raises(
        ProbeUnavailable, match="p50 is not estimable from n=3: n of at least 6 would show it"
    ):
        found("ttft", with_load(took(50.0, 50.0, 50.0)))


def test_the_gaps_of_one_answer_are_too_few() -> None:
    one = Reply(intended_s=0, started_s=0, arrivals=[i / 10 for i in range(20)], ended_s=2)
    alone, two = (Load(replies=(one,) * n, lag=None, seconds=9.0, how="closed loop") for n in (1, 2))
    with pytest.raises(ProbeUnavailable, match="the few gaps of one answer"):
        found("inter-token", with_load(alone))
    finding = found("inter-token", with_load(two))
    assert finding.undecided == "p99 is not estimable from n=2 answers: n of at least 368 would show it"
    assert "n=38 gaps of 2 answers" in finding.figures[0].spread


@pytest.mark.parametrize("models", [(), ("m",)])
def test_that_no_wrong_key_was_tried_is_said_where_none_is_sent(models: tuple[str, ...]) -> None:
    with FakeLLM({"rules": [ANSWER], "models": list(models)}) as server:
        finding = found("plain-refusals", subject(server.base_url))
    assert finding.status == ("ok" if models else "warn")
    assert "a wrong key was not tried, for none is sent (--api-key-env NAME)" in finding.said


@pytest.mark.parametrize(
    ("name", "whole", "lost", "status", "undecided"),
    [
        ("whole-answers", 400, 0, "ok", ""),
        ("whole-answers", 100, 0, "ok", "whole answers may be as low as 98.1 %: 381 in a row would show it"),
        ("whole-answers", 100, 2, "warn", ""),
        ("whole-answers", 100, 20, "fail", ""),
        ("open-loop", 100, 0, "ok", "goodput may be as low as 96.3 %: 381 in a row would show it"),
        ("open-loop", 100, 20, "fail", ""),
        ("tail-cascade", 100, 0, "ok", "may be as high as 27.8 %: 73 in a row would show it"),
        ("tail-cascade", 730, 0, "ok", ""),
        ("tail-cascade", 100, 1, "warn", ""),
        ("tail-cascade", 100, 60, "fail", ""),
    ],
)
def test_shares_are_held_against_their_targets_by_their_intervals(
    name: str, whole: int, lost: int, status: str, undecided: str
) -> None:
    finding = found(name, with_load(took(*[50.0] * whole, lost=lost)))
    assert finding.status == status, finding.said
    assert finding.undecided.endswith(undecided)
    assert bool(finding.undecided) == bool(undecided)
    assert bool(finding.next_step) == (status != "ok")


def test_goodput_says_whether_answers_were_late_or_lost() -> None:
    lost = found("open-loop", with_load(took(*[50.0] * 80, lost=20)))
    assert (
        lost.next_step == "20 were refused or broke off: the line on whole answers says why, and what to do."
    )
    late = found("open-loop", with_load(took(*[50.0] * 70, *[9000.0] * 25, lost=5)))
    assert "too slow or too small" in late.next_step


def test_cases_without_an_answer_are_told() -> None:
    rules = [{"when": {"user": case.text}, "reply": {"json": case.right}} for case in EXTRACTIONS[1:]]
    script = {"rules": [{"when": {"user": EXTRACTIONS[0].text}, "fault": "503"}, *rules]}
    with FakeLLM(script) as server:
        finding = found("structured-output", subject(server.base_url, seconds=20.0))
    n = len(EXTRACTIONS)
    assert f"{n - 1} of {n} valid, {n - 1} right; 1 got no whole answer (503: " in finding.said
    assert finding.status == "warn"


def test_of_several_runs_in_files_each_says_what_it_leaves_open() -> None:
    looked_at = subject("http://127.0.0.1:9/v1", results=(Path("any"),))
    measured(looked_at).read = (took(*[50.0] * 100), took(*[50.0] * 400))
    finding = found("whole-answers", looked_at)
    assert (finding.status, finding.undecided) == ("ok", "")
    assert "p99 is not estimable from n=100" in found("ttft", looked_at).undecided


@pytest.mark.parametrize(
    ("bursts", "status", "said"),
    [
        (0, "ok", "32 pieces"),
        (1, "warn", "now and then all at once"),
        (2, "warn", "all at once"),
        (3, "fail", "all at once"),
    ],
)
def test_one_answer_that_is_held_back_is_enough_to_be_looked_at(bursts: int, status: str, said: str) -> None:
    rules: list[dict[str, Any]] = [{"when": {"turn": 0}, "reply": "yes", "times": 1}]
    if bursts:
        rules.append({"reply": "word " * 200, "fault": "burst", "times": bursts})
    rules.append({"reply": "word " * 200})
    with FakeLLM({"rules": rules, "latency": {"ttft_ms": 20, "inter_token_ms": 5}}) as server:
        finding = found("streaming", subject(server.base_url, seconds=4.0))
    assert (finding.status, finding.said.startswith(said)) == (status, True), finding.said


def test_tools_and_schemas_that_are_refused_are_findings() -> None:
    no = Reply(intended_s=0, started_s=0, status=400, trouble="status", said="400: not supported")
    late = Reply(intended_s=0, started_s=0, trouble="timeout", said="no end within 1 s")
    finding = refused(card("function-calling"), [None, late, no], "tools are", next_step="serve another")
    assert (finding.status, finding.said) == ("fail", "tools are refused: 400: not supported")
    with pytest.raises(ProbeUnavailable, match="no answer came: no end within 1 s"):
        refused(card("function-calling"), [None, late], "tools are", next_step="serve another")
    with pytest.raises(ProbeUnavailable, match="no time left"):
        refused(card("function-calling"), [None], "tools are", next_step="serve another")


def test_all_right_on_a_small_corpus_is_not_shown_yet() -> None:
    rules = [{"when": {"user": case.text}, "reply": {"json": case.right}} for case in EXTRACTIONS]
    with FakeLLM({"rules": rules}) as server:
        finding = found("structured-output", subject(server.base_url, seconds=20.0))
    n = len(EXTRACTIONS)
    assert f"{n} of {n} valid, {n} right" in finding.said
    assert finding.status == "ok"
    assert "381 in a row would show it; right may be as low as" in finding.undecided


def test_right_calls_in_all_cases_of_a_small_corpus_are_not_shown_yet() -> None:
    with FakeLLM(calling()) as server:
        finding = found("function-calling", subject(server.base_url, seconds=20.0))
    assert finding.status == "ok"
    assert finding.undecided.startswith(
        "exactly the right calls may be as low as 72.2 %: 73 in a row would show it; "
    )


@pytest.mark.parametrize(("read", "status"), [(1.0, "ok"), (0.91, "ok"), (0.85, "fail"), (0.895, "warn")])
def test_how_much_of_a_long_prompt_was_read_is_held_by_what_the_short_ones_cost(
    read: float, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = (100, 220, 100 + 10 * 596)

    def answers(*_: Any, **__: Any) -> list[Reply]:
        used = (*counts[:2], round(read * counts[2]))
        return [Reply(intended_s=0, started_s=0, status=200, tokens_in=n) for n in used]

    monkeypatch.setattr("gapless.probes.model.context.all_of", answers)
    finding = found("long-prompts", with_load(took(50.0)))
    assert (finding.status, finding.undecided) == (status, "")


def test_the_target_says_what_was_held_where_the_user_set_one() -> None:
    looked_at = with_load(took(*[50.0] * 100), targets={"ttft": 40.0, "tail-cascade": 30.0, "open-loop": 0.5})
    good, loops = found("open-loop", looked_at), found("tail-cascade", looked_at)
    assert good.target == ">= 50 % of answers whole, with a first token within 40 ms and 200 ms a token"
    assert good.target_source == "[checkup.targets] in gapless.toml"
    assert loops.target == "<= 5 % of loops of 10 calls with one over 30 ms"
    assert (good.status, loops.status) == ("fail", "fail")


def test_bfcls_folder_is_asked(tmp_path: Any) -> None:
    (tmp_path / "BFCL_v4_simple_python.json").write_text(
        '{"id": "a", "question": [[{"role": "user", "content": "Area of base 10?"}]], "function": [{"name": "t.area",'
        ' "parameters": {"type": "dict", "properties": {"base": {"type": "float"}}, "required": ["base"]}}]}\n'
    )
    (tmp_path / "possible_answer").mkdir()
    (tmp_path / "possible_answer" / "BFCL_v4_simple_python.json").write_text(
        '{"id": "a", "ground_truth": [{"t.area": {"base": [10]}}]}\n'
    )
    rules = [{"reply": {"tool_calls": [{"name": "t_area", "arguments": {"base": 10.0}}]}}, ANSWER]
    with FakeLLM({"rules": rules}) as server:
        finding = found("function-calling", subject(server.base_url, function_cases=tmp_path))
    assert "1 of 1 cases right (BFCL v4)" in finding.said


def test_hanging_up_on_an_answer_that_is_over_at_once_tells_nothing() -> None:
    with FakeLLM({"rules": [ANSWER]}) as server, pytest.raises(ProbeUnavailable, match="too short to tell"):
        found("cancel", subject(server.base_url))


@pytest.mark.parametrize(("slots", "undecided"), [(1, ""), (8, "it writes several answers at once")])
def test_an_endpoint_that_writes_several_answers_at_once_does_not_show_that_hanging_up_frees_it(
    slots: int, undecided: str
) -> None:
    latency = {"ttft_ms": 20, "inter_token_ms": 15, "slots": slots}
    with FakeLLM({"rules": [{"reply": "word " * 200}], "latency": latency}) as server:
        finding = found("cancel", subject(server.base_url, seconds=3.0))
    assert finding.status == "ok"
    assert finding.undecided.startswith(undecided)
    assert bool(finding.undecided) == bool(undecided)


def test_what_was_wrong_is_told_with_what_was_asked_expected_and_got() -> None:
    with FakeLLM({"rules": [{"reply": {"json": {"name": "nobody"}}}], "faults": {"no_call": 1.0}}) as server:
        looked_at = subject(server.base_url)
        facts, calls = found("structured-output", looked_at), found("function-calling", looked_at)
    assert f"asked {EXTRACTIONS[0].text!r}, expected {{" in facts.said
    assert 'got {"name": "nobody"}' in facts.said
    assert f"asked {FUNCTION_CASES[0].messages[-1]['content']!r}, expected " in calls.said
    assert "got no call, but the text " in calls.said
