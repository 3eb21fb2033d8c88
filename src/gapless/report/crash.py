"""A crash table in words, for the terminal, for machines and for a pull request."""

from __future__ import annotations

import json
from collections.abc import Iterator

from gapless.records.crash import CrashCell, CrashTable, Moment, harmful
from gapless.report.json import plain
from gapless.report.marked import code, prose
from gapless.report.marked import table as marked_table
from gapless.report.printable import printable
from gapless.report.wording import count, listed, shortened

SCHEMA = "gapless.crash/1"
MOMENTS: dict[Moment, str] = {
    "before": "about to act",
    "after": "has acted, nobody knows",
    "uncommitted": "ended, checkpoint not written",
    "committed": "checkpoint written",
    "approving": "decision about to count",
    "approved": "decision counts",
}
_HEADS = ("killed at", "moment", "durability")


def headline(table: CrashTable) -> str:
    """What the table says, in one or two sentences."""
    guarded, bare = _of(table, guarded=True), _of(table, guarded=False)
    said = [_summed(cells, name) for cells, name in ((guarded, "Under contracts"), (bare, "Bare")) if cells]
    return " ".join(said) or "No kill was made."


def render(table: CrashTable) -> str:
    """The table for the terminal."""
    return "\n".join(_lines(printable(table)))


def render_json(table: CrashTable) -> str:
    """The table for machines: `gapless.crash/1`, every key written out."""
    body = {"schema": SCHEMA, "headline": headline(table), "harm": len(table.harm), **plain(table)}
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False)


def render_markdown(table: CrashTable) -> str:
    """The table for a pull request."""
    return "\n\n".join(_parts(printable(table))) + "\n"


def told(cell: CrashCell) -> str:
    """What came of one kill."""
    if cell.end == "never there":
        return "the run does not pass here"
    said = [*_twice(cell), *_left(cell), *_end(cell)]
    if cell.repeated:
        said.append(f"{listed(list(cell.repeated))} ran again")
    return "; ".join(said)


def _twice(cell: CrashCell) -> Iterator[str]:
    if cell.doubled:
        yield f"{listed(list(cell.doubled))} took place twice"
    if cell.approvals_doubled:
        yield f"{count(cell.approvals_doubled, 'decision')} counted twice"
    if cell.delivered > 1:
        yield "answered twice"


def _left(cell: CrashCell) -> Iterator[str]:
    if cell.end == "lost":
        yield "lost"
    elif cell.restarted:
        yield "nothing left; begun again" + (", the run was on record" if cell.found else ", nobody knew")


def _end(cell: CrashCell) -> Iterator[str]:
    if cell.end == "ended":
        yield "right" if cell.same else "ended, with another answer"
    elif cell.end == "asked":
        yield "asked: nobody heard back from the effect"
    elif cell.end == "failed":
        yield f"failed: {shortened(cell.reason, 60)}"
    elif cell.end == "paused":
        yield "waits for a person"


def _mark(cell: CrashCell) -> str:
    if cell.end == "never there":
        return " "
    if harmful(cell):
        return "✗"
    return {"ended": "·", "asked": "a", "paused": "e"}.get(cell.end, "!")


def _summed(cells: list[CrashCell], name: str) -> str:
    there = [cell for cell in cells if cell.end != "never there"]
    lost = sum(cell.end == "lost" or (cell.restarted and not cell.found) for cell in there)
    found = sum(cell.restarted and cell.found for cell in there)
    parts = [
        f"{sum(bool(cell.doubled) for cell in there)} with an effect doubled",
        f"{lost} lost without a trace",
        f"{sum(cell.end == 'asked' for cell in there)} asked",
    ]
    doubled = sum(cell.approvals_doubled > 0 for cell in there)
    twice = sum(cell.delivered > 1 for cell in there)
    failed = sum(cell.end == "failed" for cell in there)
    parts += [f"{found} of which nothing was left, on record"] if found else []
    parts += [f"{doubled} with a decision taken in twice"] if doubled else []
    parts += [f"{twice} answered twice"] if twice else []
    parts += [f"{failed} failed"] if failed else []
    return f"{name}, {count(len(there), 'kill')}: {listed(parts)}."


def _of(table: CrashTable, *, guarded: bool) -> list[CrashCell]:
    return [cell for cell in table.cells if cell.guarded is guarded]


def _lines(table: CrashTable) -> Iterator[str]:
    yield ""
    yield f"{shortened(table.target, 80)} · crash · case {shortened(table.case, 40)} · checkpoints: {table.checkpointer}"
    yield headline(table)
    rows = list(_rows(table))
    if rows:
        yield ""
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for number, row in enumerate(rows):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            yield line
            if number == 0:
                yield "─" * min(len(line) + 30, 120)
        yield "✗ twice, or lost without a trace   a asked   · ended   ! failed   e waits for a person"
    if table.notes or table.left_out or not table.complete:
        yield ""
    for note in _notes(table):
        yield f"- {note}"


def _rows(table: CrashTable) -> Iterator[tuple[str, ...]]:
    modes = [guarded for guarded in (True, False) if _of(table, guarded=guarded)]
    yield (*_HEADS, *("under contracts" if guarded else "bare" for guarded in modes))
    places: dict[tuple[str, str, Moment], None] = {
        (cell.durability, cell.step, cell.moment): None for cell in table.cells
    }
    by = {(cell.durability, cell.step, cell.moment, cell.guarded): cell for cell in table.cells}
    for durability, step, moment in places:
        cells = [by.get((durability, step, moment, guarded)) for guarded in modes]
        said = ["" if cell is None else f"{_mark(cell)} {told(cell)}" for cell in cells]
        yield shortened(step, 32), MOMENTS[moment], durability, *said


def _notes(table: CrashTable) -> Iterator[str]:
    yield from table.notes
    for left in table.left_out:
        yield f"Left out: {left}"
    if not table.complete:
        yield "Not finished: run the same command again to go on."


def _parts(table: CrashTable) -> Iterator[str]:
    yield f"### {'❌' if table.harm else '✅'} {prose(headline(table))}"
    head, *rows = _rows(table)
    yield marked_table(
        list(head), [[code(row[0]), *(prose(cell) for cell in row[1:])] for row in rows], words=len(head)
    )
    if notes := [f"- {prose(note)}" for note in _notes(table)]:
        yield "\n".join(notes)
