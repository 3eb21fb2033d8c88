"""The first ten minutes: a foreign agent, inputs without labels, no configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gapless.testing.fake_llm import FakeLLM

EXAMPLE = Path(__file__).parents[2] / "examples" / "react_on_fake_llm"
SILENT = {"errors-ignored", "empty-result", "partial-result"}


def gapless(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gapless", *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.fixture
def server() -> FakeLLM:
    return FakeLLM(EXAMPLE / "script.yaml")


def test_a_silent_tool_failure_is_named_without_a_label(tmp_path: Path, server: FakeLLM) -> None:
    measure = ("measure", f"{EXAMPLE / 'app.py'}:graph", "--cases", str(EXAMPLE / "inputs.jsonl"))
    with server as llm:
        done = gapless(tmp_path, *measure, "--json", **llm.environment)
        again = gapless(tmp_path, *measure, **llm.environment)
        asked = len(llm.requests)
        third = gapless(tmp_path, *measure, **llm.environment)
        assert len(llm.requests) == asked, "a finished measurement was run again"
    assert done.returncode == again.returncode == third.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    gap = report["gap"]
    assert gap["success"]["point"] is None
    assert "suspected" in report["headline"]
    worst = gap["suspected"][0]
    assert worst["exit"] == "tools"
    assert set(worst["checks"]) <= SILENT
    assert round(worst["rate"]["point"] * 24) == 6
    label = gap["next_label"]
    assert label["exit"] == "tools"
    assert f"gapless label '{label['case']}#{label['trial']}'" in again.stdout
    assert "Suspected, without labels" in again.stdout

    shown = gapless(tmp_path, "label", f"{label['case']}#{label['trial']}")
    assert "suspected" in shown.stdout
    said = gapless(tmp_path, "label", f"{label['case']}#{label['trial']}", "--wrong", "--blame", "tools")
    assert said.returncode == 0, said.stderr
    after = json.loads(gapless(tmp_path, "report", "--json").stdout)["gap"]
    assert after["outcomes"]["wrong"] == 1
    assert after["next_label"]["case"] != label["case"]


def test_init_lists_the_steps_and_overwrites_nothing(tmp_path: Path, server: FakeLLM) -> None:
    with server as llm:
        first = gapless(tmp_path, "init", f"{EXAMPLE / 'app.py'}:graph", **llm.environment)
        (tmp_path / "suite.yaml").write_text("- {id: mine, input: {messages: []}}\n")
        second = gapless(tmp_path, "init", f"{EXAMPLE / 'app.py'}:graph", **llm.environment)
    assert first.returncode == 0, first.stderr
    assert "tools" in first.stdout
    assert "wrote gapless.toml" in first.stderr
    assert "kept suite.yaml" in second.stderr
    assert "mine" in (tmp_path / "suite.yaml").read_text()


def test_a_program_is_recorded_as_it_is(tmp_path: Path, server: FakeLLM) -> None:
    program = tmp_path / "prog.py"
    program.write_text(
        "import sys\n"
        "from typing import TypedDict\n"
        "from langgraph.graph import END, START, StateGraph\n"
        "class S(TypedDict, total=False):\n    x: int\n"
        "g = StateGraph(S)\n"
        "g.add_node('double', lambda s: {'x': 2 * s['x']})\n"
        "g.add_edge(START, 'double')\n"
        "g.add_edge('double', END)\n"
        "app = g.compile()\n"
        "print([app.invoke({'x': i})['x'] for i in (1, 2, 2)], sys.argv[1:])\n"
        "sys.exit(3)\n"
    )
    ran = gapless(tmp_path, "run", "prog.py", "--flag", "a")
    assert ran.returncode == 3
    assert ran.stdout == "[2, 4, 4] ['--flag', 'a']\n"
    assert "3 graph calls recorded" in ran.stderr
    report = json.loads(gapless(tmp_path, "report", "--json").stdout)
    assert report["measurement"]["condition"] == "run"
    assert (report["gap"]["n_runs"], report["gap"]["n_cases"]) == (3, 2)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("measure", "nowhere.py:graph", "--cases", "x.jsonl"), 2, "nowhere.py"),
        (("measure", "--cases", "x.jsonl"), 2, "gapless init"),
        (("report",), 2, "nothing was measured yet"),
        (("report", "ZZZ"), 2, "no measurement begins"),
        (("label", "a#b"), 2, "case#number"),
        (("run", "nothing.py"), 2, "no such file"),
        (("measrue",), 2, "measrue"),
    ],
)
def test_bad_input_is_one_sentence_and_a_stable_code(
    tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = gapless(tmp_path, *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
