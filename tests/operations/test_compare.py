"""`gapless report --compare`: what it says, how it leaves, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gapless.cli.main import cli
from gapless.operations.measure import measure_sync
from gapless.operations.open import open_store
from gapless.settings import locate


def half(n: int) -> int:
    return n if n % 2 else -1


def most(n: int) -> int:
    return n if n % 10 else -1


def least(n: int) -> int:
    return n if n % 10 == 0 else -1


def cases(n: int = 60, first: int = 0, checks: bool = True) -> list[dict[str, Any]]:
    end = {"checks": {"end": [{"exact": {"value": 0}}]}}
    return [
        {"id": f"c{i}", "input": i, **({"checks": {"end": [{"exact": {"value": i}}]}} if checks else {})}
        for i in range(first, first + n)
    ] or [end]


@pytest.fixture
def ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.chdir(tmp_path)
    for name, function in (("half", half), ("most", most), ("least", least)):
        measure_sync(function, cases(), condition=name)
    measure_sync(half, cases(20, first=1000), condition="others")
    measure_sync(half, cases(checks=False), condition="unjudged")
    with open_store(locate()) as store:
        return {m.condition: m.id for m in store.measurements()}


def run(*args: str) -> Any:
    return CliRunner().invoke(cli, ["report", *args])


def test_better_is_said_and_passes(ids: dict[str, str]) -> None:
    done = run(ids["most"], "--compare", ids["half"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("S rose by 40.0 points")
    assert "better." in done.stdout
    assert "60 shared cases" in done.stdout


def test_worse_is_said_and_fails(ids: dict[str, str]) -> None:
    done = run(ids["least"], "--compare", ids["half"])
    assert done.exit_code == 1
    assert "worse." in done.stdout
    assert "fell by 40.0 points" in done.stdout


def test_a_margin_decides(ids: dict[str, str]) -> None:
    assert run(ids["least"], "--compare", ids["half"], "--margin", "0.9").exit_code == 0
    Path("gapless.toml").write_text("[budget]\nmax_regression = 0.9\n")
    assert run(ids["least"], "--compare", ids["half"]).exit_code == 0


def test_machines_and_pull_requests_are_served(ids: dict[str, str]) -> None:
    body = json.loads(run(ids["most"], "--compare", ids["half"], "--json").stdout)
    assert body["schema"] == "gapless.comparison/1"
    assert body["answer"] == "better"
    assert body["success"]["difference"]["point"] == pytest.approx(0.4)
    assert body["before"]["id"] == ids["half"]
    told = run(ids["most"], "--compare", ids["half"], "--markdown").stdout
    assert told.startswith("### ✅ S rose by 40.0 points")
    assert run(ids["most"], "--compare", ids["half"], "--markdown", "pr.md").stdout.startswith("S rose")
    assert Path("pr.md").read_text(encoding="utf-8") == told


@pytest.mark.parametrize(
    ("earlier", "named"),
    [
        ("most", "cannot be compared with itself"),
        ("others", "share no case"),
        ("unjudged", "no end verdicts"),
    ],
)
def test_what_cannot_be_compared_is_refused(ids: dict[str, str], earlier: str, named: str) -> None:
    done = run(ids["most"], "--compare", ids[earlier])
    assert named in (done.output + repr(done.exception))
    assert done.exit_code != 0
