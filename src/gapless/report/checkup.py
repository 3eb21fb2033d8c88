"""A checkup in words: for the terminal, for machines, for a pull request."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gapless.records.finding import STATUSES, Checkup, CheckupLimit, Figure, Finding, Status
from gapless.records.workflow import Layer
from gapless.report.json import plain
from gapless.report.marked import prose
from gapless.report.marked import table as marked_table
from gapless.report.printable import printable
from gapless.report.terminal.console import written
from gapless.report.wording import count, listed, percent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_MOST_FIGURES = 12
"""In the terminal; the other faces show all."""
SCHEMA = "gapless.checkup/1"
MARKS: dict[Status, str] = {"ok": "ok", "warn": "warn", "fail": "FAIL", "not-applicable": "–"}
STYLES: dict[Status, str] = {
    "ok": "green",
    "warn": "yellow",
    "fail": "bold red",
    "not-applicable": "bright_black",
}
_SAID: dict[Status, str] = {
    "ok": "ok",
    "warn": "to look at",
    "fail": "failed",
    "not-applicable": "not applicable",
}


def headline(made: Checkup) -> str:
    """How many lines of the checklist hold.

    Example:
        >>> headline(Checkup(id="01"))
        'Nothing was looked at.'
    """
    found = Counter(finding.status for finding in made.findings)
    if not found:
        return "Nothing was looked at."
    parts = [f"{found[status]} {_SAID[status]}" for status in STATUSES if found[status]]
    return f"{count(len(made.findings), 'line')} of the checklist in {count(len(made.layers), 'layer')}: {listed(parts)}."


def demands(made: Checkup) -> list[CheckupLimit]:
    """What the budget demanded; the usual demand alone, where it is kept, goes without saying."""
    usual = len(made.budget) == 1 and made.budget[0].name == "fail_on" and made.passes
    return [] if usual else list(made.budget)


def by_layer(made: Checkup) -> Iterator[tuple[Layer, list[Finding]]]:
    """Each layer that was asked for, with its findings."""
    for layer in made.layers:
        yield layer, [finding for finding in made.findings if finding.layer == layer]


def urgent(made: Checkup) -> list[Finding]:
    """What does not hold: failures first, in the order of the checklist."""
    return [f for status in ("fail", "warn") for f in made.findings if f.status == status]


def tally(findings: list[Finding]) -> str:
    """How a layer's lines came out.

    Example:
        >>> tally([Finding(probe="p", layer="tool", title="t", status="ok", said="so")])
        '1 ok'
    """
    found = Counter(finding.status for finding in findings)
    return ", ".join(f"{found[status]} {_SAID[status]}" for status in STATUSES if found[status])


def number(value: float) -> str:
    """Three digits that count, and never an exponent for what people count in thousands.

    Example:
        >>> number(24.51), number(1334.2), number(0.000123)
        ('24.5', '1,334', '0.000123')
    """
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.3g}"


def figure(one: Figure) -> str:
    """A figure with what it stands on.

    Example:
        >>> figure(Figure(name="triad", value=24.51, unit="GB/s", low=20.0, high=25.0, spread="slowest and fastest of 12 passes"))
        'triad: 24.5 GB/s (20 to 25; slowest and fastest of 12 passes)'
    """
    if one.unit == "share":
        value = percent(one.value)
        limits = (
            (percent(one.low), percent(one.high)) if one.low is not None and one.high is not None else None
        )
    else:
        value = f"{number(one.value)}{' ' + one.unit if one.unit else ''}"
        limits = (number(one.low), number(one.high)) if one.low is not None and one.high is not None else None
    spread = f" ({limits[0]} to {limits[1]}{'; ' + one.spread if one.spread else ''})" if limits else ""
    return f"{one.name}: {value}{spread}"


def render(made: Checkup, *, width: int | None = None, color: bool | None = None) -> str:
    """The checkup for the terminal."""
    shown = printable(made)
    return written(lambda console: _write(console, shown), width=width, color=color)


def render_json(made: Checkup) -> str:
    """For machines: `gapless.checkup/1`, every key written out."""
    body = {"schema": SCHEMA, "headline": headline(made), "worst": made.worst, **plain(made)}
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False)


def render_markdown(made: Checkup) -> str:
    """For a pull request."""
    shown = printable(made)
    parts = [f"**{prose(headline(shown))}**"]
    for layer, findings in by_layer(shown):
        rows = ([MARKS[f.status], prose(f.title), prose(f.said), prose(f.next_step)] for f in findings)
        parts += [f"### {layer}", marked_table(["", "line", "found", "next step"], rows, words=4)]
    parts += [f"- budget, {line.verdict}: {prose(line.sentence)}" for line in demands(shown)]
    parts += [f"- {prose(note)}" for note in shown.notes]
    return "\n\n".join(parts) + "\n"


def render_history(made: list[Checkup], *, width: int | None = None, color: bool | None = None) -> str:
    """Earlier checkups, the newest first."""

    def write(console: Console) -> None:
        for one in printable(made):
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.created_at))
            console.print(f"{one.id}  {when}  {headline(one)}  {one.subject}", style=STYLES[one.worst])

    return written(write, width=width, color=color)


def _write(console: Console, made: Checkup) -> None:
    from rich.table import Table

    console.print()
    console.print(f"checkup {made.id} · {made.subject or 'this host'} · {made.seconds:.0f} s", style="dim")
    console.print(headline(made), style="bold")
    for layer, findings in by_layer(made):
        console.print()
        console.print(layer, style="bold")
        lines = Table.grid(padding=(0, 1, 0, 0))
        lines.add_column(justify="right", no_wrap=True, min_width=4)
        lines.add_column(overflow="fold")
        for finding in findings:
            lines.add_row(_mark(finding), _body(finding))
        console.print(lines)
    console.print()
    for line in demands(made):
        style = "green" if line.verdict == "kept" else "bold red" if line.verdict == "broken" else "yellow"
        console.print(f"budget, {line.verdict}: {line.sentence}", style=style)
    for note in made.notes:
        console.print(f"- {note}", style="yellow")
    if not made.complete:
        console.print("Stopped: the other probes were not asked.", style="yellow")


def _mark(finding: Finding) -> Text:
    from rich.text import Text

    return Text(MARKS[finding.status], style=STYLES[finding.status])


def _body(finding: Finding) -> Text:
    """What was found; for a line that does not hold also the target and what to do."""
    from rich.text import Text

    body = Text.assemble((finding.title, "bold" if finding.status == "fail" else ""), f": {finding.said}")
    if finding.status in ("warn", "fail"):
        body.append(f"\ntarget: {finding.target} ({finding.target_source})", style="dim")
        body.append(f"\n{finding.next_step}")
        body.append(f"\n  {finding.command}" if finding.command else "", style="cyan")
    shown = finding.figures[:_MOST_FIGURES] if finding.status == "ok" else ()
    for one in shown:
        body.append(f"\n{figure(one)}", style="dim")
    if shown and len(finding.figures) > len(shown):
        body.append(f"\n{len(finding.figures) - len(shown)} more: --json, --html", style="dim")
    return body
