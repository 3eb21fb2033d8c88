"""The smallest example: doubt waits for a person and never reaches `synthesize`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from langgraph.types import Command

FILE = Path(__file__).parents[2] / "examples" / "minimal.py"


def _ran(app: Any, confidence: float, thread: str) -> tuple[list[str], Any]:
    config = {"configurable": {"thread_id": thread}}
    steps = [
        step for update in app.stream({"question": "q", "confidence": confidence}, config) for step in update
    ]
    return steps, config


def test_the_script_prints_both_traces() -> None:
    done = subprocess.run([sys.executable, str(FILE)], capture_output=True, text=True, check=True)
    low, high = done.stdout.splitlines()
    assert "human_review" in low
    assert "synthesize" not in low
    assert high.endswith("synthesize")
    assert len(FILE.read_text(encoding="utf-8").splitlines()) <= 60


def test_doubt_waits_and_the_answer_of_the_person_is_what_is_delivered() -> None:
    from minimal import app

    steps, config = _ran(app, 0.41, "doubt")
    assert steps == ["retrieve", "call_tool", "__interrupt__"]
    assert app.get_state(config).next == ("human_review",)
    after = app.invoke(Command(resume="ask the legal department"), config)
    assert after["answer"] == "ask the legal department"


def test_confidence_goes_straight_through() -> None:
    from minimal import app

    steps, config = _ran(app, 0.9, "sure")
    assert steps == ["retrieve", "call_tool", "synthesize"]
    assert app.get_state(config).next == ()


async def test_measured_the_doubtful_case_is_escalated() -> None:
    from gapless.boundary.ending import Ending
    from gapless.frameworks.target import load

    workflow = load("minimal.py:app", root=FILE.parent)
    doubtful = await workflow.run({"question": "q", "confidence": 0.41}, trial="a")
    sure = await workflow.run({"question": "q", "confidence": 0.9}, trial="b")
    assert isinstance(doubtful, Ending)
    assert doubtful.paused
    assert not sure.paused
    assert [step.name for step in workflow.shape.steps if step.review] == ["human_review"]
