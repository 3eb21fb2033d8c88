"""`gapless checkup`: what it shows, what it keeps, and that one probe's trouble is not the others'."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import cli
from gapless.errors import UnknownName
from gapless.probes import shelf

APP = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    q: str
    answer: str

steps = StateGraph(State)
steps.add_node("look_up", lambda s: {"answer": s["q"].upper()}, metadata={"layer": "context"})
steps.add_edge(START, "look_up")
steps.add_edge("look_up", END)
graph = steps.compile()
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("checkup_app.py").write_text(APP)
    suite = [
        {"id": f"c{n}", "input": {"q": "a"}, "checks": {"end": [{"exact": {"path": "answer", "value": "A"}}]}}
        for n in range(3)
    ]
    Path("suite.jsonl").write_text("\n".join(json.dumps(case) for case in suite))
    Path("gapless.toml").write_text('workflow = "checkup_app.py:graph"\nsuite = "suite.jsonl"\n')
    sys.modules.pop("checkup_app", None)


def gapless(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def findings(*words: str) -> dict[str, Any]:
    done = gapless("checkup", *words, "--json", "--quiet", "--no-budget")
    assert done.exit_code == 0, done.output or done.exception
    return {one["probe"]: one for one in json.loads(done.stdout)["findings"]}


def test_one_layer_alone_and_figures_of_its_own() -> None:
    found = findings("observability")
    assert {one["layer"] for one in found.values()} == {"observability"}
    assert found["redaction"]["status"] == "ok"
    assert found["tracing-cost"]["figures"][0]["value"] > 0
    assert found["verdicts"]["status"] == "not-applicable"
    assert "nothing is on record yet" in found["verdicts"]["said"]


def test_records_and_replays_of_a_measured_workflow() -> None:
    gapless("measure", "--quiet")
    found = findings("orchestration", "observability", "--leave")
    assert found["steps-recorded"]["status"] == "ok"
    assert found["replay-fidelity"]["status"] == "ok"
    assert "3 of 3 trials replayed unchanged" in found["replay-fidelity"]["said"]
    assert found["replay-fidelity"]["undecided"].endswith("73 in a row would show it")
    assert found["checkpoints"]["status"] == "warn"


def test_replays_are_a_sample_of_every_case_and_the_rest_can_still_be_made() -> None:
    from gapless.operations import checkup_records

    gapless("measure", "--quiet", "--trials", "2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkup_records, "_REPLAYED", 4)
        first = findings("observability", "--leave")["replay-fidelity"]["said"]
        assert findings("observability", "--leave")["replay-fidelity"]["said"] == first
    assert "4 of 4 trials replayed unchanged" in first
    whole = gapless("replay", "--all", "--json", "--quiet")
    assert json.loads(whole.stdout)["replayed"] == 6


def test_a_sample_has_one_trial_of_every_case_before_it_has_two_of_any() -> None:
    from gapless.operations.fidelity import sample

    every = [(f"c{case}", trial) for trial in range(3) for case in range(5)]
    drawn = sample(every, 7, "seed")
    assert sorted(case for case, trial in drawn if trial == 0) == ["c0", "c1", "c2", "c3", "c4"]
    assert [trial for _, trial in drawn].count(1) == 2
    assert drawn == sample(every, 7, "seed")
    assert {tuple(sample(every, 2, str(seed))) for seed in range(9)} != {tuple(drawn[:2])}


def test_how_long_a_probe_may_take_is_said_or_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from gapless.probes import shelf

    seen: list[float] = []

    def probe(subject: Any) -> Any:
        seen.append(subject.seconds)
        return ()

    monkeypatch.setattr(shelf, "probe", lambda name: probe)
    gapless("checkup", "--probe", "redaction")
    gapless("checkup", "--probe", "redaction", "--seconds", "60")
    Path("gapless.toml").write_text("[checkup]\nseconds = 20\n")
    gapless("checkup", "--probe", "redaction")
    gapless("checkup", "--probe", "redaction", "--seconds", "2")
    assert seen == [8, 60, 20, 2]
    Path("gapless.toml").write_text("[checkup]\nseconds = 0\n")
    done = gapless("checkup", "--probe", "redaction")
    assert (done.exit_code, "seconds is 0" in str(done.exception)) == (1, True)


def test_records_of_another_version_or_workflow_are_called_so() -> None:
    def told() -> str:
        shown = gapless("checkup", "observability", "--probe", "verdicts", "--json", "--quiet", "--no-budget")
        return " ".join(json.loads(shown.stdout)["notes"])

    gapless("measure", "--quiet")
    assert "records" not in told()
    Path("checkup_app.py").write_text(APP.replace("upper", "title"))
    sys.modules.pop("checkup_app", None)
    assert "are of an earlier version of checkup_app.py:graph" in told()
    Path("checkup_app.py").unlink()
    sys.modules.pop("checkup_app", None)
    assert "records" not in told()


@pytest.mark.parametrize("target", ["checkup_app.py:nope", "nofile.py:graph"])
@pytest.mark.parametrize("probe", ["typed-state", "verdicts"])
def test_a_typed_name_that_cannot_be_opened_is_no_success(target: str, probe: str) -> None:
    gapless("measure", "--quiet")
    done = gapless("checkup", "--target", target, "--probe", probe, "--json", "--quiet")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["findings"][0]["status"]) == (1, "fail")
    assert f"{target} could not be opened" in told["findings"][0]["said"]
    assert not any("records" in note for note in told["notes"])
    Path("gapless.toml").write_text(f'workflow = "{target}"\n')
    assert gapless("checkup", "--probe", probe, "--quiet").exit_code == 1


def test_history_and_what_has_changed_since() -> None:
    findings("observability")
    gapless("measure", "--quiet")
    told = json.loads(gapless("checkup", "observability", "--json", "--quiet").stdout)
    assert any("lost" not in note and "not-applicable -> ok" in note for note in told["notes"])
    assert len(json.loads(gapless("checkup", "--history", "--json").stdout)) == 2
    assert "of the checklist" in gapless("checkup", "--history").output


def test_a_checkup_that_cannot_be_kept_is_shown_all_the_same() -> None:
    """A disk that fills up while probes run: here the table refuses."""
    findings("hardware", "--probe", "pages-and-clock")
    (file,) = Path(".gapless").glob("*.db")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "create trigger full before insert on checkups begin select raise(fail, 'database or disk is full'); end"
        )
    done = gapless("checkup", "--probe", "cgroup-limits", "--json", "--quiet", "--no-budget")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert [one["probe"] for one in made["findings"]] == ["cgroup-limits"]
    assert any("This checkup is not on record" in note for note in made["notes"])


def test_a_graph_that_cannot_be_imported_costs_its_own_lines_alone() -> None:
    Path("checkup_app.py").write_text("raise RuntimeError('not today')")
    done = gapless("checkup", "orchestration", "observability", "--json", "--quiet", "--no-budget")
    told = json.loads(done.stdout)
    found = {one["probe"]: one for one in told["findings"]}
    assert found["workflow-opens"]["status"] == "fail"
    assert "not today" in found["workflow-opens"]["said"]
    for other in ("typed-state", "steps-recorded"):
        assert (found[other]["status"], found[other]["said"]) == ("not-applicable", "see workflow-opens")
    assert found["redaction"]["status"] == "ok"
    alone = json.loads(gapless("checkup", "observability", "--json", "--quiet").stdout)
    found = {one["probe"]: one for one in alone["findings"]}
    assert (found["steps-recorded"]["status"], found["verdicts"]["said"]) == ("fail", "see steps-recorded")
    assert "not today" in found["steps-recorded"]["said"]
    quiet = json.loads(gapless("checkup", "--probe", "redaction", "--json", "--quiet").stdout)
    assert any("not today" in note for note in quiet["notes"])


def test_a_probe_that_crashes_is_a_finding_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_: object) -> Any:
        raise ZeroDivisionError("ouch")

    known = shelf.probe
    monkeypatch.setattr(shelf, "probe", lambda name: crash if name == "redaction" else known(name))
    found = findings("observability")
    assert found["redaction"]["said"] == "it could not be measured: ZeroDivisionError: ouch"
    assert found["tracing-cost"]["status"] in ("ok", "warn")


def test_what_failed_fails_the_command_and_settings_hold() -> None:
    Path("checkup_app.py").write_text(
        APP.replace('metadata={"layer": "context"}', 'metadata={"layer": "tool", "effect": True}')
    )
    assert gapless("checkup", "orchestration", "--quiet").exit_code == 1
    assert gapless("checkup", "orchestration", "--quiet", "--no-budget").exit_code == 0
    text = Path("gapless.toml").read_text()
    Path("gapless.toml").write_text(text + '[checkup]\nskip = ["effects-once", "checkpoints"]\n')
    assert "effects-once" not in findings("orchestration")
    Path("gapless.toml").write_text(text + '[checkup]\nskip = ["nowhere"]\n')
    assert isinstance(gapless("checkup", "orchestration").exception, UnknownName)


def test_faces() -> None:
    done = gapless("checkup", "orchestration", "--markdown", "--html", "c.html", "--quiet", "--no-budget")
    assert "### orchestration" in done.output
    page = Path("c.html").read_text()
    assert "explicit, typed state" in page
    assert "<script" not in page
    assert "no probes for 'nowhere'" in str(gapless("checkup", "nowhere").exception)
    assert len(gapless("checkup", "--list").output.splitlines()) == len(shelf.SHELF)


def test_the_model_that_is_named_is_asked_and_its_silence_costs_its_own_lines_alone() -> None:
    from gapless.testing.fake_llm import FakeLLM

    script = {"rules": [{"reply": {"text": "one two three"}}], "latency": {"ttft_ms": 20}}
    with FakeLLM(script, token="k") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHECKUP_KEY", "k")
        model = f'[checkup.model]\nurl = "{server.base_url}"\nmodel = "m"\napi_key_env = "CHECKUP_KEY"\n'
        skipped = [
            name for name in shelf.SHELF if name not in ("endpoint-answers", "streaming", "cut-answers")
        ]
        Path("gapless.toml").write_text(f"[checkup]\nskip = {json.dumps(skipped)}\n{model}timeout_s = 5\n")
        found = findings("model")
        assert found["endpoint-answers"]["status"] == "ok"
        assert len(found) == 3
        assert server.requests
        patch.setenv("CHECKUP_KEY", "wrong")
        found = findings("model")
        assert found["endpoint-answers"]["status"] == "fail"
        assert "Incorrect API key" in found["endpoint-answers"]["said"]
        assert "CHECKUP_KEY" in found["endpoint-answers"]["next_step"]
    found = findings("model")
    assert found["endpoint-answers"]["status"] == "fail"
    assert "CHECKUP_KEY holds no key" in found["endpoint-answers"]["said"]
    assert "see endpoint-answers" in found["streaming"]["said"]


def test_without_a_model_and_without_weights_the_layer_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapless.retrievers.weights.at_hand", lambda name: False)
    found = findings("model")
    assert {one["status"] for one in found.values()} == {"not-applicable"}
    assert "weights are not in the user's cache" in found["ttft"]["said"]


def test_without_a_model_the_reference_agents_stands_in_and_is_gone_afterwards() -> None:
    from gapless.errors import WeightsUnavailable
    from gapless.retrievers import weights

    try:
        weights.fetch("smollm2")
    except WeightsUnavailable as error:
        pytest.skip(f"the weights cannot be downloaded here: {error}")
    skipped = [name for name in shelf.SHELF if name not in ("endpoint-answers", "cut-answers")]
    Path("gapless.toml").write_text(f"[checkup]\nskip = {json.dumps(skipped)}\n")
    done = gapless("checkup", "model", "--json", "--quiet", "--no-budget")
    told = json.loads(done.stdout)
    assert [one["status"] for one in told["findings"]] == ["ok", "ok"]
    assert ["smollm2" in what for what in told["stand_ins"]] == [True]
    assert "embedded" in told["findings"][0]["subject"]
    address = told["findings"][0]["said"].split(" at ")[1].split(" ")[0]
    host, port = address.split(":")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, int(port)), timeout=2).close()


@pytest.mark.full
def test_without_any_configuration_the_reference_agent_stands_in_for_everything() -> None:
    Path("gapless.toml").unlink()
    words = [
        sys.executable,
        "-m",
        "gapless",
        "checkup",
        "orchestration",
        "observability",
        "--json",
        "--no-budget",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found = {one["probe"]: one for one in json.loads(done.stdout)["findings"]}
    assert found["steps-recorded"]["status"] == "ok", found["steps-recorded"]["said"]
    assert "8 of 8 trials replayed" in found["replay-fidelity"]["said"]
    assert "nothing was measured yet" in str(gapless("report").exception), (
        "the user's store holds nothing of it"
    )


HANG_ON_TIME = set(
    "ttft inter-token end-to-end open-loop knee tail-cascade whole-answers cancel tool-latency tool-cancel retrieval-latency".split()
)


def stalled_s() -> float:
    """Seconds since boot in which some task of this machine waited for a CPU; 0 where the kernel does not say."""
    said = Path("/proc/pressure/cpu")
    return int(said.read_text().split("total=")[1].split()[0]) / 1e6 if said.is_file() else 0.0


@pytest.mark.full
def test_an_empty_folder_gives_all_six_sections_with_figures_in_three_minutes(tmp_path: Path) -> None:
    from gapless.errors import WeightsUnavailable
    from gapless.retrievers import weights

    try:
        weights.fetch("smollm2")
    except WeightsUnavailable as error:
        pytest.skip(f"the weights cannot be downloaded here: {error}")
    Path("gapless.toml").unlink()
    empty = tmp_path / "empty"
    empty.mkdir()
    begun, waited = time.monotonic(), stalled_s()
    words = [sys.executable, "-m", "gapless", "checkup", "--json"]
    done = subprocess.run(words, cwd=empty, capture_output=True, text=True, timeout=900)
    took = time.monotonic() - begun - (stalled_s() - waited)  # waiting for a CPU is the machine's fault
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)["findings"]
    measured = {one["layer"] for one in found if one["status"] != "not-applicable" and one["figures"]}
    assert measured == {"hardware", "model", "context", "tool", "orchestration", "observability"}
    failed = {one["probe"] for one in found if one["status"] == "fail"} - HANG_ON_TIME
    assert failed == {"structured-output", "function-calling", "checkpoints", "effects-once"}
    assert {one["probe"] for one in found} == set(shelf.SHELF)
    assert took < 180


@pytest.mark.full
def test_kills_with_leave_are_a_finding() -> None:
    found = findings("--probe", "crash-recovery", "--leave")["crash-recovery"]
    assert (
        found["status"] == "fail"
    )  # without a checkpointer of its own, a run that dies before its first checkpoint is lost
    assert "kills without contracts" in found["said"]


def test_steps_that_act_are_killed_only_where_they_may() -> None:
    text = Path("checkup_app.py").read_text()
    Path("checkup_app.py").write_text(text.replace('"layer": "context"', '"layer": "tool", "effect": True'))
    found = findings("--probe", "crash-recovery", "--leave")["crash-recovery"]
    assert (found["status"], "--allow-effects" in found["said"]) == ("not-applicable", True)


def test_a_probe_of_another_layer_is_shown_in_its_own() -> None:
    shown = gapless("checkup", "hardware", "--probe", "redaction", "--quiet").output
    assert "1 line of the checklist in 1 layer: 1 ok" in shown
    assert "secrets stay out of the record" in shown


def test_a_layer_is_not_taken_for_a_file_and_files_are_named() -> None:
    done = gapless("checkup", "--markdown", "hardware", "--quiet")
    assert "'hardware' is a layer" in str(done.exception)
    assert not Path("hardware").exists()
    done = gapless("checkup", "--probe", "redaction", "--html", "c.html", "--markdown", "c.md", "--quiet")
    assert str(Path("c.html").resolve()) in done.stderr
    assert str(Path("c.md").resolve()) in done.stderr


def test_a_target_of_the_users_is_shown_and_one_that_nothing_reads_is_refused() -> None:
    Path("gapless.toml").write_text("[checkup.targets]\ntracing-cost = 0.001\n")
    found = findings("--probe", "tracing-cost")["tracing-cost"]
    assert (found["status"], found["target"].startswith("0.001")) == ("warn", True)
    assert found["target_source"] == "[checkup.targets] in gapless.toml"
    Path("gapless.toml").write_text("[checkup.targets]\nredaction = 3\n")
    assert "held against no number" in str(gapless("checkup", "--probe", "redaction").exception)


def test_the_page_leads_to_what_does_not_hold() -> None:
    gapless("checkup", "orchestration", "observability", "--html", "c.html", "--quiet", "--no-budget")
    page = Path("c.html").read_text()
    assert '<a href="#checkpoints">' in page
    assert page.count('id="checkpoints"') == 1
    assert '<section id="observability">' in page
