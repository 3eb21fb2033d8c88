"""The report in a terminal: readable at 80 columns, without colour, and when piped."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from gapless.records.gap import PSEUDO_EXITS, Gap
from gapless.records.report import Report
from gapless.records.trial import Outcome
from gapless.report.headline import opened
from gapless.report.printable import printable
from gapless.report.quantiles import quantiles
from gapless.report.sections import order
from gapless.report.sections.base import Section
from gapless.report.terminal import tables
from gapless.report.terminal.chart import Axis, rate_axis, shares
from gapless.report.terminal.console import written
from gapless.report.wording import (
    NO_WIDTH,
    OUTCOMES,
    PSEUDO_EXITS_MEAN,
    count,
    either_way,
    known_so_far,
    nothing,
    percent,
    points,
    product,
    rate,
    shortened,
    untold,
    weighted,
)

if TYPE_CHECKING:
    from rich.console import Console

_STYLES: dict[Outcome, tuple[str, str]] = {
    "correct": ("green", "█"),
    "wrong": ("red", "▓"),
    "escalated": ("yellow", "▒"),
    "failed": ("magenta", "░"),
    "unjudged": ("bright_black", "·"),
}
_MOST, _VALUE = 120, 34


def render(report: Report, *, width: int | None = None, color: bool | None = None) -> str:
    """The report as text.

    Args:
        report: What to show.
        width: Columns; those of the terminal by default, between 60 and 120.
        color: ANSI colours; by default only where stdout is a terminal.
    """
    return written(lambda console: _write(console, printable(report)), width=width, color=color, most=_MOST)


def _write(console: Console, report: Report) -> None:
    gap = report.gap
    _headline(console, report)
    if gap.n_runs:
        _outcomes(console, gap)
        _waterfall(console, gap)
        _boundaries(console, gap)
        _plain(console, order.on_losses(gap))
        _suspected(console, gap)
        _plain(console, order.on_outcomes(gap))
        _latencies(console, gap)
        _plain(console, [*order.on_cost(gap), *order.in_depth(gap)])
    _weather(console, report)
    _notes(console, report)
    _next(console, report)


def _headline(console: Console, report: Report) -> None:
    m, gap = report.measurement, report.gap
    weather = ["with weather"] if m.weather_table else []
    facts = [
        shortened(m.target, 80),
        shortened(m.condition, 40),
        count(gap.n_cases, "case"),
        count(gap.n_runs, "trial"),
        *weather,
    ]
    console.print()
    console.print(" · ".join(facts), style="dim")
    first, rest = opened(report)
    console.print(first, style="bold")
    if rest:
        console.print(rest)


def _title(console: Console, text: str, more: str = "") -> None:
    from rich.text import Text

    console.print()
    console.print(Text(text, style="bold") + Text(f"  {more}" if more else "", style="dim"))


def _outcomes(console: Console, gap: Gap) -> None:
    from rich.text import Text

    _title(console, "Outcomes")
    cells = shares({name: gap.outcomes.get(name, 0) for name, _ in OUTCOMES}, console.width)
    bar = Text()
    for name, _ in OUTCOMES:
        style, mark = _STYLES[name]
        bar.append(mark * cells[name], style=style)
    console.print(bar)
    for name, words in OUTCOMES:
        if not gap.outcomes.get(name):
            continue
        style, mark = _STYLES[name]
        line = Text(f"{mark} ", style=style)
        told = rate(gap.outcome_rates[name], n=False) if name in gap.outcome_rates else ""
        line.append(f"{words:16}{gap.outcomes[name]:6}  {told}", style="none")
        console.print(line)
    _more_rates(console, gap)


def _more_rates(console: Console, gap: Gap) -> None:
    if (why := weighted(gap)) is not None:
        console.print(why, style="dim")
    if gap.success_bounds is not None and gap.success.point is not None:
        low, high = gap.success_bounds
        console.print(
            f"S lies between {percent(low)} and {percent(high)}, whatever the unjudged trials were."
        )
    if gap.selective_risk.point is not None:
        delivered = rate(gap.coverage, n=False)
        judged = " and judged" if known_so_far(gap) is not None else ""
        console.print(f"Delivered{judged}: {delivered}. Of those, wrong: {rate(gap.selective_risk)}.")
    if gap.success_other_weighting is not None:
        console.print(f"Each trial counting the same, S = {rate(gap.success_other_weighting)}.")


def _waterfall(console: Console, gap: Gap) -> None:
    split = gap.compounding
    if not gap.components:
        return
    predicted = split.predicted if split.predicted.point is not None else None
    name_room = 18 if console.width < 100 else 26
    drawn = [component.rate for component in gap.components]
    drawn += [e for e in (predicted, known_so_far(gap) or gap.success) if e is not None]
    band = (split.frechet_low, split.frechet_high) if predicted is not None else (None, None)
    also = [band[0]] if band[0] is not None else []
    axis = rate_axis(drawn, console.width - name_room - _VALUE - 2, also)
    _title(console, "Steps alone -> P -> S", "on golden inputs; predicted; measured")
    _row(console, "", axis.ticks(), "", name_room, "dim")
    for component in gap.components:
        unknown = f" {percent(component.unknown_share, 0)} unknown" if component.unknown_share else ""
        _row(
            console, component.step, axis.interval(component.rate), rate(component.rate) + unknown, name_room
        )
    if predicted is not None:
        _to_p(console, gap, axis, name_room)
    bounds = known_so_far(gap)
    if bounds is not None:
        _row(console, "S, either way", axis.interval(bounds), either_way(bounds), name_room, "green")
    elif gap.success.point is not None:
        _row(console, "S, measured", axis.interval(gap.success), rate(gap.success), name_room, "green")


def _to_p(console: Console, gap: Gap, axis: Axis, room: int) -> None:
    split = gap.compounding
    p, s, best = split.predicted, gap.success.point, split.best.point
    if p.point is None:
        return
    if best is not None and split.compounding_loss.point:
        _row(console, "  length alone", axis.span(p.point, best, "▒"), points(split.compounding_loss), room)
    _row(console, "P, predicted", axis.interval(p), product(p), room, "blue")
    low, high = split.frechet_low, split.frechet_high
    if low is not None and high is not None and high - low >= NO_WIDTH:
        said = f"{100 * low:.1f}-{100 * high:.1f} %, any dependence"
        _row(console, "  Frechet band", axis.span(low, high, "░"), said, room)
    if s is not None and known_so_far(gap) is None:
        _row(console, "  P - S", axis.span(s, p.point, "▒"), points(split.interaction_loss), room)


def _row(console: Console, name: str, plot: str, value: str, room: int, style: str = "") -> None:
    from rich.cells import set_cell_size
    from rich.text import Text

    line = Text(f"{set_cell_size(shortened(name, room), room)} ")
    line.append(plot, style=style or "cyan")
    line.append(f" {value}")
    console.print(line, no_wrap=True, overflow="ellipsis")


def _boundaries(console: Console, gap: Gap) -> None:
    rows = [row for row in gap.boundaries if (row.points.point or 0) > 0 or row.repaired]
    if not rows:
        return
    judged = gap.success.point is not None
    lost = (
        f"{100 * (1 - (gap.success.point or 0.0)):.1f} points" if judged and not nothing(gap.success) else ""
    )
    lost += " lost or not judged" if lost and known_so_far(gap) is not None else ""
    _title(console, "Where it is lost" if judged else "Loud failures and escalations", lost)
    console.print(tables.boundaries(rows, console.width, shared=judged))
    if any(row.exit not in PSEUDO_EXITS for row in rows):
        console.print(
            "The first step whose own check failed and stayed failed: where, not yet why.", style="dim"
        )
    if doubtful := untold(gap):
        console.print(doubtful, style="dim")
    for row in rows:
        if row.exit in PSEUDO_EXITS:
            console.print(f"{row.exit}: {PSEUDO_EXITS_MEAN[row.exit]}", style="dim")
    for row in rows[:3]:
        for why, times in list(row.reasons.items())[:1]:
            console.print(f"{shortened(row.exit, tables.ROOM)}: {why} ({times}x)", style="dim", markup=False)


def _suspected(console: Console, gap: Gap) -> None:
    if gap.suspected:
        _title(console, "Suspected, without labels")
        console.print(tables.suspected(gap.suspected, console.width))
        console.print("What share of these is a real loss only labels can tell.", style="dim")


def _plain(console: Console, sections: list[Section]) -> None:
    for section in sections:
        _title(console, section.title)
        console.print(tables.plain(section, console.width))
        console.print(" ".join(part for part in (section.lead, section.under) if part), style="dim")


def _latencies(console: Console, gap: Gap) -> None:
    timed = quantiles(gap.latencies)
    if timed is None:
        return
    _title(console, "Latency", "steps' quantiles do not add up")
    console.print(tables.latencies(timed))
    if timed.missing:
        console.print(timed.missing, style="dim")


def _weather(console: Console, report: Report) -> None:
    if report.measurement.weather_table:
        _title(console, "Weather", "faults injected on purpose, seeded per trial")
        for name, share in report.measurement.weather_table.items():
            console.print(f"{percent(share):>8}  {shortened(name, tables.ROOM)}")


def _notes(console: Console, report: Report) -> None:
    notes = [*report.gap.notes, *report.trial_notes]
    if notes:
        _title(console, "Notes")
    for note in notes:
        for index, line in enumerate(textwrap.wrap(note, console.width - 2)):
            console.print(f"{'  ' if index else '- '}{line}")


def _next(console: Console, report: Report) -> None:
    from rich.text import Text

    if not report.next_steps:
        return
    _title(console, "Next")
    for step in report.next_steps:
        console.print(step.why)
        console.print(Text(f"  {step.command}", style="cyan"), soft_wrap=True)
