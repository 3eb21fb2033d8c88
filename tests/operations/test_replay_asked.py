"""What `gapless replay` is asked for is what it does, or it says why not before anything runs; Ctrl-C ends it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from replayed import Recorded

from gapless import Weather
from gapless.boundary.faults.empty import Empty
from gapless.cli.main import cli
from gapless.operations.replay import replays

APP = """
import os
import time
import gapless

@gapless.step
def find(q: int) -> dict:
    return ran("find", {"n": q + 100})

@gapless.step
def tell(found: dict) -> dict:
    time.sleep(float(os.environ.get("PAUSE", "0")))
    return ran("tell", {"n": found["n"] + 1})

def ran(name, value):
    with open("ran.log", "a") as log:
        log.write(name + "\\n")
    return value

def chain(q: int) -> int:
    return tell(find(q))["n"]
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("asked_app.py").write_text(APP)
    golden = {"find": {"n": 1}, "tell": [1]}
    case = {"id": "c", "input": 1, "golden": golden, "checks": {"end": [{"exact": {"value": 2}}]}}
    Path("suite.jsonl").write_text(json.dumps(case))
    Path("gapless.toml").write_text('workflow = "asked_app.py:chain"\nsuite = "suite.jsonl"\n')
    sys.modules.pop("asked_app", None)
    assert gapless("measure", "--quiet").exit_code == 0
    Path("ran.log").unlink()


def gapless(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--all", "--html", "page.html"), "--html goes with one trial"),
        (("--suspects", "--html", "page.html"), "--html goes with one trial"),
        (("--attribute", "--from", "find"), "--from goes with one trial"),
        (("--attribute", "--clear"), "under the same faults"),
    ],
)
def test_what_a_question_does_not_take_is_refused_before_anything_runs(
    words: tuple[str, ...], said: str
) -> None:
    done = gapless("replay", *words)
    assert done.exit_code == 2
    assert said in done.output
    assert not Path("ran.log").exists()


def test_a_golden_output_of_another_kind_is_refused() -> None:
    done = gapless("replay", "c#0", "--golden", "tell")
    assert "its golden output is" in str(done.exception)


def test_a_measurement_made_in_python_says_how_to_name_its_workflow() -> None:
    code = "import asked_app, gapless; gapless.measure_sync(asked_app.chain, [{'id': 'c', 'input': 1}])"
    Path("gapless.toml").write_text("")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path.cwd())
    said = str(gapless("replay", "c#0").exception)
    assert "handed over in Python" in said
    assert "--workflow app.py:graph" in said
    assert "ModuleNotFound" not in said


def test_ctrl_c_ends_the_replay_of_one_trial_at_once() -> None:
    words = [sys.executable, "-m", "gapless", "replay", "c#0"]
    running = subprocess.Popen(
        words, env={**os.environ, "PAUSE": "60"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        for _ in range(600):
            if Path("ran.log").exists():
                break
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=20) == 130
    finally:
        running.kill()
        running.communicate()


async def test_replays_without_the_faults_are_not_those_with_them(tmp_path: Path) -> None:
    def twice(n: int) -> int:
        return 2 * n

    weather: Any = Weather((Empty(step="twice", field="x", rate=0.0),))
    suite = [{"id": "c", "input": 1, "checks": {"end": [{"exact": {"value": 2}}]}}]
    async with Recorded(tmp_path / "weather", twice, suite, weather=weather) as recorded:
        clear = dataclasses.replace(recorded.opened, weather=None)
        under, without = (replays(one, "all", "all", cases=0) for one in (recorded.opened, clear))
        assert under.key != without.key
        assert (under.weather, without.weather) == (recorded.measurement.weather, None)
