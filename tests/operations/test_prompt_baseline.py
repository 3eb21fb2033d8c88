"""A workflow held against one plain prompt, both on a scripted model, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gapless.cli.main import _run
from gapless.evals.suite import from_data
from gapless.operations.prompt import Form, form_of
from gapless.operations.prompt_baseline import answers_only
from gapless.settings import PromptSettings
from gapless.testing.fake_llm import FakeLLM

APP = """
import os
from langchain_openai import ChatOpenAI
from gapless import step

def ask(text):
    model = ChatOpenAI(model="writer", base_url=os.environ["OPENAI_BASE_URL"], api_key="fake", max_retries=0)
    return model.invoke(text).content

@step
def plan(question):
    return {"plan": ask(f"Plan how to find out: {question}")}

@step
def write(question, plan):
    return {"answer": ask(f"Carry out the plan {plan} and answer: {question}")}

def agent(question):
    return write(question, **plan(question))
"""
WORKFLOW = [
    {"when": {"user": "plan how to find out"}, "reply": "Look at the third page of the contract."},
    {"when": {"user_regex": "answer: the cap of (?P<name>[a-z]\\d+)"}, "reply": "{{ name }} has a cap of 5"},
]
AS_GOOD = {"when": {"user_regex": "^the cap of (?P<name>[a-z]\\d+)"}, "reply": "{{ name }} has a cap of 5"}
WORSE = [
    {"when": {"user_regex": "^the cap of [a-z]\\d*[05]\\?"}, "reply": "It has a cap of 5"},
    {"when": {"user_regex": "^the cap of"}, "reply": "I do not know."},
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "app.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepare(home: Path, url: str, *, cases: int = 60, prompt: str = "", stakes: str = "high") -> None:
    (home / "gapless.toml").write_text(
        f'workflow = "app.py:agent"\nsuite = "suite.json"\nstakes = "{stakes}"\n'
        f'[prompt]\nurl = "{url}"\nmodel = "writer"\nmax_retries = 0\n{prompt}'
    )
    written = [
        {
            "id": f"s{i}",
            "input": f"the cap of s{i}?",
            "path": ["plan", "write"],
            "golden": {"plan": {"plan": "any"}},
            "checks": {
                "end": [
                    {"contains": {"path": "answer", "all": ["cap of 5"]}},
                    {"trajectory": {"mode": "in_order"}},
                ],
                "plan": [{"regex": {"path": "plan", "pattern": "page"}}],
            },
        }
        for i in range(cases)
    ]
    (home / "suite.json").write_text(json.dumps(written))


def measured(
    capsys: pytest.CaptureFixture[str], server: FakeLLM, monkeypatch: pytest.MonkeyPatch, *more: str
) -> dict[str, Any]:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    assert _run(["measure", "--baseline", "prompt", "--quiet", "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_prompt_that_answers_as_well_is_shipped(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeLLM([*WORKFLOW, AS_GOOD], strict=True) as server:
        prepare(home, server.base_url, prompt="margin = 0.1\n")
        report = measured(capsys, server, monkeypatch)
        assert len(server.requests) == 60 * 3
    found = report["gap"]["baseline"]
    assert found["verdict"] == "ship the prompt"
    assert "less than the margin of 10" in found["reason"]
    assert found["difference"]["method"] == "bonett-price"
    assert found["difference"]["point"] == 0
    assert found["cost_in"] == "tokens"
    assert found["workflow_cost"] > 2 * found["prompt_cost"] > 0
    assert found["cases"] == 60
    assert "One plain prompt: ship the prompt" in report["headline"]
    assert report["measurement"]["condition"] == "baseline"

    assert _run(["report"]) == 0  # and on the finished report, which is the newest: the prompt is no workflow
    text = " ".join(capsys.readouterr().out.split())
    assert "One plain prompt" in text
    assert "Ship the prompt (the workflow is better by at most" in text
    assert "End checks of the path taken were left out" in text


def test_where_stakes_are_low_a_prompt_that_is_good_enough_is_shipped(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeLLM([*WORKFLOW, AS_GOOD]) as server:
        prepare(home, server.base_url, stakes="low")
        found = measured(capsys, server, monkeypatch)["gap"]["baseline"]
    assert found["verdict"] == "ship the prompt"
    assert found["prompt_at_least"] == pytest.approx(0.05 ** (1 / 60))
    assert "at least 95.1 %" in found["reason"]


def test_other_terms_and_another_prompt_take_the_place_of_the_first(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "ask.txt").write_text("{{ input }} Be brief.")
    said: list[tuple[str, float]] = []
    with FakeLLM([*WORKFLOW, AS_GOOD]) as server:
        for prompt in ("", "margin = 0.1\n", 'template = "ask.txt"\n', ""):
            prepare(home, server.base_url, prompt=prompt)
            found = measured(capsys, server, monkeypatch)["gap"]["baseline"]
            said.append((found["measurement"], found["margin"]))
        assert len(server.requests) == 60 * 4
    assert [margin for _, margin in said] == [0.03, 0.1, 0.03, 0.03]
    assert said[0][0] == said[1][0] == said[3][0] != said[2][0]


def test_a_workflow_that_answers_better_is_kept(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeLLM([*WORKFLOW, *WORSE]) as server:
        prepare(home, server.base_url, stakes="low")
        report = measured(capsys, server, monkeypatch)
    found = report["gap"]["baseline"]
    assert found["verdict"] == "keep the workflow"
    assert found["workflow"]["point"] == 1
    assert found["prompt"]["point"] == pytest.approx(12 / 60)
    assert found["difference"]["point"] == pytest.approx(48 / 60)
    assert found["difference"]["low"] > 0.03
    assert report["gap"]["success"]["point"] == 1  # the prompt's trials are a measurement of their own


def test_few_cases_leave_it_undecided_and_the_same_call_measures_nothing_again(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeLLM([*WORKFLOW, AS_GOOD]) as server:
        prepare(home, server.base_url, cases=8, prompt='template = "ask.txt"\n')
        (home / "ask.txt").write_text("{{ input }} Be brief.")
        found = measured(capsys, server, monkeypatch)["gap"]["baseline"]
        asked = len(server.requests)
        assert measured(capsys, server, monkeypatch)["gap"]["baseline"] == found
        assert len(server.requests) == asked
        prompts = [note.body["messages"] for note in server.requests if "Be brief" in str(note.body)]
    assert len(prompts) == 8
    assert {"role": "user", "content": "the cap of s3? Be brief."} in [one[0] for one in prompts]
    assert found["verdict"] == "undecided"
    assert found["more_cases"] > 20
    assert not [note for note in found["notes"] if "input alone" in note]


def test_a_toy_model_is_no_evidence(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeLLM([*WORKFLOW, *WORSE]) as server:
        prepare(home, server.base_url, cases=12, prompt="evidence = false\n")
        report = measured(capsys, server, monkeypatch)
    assert report["gap"]["baseline"]["verdict"] == "no evidence"
    assert "not evidence for or against orchestration" in report["headline"]


def test_any_target_can_be_the_plain_prompt(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "plain.py").write_text("def prompt(question):\n    return {'answer': 'It has a cap of 5'}\n")
    with FakeLLM(WORKFLOW) as server:
        prepare(home, server.base_url, cases=10, prompt='workflow = "plain.py:prompt"\n')
        found = measured(capsys, server, monkeypatch)["gap"]["baseline"]
        assert len(server.requests) == 20
    assert found["prompt"]["point"] == 1
    assert found["model"] is None


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ('template = "gone.txt"\n', "'gone.txt' cannot be read"),
        ('template = "ask.txt"\n', "case 's0': the prompt's template cannot be filled"),
        ("margin = 3\n", "margin is 3; allowed is a share"),
        ('tempalte = "ask.txt"\n', "Did you mean `template`?"),
    ],
)
def test_a_prompt_that_cannot_be_asked_is_refused_before_anything_runs(
    home: Path, capsys: pytest.CaptureFixture[str], prompt: str, words: str
) -> None:
    (home / "ask.txt").write_text("{{ question }}")
    prepare(home, "http://127.0.0.1:1/v1", prompt=prompt)
    assert _run(["measure", "--baseline", "prompt", "--quiet"]) == 2
    assert words in capsys.readouterr().err
    if "margin" not in prompt and "tempalte" not in prompt:
        assert _run(["report", "--list", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == []


def test_without_an_endpoint_nobody_is_asked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(home, "http://127.0.0.1:1/v1")
    text = (home / "gapless.toml").read_text().partition("[prompt]")[0]
    (home / "gapless.toml").write_text(text)
    assert _run(["measure", "--baseline", "prompt", "--quiet"]) == 2
    assert "names no url and model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("end", "form"),
    [
        ([{"contains": {"all": ["5"]}}], Form(reply="text")),
        ([{"contains": {"path": "answer", "all": ["5"]}}, {"latency": 10}], Form(reply="text", output="answer")),
        ([{"numeric": {"path": "a.total", "value": 5, "in_text": True}}], Form(reply="text", output="a.total")),
        ([{"numeric": {"path": "total", "value": 5}}], Form(reply="json", keys=("total",))),
        (
            [{"exact": {"path": "who[0].name", "value": "A"}}, {"exact": {"path": "total", "value": "5"}}],
            Form(reply="json", keys=("total", "who")),
        ),
    ],
)  # fmt: skip
def test_the_reply_stands_where_the_end_checks_look(end: list[Any], form: Form) -> None:
    suite = from_data([{"id": "c", "input": "q", "checks": {"end": end}}])
    assert form_of(suite, PromptSettings()) == form


def test_a_golden_answer_asks_for_its_keys() -> None:
    suite = from_data(
        [{"id": "c", "input": "q", "golden": {"end": {"total": 5, "unit": "USD"}, "plan": {"x": 1}}}]
    )
    assert form_of(suite, PromptSettings()) == Form(reply="json", keys=("total", "unit"))
    assert form_of(suite, PromptSettings(reply="text", output="answer")) == Form(
        reply="text", output="answer"
    )
    assert answers_only(suite).cases[0].golden == {"end": {"total": 5, "unit": "USD"}}
