"""What to type next, exactly."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import msgspec
from click.testing import CliRunner

from gapless.records.report import Report
from gapless.report.view import build

Sample = Callable[[str], Report]


def commands(report: Report) -> list[str]:
    return [step.command for step in report.next_steps]


def test_without_labels_the_best_next_label_comes_first(sample: Sample) -> None:
    first = sample("unlabelled").next_steps[0]
    assert first.command == "gapless label 'c0#0' --measurement 01M84HVT0J8K11GNBRTPJGKP2P"
    assert "at retrieve" in first.why


def test_without_a_benchmark_it_comes_first(sample: Sample) -> None:
    assert commands(sample("no-benchmark"))[0] == "gapless benchmark"
    assert not [c for c in commands(sample("labelled")) if c.startswith("gapless benchmark")]


def test_few_cases_are_not_mended_by_repeating_them(sample: Sample) -> None:
    step = sample("one-case").next_steps[0]
    assert "Add cases" in step.why
    assert step.command.endswith("--trials 1")


def test_from_a_loss_to_a_trial_that_was_lost(sample: Sample) -> None:
    report = sample("labelled")
    lost = report.gap.boundaries[0].examples[0]
    assert any(lost in shlex.split(command) for command in commands(report))


def test_what_was_typed_is_typed_again(sample: Sample) -> None:
    report = sample("no-benchmark")
    wide = msgspec.structs.replace(report.gap.success, low=0.6)
    report = msgspec.structs.replace(report, gap=msgspec.structs.replace(report.gap, success=wide))
    m = msgspec.structs.replace(
        report.measurement,
        settings={"seed": 7},
        seed=7,
        condition="guarded",
        sources={"suite": "my suite.yaml"},
    )
    typed = commands(build(m, report.gap))
    assert typed[0] == "gapless benchmark --target app.py:graph --suite 'my suite.yaml'"
    assert (
        "gapless measure app.py:graph --suite 'my suite.yaml' --condition guarded --weather WEATHER --seed 7 --trials 3"
    ) in typed
    assert "WEATHER: the same as before" in " ".join(step.why for step in build(m, report.gap).next_steps)


def test_a_live_object_is_named_only_by_a_hint(sample: Sample) -> None:
    report = sample("no-benchmark")
    live = msgspec.structs.replace(report.measurement, target="CompiledStateGraph", settings={})
    assert not [c for c in commands(build(live, report.gap)) if "benchmark" in c]
    hinted = commands(build(live, report.gap, target_hint="app.py:graph"))
    assert hinted[0] == "gapless benchmark --target app.py:graph --suite SUITE"


def test_every_command_exists_with_its_options(sample: Sample, kind: str) -> None:
    from gapless.cli.main import cli

    root: Any = cli
    for command in commands(sample(kind)):
        words = shlex.split(command)
        assert words[0] == "gapless"
        shown = CliRunner().invoke(root, [words[1], "--help"]).output
        assert [word for word in words if word.startswith("--") and word not in shown] == []
