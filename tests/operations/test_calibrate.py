"""From a shadow measurement to gates that keep their promise, and all the ways in which the promise ends."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gapless.boundary.guards.certificate import UncalibratedGate, read
from gapless.errors import InvalidContract, UsageError
from gapless.operations.calibrate import CalibrateAsk, calibrate, pick_shadow
from gapless.operations.drift import check_drift
from gapless.operations.measure import measure
from gapless.operations.open import open_store
from gapless.report.calibration import render, render_json, render_markdown
from gapless.report.html import render_calibration
from gapless.settings import Place, Settings

APP = """
import random

from gapless import Contract, Gate, Refuse, guard, step

WORDS = "good"


@step
def retrieve(n: int) -> dict:
    rng = random.Random(n)
    wrong = rng.random() < 0.2
    z = rng.gauss(0.0 if wrong else 2.0, 1.0)
    return {"a": z + rng.gauss(0, 0.5), "b": z + rng.gauss(0, 0.5), "answer": "bad" if wrong else WORDS}


def answer(n: int) -> dict:
    return retrieve(n)


def squashed(crossing):
    return min(1.0, max(0.0, crossing.handoff["a"] / 6 + 0.3))


SIGNALS = {"a": lambda crossing: crossing.handoff["a"], "b": lambda crossing: crossing.handoff["b"]}
GATES = {
    "one": Gate(signal=squashed, calibrated="gates.json", below=Refuse(), depends_on=("prompt.txt",)),
    "several": Gate(signals=SIGNALS, calibrated="gates.json", below=Refuse()),
}


def make(kind: str):
    return guard(answer, {"retrieve": Contract(gate=GATES[kind])})
