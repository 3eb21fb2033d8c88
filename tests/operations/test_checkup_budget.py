"""A checkup's budget: by status, by what had to be measured, by intervals; and what it does to the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import cli
from gapless.errors import InvalidSettings, UnknownName, UsageError
from gapless.operations.checkup_budget import held, passes
from gapless.records.finding import Figure, Finding, Status
from gapless.report.checkup import demand
from gapless.settings import CheckupBudget, FigureLimit


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def finding(status: Status, *figures: Figure, probe: str = "ttft") -> Finding:
    return Finding(probe=probe, layer="model", title="t", status=status, said="so", figures=figures)


def p99(low: float | None, high: float | None) -> Figure:
    return Figure(name="p99 of 400", value=80.0, unit="ms", low=low, high=high)


def verdicts(found: list[Finding], **budget: Any) -> list[str]:
    return [line.verdict for line in held(found, CheckupBudget(**{"fail_on": "nothing"} | budget))]


@pytest.mark.parametrize(
    ("limit", "low", "high", "verdict"),
    [
        ({"max": 100.0}, 70.0, 90.0, "kept"),
        ({"max": 75.0}, 70.0, 90.0, "undecided"),
        ({"max": 60.0}, 70.0, 90.0, "broken"),
        ({"min": 60.0}, 70.0, 90.0, "kept"),
        ({"min": 95.0}, 70.0, 90.0, "broken"),
        ({"min": 60.0, "max": 85.0}, 70.0, 90.0, "undecided"),
        ({"max": 100.0}, None, None, "undecided"),
    ],
)
def test_a_figure_is_judged_by_its_interval_and_never_by_its_point(
    limit: dict[str, float], low: float | None, high: float | None, verdict: str
) -> None:
    one = FigureLimit(probe="ttft", figure="p99", **limit)
    assert verdicts([finding("ok", p99(low, high))], limits=(one,)) == [verdict]


def test_a_count_is_what_it_is_and_a_missing_figure_decides_nothing() -> None:
    count = Figure(name="events", value=3, unit="of 4")
    one = FigureLimit(probe="ttft", min=4)
    assert verdicts([finding("ok", count)], limits=(one,)) == ["broken"]
    assert verdicts([finding("not-applicable")], limits=(one,)) == ["undecided"]


@pytest.mark.parametrize(
    ("figure", "verdict", "said"),
    [
        ("first token p50", "kept", "ttft: first token p50 is 80 ms (70 to 90); allowed is at most 100"),
        ("first token p95", "undecided", "not estimable"),
        ("p50", "broken", "Did you mean 'first token p50'?"),
        (
            "first tokn p50",
            "broken",
            "ttft: first tokn p50 (at most 100): no figure of it begins so. Did you mean",
        ),
    ],
)
def test_a_misspelt_figure_breaks_the_budget_and_says_what_is_there(
    figure: str, verdict: str, said: str
) -> None:
    there = Figure(name="first token p50", value=80.0, unit="ms", low=70, high=90)
    budget = CheckupBudget(fail_on="nothing", limits=(FigureLimit(probe="ttft", figure=figure, max=100),))
    (line,) = held([finding("ok", there)], budget)
    assert (line.verdict, said in line.sentence) == (verdict, True), line.sentence


def test_statuses_and_what_must_be_measured() -> None:
    warned, absent = finding("warn"), finding("not-applicable", probe="gpu-copies")
    assert verdicts([warned], fail_on="fail") == ["kept"]
    assert verdicts([warned], fail_on="warn") == ["broken"]
    assert verdicts([warned], fail_on="undecided") == ["broken"]
    unsure = Finding(probe="ttft", layer="model", title="t", status="ok", said="so", undecided="n=3")
    assert verdicts([unsure], fail_on="warn") == ["kept"]
    assert verdicts([unsure], fail_on="undecided") == ["broken"]
    assert verdicts([finding("ok")], fail_on="undecided") == ["kept"]
    assert verdicts([warned, absent], measured=("ttft", "gpu-copies", "redaction")) == ["kept", "broken"]
    lines = held([finding("ok", p99(70, 90))], CheckupBudget(limits=(FigureLimit(probe="ttft", max=75),)))
    assert not passes(lines, CheckupBudget())
    assert passes(lines, CheckupBudget(undecided="pass"))


def test_where_no_budget_is_set_none_is_said_to_be_broken() -> None:
    (line,) = held([finding("fail")], CheckupBudget())
    assert (line.verdict, "where no budget says otherwise: ttft" in line.sentence) == ("broken", True)
    assert not demand(line).startswith("budget")
    (line,) = held([finding("warn")], CheckupBudget(fail_on="warn"))
    assert demand(line) == "budget, broken: no finding may warn or fail: ttft"


def gapless(*words: str) -> Result:
    return CliRunner().invoke(cli, ["checkup", *words, "--quiet"])


def test_the_exit_code_follows_the_budget() -> None:
    Path("gapless.toml").write_text('[checkup.budget]\nmeasured = ["crash-recovery"]\n')
    done = gapless("--probe", "crash-recovery", "--probe", "redaction")
    assert done.exit_code == 1
    assert "crash-recovery must be measured, and was not" in done.output
    assert gapless("--probe", "redaction").exit_code == 0
    assert gapless("--probe", "crash-recovery", "--no-budget").exit_code == 0
    limit = '[[checkup.budget.limits]]\nprobe = "tracing-cost"\nmax = 0.001\n'
    Path("gapless.toml").write_text(limit)
    done = gapless("--probe", "tracing-cost", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["budget"][1]["verdict"] == "broken"
    assert told["passes"] is False
    Path("gapless.toml").write_text(limit.replace("max = 0.001", "max = 1e9"))
    assert gapless("--probe", "tracing-cost").exit_code == 0


def test_a_budget_that_cannot_hold_is_refused() -> None:
    Path("gapless.toml").write_text('[checkup.budget]\nmeasured = ["nowhere"]\n')
    assert isinstance(gapless("--probe", "redaction").exception, UnknownName)
    Path("gapless.toml").write_text('[[checkup.budget.limits]]\nprobe = "ttft"\n')
    assert "neither min nor max" in str(gapless("--probe", "redaction").exception)
    Path("gapless.toml").write_text('[checkup.budget]\nfail_om = "warn"\n')
    found = gapless("--probe", "redaction").exception
    assert isinstance(found, InvalidSettings)
    assert "Did you mean `fail_on`" in str(found)


def test_what_the_command_line_calls_target_is_workflow_in_the_file() -> None:
    Path("gapless.toml").write_text('target = "app.py:graph"\n')
    failed = gapless("--history")
    assert isinstance(failed.exception, InvalidSettings)
    assert "unknown key `target`. Did you mean `workflow`?" in str(failed.exception)
    Path("gapless.toml").write_text("[checkup]\ntarget = 3\n")
    assert "Did you mean `targets`?" in str(gapless("--history").exception)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--json", "--markdown"), "name a file for one"),
        (("--history", "ttft", "--markdown", "x.md"), "--history has no Markdown"),
        (("--html", "x.html", "--history"), "needs the NAME"),
    ],
)
def test_a_face_that_would_be_dropped_is_refused(words: tuple[str, ...], why: str) -> None:
    assert isinstance((done := gapless("hardware", *words)).exception, UsageError)
    assert why in str(done.exception)
    assert not list(Path().glob("x.*"))
