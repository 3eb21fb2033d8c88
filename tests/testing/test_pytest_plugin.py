"""The pytest plugin in sessions of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

APP = """
import pytest

SUITE = [{"id": f"c{n}", "input": n, "checks": {"end": [{"exact": {"value": n}}]}} for n in range(200)]

def good(n):
    return n

def bad(n):
    return n if n % 4 else -1
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\n")
    return pytester


def run(project: pytest.Pytester, *args: str, others: tuple[str, ...] = ()) -> pytest.RunResult:
    """Runs the project's tests with this plugin, and with those of other packages that are named: all would cost two seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        loaded = [word for name in ("gapless.testing.pytest_plugin", *others) for word in ("-p", name)]
        return project.runpytest_subprocess("-p", "no:cacheprovider", *loaded, *args)


def test_it_is_there_wherever_gapless_is_installed(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(gapless):\n    assert callable(gapless)\n")
    done = project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:asyncio")
    done.assert_outcomes(passed=1)


def test_a_workflow_is_measured_in_a_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        APP
        + """
def test_good(gapless):
    report = gapless(good, SUITE, budget={"max_silent_failures": 0.02})
    assert report.gap.outcomes["correct"] == 200

@pytest.mark.gapless(suite=SUITE, trials=2)
def test_marked(gapless):
    assert gapless(good).gap.n_runs == 400

def test_awaited(gapless):
    import asyncio
    assert asyncio.run(gapless.ameasure(good, SUITE)).gap.n_runs >= 200

def test_bad(gapless):
    gapless(bad, SUITE, budget={"max_silent_failures": 0.02})
"""
    )
    done = run(project)
    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines(
        ["*Budget: broken*", "*broken*max_silent_failures: the silent-failure rate is at least*"]
    )


def test_a_budget_for_the_session_fails_it(project: pytest.Pytester) -> None:
    project.makepyfile(APP + "\ndef test_it(gapless):\n    gapless(bad, SUITE)\n")
    assert run(project).ret == 0
    done = run(project, "--gapless-budget", "max_silent_failures=0.02")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*gapless budget*", "*test_it*", "Budget: broken"])
    project.makefile(".toml", limits="[budget]\nmax_silent_failures = 0.9\n")
    assert run(project, "--gapless-budget", "limits.toml").ret == 0
    done.stdout.fnmatch_lines(["0 of 1 measurements pass their budget."])


def test_tests_in_other_processes_are_held_as_well(project: pytest.Pytester) -> None:
    project.makepyfile(APP + "\ndef test_it(gapless):\n    gapless(bad, SUITE)\n")
    done = run(project, "-n", "1", "--gapless-budget", "max_silent_failures=0.02", others=("xdist",))
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*gapless budget*", "*test_it*", "Budget: broken"])


def test_a_session_without_a_measurement_says_so(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it():\n    pass\n")
    done = run(project, "--gapless-budget", "max_silent_failures=0.02")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["No test measured anything*"])
    assert "gapless" not in run(project).stdout.str().replace(str(project.path), "").split("collected")[1]


def test_it_works_in_the_project_of_the_test(project: pytest.Pytester) -> None:
    inner = project.mkdir("agent")
    (inner / "gapless.toml").write_text('suite = "cases.jsonl"\n')
    (inner / "cases.jsonl").write_text(
        '{"id": "c", "input": 1, "checks": {"end": [{"exact": {"value": 1}}]}}\n'
    )
    (inner / "test_inner.py").write_text(
        APP
        + """
def test_settings(gapless):
    assert gapless(good).gap.n_runs == 1

@pytest.mark.gapless(suite="cases.jsonl", trials=2)
def test_path(gapless):
    assert gapless(good).gap.n_runs == 2
"""
    )
    run(project).assert_outcomes(passed=2)
    assert (inner / ".gapless").is_dir()
    assert not (project.path / ".gapless").exists()


@pytest.mark.parametrize("said", ["max_errors=1", "max_silent_failures=2", "undecided=pass", "absent.toml"])
def test_a_limit_that_is_none_is_named(project: pytest.Pytester, said: str) -> None:
    project.makepyfile("def test_it():\n    pass\n")
    done = run(project, "--gapless-budget", said)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*--gapless-budget: *{said.partition('=')[0]}*"])


def test_the_marker_takes_names(project: pytest.Pytester) -> None:
    project.makepyfile(APP + "\n@pytest.mark.gapless('s')\ndef test_it(gapless):\n    gapless(good, SUITE)\n")
    done = run(project)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*takes names only*"])


def test_a_session_that_does_not_use_it_loads_nothing_heavy() -> None:
    code = "import sys, gapless.testing.pytest_plugin; print([m for m in ('numpy','scipy','langgraph','sqlalchemy','msgspec') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