"""
CHECKS = {"end": [{"exact": {"path": "answer", "value": "good"}}]}


class Folder:
    """A user's project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "app.py").write_text(APP)
        (root / "prompt.txt").write_text("Answer briefly.")
        (root / "gapless.toml").write_text("")
        self.place = Place(root=str(root), settings=Settings(), database=f"sqlite:///{root}/g.db")

    def app(self, kind: str, *, quiet: bool = True) -> Any:
        """The workflow, imported afresh."""
        spec = importlib.util.spec_from_file_location("calibrated_app", self.root / "app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["calibrated_app"] = module
        spec.loader.exec_module(module)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if quiet else "error", UncalibratedGate)
            return module.make(kind)

    async def measured(self, kind: str, n: int = 400, start: int = 0, **options: Any) -> Any:
        cases = [{"id": f"c{i}", "input": i, "checks": CHECKS} for i in range(start, start + n)]
        return await measure(self.app(kind), cases, place=self.place, concurrency=8, **options)

    def calibrate(self, **asked: Any) -> Any:
        with open_store(self.place) as store:
            return calibrate(store, pick_shadow(store, None), CalibrateAsk(**asked), self.place)[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    monkeypatch.chdir(tmp_path)
    yield Folder(tmp_path)
    sys.modules.pop("calibrated_app", None)


@pytest.mark.parametrize("kind", ["one", "several"])
async def test_shadow_then_calibrated_then_guarded(folder: Folder, kind: str) -> None:
    await folder.measured(kind, condition="shadow")
    made = folder.calibrate(alpha=0.1)
    assert made.certified
    assert made.gates[0].step == "retrieve"
    # In force from now on, silently: the certificate was made for this very workflow.
    folder.app(kind, quiet=False)
    fresh = await folder.measured(kind, n=300, start=10_000)
    outcomes = fresh.gap.outcomes
    assert 0 < outcomes["wrong"] <= 0.1 * 300
    assert outcomes["failed"] > 0
    assert outcomes["correct"] > 100
    with open_store(folder.place) as store:
        found = check_drift(store, folder.place)
    assert not found.alarm
    assert found.harm.n_groups == 300
    assert not found.shifts[0].alarm


async def test_without_a_file_everything_is_doubt_and_says_so(folder: Folder) -> None:
    with pytest.raises(UncalibratedGate, match="not there yet"):
        folder.app("one", quiet=False)
    report = await folder.measured("one", n=20)
    assert report.gap.outcomes == {"correct": 0, "wrong": 0, "escalated": 0, "failed": 20, "unjudged": 0}


@pytest.mark.parametrize("change", ["code", "prompt", "signals"])
async def test_a_change_voids_the_certificate_loudly(folder: Folder, change: str) -> None:
    kind = "one"
    await folder.measured(kind, n=200, condition="shadow")
    assert folder.calibrate(alpha=0.2).certified
    if change == "code":
        (folder.root / "app.py").write_text(APP.replace('WORDS = "good"', 'WORDS = "fine"'))
    elif change == "prompt":
        (folder.root / "prompt.txt").write_text("Answer at length.")
    else:
        kind = "several"
    with pytest.raises(UncalibratedGate, match="void" if change != "signals" else "other signals"):
        folder.app(kind, quiet=False)
    report = await folder.measured(kind, n=20)
    assert report.gap.outcomes["failed"] == 20
    with open_store(folder.place) as store:
        found = check_drift(store, folder.place, workflow=folder.app(kind))
    assert found.alarm
    assert found.void[0].startswith("retrieve: gates.json")


async def test_other_thresholds_are_another_measurement_and_the_same_ones_go_on(folder: Folder) -> None:
    await folder.measured("one", n=200, condition="shadow")
    first = await folder.measured("one", n=30)
    folder.calibrate(alpha=0.2)
    second = await folder.measured("one", n=30)
    third = await folder.measured("one", n=30)
    assert first.measurement.id != second.measurement.id == third.measurement.id
    assert second.gap.outcomes["correct"] > first.gap.outcomes["correct"] == 0


async def test_another_question_of_the_same_trials_costs_and_the_same_again_does_not(folder: Folder) -> None:
    await folder.measured("one", condition="shadow")
    assert len(folder.calibrate(alpha=0.1).looks) == 1
    assert len(folder.calibrate(alpha=0.1).looks) == 1
    again = folder.calibrate(alpha=0.05)
    assert len(again.looks) == 2
    assert any("2 different questions" in line for line in again.advice)
    (folder.root / "gates.json").unlink()
    assert len(folder.calibrate(alpha=0.07).looks) == 3  # it was asked, whatever became of the answers
    assert len(folder.calibrate(alpha=0.06, out=folder.root / "other.json").looks) == 4
    assert len(folder.calibrate(alpha=0.04, out=folder.root / "third.json", apart=True).looks) == 1


async def test_cases_with_the_same_input_are_one_group(folder: Folder) -> None:
    cases = [{"id": f"c{i}", "input": i % 50, "checks": CHECKS} for i in range(200)]
    await measure(folder.app("one"), cases, place=folder.place, condition="shadow", concurrency=8)
    made = folder.calibrate(alpha=0.2)
    assert (made.n_groups, made.n_runs) == (50, 200)
    assert "betting" in made.method
    assert any("very input of another" in line for line in made.advice)


async def test_too_few_says_how_many_are_needed(folder: Folder) -> None:
    await folder.measured("one", n=20, condition="shadow")
    made = folder.calibrate(alpha=0.05)
    assert not made.certified
    assert made.gates[0].threshold is None
    assert any("it takes 45 independent groups" in line and "here are 20" in line for line in made.advice)
    with pytest.raises(UncalibratedGate, match="certifies no threshold"):
        folder.app("one", quiet=False)


async def test_what_cannot_be_calibrated_is_refused(folder: Folder) -> None:
    with pytest.raises(UsageError, match="no finished measurement"):
        folder.calibrate()
    await folder.measured("one", n=20, condition="shadow")
    for asked, named in (
        ({"alpha": 0.0}, "--alpha"),
        ({"delta": 1.0}, "--delta"),
        ({"gates": ("nope",)}, "no such gate"),
    ):
        with pytest.raises(UsageError, match=named):
            folder.calibrate(**asked)
    (folder.root / "app.py").write_text(
        APP.replace('crossing.handoff["a"] / 6 + 0.3', "100.0")
        .replace("min(1.0, ", "(")
        .replace("max(0.0, ", "(")
    )
    await folder.measured("one", n=20, condition="shadow")
    with pytest.raises(UsageError, match="outside 0 to 1"):
        folder.calibrate()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "gapless.gates/9"}'])
