"""A checkup in words: for the terminal, for machines, for a pull request."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gapless.records.finding import USUAL, Checkup, CheckupLimit, Figure, Finding, Status
from gapless.records.trend import TrendPoint
from gapless.records.workflow import Layer
from gapless.report.json import plain
from gapless.report.marked import prose
from gapless.report.marked import table as marked_table
from gapless.report.printable import printable
from gapless.report.terminal.console import written
from gapless.report.wording import amount, count, listed, percent, three_digits

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

MOST_FIGURES = 3
"""Shown at once; the page folds the others away, the terminal leaves them to it and to JSON."""
_NAMED_BY = {
    "workflow": "--target app.py:graph",
    "retriever": "[checkup] retriever",
    "tools": "[checkup.servers.NAME]",
    "model": "--url and --model",
}
"""How a user names what the reference agent stands in for."""
SCHEMA = "gapless.checkup/1"
_BY_TIME: frozenset[Layer] = frozenset(("hardware", "model", "tool"))
"""Layers that take samples for as long as they may."""
_STANDS_IN: dict[str, Layer] = {"retriever": "context", "tools": "tool", "model": "model"}
"""What the reference agent stands in for -> the layer whose findings are then about its own."""
_BESIDE = "interference"
"""Its finding is about the host and the model, which others name already."""
_LONGEST_NAME = 60
MARKS: dict[Status, str] = {"ok": "ok", "warn": "warn", "fail": "FAIL", "not-applicable": "–"}
STYLES: dict[Status, str] = {
    "ok": "green",
    "warn": "yellow",
    "fail": "bold red",
    "not-applicable": "bright_black",
}
_SAID = {
    "fail": "failed",
    "warn": "to look at",
    "undecided": "ok? (not shown yet)",
    "ok": "ok",
    "not-applicable": "not applicable",
}
"""The worst first."""


def headline(made: Checkup) -> str:
    """How many lines of the checklist hold.

    Example:
        >>> headline(Checkup(id="01"))
        'Nothing was looked at.'
    """
    if not made.findings:
        return "Nothing was looked at."
    parts = _counted(made.findings)
    return f"{count(len(made.findings), 'line')} of the checklist in {count(len({one.layer for one in made.findings}), 'layer')}: {listed(parts)}."


def demands(made: Checkup) -> list[CheckupLimit]:
    """What the budget demanded; the usual demand alone, where it is kept, goes without saying."""
    usual = len(made.budget) == 1 and made.budget[0].name in (USUAL, "fail_on") and made.passes
    return [] if usual else list(made.budget)


def demand(line: CheckupLimit) -> str:
    """A demand and what was found; it is no budget's where none is set.

    Example:
        >>> demand(CheckupLimit(name="fail_on", verdict="broken", sentence="no finding may fail: ttft"))
        'budget, broken: no finding may fail: ttft'
    """
    return line.sentence if line.name == USUAL else f"budget, {line.verdict}: {line.sentence}"


def held_against(finding: Finding) -> bool:
    """Whether its target is to be shown beside it: where it does not hold, or is not shown to."""
    return finding.status in ("warn", "fail") or bool(finding.undecided)


def by_layer(made: Checkup) -> Iterator[tuple[Layer, list[Finding]]]:
    """Each layer of which something was found, with that; of others nobody was asked before it was stopped."""
    for layer in made.layers:
        if findings := [finding for finding in made.findings if finding.layer == layer]:
            yield layer, findings


def urgent(made: Checkup) -> list[tuple[Layer, list[Finding]]]:
    """What does not hold, by layer: failures first, in the order of the checklist."""
    found: list[tuple[Layer, list[Finding]]] = []
    for layer, lines in by_layer(made):
        if open_ones := [one for status in ("fail", "warn") for one in lines if one.status == status]:
            found.append((layer, open_ones))
    return found


def about(made: Checkup) -> str:
    """What was looked at, short: the workflow, and what findings name that is neither the host nor a stand-in.

    Example:
        >>> one = Finding(probe="ttft", layer="model", title="t", status="ok", said="so", subject="m, host:8000/v1")
        >>> about(Checkup(id="01", findings=(one,))), about(Checkup(id="02"))
        ('m, host:8000/v1', 'this host')
    """
    own = {_STANDS_IN.get(what.split(" ")[0]) for what in made.stand_ins} | {"hardware"}
    named = (f.subject for f in made.findings if f.layer not in own and f.probe != _BESIDE)
    nothing = "the reference agent" if made.stand_ins else "this host"
    return "; ".join(_short(one) for one in dict.fromkeys((made.subject, *named)) if one) or nothing


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def longer(made: Checkup) -> str:
    """What "ok?" means, and what would show more; empty where all is shown.

    Example:
        >>> longer(Checkup(id="01"))
        ''
    """
    layers = {finding.layer for finding in made.findings if finding.undecided}
    if not layers:
        return ""
    more = ": --seconds 60 shows more." if layers & _BY_TIME else ". More cases would show it."
    return f"ok?: meets its target, but too little was seen to show it{more}"


def tally(findings: list[Finding]) -> str:
    """How a layer's lines came out.

    Example:
        >>> tally([Finding(probe="p", layer="tool", title="t", status="ok", said="so")])
        '1 ok'
    """
    return ", ".join(_counted(findings))


def _counted(findings: Iterable[Finding]) -> list[str]:
    """How many lines came out in each way, the worst first; what is undecided is not among the ok."""
    found = Counter(mark_class(finding) for finding in findings)
    return [f"{found[one]} {said}" for one, said in _SAID.items() if found[one]]


def mark(finding: Finding | TrendPoint) -> str:
    """The mark before a line: "ok?" where it holds by its figure and not yet by its interval.

    Example:
        >>> mark(Finding(probe="p", layer="tool", title="t", status="ok", said="so", undecided="7 of 7"))
        'ok?'
    """
    return MARKS[finding.status] + ("?" if finding.undecided else "")


def mark_class(finding: Finding | TrendPoint) -> str:
    """A finding's status, or "undecided" for an ok that its interval does not show."""
    return "undecided" if finding.undecided else finding.status


