"""`gapless replay --attribute`: what is rerun, what it costs, what is refused, and that a stop loses nothing."""

from __future__ import annotations

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

from gapless.cli.main import cli
from gapless.errors import UsageError
from gapless.operations.causes import whole_trials
from gapless.operations.open import open_store
from gapless.records.replay import ReplayRun

APP = """
import time
import gapless

@gapless.step
def find(q: int) -> dict:
    return {"n": q + (100 if q % 3 == 0 else 0)}

@gapless.step
def rank(found: dict) -> dict:
    return {"n": found["n"] + 1}

@gapless.step
def tell(ranked: dict) -> dict:
    time.sleep(PAUSE)
    return {"n": ranked["n"] + (1 if ranked["n"] % 10 != 8 else 50)}

def chain(q: int) -> int:
    return tell(rank(find(q)))["n"]

PAUSE = 0.0
"""


def case(q: int, *, golden: bool = True) -> dict[str, Any]:
    right = {"find": {"n": q}, "rank": {"n": q + 1}, "tell": {"n": q + 2}}
    checks: dict[str, Any] = {"end": [{"exact": {"value": q + 2}}]}
    checks["find"] = [{"numeric": {"path": "n", "value": q, "tol": 1000}}]  # blind
    return {
        "id": f"c{q}",
        "input": q,
        "golden": right if golden else {},
        "checks": checks if golden else {"end": checks["end"]},
    }


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(APP, [case(q) for q in range(12)])


def write(app: str, cases: list[dict[str, Any]]) -> None:
    Path("cause_app.py").write_text(app)
    Path("suite.jsonl").write_text("\n".join(json.dumps(one) for one in cases))
    Path("gapless.toml").write_text('workflow = "cause_app.py:chain"\nsuite = "suite.jsonl"\n')
    sys.modules.pop("cause_app", None)


def gapless(*words: str, **options: Any) -> Result:
    return CliRunner().invoke(cli, list(words), **options)


def attribute(*words: str) -> dict[str, Any]:
    done = gapless("replay", "--attribute", "--quiet", "--json", *words)
    assert done.exit_code == 0, done.output or done.exception
    return json.loads(done.stdout)


def shares(causes: dict[str, Any]) -> dict[str, float | None]:
    return {row["step"]: row["share"]["point"] for row in causes["rows"]}


def test_the_step_that_spoils_is_the_cause_and_not_the_one_whose_check_fails() -> None:
    gapless("measure", "--quiet")
    found = attribute()
    # c0, c3, c6 and c9 are spoilt by `find`, c7 by `tell`; the check of `find` is blind, so that `rank` is suspected
    assert shares(found) == {"find": pytest.approx(0.8), "rank": 0.0, "tell": pytest.approx(0.2)}
    assert found["verdict_noise"]["point"] == pytest.approx(0.0)
    suspected = {row["step"]: row["suspected"]["point"] for row in found["rows"]}
    assert suspected == {"find": 0.0, "rank": pytest.approx(0.8), "tell": pytest.approx(0.2)}
    assert (found["lost"], found["sampled"], found["replays"]) == (5, 5, 5 * 3 * 2 * 2)
    report = json.loads(gapless("report", "--json").output)
    assert shares(report["gap"]["causes"]) == shares(found)


def test_what_is_on_record_is_not_rerun_and_more_adds_to_it() -> None:
    gapless("measure", "--quiet")
    assert attribute("--sample", "2")["sampled"] == 2
    asked = gapless("replay", "--attribute", "--quiet", "--json", "--reps", "3", "--sample", "all")
    assert "5 of 5 lost trials, 3 reruns in each arm: 90 reruns, 24 of them on record" in asked.stderr
    again = gapless("replay", "--attribute", "--quiet", "--json", "--reps", "3", "--sample", "all")
    assert "90 reruns, 90 of them on record; about 0 s and 0 model calls" in again.stderr
    assert json.loads(again.stdout)["replays"] == 90


def test_two_bad_inputs_that_matter_together() -> None:
    gapless("measure", "--quiet")
    found = attribute("--interactions", "find,tell")
    values = {row["step"]: row["value"]["point"] for row in found["interactions"]}
    # a golden `tell` rescues every trial; a golden `find` alone none, for what is kept of `tell` was spoilt with it
    assert values == {"find": pytest.approx(0.0), "tell": pytest.approx(1.0)}


def test_a_step_without_a_golden_output_has_no_share_of_its_own() -> None:
    cases = [case(q) for q in range(12)]
    for one in cases:
        del one["golden"]["find"]
    write(APP, cases)
    gapless("measure", "--quiet")
    found = attribute()
    assert shares(found) == {"find": None, "rank": pytest.approx(0.8), "tell": pytest.approx(0.2)}
    rows = {row["step"]: row for row in found["rows"]}
    assert rows["rank"]["together_with"] == ["find"]
    assert "no golden output in the suite" in found["not_estimable"]["find"]


