"""Ranked suspects in words, for the terminal, for machines and for a pull request."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from gapless.records.suspects import Suspect, SuspectedStep, Suspects, TrialSuspects
from gapless.report.json import plain
from gapless.report.marked import code, prose
from gapless.report.marked import table as marked_table
from gapless.report.printable import printable
from gapless.report.terminal.console import written
from gapless.report.wording import OUTCOMES, count, layer, listed, rate, shortened

SCHEMA = "gapless.suspects/1"
MEANING = (
    "Suspected, not shown: a score is a visit's part of the evidence in its trial, to say where to look first. It is no "
    "probability; only a replay with another output shows what a step does to a trial."
)
_TRIALS, _SUSPECTS, _REASONS, _ROOM = 10, 3, 3, 32
_ALL = "--json has all of it"


def headline(suspects: Suspects) -> str:
    """What the ranking says, in one or two sentences."""
    size = f"{count(suspects.n_lost, 'lost trial')} of {suspects.n_trials}"
    if not suspects.n_lost:
        return f"Nothing to rank: {size}."
    told = sum(trial.told_apart for trial in suspects.trials)
    if not told:
        return f"No step is suspected more than another: {size}, and no evidence sets any step visit apart."
    named = [f"{shortened(row.step, _ROOM)} {rate(row.share, n=False)}" for row in suspects.steps[:3]]
    return f"Suspected first, as a share of {size}: {listed(named)}."


def place(suspect: Suspect) -> str:
    """Where a suspect stands, in the words of the trace.

    Example:
        >>> place(Suspect(step="tool call", visit=3, position=9, message=17, score=0.4))
        'tool call, visit 3 (message 17)'
        >>> place(Suspect(step="search", branch=2, position=4, score=0.4))
        'search[2]'
    """
    name = shortened(suspect.step, _ROOM) + ("" if suspect.branch is None else f"[{suspect.branch}]")
    visit = f", visit {suspect.visit}" if suspect.visit > 1 else ""
    return name + visit + ("" if suspect.message is None else f" (message {suspect.message})")


def notes(suspects: Suspects) -> Iterator[str]:
    """What must be read with the ranking."""
    yield from suspects.notes
    if suspects.n_lost:
        yield f"Evidence is weighed by how rare it is in {count(suspects.n_correct, 'correct trial')} of the same measurement."
        yield MEANING


def next_steps(suspects: Suspects) -> Iterator[tuple[str, str]]:
    """(why, command) for whoever wants to know more."""
    first = next((trial for trial in suspects.trials if trial.told_apart), None)
    if first is not None and first.suspects:
        trial = shlex.quote(f"{first.case}#{first.trial}")
        yield "Look at a lost trial", f"gapless label {trial} --measurement {suspects.measurement}"


def render(
    suspects: Suspects, *, width: int | None = None, color: bool | None = None, trials: int = _TRIALS
) -> str:
    """The ranking for the terminal.

    Args:
        suspects: What to show.
        width: Columns; those of the terminal by default.
        color: ANSI colours; by default only where stdout is a terminal.
        trials: How many lost trials are told one by one.
    """
    return written(lambda console: _write(console, printable(suspects), trials), width=width, color=color)


def render_json(suspects: Suspects) -> str:
    """The ranking for machines: `gapless.suspects/1`, every key written out."""
    body = {"schema": SCHEMA, "headline": headline(suspects), **plain(suspects)}
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False)


def render_markdown(suspects: Suspects, *, trials: int = _TRIALS) -> str:
    """The ranking for a pull request.

    Args:
        suspects: What to show.
        trials: How many lost trials are told one by one.
    """
    return "\n\n".join(_parts(printable(suspects), trials)) + "\n"


def _write(console: object, suspects: Suspects, trials: int) -> None:
    from rich.console import Console

    assert isinstance(console, Console)
    console.print()
    console.print(
        f"{shortened(suspects.target, 80)} · {shortened(suspects.condition, 40)} · suspects", style="dim"
    )
    console.print(headline(suspects), style="bold")
    if suspects.steps:
        console.print()
        console.print(_table(suspects.steps))
    for trial in suspects.trials[:trials]:
        _write_trial(console, trial)
    if len(suspects.trials) > trials:
        more = count(len(suspects.trials) - trials, "more lost trial")
        console.print(f"\n… and {more}: {_ALL}.", style="dim")
    for why, command in next_steps(suspects):
        console.print(f"\n{why}:")
        console.print(f"  {command}", soft_wrap=True)
    console.print()
    for note in notes(suspects):
        console.print(f"- {note}", style="dim")


def _write_trial(console: object, trial: TrialSuspects) -> None:
    from rich.console import Console

    assert isinstance(console, Console)
    console.print(f"\n{_title(trial)}", style="bold")
    if not trial.told_apart:
        console.print("  no evidence sets any of them apart", style="dim")
        return
    for number, suspect in enumerate(trial.suspects[:_SUSPECTS], 1):
        console.print(f"  {number}. {suspect.score:.2f}  {place(suspect)}")
        for reason in suspect.reasons[:_REASONS]:
            console.print(f"           {reason}", style="dim")


def _title(trial: TrialSuspects) -> str:
    outcome = dict(OUTCOMES)[trial.outcome]
    return f"{trial.case}#{trial.trial} · {outcome} · {count(trial.visits, 'step visit')}"


def _table(steps: tuple[SuspectedStep, ...]) -> object:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("step", "layer", "suspected first in", "such as"):
        table.add_column(name)
    for row in steps:
        cells = (shortened(row.step, _ROOM), layer(row.layer, row.layer_guessed), rate(row.share))
        table.add_row(*map(Text, cells), Text(", ".join(row.examples)))
    return table


def _parts(suspects: Suspects, trials: int) -> Iterator[str]:
    yield f"### {prose(headline(suspects))}"
    rows = [
        [
            code(row.step),
            layer(row.layer, row.layer_guessed),
            rate(row.share),
            ", ".join(map(code, row.examples)),
        ]
        for row in suspects.steps
    ]
    if rows:
        yield marked_table(["step", "layer", "suspected first in", "such as"], rows, words=4)
    for trial in suspects.trials[:trials]:
        yield "\n".join(_marked(trial))
    if len(suspects.trials) > trials:
        yield f"… and {count(len(suspects.trials) - trials, 'more lost trial')}."
    if steps := [f"- {prose(why)}: {code(command, 400)}" for why, command in next_steps(suspects)]:
        yield "\n".join(steps)
    if found := [f"- {prose(note)}" for note in notes(suspects)]:
        yield "\n".join(found)


def _marked(trial: TrialSuspects) -> Iterator[str]:
    yield f"**{prose(_title(trial))}**"
    if not trial.told_apart:
        yield "\nNo evidence sets any of them apart."
        return
    yield ""
    for number, suspect in enumerate(trial.suspects[:_SUSPECTS], 1):
        yield f"{number}. {suspect.score:.2f} {prose(place(suspect))}"
        yield from (f"   - {prose(reason)}" for reason in suspect.reasons[:_REASONS])
