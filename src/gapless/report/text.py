"""The report in a terminal: readable at 80 columns, without colour, and when piped."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING, Any

from gapless.records.estimate import Estimate
from gapless.records.gap import Gap
from gapless.records.report import Report
from gapless.records.trial import Outcome
from gapless.report.wording import count, duration, latency, layer, passage, percent, points, rate

if TYPE_CHECKING:
    from rich.console import Console

_OUTCOMES: dict[Outcome, tuple[str, str, str]] = {
    "correct": ("correct", "green", "█"),
    "wrong": ("silently wrong", "red", "▓"),
    "escalated": ("sent to a person", "yellow", "▒"),
    "failed": ("failed loudly", "magenta", "░"),
    "unjudged": ("not judged", "bright_black", "·"),
}
_LEAST, _MOST = 60, 120


def render(report: Report, *, width: int | None = None, color: bool | None = None) -> str:
    """The report as text.

    Args:
        report: What to show.
        width: Columns; those of the terminal by default, between 60 and 120.
        color: ANSI colours; by default only where stdout is a terminal.
    """
    import sys

    from rich.console import Console

    columns = width or shutil.get_terminal_size((100, 24)).columns
    colored = sys.stdout.isatty() if color is None else color
    console = Console(
        file=io.StringIO(),
        width=max(_LEAST, min(_MOST, columns)),
        force_terminal=colored,
        no_color=not colored,
        highlight=False,
        color_system="standard" if colored else None,
    )
    with console.capture() as captured:
        _write(console, report)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _write(console: Console, report: Report) -> None:
    from rich.text import Text

    m, gap = report.measurement, report.gap
    console.print()
    console.print(Text(report.headline, style="bold"))
    weather = ", with weather" if m.weather_table else ""
    size = f"{count(gap.n_cases, 'case')}, {count(gap.n_runs, 'trial')}{weather}"
    console.print(Text(f"{m.target}  {m.condition}  {size}", style="dim"))
    if gap.n_runs:
        _outcomes(console, gap)
        _waterfall(console, gap)
        _boundaries(console, gap)
        _suspected(console, gap)
        _slices(console, gap)
        _latencies(console, gap)
    _weather(console, report)
    _notes(console, report)
    _next(console, report)


def _title(console: Console, text: str) -> None:
    from rich.text import Text

    console.print()
    console.print(Text(text, style="bold underline"))


def _outcomes(console: Console, gap: Gap) -> None:
    from rich.text import Text

    _title(console, "Outcomes")
    width = console.width - 2
    bar = Text()
    for name, (_, style, mark) in _OUTCOMES.items():
        cells = round(width * gap.outcomes.get(name, 0) / gap.n_runs)
        bar.append(mark * cells, style=style)
    console.print(bar)
    for name, (words, style, mark) in _OUTCOMES.items():
        if gap.outcomes.get(name):
            told = Text(f"{mark} ", style=style)
            told.append(
                f"{words:17}{gap.outcomes[name]:6}  {rate(gap.outcome_rates[name], n=False)}", style="none"
            )
            console.print(told)
    if gap.success_bounds is not None and gap.success.point is not None:
        low, high = gap.success_bounds
        console.print(
            f"  S lies between {percent(low)} and {percent(high)}, whatever the unjudged trials were"
        )


def _waterfall(console: Console, gap: Gap) -> None:
    split = gap.compounding
    if not gap.components and split.predicted.point is None:
        return
    _title(console, "Steps alone -> P -> S")
    for component in gap.components:
        unknown = f", {percent(component.unknown_share, 0)} unknown" if component.unknown_share else ""
        _bar(console, component.step, component.rate, "cyan", unknown)
    if split.predicted.point is not None:
        _bar(console, "P predicted", split.predicted, "blue", "")
    _bar(console, "S measured", gap.success, "green", "")
    if split.frechet_low is not None and split.frechet_high is not None and split.frechet_low < 1:
        band = f"{100 * split.frechet_low:.1f}-{100 * split.frechet_high:.1f} %"
        console.print(f"  without any boundary effect S could be {band}, whatever the dependence (Frechet)")
    if split.interaction_loss.point is not None:
        console.print(
            f"  length costs {points(split.compounding_loss)}; beyond it P - S = {points(split.interaction_loss)}"
        )
        if split.cases_for_interaction is not None:
            console.print(
                f"  about {split.cases_for_interaction} benchmark cases per step would tell P - S from zero"
            )


def _bar(console: Console, name: str, estimate: Estimate, style: str, more: str) -> None:
    from rich.text import Text

    room = max(10, console.width - 68)
    filled = round(room * (estimate.point or 0.0))
    line = Text(f"  {name[:22]:22} ")
    line.append("━" * filled, style=style)
    line.append("─" * (room - filled), style="bright_black")
    line.append(f" {rate(estimate)}{more}")
    console.print(line, no_wrap=True, overflow="ellipsis")


def _table(*columns: tuple[str, Any]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
    for name, justify in columns:
        table.add_column(
            name, justify=justify, overflow="fold", no_wrap=justify == "right" or name == "layer"
        )
    return table


def _boundaries(console: Console, gap: Gap) -> None:
    rows = [row for row in gap.boundaries if (row.points.point or 0) > 0 or row.repaired]
    if not rows:
        return
    lost = 1 - (gap.success.point or 0.0) if gap.success.point is not None else None
    said = f" ({100 * lost:.1f} points in all)" if lost is not None else ""
    _title(console, f"Where it is lost{said}")
    names = ("boundary", "layer", "points (95 %)", "share", "silent", "escal.", "loud", "repaired")
    table = _table(*((name, "left" if name in ("boundary", "layer") else "right") for name in names))
    for row in rows:
        table.add_row(
            passage(row.exit, row.receivers),
            layer(row.layer, row.layer_guessed),
            _points_cell(row.points),
            "" if row.share is None else percent(row.share, 0),
            str(row.wrong or ""),
            str(row.escalated or ""),
            str(row.failed or ""),
            str(row.repaired or ""),
        )
    console.print(table)
    console.print("the first step whose own check failed and stayed failed: where, not yet why", style="dim")


def _points_cell(estimate: Estimate) -> str:
    if estimate.point is None or estimate.low is None or estimate.high is None:
        return "not estimable"
    return f"{100 * estimate.point:.1f} ({100 * estimate.low:.1f}-{100 * estimate.high:.1f})"


def _suspected(console: Console, gap: Gap) -> None:
    if not gap.suspected:
        return
    _title(console, "Suspected, without labels")
    table = _table(
        ("exit", "left"),
        ("layer", "left"),
        ("trials (95 %)", "right"),
        ("what fired", "left"),
        ("for example", "left"),
    )
    for row in gap.suspected:
        table.add_row(
            passage(row.exit, row.receivers),
            layer(row.layer, row.layer_guessed),
            rate(row.rate, n=False),
            ", ".join(f"{name} {number}x" for name, number in row.checks.items()),
            ", ".join(row.examples[:2]),
        )
    console.print(table)


def _slices(console: Console, gap: Gap) -> None:
    if not gap.slices:
        return
    _title(console, "Slices (simultaneous intervals; the lowest of several is biased low)")
    table = _table(("slice", "left"), ("S", "right"), ("silent", "right"), ("n", "right"))
    for row in sorted(gap.slices, key=lambda row: (row.key, row.success.point or 0.0)):
        table.add_row(
            f"{row.key} = {row.value}",
            rate(row.success, n=False),
            str(row.outcomes.get("wrong", "")),
            str(row.success.n_runs),
        )
    console.print(table)


def _latencies(console: Console, gap: Gap) -> None:
    if not gap.latencies:
        return
    _title(console, "Latency")
    table = _table(("step", "left"), ("p50", "right"), ("p95", "right"), ("p99", "right"), ("n", "right"))
    for row in gap.latencies:
        cells = [latency(row.p50), *(_short(estimate) for estimate in (row.p95, row.p99))]
        table.add_row(row.step, *cells, str(row.p50.n_runs))
    console.print(table)


def _short(estimate: Estimate) -> str:
    return duration(estimate.point) if estimate.point is not None else "not estimable"


def _weather(console: Console, report: Report) -> None:
    table = report.measurement.weather_table
    if table:
        _title(console, "Weather: faults injected on purpose, seeded per trial")
        console.print(", ".join(f"{name} {percent(rate_, 0)}" for name, rate_ in table.items()), markup=False)


def _notes(console: Console, report: Report) -> None:
    notes = [*report.gap.notes, *report.trial_notes]
    if notes:
        _title(console, "Notes")
        for note in notes:
            console.print(f"- {note}", markup=False)


def _next(console: Console, report: Report) -> None:
    from rich.text import Text

    if not report.next_steps:
        return
    _title(console, "Next")
    for step in report.next_steps:
        console.print(step.why, markup=False)
        console.print(Text(f"  {step.command}", style="cyan"), soft_wrap=True)
