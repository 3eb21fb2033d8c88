"""What replays say of causes, beside what checks suspected: for the terminal, for machines and for a pull request."""

from __future__ import annotations

import json
from collections.abc import Iterator

from gapless.records.replay import Causes
from gapless.report.causal import headline
from gapless.report.json import plain
from gapless.report.marked import code, prose
from gapless.report.marked import table as marked_table
from gapless.report.printable import printable
from gapless.report.sections.causes import (
    CAUSE,
    HOLDS_IF,
    SUSPICION,
    WHICH,
    figures,
    interplay,
    notes,
    section,
)
from gapless.report.terminal.console import written
from gapless.report.wording import count

SCHEMA = "gapless.causes/1"
_STYLES = {CAUSE.lower(): "red", SUSPICION.lower(): "yellow"}


def render(found: Causes, *, width: int | None = None, color: bool | None = None, brief: bool = False) -> str:
    """Causes for the terminal.

    Args:
        found: What to show.
        width: Columns; those of the terminal by default.
        color: ANSI colours; by default only where stdout is a terminal.
        brief: Leave out what must be read with the table.
    """
    return written(lambda console: _write(console, printable(found), brief=brief), width=width, color=color)


def render_json(found: Causes) -> str:
    """Causes for machines: `gapless.causes/1`, every key written out."""
    body = {"schema": SCHEMA, "headline": headline(found), **plain(found)}
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False)


def render_markdown(found: Causes) -> str:
    """Causes for a pull request."""
    return "\n\n".join(_parts(printable(found))) + "\n"


def _write(console: object, found: Causes, *, brief: bool) -> None:
    from rich.console import Console

    from gapless.report.terminal import tables

    assert isinstance(console, Console)
    table = section(found)
    console.print()
    console.print(f"cause and suspicion · {count(found.reps, 'rerun')} per step and arm", style="dim")
    console.print(table.lead, style="bold")
    if not found.rows:
        return
    console.print()
    drawn = tables.plain(table, console.width)
    for column in drawn.columns:
        for kind, style in _STYLES.items():
            column.style = style if str(column.header).startswith(kind) else column.style
    console.print(drawn)
    if brief:
        return
    console.print()
    for line in (WHICH, HOLDS_IF):
        console.print(line, style="dim")
    for note in notes(found):
        console.print(f"- {note}", style="dim")
    for more in (figures(found), interplay(found)):
        if more is not None:
            console.print()
            console.print(more.title, style="bold")
            console.print(tables.plain(more, console.width))
            console.print(f"{more.lead} {more.under}", style="dim")


def _parts(found: Causes) -> Iterator[str]:
    yield f"### {prose(headline(found))}"
    if not found.rows:
        return
    for part in (section(found), figures(found), interplay(found)):
        if part is not None:
            rows = [(code(name), *map(prose, cells)) for name, *cells in part.rows]
            yield marked_table(part.heads, rows)
    yield prose(WHICH)
    yield prose(HOLDS_IF)
    if said := [f"- {prose(note)}" for note in notes(found)]:
        yield "\n".join(said)
