"""A comparison in words, for the terminal, for machines and for a pull request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from gapless.records.comparison import Answer, Change, Comparison
from gapless.records.estimate import Estimate
from gapless.report.json import plain
from gapless.report.marked import code, prose
from gapless.report.marked import table as marked_table
from gapless.report.printable import printable

SCHEMA = "gapless.comparison/1"
_NAMES = {"success": "S", "wrong": "silent failures", "failed": "loud failures", "unjudged": "no verdict"}
_HEAD = ("", "before", "after", "change in points", "p")


def sentence(success: Change, answer: Answer, margin: float) -> str:
    """The answer in words, honest about what the data cannot tell."""
    found = success.difference
    tolerated = f"{100 * margin:g} points"
    if found.point is None or found.low is None or found.high is None:
        return f"S cannot be compared: {found.reason}."
    moved = f"S {'rose' if found.point > 0 else 'fell'} by {_size(found)}"
    if abs(found.point) < 5e-4:
        moved = f"S did not move ({_interval(found)})"
    # The interval rests on a bell curve, the test on nothing: with few groups they may part.
    doubt = (
        f", not proven by {success.test} (p {success.p:.3f})"
        if success.p is not None and success.p > 0.05
        else ""
    )
    said = {
        "better": f"{moved}: better{doubt}.",
        "worse": f"{moved}: worse{doubt}.",
        "no regression": f"{moved}; a loss of more than {tolerated} is excluded.",
        "not excluded": f"{moved}; a loss of more than {tolerated} is not excluded.",
    }[answer]
    if answer in ("no regression", "not excluded") and found.low <= 0 <= found.high:
        more = f"; about {success.more_groups} more groups would tell" if success.more_groups else ""
        said = f"{said[:-1]}. Not distinguishable from zero{more}."
    return said


def render(comparison: Comparison) -> str:
    """The comparison for the terminal."""
    return "\n".join(_lines(printable(comparison)))


def render_json(comparison: Comparison) -> str:
    """The comparison for machines: `gapless.comparison/1`, every key written out."""
    return json.dumps({"schema": SCHEMA, **plain(comparison)}, indent=2, ensure_ascii=False, allow_nan=False)


def render_markdown(comparison: Comparison) -> str:
    """The comparison for a pull request."""
    return "\n\n".join(_parts(printable(comparison))) + "\n"


def _lines(c: Comparison) -> Iterator[str]:
    yield c.sentence
    yield ""
    yield f"before  {c.before.id}  {c.before.condition:12}  {c.before.target}"
    yield f"after   {c.after.id}  {c.after.condition:12}  {c.after.target}"
    yield f"{c.n_cases} shared cases, {c.n_groups} independent units; every difference is paired by case"
    for title, rows in _tables(c):
        yield ""
        cells = [(title, *_HEAD[1:]), *(_cells(row) for row in rows)]
        widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
        for line in cells:
            yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    if c.boundaries:
        yield ""
        yield "p of boundaries is adjusted for their number (Holm); intervals are 95 %, each by itself."
    for note in c.notes:
        yield f"note: {note}"


def _parts(c: Comparison) -> Iterator[str]:
    mark = {"better": "✅", "no regression": "✅", "not excluded": "⚠️", "worse": "❌"}[c.answer]
    yield f"### {mark} {prose(c.sentence)}"
    yield (
        f"before {code(c.before.id)} ({prose(c.before.condition)}), after {code(c.after.id)} ({prose(c.after.condition)}); "
        f"{c.n_cases} shared cases, {c.n_groups} independent units, paired by case"
    )
    for title, rows in _tables(c):
        yield marked_table([title, *_HEAD[1:]], [[prose(cell) for cell in _cells(row)] for row in rows])
    if c.notes:
        yield "\n".join(f"- {prose(note)}" for note in c.notes)


def _tables(c: Comparison) -> Iterable[tuple[str, tuple[Change, ...]]]:
    yield "rate", (c.success, *c.outcomes)
    if c.boundaries:
        yield "lost at", c.boundaries


def _cells(row: Change) -> tuple[str, ...]:
    p = row.p if row.p_holm is None else row.p_holm
    return (
        _NAMES.get(row.name, row.name),
        _rate(row.before),
        _rate(row.after),
        _change(row.difference),
        "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}",
    )


def _rate(estimate: Estimate) -> str:
    return "not estimable" if estimate.point is None else f"{100 * estimate.point:.1f} %"


def _change(estimate: Estimate) -> str:
    if estimate.point is None:
        return estimate.reason or "not estimable"
    if estimate.low is None or estimate.high is None:
        return f"{100 * estimate.point:+.1f}"
    return f"{100 * estimate.point:+.1f} ({100 * estimate.low:+.1f} to {100 * estimate.high:+.1f})"


def _size(found: Estimate) -> str:
    return f"{100 * abs(found.point or 0.0):.1f} points ({_interval(found)})"


def _interval(found: Estimate) -> str:
    return f"{100 * found.level:g} % interval of the change {100 * (found.low or 0.0):+.1f} to {100 * (found.high or 0.0):+.1f}"
