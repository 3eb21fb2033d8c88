"""`gapless faults`: what becomes of each fault, bare and under contracts."""

from __future__ import annotations

import contextlib
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
from click.testing import CliRunner

from gapless.cli.main import cli
from gapless.errors import UnknownName
from gapless.operations.fault_cells import FaultsAsk
from gapless.operations.faults import faults_sync
from gapless.records.faults import FaultCell, FaultMatrix

APP = """
import gapless

PRICES = {f"item-{n}": {"price": 10 + n, "stock": [n, n + 1, n + 2]} for n in range(40)}
BILLED = []

@gapless.step
def look_up(item: str) -> dict:
    return dict(PRICES[item])

@gapless.step(effect=True)
def bill(order: dict) -> dict:
    BILLED.append(order["price"])
    return {"billed": order["price"]}

def shop(item: str) -> int:
    found = look_up(item)
    if not isinstance(found, dict) or "price" not in found:
        return 0
    return bill({"item": item, "price": found["price"]})["billed"]

ITEM = {"type": "object", "properties": {"price": {"type": "integer"}, "stock": {"type": "array", "minItems": 3,
    "items": {"type": "integer"}}}, "required": ["price", "stock"], "additionalProperties": False}
BILL = {"type": "object", "properties": {"billed": {"type": "integer"}}, "required": ["billed"], "additionalProperties": False}
guarded = gapless.guard(shop, {
    "look_up": gapless.Contract(output=ITEM, timeout_s=0.3, retry=gapless.Retry(2, backoff_s=0.01)),
    "bill": gapless.Contract(output=BILL, effect=True, idempotency_key="order.item", timeout_s=0.3),
})
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("faults_app.py").write_text(APP)
    cases = [
        {"id": f"c{n}", "input": f"item-{n}", "checks": {"end": [{"exact": {"value": 10 + n}}]}}
        for n in range(6)
    ]
    cases.append({"id": "never", "input": "item-7", "checks": {"end": [{"exact": {"value": 1}}]}})
    Path("suite.jsonl").write_text("\n".join(map(json.dumps, cases)))


def matrix(target: str, *faults: str, **more: Any) -> FaultMatrix:
    return faults_sync(target, "suite.jsonl", ask=FaultsAsk(faults=faults, timeout_s=1.5, **more))


def cell(found: FaultMatrix, fault: str, step: str) -> FaultCell:
    return next(one for one in found.cells if (one.fault, one.step) == (fault, step))


def test_what_is_silent_bare_is_mended_or_loud_under_contracts() -> None:
    names = ("empty", "renamed-field", "retyped-field", "missing-field", "http-503", "duplicate-delivery")
    bare, guarded = matrix("faults_app.py:shop", *names), matrix("faults_app.py:guarded", *names)
    retyped = cell(bare, "retyped-field", "look_up").endings
    assert set(retyped) == {"silent", "survived"}, "a trial loses the price, or the stock that nobody reads"
    assert cell(bare, "missing-field", "bill").endings == {"failed": 6}
    assert cell(bare, "http-503", "look_up").endings == {"failed": 6}
    assert cell(bare, "duplicate-delivery", "bill").endings == {"silent": 6}, "billed twice"
    assert cell(bare, "duplicate-delivery", "look_up").endings == {"survived": 6}
    assert "silent" not in guarded.totals
    assert cell(guarded, "http-503", "look_up").endings == {"repaired": 6}
    assert cell(guarded, "retyped-field", "look_up").endings == {"failed": 6}
    assert cell(guarded, "duplicate-delivery", "bill").endings == {"repaired": 6}
    assert guarded.guarded
    assert not bare.guarded
    # a case that is wrong anyway says nothing about a fault
    assert {one.lost_anyway for one in bare.cells} == {1}
    assert bare.clean_endings == {"correct": 6, "wrong": 1}
    assert bare.silent.high is not None


def test_a_hang_is_given_up_by_the_contract_or_by_the_trial() -> None:
    found = matrix("faults_app.py:guarded", "hang", steps=("look_up",), cases=2)
    assert cell(found, "hang", "look_up").endings == {"failed": 2}
    assert cell(found, "hang", "look_up").unmet == 0
    bare = matrix("faults_app.py:shop", "hang", steps=("look_up",), cases=2)
    assert cell(bare, "hang", "look_up").endings == {"failed": 2}


def test_without_contracts_in_force_the_same_workflow_is_bare() -> None:
    found = matrix("faults_app.py:guarded", "missing-field", bare=True)
    assert not found.guarded
    assert cell(found, "missing-field", "look_up").n == 6
    assert "repaired" not in found.totals


def test_without_checks_nothing_is_called_silent() -> None:
    Path("inputs.jsonl").write_text("\n".join(json.dumps(f"item-{n}") for n in range(4)))
    found = faults_sync("faults_app.py:shop", "inputs.jsonl", ask=FaultsAsk(faults=("wrong-figure",)))
    assert set(found.totals) == {"unjudged"}
    assert any("end checks" in note for note in found.notes)


def run(*args: str) -> Any:
    return CliRunner().invoke(cli, ["faults", *args])


def test_the_command_enforces_the_budget_and_shows_every_face() -> None:
    Path("gapless.toml").write_text('suite = "suite.jsonl"\n[budget]\nmax_silent_failures = 0.05\n')
    asked = (
        "faults_app.py:shop",
        "--fault",
        "wrong-figure",
        "--fault",
        "delay",
        "--step",
        "look_up",
        "--quiet",
    )
    broken = run(*asked, "--html", "f.html", "--markdown", "f.md")
    assert broken.exit_code == 1, broken.output
    assert "✗ wrong-figure at look_up" in broken.stdout
    assert "the budget asks for at most 5 %" in " ".join(broken.stdout.split())
    again = "gapless faults faults_app.py:shop --fault wrong-figure --step look_up"
    for face in (broken.stdout, Path("f.html").read_text(), Path("f.md").read_text()):
        assert again in face
        assert "gapless label" in face
    assert "<table" in Path("f.html").read_text()
    assert "| wrong-figure |" in Path("f.md").read_text()
    told = json.loads(run(*asked, "--json", "--no-budget").stdout)
    assert told["schema"] == "gapless.faults/1"
    assert told["cells"][0]["fault"] == "delay"
    assert run(*asked, "--no-budget").exit_code == 0
    for unknown in (("--step", "nowhere"), ("--fault", "nothing")):
        refused = run("faults_app.py:shop", *unknown, "--quiet")
        assert isinstance(refused.exception, UnknownName), refused.output
    assert "other-answer" in run("--list").stdout
    assert len(json.loads(run("--list", "--json").stdout)) == 18


def test_cells_are_no_measurements_that_reports_are_about() -> None:
    CliRunner().invoke(cli, ["measure", "faults_app.py:shop", "--suite", "suite.jsonl", "--quiet"])
    run("faults_app.py:shop", "--suite", "suite.jsonl", "--fault", "delay", "--quiet", "--no-budget")
    report = json.loads(CliRunner().invoke(cli, ["report", "--json"]).stdout)
    assert report["measurement"]["kind"] == "measure"
    assert "fault=" not in CliRunner().invoke(cli, ["report", "--list"]).stdout


def test_the_users_own_faults_take_the_place_of_the_general_ones() -> None:
    Path("own_faults.py").write_text(
        "from gapless.boundary.faults.empty import Empty\nMINE = (Empty(step='look_up', field='stock', rate=0.1),)\n"
    )
    Path("gapless.toml").write_text('suite = "suite.jsonl"\n[faults]\nshelf = "own_faults.py:MINE"\n')
    found = matrix("faults_app.py:shop", "empty")
    assert cell(found, "empty", "look_up").endings == {"survived": 6}, "nobody reads the stock"


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_killed_and_run_again_it_goes_on(tmp_path: Path) -> None:
    Path("gapless.toml").write_text('suite = "suite.jsonl"\n')
    command = [sys.executable, "-m", "gapless", "faults", "faults_app.py:shop", "--json", "--no-budget"]
    command += ["--fault", "delay", "--fault", "empty", "--concurrency", "1", "--cases", "3"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    until = time.monotonic() + 60
    while kept(tmp_path) < 5 and time.monotonic() < until:  # three without a fault, and some of the slow ones
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = kept(tmp_path)
    assert 5 <= before < 15
    again = subprocess.run(command, capture_output=True, cwd=tmp_path, timeout=120, check=True)
    told = json.loads(again.stdout)
    assert told["complete"]
    assert sum(one["n"] for one in told["cells"] if one["fault"] == "delay") == 6
    assert kept(tmp_path) == 15, "three without a fault, and three in each of two cells of two faults"


def kept(folder: Path) -> int:
    """Trials on disk."""
    file = folder / ".gapless" / "gapless.db"
    if not file.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
        try:
            return store.execute("SELECT count(*) FROM trials").fetchone()[0]
        except sqlite3.OperationalError:  # it has no tables yet
            return 0
