"""What settings say about steps holds for a step of the workflow, or is refused: never dropped without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gapless.cli.main import cli
from gapless.errors import UnknownName
from gapless.operations.open import open_workflow
from gapless.settings import locate

APP = """
from typing import TypedDict
from langgraph.graph import START, StateGraph

class State(TypedDict, total=False):
    order: str

def keep(state: State) -> State:
    return {"order": state["order"]}

inner = StateGraph(State).add_node("send_email", keep).add_edge(START, "send_email").compile()
graph = StateGraph(State).add_node("price", keep).add_node("sub", inner).add_edge(START, "price").add_edge("price", "sub").compile()
flat = StateGraph(State).add_node("price", keep).add_node("send_email", keep).add_edge(START, "price").add_edge(
    "price", "send_email").compile()
"""
CASES = json.dumps({"id": "a", "input": {"order": "o1"}})


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("open_app.py").write_text(APP)
    Path("cases.jsonl").write_text(CASES)


def settings(*lines: str) -> None:
    Path("gapless.toml").write_text("\n".join(lines))


@pytest.mark.parametrize(
    "args",
    [
        ["measure", "open_app.py:flat", "--cases", "cases.jsonl"],
        ["checkup", "orchestration", "--leave", "--probe", "crash-recovery", "--target", "open_app.py:flat"],
        ["crash", "open_app.py:flat", "--suite", "cases.jsonl"],
        ["benchmark", "--target", "open_app.py:flat", "--suite", "cases.jsonl"],
    ],
    ids=lambda args: args[0],
)
def test_a_misspelt_step_is_refused_before_anything_runs(args: list[str]) -> None:
    settings("[steps.send_emial]", "effect = true")
    done = CliRunner().invoke(cli, args)
    said = (
        done.output
        if done.exception is None or isinstance(done.exception, SystemExit)
        else str(done.exception)
    )
    assert "no step 'send_emial'" in said
    assert "Did you mean [steps.send_email]?" in said
    assert not list(Path(".gapless").glob("crash/*"))


def test_a_replay_refuses_it_too() -> None:
    settings('workflow = "open_app.py:flat"')
    assert CliRunner().invoke(cli, ["measure", "--cases", "cases.jsonl", "--quiet"]).exit_code == 0
    settings('workflow = "open_app.py:flat"', "[steps.send_emial]", "effect = true")
    done = CliRunner().invoke(cli, ["replay", "--all"])
    assert isinstance(done.exception, UnknownName), done.output


def test_a_step_of_a_subgraph_is_named_with_it() -> None:
    settings('[steps."sub/send_email"]', "effect = true")
    shape = open_workflow("open_app.py:graph", locate()).shape
    assert [step.name for step in shape.steps if step.effect] == ["sub/send_email"]
    settings("[steps.send_emial]", "effect = true")
    with pytest.raises(UnknownName, match=r'Did you mean \[steps\."sub/send_email"\]\?'):
        open_workflow("open_app.py:graph", locate())


@pytest.mark.parametrize(
    ("step", "refused"), [("only_of_the_other", False), ("send_emial", True)], ids=["another's", "a slip"]
)
def test_steps_of_the_workflow_that_the_settings_name_are_no_slips_of_another(
    step: str, *, refused: bool
) -> None:
    settings('workflow = "other.py:graph"', f"[steps.{step}]", "effect = true")
    if not refused:
        assert open_workflow("open_app.py:flat", locate()).shape.steps
        return
    with pytest.raises(UnknownName, match="folder of its own"):
        open_workflow("open_app.py:flat", locate())


def test_the_reference_agent_is_not_held_to_what_is_said_of_other_steps() -> None:
    from gapless.operations.checkup_workflow import open_named

    settings("[steps.mine]", "effect = true")
    found: Any = open_named(None, locate())
    assert found.workflow is not None, found.broken