def figure(one: Figure) -> str:
    """A figure with what it stands on.

    Example:
        >>> figure(Figure(name="triad", value=24.51, unit="GB/s", low=20.0, high=25.0, spread="slowest and fastest of 12 passes"))
        'triad: 24.5 GB/s (20 to 25; slowest and fastest of 12 passes)'
    """
    value, limits = amount(one.value, one.unit), None
    if one.low is not None and one.high is not None:
        shown = percent if one.unit == "share" else three_digits
        limits = (shown(one.low), shown(one.high))
    spread = f" ({limits[0]} to {limits[1]}{'; ' + one.spread if one.spread else ''})" if limits else ""
    return f"{one.name}: {value}{spread}"


def told(finding: Finding) -> tuple[Figure, ...]:
    """The few figures that add something to the sentence: those with an interval, else what is more than a count.

    Example:
        >>> some = (Figure(name="nodes", value=1), Figure(name="p50", value=5.5, unit="ms"))
        >>> [one.name for one in told(Finding(probe="p", layer="tool", title="t", status="ok", said="so", figures=some))]
        ['p50']
    """
    more = [one for one in finding.figures if one.low is not None]
    more = more or [one for one in finding.figures if not _repeated(one, finding.said)]
    return tuple(more[:MOST_FIGURES])


def _repeated(one: Figure, said: str) -> bool:
    if one.unit == "" or one.unit.startswith("of "):
        return True
    value = percent(one.value) if one.unit == "share" else three_digits(one.value)
    return value in said


def stand_in(made: Checkup) -> str:
    """Whose the findings are, where nothing of the user's was named; empty where all was.

    Example:
        >>> stand_in(Checkup(id="01", stand_ins=("model (smollm2)",)))
        'The reference agent stands in for your model (smollm2): what fails there is its own, not yours. Name yours: --url and --model.'
    """
    if not made.stand_ins:
        return ""
    ways = [_NAMED_BY[what.split(" ")[0]] for what in made.stand_ins if what.split(" ")[0] in _NAMED_BY]
    return (
        f"The reference agent stands in for your {listed(list(made.stand_ins))}: what fails there is its own, not yours."
        f" Name yours: {', '.join(ways)}."
    )


