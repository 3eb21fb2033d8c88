"""Files that a command is asked for: every command makes a missing folder, tells where the file is, and refuses alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import cli

APP = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    n: int
    output: int

graph = StateGraph(State)
graph.add_node("double", lambda state: {"output": 2 * int(state["n"])})
graph.add_edge(START, "double")
graph.add_edge("double", END)
graph = graph.compile()
"""
WRITES = (
    ("report", "--html"),
    ("report", "--markdown"),
    ("report", "--junit"),
    ("export",),
    ("replay", "c1#0", "--html"),
    ("replay", "c1#0", "--markdown"),
    ("faults", "app.py:graph", "--suite", "cases.csv", "--fault", "empty", "--quiet", "--html"),
    ("checkup", "--probe", "typed-state", "--target", "app.py:graph", "--quiet", "--html"),
    ("checkup", "--probe", "typed-state", "--target", "app.py:graph", "--quiet", "--markdown"),
    ("checkup", "--history", "typed-state", "--html"),
    ("label", "c1#0", "--correct", "--promote"),
)
"""Commands, each up to the name of the file."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written")
    (root / "app.py").write_text(APP, encoding="utf-8")
    (root / "cases.csv").write_text("id,input.n,expected.output\nc1,1,2\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for words in (
            ("measure", "app.py:graph", "--cases", "cases.csv", "--quiet", "--html", "first/page.html"),
            ("checkup", "--probe", "typed-state", "--target", "app.py:graph", "--quiet"),
        ):
            done = CliRunner().invoke(cli, words)
            assert done.exit_code == 0, done.output
    assert (root / "first" / "page.html").exists()
    return root


def written(words: tuple[str, ...], file: str) -> Result:
    return CliRunner().invoke(cli, [*words, file])


@pytest.mark.parametrize("words", WRITES, ids=lambda words: " ".join(w for w in words if "." not in w))
def test_a_missing_folder_is_made_and_the_path_is_told(
    words: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    file = f"made/{WRITES.index(words)}/below/it.yaml"
    done = written(words, file)
    assert done.exit_code == 0, done.output
    assert (folder / file).stat().st_size > 0
    assert file in done.output
    assert [path.name for path in (folder / file).parent.iterdir()] == ["it.yaml"]


@pytest.mark.parametrize("words", WRITES, ids=lambda words: " ".join(w for w in words if "." not in w))
def test_where_no_folder_can_be_a_sentence_says_so(
    words: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = written(words, "app.py/it.yaml")
    assert done.exit_code == 1
    assert "app.py/it.yaml" in str(done.exception)
    assert (folder / "app.py").is_file()
