"""A replay beside what it replays, and how faithful replays are: for the terminal, for machines, for a pull request."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gapless.records.replay import Change, CrossingPair, Fidelity, ReplayDiff
from gapless.report.json import plain
from gapless.report.marked import code, prose
from gapless.report.marked import table as marked_table
from gapless.report.printable import printable
from gapless.report.terminal.console import written
from gapless.report.wording import count, duration, listed, rate, shortened

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = "gapless.replay/1"
FIDELITY = "gapless.fidelity/1"
STATUS: dict[str, str] = {
    "kept": "kept",
    "edited": "edited",
    "same": "ran, same",
    "changed": "ran, changed",
    "new": "new",
    "gone": "not passed",
}
_SAID = {
    "kept": "served from the tape",
    "edited": "handed over something else",
    "same": "ran again and came out the same",
    "changed": "ran again and came out different",
    "new": "not in the recorded trial",
    "gone": "not passed again",
}
_STYLES = {
    "edited": "yellow",
    "changed": "yellow",
    "new": "magenta",
    "gone": "magenta",
    "kept": "bright_black",
}
_CHANGES, _ROOM, _NAME = 3, 60, 40


def headline(diff: ReplayDiff) -> str:
    """What became of the trial, and what was done to it.

    Example:
        >>> from gapless.records.origin import Origin
        >>> headline(ReplayDiff(origin=Origin(measurement="01", case="c", trial=0), replay="02", before="wrong", after="correct"))
        'c#0 ended wrong; replayed from the beginning it ends correct.'
    """
    origin = diff.origin
    done = [f"the golden output of {step}" for step in origin.golden]
    done += [f"another value at {at}" for at in origin.edits if at.partition("#")[0] not in origin.golden]
    given = f" with {listed(done)}" if done else ""
    start = f" from {origin.start}" if origin.start else "" if done else " from the beginning"
    ends = f"it ends {diff.after}" if diff.after != diff.before else f"it ends {diff.after} again"
    return f"{origin.case}#{origin.trial} ended {diff.before}; replayed{start}{given} {ends}."


def counts(diff: ReplayDiff) -> str:
    """How many crossings were kept, edited, ran again, and came out otherwise."""
    found = Counter(pair.status for pair in diff.crossings)
    said = [f"{found[status]} {words}" for status, words in _SAID.items() if found[status]]
    return f"{count(len(diff.crossings), 'crossing')}: {', '.join(said)}."


def render(diff: ReplayDiff, *, width: int | None = None, color: bool | None = None) -> str:
    """The two trials side by side, for the terminal."""
    shown = printable(diff)
    return written(lambda console: _write(console, shown), width=width, color=color)


def render_json(diff: ReplayDiff) -> str:
    """For machines: `gapless.replay/1`, every key written out."""
    body = {"schema": SCHEMA, "headline": headline(diff), **plain(diff)}
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False, default=repr)


def render_markdown(diff: ReplayDiff) -> str:
    """For a pull request."""
    shown = printable(diff)
    rows = (
        [
            code(name(pair), _NAME),
            recorded(pair),
            prose(f"{STATUS[pair.status]} {now(pair)}".strip()),
            prose("; ".join(told(pair))),
        ]
        for pair in shown.crossings
    )
    parts = [f"**{prose(headline(shown))}**", prose(counts(shown))]
    parts.append(marked_table(["crossing", "recorded", "replay", "what changed"], rows, words=4))
    parts += [f"- {prose(line)}" for line in (*endings(shown), *shown.warnings)]
    return "\n\n".join(parts) + "\n"


def name(pair: CrossingPair) -> str:
    """A crossing's address: the visit only where there are several."""
    branch = f"[{pair.branch}]" if pair.branch is not None else ""
    return f"{pair.step}{branch}" + (f"#{pair.visit}" if pair.visit > 1 else "")


def recorded(pair: CrossingPair) -> str:
    """What the recorded trial had there: verdict and time."""
    if pair.before_ms is None:
        return ""
    return f"{_ok(pair.before_ok, pair.before_error)} {duration(pair.before_ms)}".strip()


def now(pair: CrossingPair) -> str:
    """What the replay had there."""
    if pair.after_ms is None:
        return ""
    took = "" if pair.status in ("kept", "edited") else duration(pair.after_ms)
    return f"{_ok(pair.after_ok, pair.after_error)} {took}".strip()


def told(pair: CrossingPair, most: int = _CHANGES) -> list[str]:
    """What changed at a crossing, a line for each place."""
    lines = [change(one) for one in pair.handoff[:most]]
    if len(pair.handoff) > most:
        lines.append(f"and {count(len(pair.handoff) - most, 'more place')}")
    if pair.before_error != pair.after_error:
        lines.append(
            f"raised {pair.after_error}" if pair.after_error else f"no longer raised {pair.before_error}"
        )
    return lines + list(pair.verdicts)