def _refused(said: str, *words: str) -> None:
    done = gapless("replay", "--attribute", "--quiet", *words)
    assert isinstance(done.exception, UsageError), done.exception
    assert said in str(done.exception)


def test_what_cannot_be_attributed_is_refused_with_the_way_out() -> None:
    write(APP, [case(q) for q in (1, 2)])
    gapless("measure", "--quiet")
    _refused("lost no trial")
    write(APP, [case(q, golden=False) for q in range(6)])
    gapless("measure", "--quiet")
    _refused("Add goldens to the suite")
    write(
        APP.replace("@gapless.step\ndef tell", "@gapless.step(effect=True)\ndef tell"),
        [case(q) for q in range(6)],
    )
    gapless("measure", "--quiet")
    _refused("tell changes the world")
    assert attribute("--live-effects")["sampled"] == 2
    write(APP.replace("+ 50", "+ 60").replace("else 50", "else 60"), [case(q) for q in range(6)])
    _refused("the workflow has changed since")
    assert "at most 4 steps" in str(
        gapless("replay", "--attribute", "--interactions", "find,rank,tell,find,find").exception
    )
    assert "no step 'a'" in str(gapless("replay", "--attribute", "--interactions", "a").exception)
    assert "write a number of lost trials" in gapless("replay", "--attribute", "--sample", "few").output


def test_much_work_is_agreed_to_first() -> None:
    write(APP.replace("PAUSE = 0.0", "PAUSE = 0.4"), [case(q) for q in range(12)])
    gapless("measure", "--quiet", "--concurrency", "12")
    Path("gapless.toml").write_text(Path("gapless.toml").read_text() + "concurrency = 1\n")
    _refused("nobody is there to agree", "--reps", "40")


def test_a_stop_loses_nothing(tmp_path: Path) -> None:
    write(APP.replace("PAUSE = 0.0", "PAUSE = 0.15"), [case(q) for q in range(12)])
    Path("gapless.toml").write_text(Path("gapless.toml").read_text() + "concurrency = 2\n")
    gapless("measure", "--quiet")
    command = [sys.executable, "-m", "gapless", "replay", "--attribute", "--yes", "--quiet"]
    for number in (signal.SIGINT, signal.SIGKILL):
        before = _on_record()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            end = time.monotonic() + 60
            while _on_record() < before + 4:
                assert time.monotonic() < end
                time.sleep(0.05)
            os.kill(running.pid, number)
        assert running.returncode == (130 if number == signal.SIGINT else -9)
    kept = _on_record()
    done = gapless("replay", "--attribute", "--yes", "--quiet", "--json")
    assert f"{kept} of them on record" in done.stderr
    assert shares(json.loads(done.stdout)) == {
        "find": pytest.approx(0.8),
        "rank": 0.0,
        "tell": pytest.approx(0.2),
    }


def _on_record() -> int:
    with open_store() as store:
        measurement = next(m for m in store.measurements() if m.kind == "measure")
        return len(store.replays(measurement.id))


def test_trials_that_a_stop_left_half_rerun_say_nothing_yet() -> None:
    def rerun(step: str, arm: Any) -> ReplayRun:
        path = ("a", "b", "c")
        position = path.index(step) + 1
        return ReplayRun(
            case="c", trial=0, group="c", step=step, position=position, arm=arm, path=path, blind=("b",)
        )

    half = [rerun("a", "golden"), rerun("a", "observed"), rerun("c", "golden")]
    assert whole_trials(half) == []
    assert len(whole_trials([*half, rerun("c", "observed")])) == 4


def test_the_cause_that_reruns_found_makes_a_case() -> None:
    gapless("measure", "--quiet")
    attribute()
    done = gapless("label", "c3#0", "--cause", "--promote", "caught.yaml")
    assert "Added case c3-find to caught.yaml" in done.output
    assert gapless("label", "c3#0", "--cause", "tell", "--promote", "caught.yaml").exit_code != 0


TWO = """
import gapless

@gapless.step
def left(q: int) -> int:
    return q if q % 2 else -1

@gapless.step
def right(q: int) -> int:
    return q if q % 3 else -1

@gapless.step
def spread(value: int) -> list[int]:
    return [value, value]

@gapless.step
def join(one: list[int], other: int) -> int:
    return max(one[0], other)

def chain(q: int) -> int:
    return join(spread(left(q)), right(q))
"""


def test_a_loss_that_needs_two_bad_inputs_is_shared_between_them() -> None:
    suite = [
        {
            "id": f"c{q}",
            "input": q,
            "golden": {"left": q, "right": q},
            "checks": {"end": [{"exact": {"value": q}}]},
        }
        for q in range(1, 25)
    ]
    write(TWO, suite)
    gapless("measure", "--quiet")
    found = attribute("--interactions", "left,right")
    assert found["lost"] == 4  # 6, 12, 18 and 24: one good input is enough, and they have none
    values = {row["step"]: row["value"]["point"] for row in found["interactions"]}
    assert values == {"left": pytest.approx(0.5), "right": pytest.approx(0.5)}