def test_a_file_that_is_none_is_refused(folder: Folder, text: str) -> None:
    (folder.root / "gates.json").write_text(text)
    with pytest.raises(InvalidContract, match=r"gates\.json"):
        folder.app("one")


async def test_the_faces(folder: Folder) -> None:
    await folder.measured("several", condition="shadow")
    made = folder.calibrate(alpha=0.1)
    text, page = render(made, "gates.json"), render_calibration(made)
    assert text.startswith(
        "In at least 90 % of calibrations like this one, at most 10 % of all answers are delivered and wrong"
    )
    assert "passes at" in text
    assert page.count("<svg") == 3
    assert json.loads(render_json(made))["schema"] == "gapless.gates/1"
    assert "| a |" in render_markdown(made)
    assert read(folder.root / "gates.json") == made


async def test_the_command(folder: Folder) -> None:
    await folder.measured("one", condition="shadow")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "GAPLESS_DATABASE_URL": folder.place.database, "COLUMNS": "100"}
        return subprocess.run(
            [sys.executable, "-m", "gapless", "calibrate", *words],
            cwd=folder.root,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
        )

    done = run("--alpha", "0.1", "--html", "gates.html", "--markdown", "gates.md")
    assert done.returncode == 0, done.stderr
    assert "Written" in done.stdout
    assert (folder.root / "gates.html").exists()
    assert run("--alpha", "0.1", "--markdown").stdout == (folder.root / "gates.md").read_text()
    assert json.loads(run("--alpha", "0.1", "--json").stdout)["certified"] is True
    refused = run("--alpha", "0.001")
    assert refused.returncode == 1
    assert "No threshold can be certified" in refused.stdout
    checked = run("--check", "--json")
    assert checked.returncode == 0
    assert json.loads(checked.stdout)["schema"] == "gapless.drift/1"
    assert run("--alpha", "2").returncode == 2


def test_a_gate_that_is_passed_several_times_counts_by_its_least_sure_passage() -> None:
    from gapless.records.summary import summary
    from gapless.records.trial import Ruling, TrialRecord

    rulings = tuple(
        Ruling(step="x", guard="gate", action="proceed", signal=signal) for signal in (0.9, 0.2, 0.7)
    )
    record = TrialRecord(case="c", trial=0, group="c", outcome="correct", rulings=rulings)
    assert summary(record).signals == {"x": 0.2}
    silent = Ruling(step="x", guard="gate", action="review", signal=None)
    assert summary(
        TrialRecord(case="c", trial=0, group="c", outcome="correct", rulings=(*rulings, silent))
    ).signals == {"x": None}


@pytest.mark.parametrize("same_input", [False, True])
async def test_a_group_in_several_splits_is_refused(folder: Folder, same_input: bool) -> None:
    cases = [
        {
            "id": f"c{i}",
            "group": f"g{i if same_input else i // 2}",
            "split": ["tune", "cal"][i % 2],
            "input": i // 2 if same_input else i,
            "checks": CHECKS,
        }
        for i in range(40)
    ]
    await measure(folder.app("one"), cases, place=folder.place, condition="shadow", concurrency=8)
    with pytest.raises(UsageError, match="several splits"):
        folder.calibrate(alpha=0.2)


async def test_the_check_looks_where_the_gates_do(folder: Folder) -> None:
    (folder.root / "app.py").write_text(APP.replace("gates.json", "deep/own.json"))
    await folder.measured("one", condition="shadow")
    assert folder.calibrate(alpha=0.2).certified
    assert (folder.root / "deep" / "own.json").exists()
    with open_store(folder.place) as store:
        assert check_drift(store, folder.place, workflow=folder.app("one")).file.endswith("own.json")
        with pytest.raises(UsageError, match=r"gates\.json: no thresholds"):
            check_drift(store, folder.place)
