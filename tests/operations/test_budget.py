"""Budgets and early stops as they are typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gapless.cli.main import cli

APP = "def good(n):\n    return n\n\ndef bad(n):\n    return n if n % 3 else -1\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("budget_app.py").write_text(APP)
    cases = [{"id": f"c{n}", "input": n, "checks": {"end": [{"exact": {"value": n}}]}} for n in range(400)]
    Path("suite.jsonl").write_text("\n".join(map(json.dumps, cases)))


def settings(budget: str) -> None:
    Path("gapless.toml").write_text(f'suite = "suite.jsonl"\n[budget]\n{budget}\n')


def run(*args: str) -> Any:
    return CliRunner().invoke(cli, args)


def test_measure_enforces_the_budget_and_a_flag_lets_it_be() -> None:
    settings("max_silent_failures = 0.02\nmin_success = 0.95")
    kept = run("measure", "budget_app.py:good", "--quiet")
    assert kept.exit_code == 0, kept.output
    assert "Budget: kept" in kept.stdout
    broken = run("measure", "budget_app.py:bad", "--quiet")
    assert broken.exit_code == 1
    assert "broken     max_silent_failures: the silent-failure rate is at least" in broken.stdout
    assert run("measure", "budget_app.py:bad", "--quiet", "--no-budget").exit_code == 0
    as_json = run("measure", "budget_app.py:bad", "--quiet", "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["schema"] == "gapless.report/1"
    assert "Budget: broken" in as_json.stderr


def test_report_holds_a_measurement_against_it() -> None:
    run("measure", "budget_app.py:good", "--suite", "suite.jsonl", "--quiet")
    refused = run("report", "--budget")
    assert "there is no budget" in refused.output + repr(refused.exception)
    settings("max_silent_failures = 0.001")
    undecided = run("report", "--budget")
    assert undecided.exit_code == 1
    assert "not proven kept" in undecided.stdout
    assert "more groups would decide" in undecided.stdout
    settings('max_silent_failures = 0.001\nundecided = "pass"')
    assert run("report", "--budget").exit_code == 0
    told = run("report", "--budget", "--markdown").stdout
    assert told.startswith("### ✅ Budget: not broken")


def test_until_decided_stops_early_says_so_and_can_go_on() -> None:
    settings("min_success = 0.9")
    stopped = run("measure", "budget_app.py:bad", "--quiet", "--until", "decided")
    assert stopped.exit_code == 1, stopped.output
    assert "Stopped when decided" in stopped.stdout
    assert "min_success = 0.9 broken" in " ".join(stopped.stdout.split())
    listed = json.loads(run("report", "--list", "--json").stdout)
    assert listed[0].get("finished_at") is None
    again = run("measure", "budget_app.py:bad", "--quiet", "--until", "decided")
    assert "Stopped when decided" in again.stdout
    whole = run("measure", "budget_app.py:bad", "--quiet")
    assert "Stopped when decided" not in whole.stdout
    assert "400 trials" in whole.stdout


def test_until_decided_may_reach_the_maximum() -> None:
    settings("min_success = 0.999")
    done = run("measure", "budget_app.py:good", "--quiet", "--until", "decided")
    assert "Undecided at the declared maximum" in done.stdout


def test_until_decided_needs_a_question() -> None:
    refused = run("measure", "budget_app.py:good", "--suite", "suite.jsonl", "--quiet", "--until", "decided")
    assert "needs a question" in refused.output + repr(refused.exception)


def test_a_budget_out_of_range_is_refused() -> None:
    settings("min_success = 95")
    refused = run("report")
    assert "allowed is a share" in refused.output + repr(refused.exception)


def test_against_an_earlier_measurement_stops_when_they_differ() -> None:
    Path("gapless.toml").write_text('suite = "suite.jsonl"\n')
    run("measure", "budget_app.py:good", "--quiet")
    earlier = json.loads(run("report", "--list", "--json").stdout)[0]["id"]
    worse = run("measure", "budget_app.py:bad", "--quiet", "--until", "decided", "--against", earlier)
    said = " ".join(worse.stdout.split())
    assert f"Stopped when decided: worse than {earlier}, by a paired e-value" in said
    assert "0 gains" in said
    same = run(
        "measure",
        "budget_app.py:good",
        "--condition",
        "again",
        "--quiet",
        "--until",
        "decided",
        "--against",
        earlier,
    )
    assert "Undecided at the declared maximum" in " ".join(same.stdout.split())
    assert run("measure", "budget_app.py:good", "--against", earlier).exit_code == 2
