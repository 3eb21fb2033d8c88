"""The report's tables for a terminal: narrow ones put the layer below the boundary, wide ones draw the interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gapless.records.estimate import Estimate
from gapless.records.gap import BoundaryRow, SuspectedRow
from gapless.report.quantiles import Quantiles
from gapless.report.sections.base import Section
from gapless.report.terminal.chart import Axis
from gapless.report.wording import (
    between,
    boundary,
    fired,
    largest,
    latency,
    layer,
    level,
    number,
    percent,
    rate,
    repaired,
    rivals,
    shortened,
)

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

ROOM = 48
"""Characters of a name in a terminal; the JSON has all of them."""
_ROOMY, _CHANCES, _LONG, _PLOT = 104, 80, 40, 18


def boundaries(rows: Sequence[BoundaryRow], width: int, *, shared: bool) -> Table:
    """Exits with the points lost there.

    Args:
        rows: The largest loss first.
        width: Columns.
        shared: Whether the rows are the whole loss, so that each has a share of it.
    """
    from rich.text import Text

    roomy = width >= _ROOMY
    most = max((row.points.high or row.points.point or 0.0 for row in rows), default=0.0)
    axis = Axis(0.0, most, _PLOT)
    chances = shared and width >= _CHANCES and rivals(rows)
    heads = (f"points ({level(rows[0].points)})", "share", *(["largest"] if chances else []), *_LOSS)
    table = _table(["boundary", *(["layer", ""] if roomy else [])], heads)
    for row in rows:
        name = _name(row, below=not roomy)
        plot = [Text(layer(row.layer, row.layer_guessed)), Text(axis.interval(row.points), style="red")]
        interval = between(row.points)
        table.add_row(
            name,
            *(plot if roomy else []),
            f"{number(row.points)} ({interval})" if interval else number(row.points) or "not estimable",
            percent(row.share, 0) if shared and row.share is not None else "",
            *([largest(row)] if chances else []),
            str(row.wrong or ""),
            str(row.escalated or ""),
            str(row.failed or ""),
            repaired(row.repaired, row.first_failures),
        )
    return table


_LOSS = ("silent", "escal.", "loud", "repaired")


def suspected(rows: Sequence[SuspectedRow], width: int) -> Table:
    """Exits at which something is suspected, with what fired."""
    roomy = width >= _ROOMY
    table = _table(
        ["exit", *(["layer"] if roomy else [])],
        (f"trials ({level(rows[0].rate)})",),
        ("what fired", "for example"),
    )
    for row in rows:
        cells = [layer(row.layer, row.layer_guessed)] if roomy else []
        examples = ", ".join(shortened(name, ROOM) for name in row.examples[: 3 if roomy else 2])
        table.add_row(
            _name(row, below=not roomy), *cells, rate(row.rate, n=False), fired(row.checks), examples
        )
    return table


def plain(section: Section, width: int) -> Table:
    """A section's table; a column in which no row has anything is left out. Where it is too wide, heads and cells fold."""
    heads, rows = section.filled()
    first, *others = (head if len(head) < 3 else head.lower() for head in heads)
    long = any(len(cell) > _LONG for _, *cells in rows for cell in cells)
    table = _table([first], [], others) if long else _table([first], others)
    if section.ours:
        table.columns[0].min_width = min(ROOM, max((len(name) for name, *_ in rows), default=0))
    if not long and _needs(heads, rows) > width:
        for column in table.columns[1:]:
            column.no_wrap, column.overflow = False, "fold"
    for name, *cells in rows:
        table.add_row(shortened(name, ROOM), *cells)
    return table


def _needs(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Columns of the terminal that a table takes where nothing folds."""
    longest = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    return min(longest[0], ROOM) + sum(longest[1:]) + 2 * (len(longest) - 1)


def latencies(timed: Quantiles) -> Table:
    """Latency quantiles of steps and of whole trials."""
    table = _table(["step"], (*timed.names, "trials" if timed.names else "visits"))
    for step, cells, n_runs in timed.rows:
        table.add_row(shortened(step, ROOM), *(_quantile(cell) for cell in cells), str(n_runs))
    return table


def _quantile(estimate: Estimate) -> str:
    if estimate.point is None:
        return "not estimable"
    return latency(estimate).replace(" to ", "-")


def _name(row: BoundaryRow | SuspectedRow, *, below: bool) -> Text:
    from rich.text import Text

    name = Text(boundary(row.exit, row.receivers, ROOM))
    known = layer(row.layer, row.layer_guessed)
    if below and known:
        name.append(f"\n{known}", style="dim")
    return name


def _table(words: Sequence[str], figures: Sequence[str], more: Sequence[str] = ()) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="dim"
    )
    for name in words:
        table.add_column(
            name, overflow="fold", no_wrap=name in ("layer", ""), min_width=min(16, len(name) * 4)
        )
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    for name in more:
        table.add_column(name, overflow="fold")
    return table