def change(one: Change) -> str:
    """One place that differs, in words.

    Example:
        >>> change(Change(path="total", before=3, after=10)), change(Change(path="docs[1]", after=[3, 4], kind="added"))
        ('total: 3 -> 10', 'docs[1]: + [3, 4]')
    """
    where = f"{one.path}: " if one.path else ""
    if one.kind == "added":
        return f"{where}+ {value(one.after)}"
    if one.kind == "removed":
        return f"{where}- {value(one.before)}"
    return f"{where}{value(one.before)} -> {value(one.after)}"


def endings(diff: ReplayDiff) -> Iterator[str]:
    """What the end looks like now."""
    for verdict in diff.verdicts:
        yield f"end check {verdict}"
    for one in diff.output[:_CHANGES]:
        yield f"final output {change(one)}"
    if len(diff.output) > _CHANGES:
        yield f"final output: and {count(len(diff.output) - _CHANGES, 'more place')}"
    if diff.after_why and diff.after_why != diff.before_why:
        yield f"why: {diff.after_why}"


def next_steps(diff: ReplayDiff) -> Iterator[tuple[str, str]]:
    """(why, command)."""
    trial = shlex.quote(f"{diff.origin.case}#{diff.origin.trial}")
    yield "Look at the replayed trial", f"gapless label {trial} --measurement {diff.replay}"
    if diff.before in ("wrong", "failed") and diff.after == "correct" and len(diff.origin.golden) == 1:
        blame = shlex.quote(diff.origin.golden[0])
        yield (
            "Keep it as a case, so that this leak is caught next time",
            f"gapless label {trial} --measurement {diff.origin.measurement} --cause {blame} --promote SUITE.yaml",
        )


def _write(console: Console, diff: ReplayDiff) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console.print()
    console.print(f"replay of {diff.origin.measurement} · kept as {diff.replay}", style="dim")
    console.print(headline(diff), style="bold")
    console.print(counts(diff))
    console.print()
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="dim"
    )
    for head in ("crossing", "recorded", "replay", "what changed"):
        table.add_column(head, overflow="fold")
    for pair in diff.crossings:
        status = Text(STATUS[pair.status], style=_STYLES.get(pair.status, ""))
        after = now(pair)
        status.append(f"  {after}" if after else "", style="")
        table.add_row(Text(shortened(name(pair), _NAME)), recorded(pair), status, Text("\n".join(told(pair))))
    console.print(table)
    console.print()
    for line in endings(diff):
        console.print(line)
    for line in diff.warnings:
        console.print(line, style="yellow")
    for why, command in next_steps(diff):
        console.print(f"{why}:")
        console.print(f"  {command}", style="cyan", soft_wrap=True)


def _ok(ok: bool | None, error: str | None) -> str:
    if error is not None:
        return "raised"
    return "" if ok is None else "pass" if ok else "fail"


def value(held: Any) -> str:
    """A value in a line: JSON, cut where it is longer than anybody reads."""
    return shortened(json.dumps(held, ensure_ascii=False, default=repr), _ROOM)


# -- fidelity -----------------------------------------------------------------------------------------------------


def fidelity_headline(found: Fidelity) -> str:
    """How many replays came out as recorded."""
    start = f" from {found.start}" if found.start else ""
    if not found.replayed:
        return "No trial was replayed."
    return (
        f"Replayed unchanged{start}: ended as recorded {rate(found.outcome)}; the same at every crossing "
        f"{rate(found.handoffs)}."
    )


def render_fidelity(found: Fidelity, *, width: int | None = None, color: bool | None = None) -> str:
    """How faithful replays are, for the terminal."""
    shown = printable(found)

    def write(console: Console) -> None:
        console.print()
        console.print(f"replays of {shown.measurement} · kept as {shown.replay}", style="dim")
        console.print(fidelity_headline(shown), style="bold")
        for line in _fidelity_lines(shown):
            console.print(line)

    return written(write, width=width, color=color)


def render_fidelity_json(found: Fidelity) -> str:
    """For machines: `gapless.fidelity/1`."""
    body = {"schema": FIDELITY, "headline": fidelity_headline(found), **plain(found)}
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False)


def render_fidelity_markdown(found: Fidelity) -> str:
    """For a pull request."""
    shown = printable(found)
    lines = [f"- {prose(line.strip())}" for line in _fidelity_lines(shown)]
    return "\n".join([f"**{prose(fidelity_headline(shown))}**", "", *lines]) + "\n"


def _fidelity_lines(found: Fidelity) -> Iterator[str]:
    for reason in found.reasons:
        yield f"  {count(reason.count, 'trial')}: {reason.reason} ({', '.join(reason.examples)})"
    if found.unstable:
        steps = listed([f"{step} ({number})" for step, number in found.unstable.items()])
        yield f"Steps that handed over something else in the same state: {steps}."
    if found.skipped:
        yield f"{count(found.skipped, 'trial')} never came to {found.start}: left out."
    if not found.complete:
        yield f"Not finished: {found.replayed} of {found.trials} trials. Run the same command again to go on."
