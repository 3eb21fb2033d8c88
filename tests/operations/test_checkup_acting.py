"""Steps that nobody declared to act, and whose name says that they do, are not run again by a checkup without leave."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import ToolNode

from gapless.cli.main import cli
from gapless.frameworks.target import adapt
from gapless.operations.checkup_acting import seeming_to_act, unasked
from gapless.settings import Place, Settings, StepSettings

ACTING = """
from pathlib import Path
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    q: str
    answer: str

def send(state):
    with Path("sent.txt").open("a") as out:
        out.write("sent\\n")
    return {"answer": state["q"].upper()}

steps = StateGraph(State)
steps.add_node("send_email", send)
steps.add_edge(START, "send_email")
steps.add_edge("send_email", END)
graph = steps.compile()
"""


@pytest.mark.parametrize("probe", ["crash-recovery", "replay-fidelity"])
def test_a_step_whose_name_says_that_it_acts_is_not_run_again_unasked(
    probe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("acting_app.py").write_text(ACTING)
    Path("suite.jsonl").write_text(json.dumps({"id": "a", "input": {"q": "a"}}))
    Path("gapless.toml").write_text('workflow = "acting_app.py:graph"\nsuite = "suite.jsonl"\n')
    sys.modules.pop("acting_app", None)
    assert CliRunner().invoke(cli, ["measure", "--quiet", "--trials", "1"]).exit_code == 0
    sent = Path("sent.txt").read_text()
    done = CliRunner().invoke(cli, ["checkup", "--probe", probe, "--leave", "--json", "--quiet"])
    (found,) = json.loads(done.stdout)["findings"]
    assert found["status"] == "not-applicable"
    assert "send_email acts on the world, as its name says" in found["said"]
    assert "--allow-effects" in found["said"]
    assert "`effect = false` under [steps.send_email]" in found["said"]
    assert Path("sent.txt").read_text() == sent


def test_steps_that_seem_to_act_are_known_by_their_names_and_tools() -> None:
    @tool
    def refund_order(number: str) -> str:
        """Pays it back."""
        return number

    def seeming(**steps: StepSettings) -> dict[str, str]:
        inner = StateGraph(dict)
        inner.add_node("delete_rows", lambda s: s)
        inner.add_edge(START, "delete_rows")
        built: Any = StateGraph(dict)
        built.add_node("tools", ToolNode([refund_order]))
        built.add_node("inner", inner.compile())
        built.add_node("writes", lambda s: s)
        built.add_node("get_order", lambda s: s)
        built.add_node("write_answer", lambda s: s, metadata={"layer": "model"})
        for name in ("tools", "inner", "writes", "get_order", "write_answer"):
            built.add_edge(START, name)
        place = Place(root=".", settings=Settings(steps=steps), database="sqlite://")
        workflow = adapt(built.compile(), steps=steps)
        assert bool(unasked(workflow, place, "kills")) == bool(seeming_to_act(workflow, place))
        return seeming_to_act(workflow, place)

    assert seeming() == {"tools": "refund_order", "inner/delete_rows": "delete_rows"}
    reading = StepSettings(effect=False)
    assert seeming(**{"tools": reading, "inner/delete_rows": reading}) == {}
