"""A fault matrix in words, for the terminal, for machines and for a pull request."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from gapless.records.faults import ENDINGS, Ending, FaultCell, FaultMatrix
from gapless.report.json import plain
from gapless.report.marked import code, prose
from gapless.report.marked import table as marked_table
from gapless.report.printable import printable
from gapless.report.terminal.console import written
from gapless.report.wording import count, listed, percent, shortened

SCHEMA = "gapless.faults/1"
MARKS: dict[Ending, str] = {
    "silent": "✗",
    "unjudged": "?",
    "asked": "a",
    "failed": "!",
    "escalated": "e",
    "repaired": "+",
    "survived": "·",
}
SAID: dict[Ending, str] = {
    "silent": "silently wrong",
    "unjudged": "not judged",
    "asked": "asked: an action nobody heard back from",
    "failed": "failed loudly",
    "escalated": "sent to a person",
    "repaired": "right, because a contract acted",
    "survived": "right all the same",
}
_STYLES: dict[Ending, str] = {
    "silent": "red",
    "unjudged": "bright_black",
    "asked": "yellow",
    "failed": "magenta",
    "escalated": "yellow",
    "repaired": "green",
    "survived": "green",
}
_NAMED = 12
_COLUMN = 11


def headline(matrix: FaultMatrix) -> str:
    """What the matrix says, in one or two sentences."""
    n, silent = sum(matrix.totals.values()), matrix.totals.get("silent", 0)
    under = "under its contracts" if matrix.guarded else "without contracts"
    size = f"{count(len(matrix.cells), 'cell')} of fault and step, {count(n, 'trial')}"
    if not n:
        return f"No fault met a trial that could tell: {size}."
    unjudged = matrix.totals.get("unjudged", 0)
    if unjudged == n:
        return (
            f"{size} {under}: nothing says which answers were right, so that silent failures cannot be told."
        )
    bound = f" (at most {percent(matrix.silent.high)})" if matrix.silent.high is not None else ""
    if not silent:
        return f"No fault passed silently {under}: 0 of {n} trials{bound}, in {count(len(matrix.cells), 'cell')}."
    where = sum(cell.endings.get("silent", 0) > 0 for cell in matrix.cells)
    return (
        f"{silent} of {n} trials end silently wrong {under}{bound}, in {where} of {count(len(matrix.cells), 'cell')}: "
        f"{listed(_worst(matrix))}."
    )


def silent_cells(matrix: FaultMatrix) -> list[FaultCell]:
    """Cells with silent failures, the most first."""
    found = [cell for cell in matrix.cells if cell.endings.get("silent")]
    return sorted(found, key=lambda cell: -cell.endings["silent"] / max(1, cell.n))


def told(cell: FaultCell) -> str:
    """A cell's counts with their marks, the worst first.

    Example:
        >>> from gapless.records.estimate import Estimate
        >>> told(FaultCell(fault="hang", step="tool", endings={"silent": 3, "failed": 9}, n=12, silent=Estimate(),
        ...     detectable="detect", why="", measurement="01"))
        '3✗ 9!'
    """
    if not cell.n:
        return "–"
    return " ".join(f"{cell.endings[e]}{MARKS[e]}" for e in ENDINGS if cell.endings.get(e))


def worst_of(cell: FaultCell) -> Ending | None:
    """The worst ending in a cell; None where no trial could tell."""
    return next((ending for ending in ENDINGS if cell.endings.get(ending)), None)


def share(cell: FaultCell) -> str:
    """The silent share of a cell, with the limit that is a claim."""
    high = "" if cell.silent.high is None else f" (at most {percent(cell.silent.high)})"
    return f"{cell.endings.get('silent', 0)} of {cell.n}{high}"


def render(
    matrix: FaultMatrix, *, width: int | None = None, color: bool | None = None, brief: bool = False
) -> str:
    """The matrix for the terminal.

    Args:
        matrix: What to show.
        brief: Leave out advice, next steps and notes.
        width: Columns; those of the terminal by default.
        color: ANSI colours; by default only where stdout is a terminal.
    """
    return written(lambda console: _write(console, printable(matrix), brief=brief), width=width, color=color)


def render_json(matrix: FaultMatrix) -> str:
    """The matrix for machines: `gapless.faults/1`, every key written out."""
    body = {"schema": SCHEMA, "headline": headline(matrix), **plain(matrix)}
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False)


def render_markdown(matrix: FaultMatrix) -> str:
    """The matrix for a pull request."""
    return "\n\n".join(_parts(printable(matrix))) + "\n"


def notes(matrix: FaultMatrix) -> Iterator[str]:
    """What must be read with the matrix."""
    yield from matrix.notes
    for left in matrix.left_out:
        yield f"Not all was run: {left}"
    if not matrix.complete:
        yield "Not finished: run the same command again to go on."


def advice(matrix: FaultMatrix) -> Iterator[tuple[str, str]]:
    """(what passed silently, what can be done about it), one for each kind of fault."""
    steps: dict[str, list[FaultCell]] = {}
    for cell in silent_cells(matrix):
        steps.setdefault(cell.fault, []).append(cell)
    for fault, cells in steps.items():
        where = listed([f"{shortened(cell.step, 32)} {share(cell)}" for cell in cells[:4]])
        more = f" and {count(len(cells) - 4, 'more step')}" if len(cells) > 4 else ""
        yield f"{fault} at {where}{more}", cells[0].why


def next_steps(matrix: FaultMatrix) -> Iterator[tuple[str, str]]:
    """(why, command) for whoever wants less to pass silently."""
    cells = silent_cells(matrix)
    shown = next((cell for cell in cells if cell.examples), None)
    if shown is not None:
        trial = shlex.quote(shown.examples[0])
        yield (
            f"Look at a trial that {shown.fault} at {shown.step} made wrong",
            f"gapless label {trial} --measurement {shown.measurement}",
        )
    if cells and matrix.command is not None:
        worst = next((cell for cell in cells if cell.detectable != "neither"), cells[0])
        part = shlex.join(["--fault", worst.fault, "--step", worst.step])
        what = f"Let {worst.step}'s contract see it" if matrix.guarded else f"Give {worst.step} a contract"
        yield f"{what}, and run that cell again", f"{matrix.command} {part}"


def _worst(matrix: FaultMatrix) -> list[str]:
    cells = silent_cells(matrix)
    named = [f"{cell.fault} at {shortened(cell.step, 32)}" for cell in cells[:3]]
    return [*named, count(len(cells) - 3, "other")] if len(cells) > 3 else named


def _write(console: object, matrix: FaultMatrix, *, brief: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    assert isinstance(console, Console)
    under = "under contracts" if matrix.guarded else "no contract acts"
    outcomes = listed([f"{n} {name}" for name, n in matrix.clean_endings.items()])
    console.print()
    console.print(
        f"{shortened(matrix.clean.target, 80)} · faults · {under} · without a fault: {outcomes}", style="dim"
    )
    console.print(headline(matrix), style="bold")
    console.print()
    for steps in _pages(matrix.steps, console.width):
        console.print(_table(matrix, steps))
    legend = Text("  ".join(f"{MARKS[e]} {SAID[e]}" for e in ENDINGS if matrix.totals.get(e)), style="dim")
    console.print(legend)
    if not brief:
        _more(console, matrix)


def _more(console: object, matrix: FaultMatrix) -> None:
    from rich.console import Console

    assert isinstance(console, Console)
    for number, (what, why) in enumerate(advice(matrix)):
        if number == _NAMED:
            console.print("… and more: --json or --html has all of it.", style="dim")
            break
        console.print()
        console.print(f"✗ {what}", style="red")
        console.print(f"  {why}")
    console.print()
    for reason, command in next_steps(matrix):
        console.print(f"{reason}:")
        console.print(f"  {command}", soft_wrap=True)
    for note in notes(matrix):
        console.print(f"- {note}", style="dim")
    if matrix.budget is not None:
        console.print(matrix.budget.sentence, style="bold")


def _pages(steps: tuple[str, ...], width: int) -> Iterator[tuple[str, ...]]:
    """Steps in groups that fit beside each other."""
    room = max(1, (width - 22) // (_COLUMN + 2))
    for first in range(0, len(steps), room):
        yield steps[first : first + room]


def _table(matrix: FaultMatrix, steps: tuple[str, ...]) -> object:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    by = {(cell.fault, cell.step): cell for cell in matrix.cells}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("fault", no_wrap=True)
    for step in steps:
        table.add_column(shortened(step, _COLUMN), no_wrap=True)
    for fault in matrix.faults:
        row: list[Text] = [Text(fault)]
        for step in steps:
            cell = by.get((fault, step))
            worst: Ending | None = None if cell is None else worst_of(cell)
            row.append(Text("" if cell is None else told(cell), style=_STYLES[worst] if worst else "dim"))
        table.add_row(*row)
    return table


def _parts(matrix: FaultMatrix) -> Iterator[str]:
    ok = not matrix.totals.get("silent") and (matrix.budget is None or matrix.budget.verdict == "kept")
    yield f"### {'✅' if ok else '❌'} {prose(headline(matrix))}"
    by = {(cell.fault, cell.step): cell for cell in matrix.cells}
    rows = [
        [
            prose(fault),
            *("" if (cell := by.get((fault, step))) is None else told(cell) for step in matrix.steps),
        ]
        for fault in matrix.faults
    ]
    yield marked_table(["fault", *(code(step) for step in matrix.steps)], rows, words=1 + len(matrix.steps))
    yield "; ".join(f"{MARKS[e]} {SAID[e]}" for e in ENDINGS if matrix.totals.get(e))
    lines = [f"- **{prose(what)}**: {prose(why)}" for what, why in advice(matrix)]
    if lines:
        yield "\n".join(lines)
    if steps := [f"- {prose(why)}: {code(command)}" for why, command in next_steps(matrix)]:
        yield "\n".join(steps)
    if found := [f"- {prose(note)}" for note in notes(matrix)]:
        yield "\n".join(found)
    if matrix.budget is not None:
        yield prose(matrix.budget.sentence)
