"""`gapless replay` by hand: what it prints, what it refuses, and what a damaged or half-written tape comes to."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import cli
from gapless.errors import ReplayMismatch, UnknownName, UsageError

APP = """
import os
import time
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    q: str
    docs: list[str]
    total: int
    answer: str

def ran(name):
    with open("ran.log", "a") as log:
        log.write(name + "\\n")

def retrieve(state):
    ran("retrieve")
    return {"docs": ["a"] if state["q"] == "bad" else ["a", "b"]}

def add(state):
    ran("add")
    if state["q"] == "slow":
        time.sleep(30)
    return {"total": len(state["docs"]) * 5}

def tell(state):
    ran("tell")
    return {"answer": f"total {state['total']}"}

steps = StateGraph(State)
for step in (retrieve, add, tell):
    steps.add_node(step.__name__, step)
steps.add_edge(START, "retrieve")
steps.add_edge("retrieve", "add")
steps.add_edge("add", "tell")
steps.add_edge("tell", END)
graph = steps.compile()
"""
END_CHECK = {"end": [{"exact": {"path": "answer", "value": "total 10"}}]}
SUITE = [
    {"id": "good", "input": {"q": "good"}, "golden": {"retrieve": {"docs": ["a", "b"]}}, "checks": END_CHECK},
    {"id": "bad", "input": {"q": "bad"}, "golden": {"retrieve": {"docs": ["a", "b"]}}, "checks": END_CHECK},
]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("replay_app.py").write_text(APP)
    Path("suite.jsonl").write_text("\n".join(json.dumps(case) for case in SUITE))
    Path("gapless.toml").write_text('workflow = "replay_app.py:graph"\nsuite = "suite.jsonl"\n')
    sys.modules.pop("replay_app", None)
    assert gapless("measure", "--quiet").exit_code == 0
    Path("ran.log").unlink()


def gapless(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def ran() -> list[str]:
    log = Path("ran.log")
    words = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return words


def database() -> sqlite3.Connection:
    return sqlite3.connect(".gapless/gapless.db")


def test_a_lost_trial_ends_right_with_the_golden_output_of_its_culprit() -> None:
    shown = gapless("replay", "bad#0", "--golden", "retrieve")
    assert shown.exit_code == 0
    assert "bad#0 ended wrong; replayed with the golden output of retrieve it ends correct." in shown.output
    assert 'docs[1]: + "b"' in shown.output
    assert ran() == ["add", "tell"]
    told = json.loads(gapless("replay", "bad#0", "--golden", "retrieve", "--json").output)
    assert told["schema"] == "gapless.replay/1"
    assert [pair["status"] for pair in told["crossings"]] == ["edited", "changed", "changed"]
    assert {change["path"] for change in told["output"]} == {"answer", "docs[1]", "total"}


def test_a_value_in_the_state_is_changed_where_a_step_takes_it_up() -> None:
    shown = gapless("replay", "bad#0", "--from", "tell", "--set", "total=10")
    assert "it ends correct" in " ".join(shown.output.split())
    assert ran() == ["tell"]
    shown = gapless("replay", "bad#0", "--from", "tell", "--set", 'docs=["x"]')
    assert "add#1 stayed as recorded" in shown.output
    shown = gapless("replay", "bad#0", "--set", "input.q=good")
    assert (ran()[-3:], "it ends correct" in shown.output) == (["retrieve", "add", "tell"], True)


def test_markdown_and_a_page_say_the_same() -> None:
    shown = gapless("replay", "bad#0", "--golden", "retrieve", "--markdown", "--html", "replay.html")
    assert "| `retrieve` |" in shown.output
    page = Path("replay.html").read_text()
    assert "it ends correct" in page
    assert "<script" not in page


def test_another_version_of_the_workflow_is_named_as_such() -> None:
    Path("other_app.py").write_text(APP.replace("* 5", "* 10"))
    shown = gapless("replay", "bad#0", "--from", "add", "--workflow", "other_app.py:graph")
    assert "it ends correct" in shown.output
    assert "the workflow has changed since" in shown.output
    assert ran() == ["add", "tell"]


def test_all_trials_replayed_unchanged() -> None:
    told = json.loads(gapless("replay", "--all", "--json", "--quiet").output)
    assert (told["outcome"]["point"], told["handoffs"]["point"], told["replayed"]) == (1.0, 1.0, 2)
    assert told["complete"] is True
    ran()
    again = json.loads(gapless("replay", "--all", "--json", "--quiet").output)
    assert (again["replay"], ran()) == (told["replay"], [])  # what was replayed is not run again


def test_trials_that_never_came_to_the_start_are_left_out() -> None:
    Path("failing_app.py").write_text(
        APP.replace('"total": len', '"total": 1 // (state["q"] != "bad") * len')
    )
    assert gapless("measure", "failing_app.py:graph", "--quiet").exit_code == 0
    told = json.loads(gapless("replay", "--all", "--from", "tell", "--json", "--quiet").output)
    assert (told["replayed"], told["skipped"], told["outcome"]["point"]) == (1, 1, 1.0)


def test_replays_that_come_out_otherwise_are_named_with_the_step() -> None:
    Path("other_app.py").write_text(APP.replace("* 5", "* (5 if state['q'] == 'bad' else 4)"))
    told = json.loads(
        gapless("replay", "--all", "--workflow", "other_app.py:graph", "--json", "--quiet").output
    )
    assert told["outcome"]["point"] == 0.5
    (reason,) = told["reasons"]
    assert reason["reason"].startswith(
        "add handed over something else in the same state; it ended wrong, was correct"
    )
    assert told["unstable"] == {"add": 1}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("replay",), "name a trial"),
        (("replay", "bad#0", "--all"), "leave bad#0 out"),
        (("replay", "--all", "--attribute"), "ask one at a time"),
        (("replay", "--all", "--golden", "add"), "change one trial"),
        (("replay", "bad#0", "--reps", "3"), "go with --attribute"),
        (("replay", "bad#x"), "names no trial"),
        (("replay", "bad#7"), "has no trial"),
        (("replay", "bad#0", "--from", "nowhere"), "no step 'nowhere'"),
        (("replay", "bad#0", "--from", "add#4"), "the trial has no add#4"),
        (("replay", "bad#0", "--golden", "add"), "no golden output for add#1"),
        (("replay", "bad#0", "--golden", "tell", "--from", "retrieve"), "no golden output for tell#1"),
        (("replay", "bad#0", "--golden", "retrieve", "--from", "retrieve"), "runs again"),
        (("replay", "bad#0", "--set", "total"), "write path=value"),
        (("replay", "bad#0", "--from", "tell", "--set", "docs[7]=x"), "the list has 1 items"),
        (("replay", "bad#0", "--weather", "nowhere:W"), "cannot be imported"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words_and_nothing_runs(words: tuple[str, ...], said: str) -> None:
    result = gapless(*words)
    assert result.exit_code != 0
    assert said in (result.output if isinstance(result.exception, SystemExit) else str(result.exception))
    assert ran() == []


def _raises(kind: type[Exception], said: str, *words: str) -> None:
    result = gapless("replay", *words)
    assert isinstance(result.exception, kind), result.exception
    assert said in str(result.exception)
    assert ran() == []
    assert [m.get("kind", "measure") for m in json.loads(gapless("report", "--list", "--json").output)] == [
        "measure"
    ]


def test_a_tape_with_a_missing_value() -> None:
    with database() as connection:
        kept = {row[0] for row in connection.execute("SELECT digest FROM payloads")}
        record = json.loads(gapless("replay", "bad#0", "--from", "tell", "--json").output)
        assert record["after"] == "wrong"
        connection.execute("DELETE FROM measurements WHERE kind = 'replay'")
        ran()
        assert kept
        connection.execute("DELETE FROM payloads")
    _raises(ReplayMismatch, "the tape lacks its input", "bad#0", "--from", "tell")


def test_a_tape_without_one_handoff() -> None:
    from gapless.operations.open import open_store

    with open_store() as store:
        (measurement,) = store.measurements()
        output = store.record(measurement.id, "bad", 0).events[0].output
    with database() as connection:
        connection.execute("DELETE FROM payloads WHERE digest = ?", (output,))
    _raises(ReplayMismatch, "retrieve#1: the tape lacks what it handed over", "bad#0", "--from", "tell")


def test_a_step_that_exists_no_longer() -> None:
    Path("other_app.py").write_text(APP.replace("retrieve", "look_up"))
    _raises(
        ReplayMismatch,
        "the tape holds retrieve#1, and the workflow has no step 'retrieve' any more",
        "bad#0",
        "--from",
        "tell",
        "--workflow",
        "other_app.py:graph",
    )


def test_a_step_that_the_tape_does_not_know_of() -> None:
    new = APP.replace("(retrieve, add, tell)", "(retrieve, add, tell, rerank)").replace(
        "def add(state)", 'def rerank(state):\n    ran("rerank")\n    return {}\n\ndef add(state)'
    )
    new = new.replace(
        'add_edge("retrieve", "add")', 'add_edge("retrieve", "rerank")\nsteps.add_edge("rerank", "add")'
    )
    Path("other_app.py").write_text(new)
    _raises(
        ReplayMismatch,
        "came to rerank#1, of which the tape knows nothing, without passing add#1",
        "bad#0",
        "--from",
        "tell",
        "--workflow",
        "other_app.py:graph",
    )


def test_code_before_the_start_that_hands_over_something_else_is_seen_by_whoever_is_given_it() -> None:
    new = APP.replace('steps.add_edge(START, "retrieve")', 'steps.add_edge(START, "retrieve")').replace(
        "class State(TypedDict, total=False):\n    q: str",
        "from typing import Annotated\nclass State(TypedDict, total=False):\n    q: Annotated[str, lambda a, b: 'other']",
    )
    Path("other_app.py").write_text(new)
    _raises(
        ReplayMismatch,
        "retrieve#1: it was recorded in another state: q is 'other', was 'bad'",
        "bad#0",
        "--from",
        "tell",
        "--workflow",
        "other_app.py:graph",
    )


@pytest.mark.parametrize(
    ("golden", "said"),
    [
        ('"a text"', "its golden output is 'string', the step hands over 'object'"),
        ('{"docs": 7}', "does not fit what the step declares"),
    ],
)
def test_a_golden_of_the_wrong_shape(golden: str, said: str) -> None:
    case = {
        "id": "bad",
        "input": {"q": "bad"},
        "golden": {"retrieve": json.loads(golden)},
        "checks": END_CHECK,
    }
    Path("suite.jsonl").write_text(json.dumps(case))
    assert gapless("measure", "--quiet").exit_code == 0
    ran()
    result = gapless("replay", "bad#0", "--golden", "retrieve")
    assert isinstance(result.exception, ReplayMismatch)
    assert said in str(result.exception)
    assert ran() == []


def test_a_trial_that_was_killed_has_no_tape() -> None:
    case = {"id": "slow", "input": {"q": "slow"}, "checks": END_CHECK}
    Path("slow.jsonl").write_text(json.dumps(case))
    command = [sys.executable, "-m", "gapless", "measure", "--suite", "slow.jsonl", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        end = time.monotonic() + 60
        while not (Path("ran.log").exists() and "add" in Path("ran.log").read_text()):
            assert time.monotonic() < end
            time.sleep(0.02)
        os.kill(running.pid, signal.SIGKILL)
    ran()
    result = gapless("replay", "slow#0")
    assert isinstance(result.exception, UnknownName)
    assert "was cut off before it ended, so nothing of it was kept" in str(result.exception)
    assert ran() == []


def test_what_was_redacted_is_no_tape() -> None:
    Path("gapless.toml").write_text(
        'workflow = "replay_app.py:graph"\nsuite = "suite.jsonl"\n[privacy]\nredact = ["docs"]\n'
    )
    assert gapless("measure", "--quiet", "--condition", "masked").exit_code == 0
    ran()
    result = gapless("replay", "bad#0", "--from", "add")
    assert isinstance(result.exception, ReplayMismatch)
    assert "was kept with redacted values" in str(result.exception)
    assert ran() == []


def test_a_lost_trial_becomes_a_case_once_its_cause_is_found() -> None:
    refused = gapless("label", "bad#0", "--cause", "retrieve", "--promote", "caught.yaml")
    assert isinstance(refused.exception, UsageError)
    assert "no replay on record shows that retrieve is the cause" in str(refused.exception)
    newest = json.loads(gapless("report", "--list", "--json").output)[0]["id"]
    gapless("replay", "bad#0", "--golden", "retrieve")
    done = gapless(
        "label", "bad#0", "--measurement", newest, "--cause", "retrieve", "--promote", "caught.yaml"
    )
    assert "Added case bad-retrieve to caught.yaml, with golden outputs of retrieve." in done.output
    ran()
    told: dict[str, Any] = json.loads(
        gapless("measure", "--suite", "caught.yaml", "--quiet", "--json").output
    )
    (row,) = [row for row in told["gap"]["boundaries"] if row["wrong"]]
    assert row["exit"] == "retrieve"  # the leak is caught where it is
    fixed = APP.replace('["a"] if state["q"] == "bad" else ', "")
    Path("fixed_app.py").write_text(fixed)
    told = json.loads(
        gapless("measure", "fixed_app.py:graph", "--suite", "caught.yaml", "--quiet", "--json").output
    )
    assert told["gap"]["outcomes"]["correct"] == 1