def grouped(findings: list[Finding]) -> list[list[Finding]]:
    """A layer's findings in their order; lines that could not be measured for one and the same reason together.

    Example:
        >>> lines = [Finding(probe=p, layer="tool", title=p, status="not-applicable", said="no tools") for p in "ab"]
        >>> [[one.probe for one in group] for group in grouped(lines)]
        [['a', 'b']]
    """
    groups: dict[object, list[Finding]] = {}
    for place, one in enumerate(findings):
        groups.setdefault(one.said if one.status == "not-applicable" else place, []).append(one)
    return list(groups.values())


def titles(group: list[Finding]) -> str:
    """The lines of a group in one."""
    return "; ".join(one.title for one in group)


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
    parts += [prose(stand_in(shown))] if shown.stand_ins else []
    for layer, findings in by_layer(shown):
        rows = (
            [
                mark(group[0]),
                prose(titles(group)),
                prose(group[0].said),
                prose(group[0].undecided or group[0].next_step),
            ]
            for group in grouped(findings)
        )
        parts += [f"### {layer}", marked_table(["", "line", "found", "next step"], rows, words=4)]
    parts += [f"- {prose(demand(line))}" for line in demands(shown)]
    parts += [f"- {prose(note)}" for note in shown.notes]
    return "\n\n".join(parts) + "\n"


def render_history(made: list[Checkup], *, width: int | None = None, color: bool | None = None) -> str:
    """Earlier checkups, the newest first."""

    def write(console: Console) -> None:
        for one in printable(made):
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.created_at))
            console.print(f"{one.id}  {when}  {headline(one)}  {about(one)}", style=STYLES[one.worst])

    return written(write, width=width, color=color)


def _write(console: Console, made: Checkup) -> None:
    console.print()
    console.print(f"checkup {made.id} · {about(made)} · {made.seconds:.0f} s", style="dim")
    console.print(headline(made), style="bold")
    if made.stand_ins:
        console.print(stand_in(made), style="yellow")
    for layer, findings in by_layer(made):
        console.print()
        console.print(layer, style="bold")
        failed = {one.said for one in findings if one.status == "fail"}
        for group in grouped(findings):
            _line(console, group, repeats=group[0].status != "fail" and group[0].said in failed)
    console.print()
    if any(len(finding.figures) > len(told(finding)) for finding in made.findings):
        console.print("All figures: --html FILE or --json.", style="dim")
    if meant := longer(made):
        console.print(meant, style="dim")
    for line in demands(made):
        style = "green" if line.verdict == "kept" else "bold red" if line.verdict == "broken" else "yellow"
        console.print(demand(line), style=style)
    for note in made.notes:
        console.print(f"- {note}", style="yellow")
    if not made.complete:
        console.print("Stopped: the other probes were not asked.", style="yellow")


def _line(console: Console, group: list[Finding], *, repeats: bool) -> None:
    """A line of the checklist; what is to be typed stands unbroken on a line of its own, so that it can be copied."""
    from rich.table import Table
    from rich.text import Text

    first = group[0]
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_column(justify="right", no_wrap=True, min_width=4)
    row.add_column(overflow="fold")
    row.add_row(Text(mark(first), style=STYLES[first.status]), _body(group, repeats))
    console.print(row)
    if first.command:
        console.print(Text(f"       {first.command}", style="cyan"), soft_wrap=True)


def _body(group: list[Finding], repeats: bool) -> Text:
    """What was found, with a few figures; for a line that does not hold also the target and what to do."""
    from rich.text import Text

    finding = group[0]
    if len(group) > 1:
        why = "for the reason above" if repeats else finding.said
        return Text.assemble(f"{len(group)} lines: {why}", (f"\n{titles(group)}", "dim"))
    body = Text.assemble((finding.title, "bold" if finding.status == "fail" else ""), f": {finding.said}")
    for one in told(finding):
        body.append(f"\n{figure(one)}", style="dim")
    if finding.undecided:
        body.append(f"\nnot shown yet: {finding.undecided}")
    if held_against(finding):
        body.append(f"\ntarget: {finding.target} ({finding.target_source})", style="dim")
        body.append(f"\n{finding.next_step}" if finding.next_step else "")
    return body
