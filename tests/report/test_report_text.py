"""The report in a terminal."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from gapless.records.report import Report
from gapless.report import text
from gapless.report.terminal.chart import Axis, shares

Sample = Callable[[str], Report]


def shown(report: Report, width: int = 100) -> str:
    return text.render(report, width=width, color=False)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_fits_and_says_the_headline(sample: Sample, kind: str, width: int) -> None:
    lines = shown(sample(kind), width).splitlines()
    assert [line for line in lines if len(line) > width and not line.startswith("  gapless ")] == []
    assert " ".join(sample(kind).headline.split()[:4]) in " ".join(" ".join(lines).split())


def test_it_has_no_escape_codes_without_colour_and_some_with(sample: Sample, kind: str) -> None:
    assert "\x1b" not in shown(sample(kind))
    assert "\x1b[" in text.render(sample(kind), width=80, color=True)


def test_names_cannot_drive_the_terminal(sample: Sample) -> None:
    colored = text.render(sample("hostile"), width=120, color=True)
    assert "\x1b[31mevil" not in colored
    assert "\u202e" not in colored
    assert "[bold]red[/bold]" in shown(sample("hostile"), 120)


def test_sections_of_a_labelled_report(sample: Sample) -> None:
    page = shown(sample("labelled"))
    order = (
        "Outcomes",
        "Steps alone -> P -> S",
        "Where it is lost",
        "Slices",
        "Latency",
        "Weather",
        "Notes",
        "Next",
    )
    places = [page.index(f"\n{title}") for title in order]
    assert places == sorted(places)
    assert "83.3 % (72.0-90.7" in page
    assert "Frechet band" in page
    assert "P - S" in page
    assert "model?" in page
    assert "p95 and p99: not estimable from 60 trials" in page
    assert "   3.0 %  timeout@assess" in page


def test_sections_of_an_unlabelled_report(sample: Sample) -> None:
    page = shown(sample("unlabelled"))
    assert "Suspected, without labels" in page
    assert "errors-ignored 5x" in page
    assert "Where it is lost" not in page
    assert "S, measured" not in page


def test_all_of_them_is_a_bound(sample: Sample) -> None:
    page = shown(sample("all-correct"))
    assert "60 of 60; at least 94.0 %" in page
    assert "100.0 %" not in page
    assert "0 of 60; at most 6.0 %" in page


def test_nothing_measured_is_said_and_nothing_else_is_shown(sample: Sample) -> None:
    page = shown(sample("empty"))
    assert "Never measured" in page
    assert "Outcomes" not in page


def test_what_failed_is_quoted_plainly(sample: Sample) -> None:
    report = sample("labelled")
    row = msgspec.structs.replace(report.gap.boundaries[0], reasons={"[red]exact: 4 instead of 5": 2})
    gap = msgspec.structs.replace(report.gap, boundaries=(row, *report.gap.boundaries[1:]))
    assert "[red]exact: 4 instead of 5 (2x)" in shown(msgspec.structs.replace(report, gap=gap))


def test_a_bar_is_full_and_forgets_nobody() -> None:
    for counts in ({"a": 997, "b": 2, "c": 1, "d": 0}, {"a": 1, "b": 1, "c": 1}, {"a": 5}):
        cells = shares(counts, 40)
        assert sum(cells.values()) == 40
        assert all((cells[name] > 0) == (number > 0) for name, number in counts.items())


def test_an_interval_lies_where_its_limits_are() -> None:
    from gapless.records.estimate import Estimate

    drawn = Axis(0.0, 1.0, 101).interval(Estimate(point=0.5, low=0.25, high=0.75))
    assert (drawn.index("├"), drawn.index("●"), drawn.index("┤")) == (25, 50, 75)
