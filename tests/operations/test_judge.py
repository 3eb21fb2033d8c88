"""A model as judge, from the suite to the corrected report, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gapless.cli.main import _run
from gapless.testing.fake_llm import FakeLLM

APP = """
def answer(question):
    if question == "boom":
        raise ConnectionError("down")
    return f"The answer to {question} is " + ("5" if int(question[1:]) % 5 else "wrong")
"""
KEY = "sk-the-very-key"
RULES = [
    {"when": {"message_regex": "is wrong"}, "reply": {"json": {"reason": "It is not 5.", "verdict": "fail"}}},
    {"when": {"message_regex": "to q(7|13) is"}, "reply": {"json": {"reason": "No.", "verdict": "fail"}}},
    {"reply": {"json": {"reason": "It is 5.", "verdict": "pass"}}},
]
CASES = 40


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "app.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAPLESS_TEST_JUDGE_KEY", KEY)
    return tmp_path


def prepare(home: Path, url: str, *, more: list[Any] | None = None) -> None:
    (home / "gapless.toml").write_text(
        'workflow = "app.py:answer"\nsuite = "suite.yaml"\n'
        f'[judge]\nurl = "{url}"\nmodel = "judge-1"\napi_key_env = "GAPLESS_TEST_JUDGE_KEY"\nmax_retries = 0\n'
    )
    cases = [{"id": f"q{i}", "input": f"q{i}"} for i in range(CASES)] + (more or [])
    suite = {"checks": {"end": [{"llm_judge": "Is the answer 5?"}]}, "cases": cases}
    (home / "suite.yaml").write_text(json.dumps(suite))


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert _run(list(argv)) == 0
    return capsys.readouterr().out


def truly_right(trial: str) -> bool:
    return int(trial[1:].partition("#")[0]) % 5 > 0


def test_an_unmeasured_judge_is_named_then_measured_then_corrected(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeLLM(RULES) as server:
        prepare(home, server.base_url, more=[{"id": "boom", "input": "boom"}])
        text = run(capsys, "measure", "--quiet")
        assert len(server.requests) == CASES  # a trial that failed has no answer to judge
    assert "As an unmeasured judge sees it, 30 of 41 trials end correct" in text
    assert "`gapless judge` draws trials to label" in " ".join(text.split())
    report = json.loads(run(capsys, "report", "--json"))
    assert report["gap"]["verdict_sources"] == {"llm_judge": 40}
    assert report["gap"]["judge"]["corrected"]["point"] is None
    assert report["next_steps"][0]["command"] == f"gapless judge {report['measurement']['id']}"

    drawn = json.loads(run(capsys, "judge", "--draw", "30", "--json"))["label_next"]
    assert len(set(drawn)) == 30
    lines = "".join(f"{trial},{str(truly_right(trial)).lower()}\n" for trial in drawn)
    (home / "labels.csv").write_text(f"trial,correct\n{lines}")
    shown = run(capsys, "judge", "--labels", "labels.csv")
    assert "30 labels taken." in shown
    assert "Sensitivity" in shown

    judge = json.loads(run(capsys, "report", "--json"))["gap"]["judge"]
    right = [trial for trial in drawn if truly_right(trial)]
    passed = [trial for trial in right if trial not in ("q7#0", "q13#0")]
    assert judge["labelled"] == 30
    assert judge["chosen"] == 0
    assert judge["sensitivity"]["point"] == pytest.approx(len(passed) / len(right))
    assert judge["specificity"]["point"] == 1.0
    assert judge["as_judged"]["point"] == pytest.approx(30 / 41)
    assert judge["corrected"]["point"] == pytest.approx(30 / 41 / (len(passed) / len(right)))
    text = " ".join(run(capsys, "report").split())
    assert "unmeasured" not in text
    assert "The verdicts are judge-1's; corrected for its errors on 30 labelled trials, S = " in text
    page = run(capsys, "report", "--markdown")
    assert "S corrected" in page


def test_labels_of_the_same_judge_elsewhere_measure_it_here(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeLLM(RULES) as server:
        prepare(home, server.base_url)
        run(capsys, "measure", "--quiet")
        rows = [{"trial": f"q{i}#0", "correct": i % 5 > 0} for i in range(CASES)]
        (home / "labels.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        run(capsys, "judge", "--labels", "labels.jsonl")
        assert "Every trial that the judge decided has a label" in run(capsys, "judge")
        everything = json.loads(run(capsys, "report", "--json"))
        assert "judge" not in everything["headline"]  # every verdict is a person's now
        run(capsys, "measure", "--condition", "again", "--quiet")
    report = json.loads(run(capsys, "report", "--json"))
    assert report["measurement"]["condition"] == "again"
    assert report["gap"]["judge"]["labelled_elsewhere"] == CASES
    assert report["gap"]["judge"]["corrected"]["point"] == pytest.approx(0.8)


def test_a_judge_that_is_down_passes_nothing_and_the_report_says_why(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(home, "http://127.0.0.1:1/v1")
    text = run(capsys, "measure", "--quiet")
    report = json.loads(run(capsys, "report", "--json"))
    assert report["gap"]["outcomes"]["unjudged"] == CASES
    assert report["gap"]["success"]["point"] is None
    assert report["gap"]["judge"]["unknown"] == CASES
    assert "No verdict" in text
    assert (
        "The judge gave no verdict on 40 trials, mostly: llm_judge: the judge gave no verdict: http://127.0.0.1:1/v1 cannot be reached"
        in report["headline"]
    )


def test_the_key_is_kept_nowhere(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeLLM(RULES, token=KEY) as server:
        prepare(home, server.base_url)
        run(capsys, "measure", "--quiet", "--html", "report.html")
        assert json.loads(run(capsys, "report", "--json"))["gap"]["outcomes"]["unjudged"] == 0
    kept = [file for file in home.rglob("*") if file.is_file()]
    assert len(kept) > 3
    assert not [file for file in kept if KEY.encode() in file.read_bytes()]


BAD_FILES = [
    ('{"trial": "q1#0"}', "labels.jsonl:1: correct is None; allowed are true and false"),
    ('{"correct": true}', "names no trial"),
    ("nonsense", "cannot be read as JSON Lines"),
    ('{"trial": "q1#0", "correct": true}\n{"trial": "gone#0", "correct": true}', "gone"),
    ('{"trial": "q1#0", "correct": true}\n{"trial": "boom#0", "correct": true}', "delivered no answer"),
]


def test_a_bad_label_file_is_refused_whole(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeLLM(RULES) as server:
        prepare(home, server.base_url, more=[{"id": "boom", "input": "boom"}])
        run(capsys, "measure", "--quiet")
    for content, words in BAD_FILES:
        (home / "labels.jsonl").write_text(content)
        assert _run(["judge", "--labels", "labels.jsonl"]) == 2
        assert words in capsys.readouterr().err
    assert json.loads(run(capsys, "judge", "--json"))["judge"]["labelled"] == 0


def test_without_a_model_among_the_checks_there_is_no_judge(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "suite.yaml").write_text('[{"id": "q1", "input": "q1", "checks": {"end": [{"contains": "5"}]}}]')
    run(capsys, "measure", "app.py:answer", "--suite", "suite.yaml", "--quiet")
    assert "there is no judge to measure" in run(capsys, "judge")
