"""`gapless report` writes the same report for every reader: a terminal, a browser, a pull request, a build server."""

from __future__ import annotations

import textwrap
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from gapless.cli.main import cli

APP = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    n: str
    found: int
    output: int

graph = StateGraph(State)
graph.add_node("find", lambda state: {"found": int(state["n"]) if state["n"] != "3" else 0})
graph.add_node("answer", lambda state: {"output": 10 * state["found"]})
graph.add_edge(START, "find")
graph.add_edge("find", "answer")
graph.add_edge("answer", END)
graph = graph.compile()
"""
CASES = "id,input.n,expected.output\nc1,1,10\nc2,2,20\nc3,3,30\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faces")
    (root / "app.py").write_text(textwrap.dedent(APP), encoding="utf-8")
    (root / "cases.csv").write_text(CASES, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        done = CliRunner().invoke(cli, ["measure", "app.py:graph", "--cases", "cases.csv", "--quiet"])
        assert done.exit_code == 0, done.output
    return root


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def test_markdown_goes_to_stdout_or_to_a_file(folder: Path) -> None:
    printed = CliRunner().invoke(cli, ["report", "--markdown"])
    assert printed.exit_code == 0, printed.output
    assert printed.stdout.startswith("## gapless: 2 of 3 trials end correct")
    written = CliRunner().invoke(cli, ["report", "--markdown", "report.md"])
    assert written.exit_code == 0
    assert (folder / "report.md").read_text(encoding="utf-8") == printed.stdout
    assert "Outcomes" in written.stdout


def test_junit_has_a_test_case_per_trial(folder: Path) -> None:
    done = CliRunner().invoke(cli, ["report", "--junit", "out/junit.xml"])
    assert done.exit_code == 0, done.output
    root = ElementTree.fromstring((folder / "out" / "junit.xml").read_bytes())
    assert {case.get("name"): case.find("failure") is None for case in root.iter("testcase")} == {
        "c1#0": True,
        "c2#0": True,
        "c3#0": False,
    }


def test_two_faces_do_not_share_stdout() -> None:
    done = CliRunner().invoke(cli, ["report", "--markdown", "--json"])
    assert done.exit_code != 0
    assert "both print" in str(done.exception)
