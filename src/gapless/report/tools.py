"""Lint and drift of tools in words: for the terminal, for machines, for a pull request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gapless.records.tools import (
    CHANGE_KINDS,
    AnswerBreach,
    ChangeKind,
    Drift,
    Linted,
    ToolCalled,
    ToolChange,
)
from gapless.report.json import plain
from gapless.report.marked import code, prose
from gapless.report.marked import table as marked_table
from gapless.report.printable import printable
from gapless.report.terminal.console import written
from gapless.report.wording import count, listed, shortened

if TYPE_CHECKING:
    from rich.console import Console

LINT, DIFF, CALL = "gapless.tools-lint/1", "gapless.tools-diff/1", "gapless.tools-call/1"
_STYLES: dict[str, str] = {
    "breaking": "bold red",
    "fail": "bold red",
    "answers": "bold red",
    "inferred": "yellow",
    "compatible": "green",
    "description": "yellow",
    "warn": "yellow",
}
_ROOM, _BEFORE = 60, 20


def lint_headline(made: Linted) -> str:
    """How many tools, and how much is wrong with them.

    Example:
        >>> lint_headline(Linted())
        '0 tools: nothing to say against them.'
    """
    tools = count(sum(len(offer.tools) for offer in made.offers), "tool")
    fails = sum(issue.severity == "fail" for issue in made.issues)
    parts = [f"{fails} failed"] if fails else []
    parts += [f"{len(made.issues) - fails} to look at"] if len(made.issues) > fails else []
    return f"{tools}: {listed(parts) or 'nothing to say against them'}.{_not_asked(made)}"


def _not_asked(made: Linted | Drift) -> str:
    """How many servers nothing is known of, as further sentences."""
    said = f" {count(len(made.unheard), 'server')} could not be asked." if made.unheard else ""
    if isinstance(made, Drift) and made.unreviewed:
        said += f" {count(len(made.unreviewed), 'server')} nobody reviewed."
    return said


def _servers(made: Linted | Drift) -> Iterator[tuple[str, str]]:
    """The servers that nothing is known of, each with why."""
    yield from ((one.server, one.said) for one in made.unheard)
    for server in made.unreviewed if isinstance(made, Drift) else ():
        yield server, "the lock holds nothing of it. Review its tools, and keep them: gapless tools lock"


def diff_headline(drift: Drift) -> str:
    """Whether the tools are as reviewed.

    Example:
        >>> diff_headline(Drift(lock="tools.lock.json", tools=3))
        '3 tools, as reviewed.'
    """
    tools = count(drift.tools, "tool")
    answers = ""
    if drift.held:
        broken = f"{len(drift.answers)} with answers that are not" if drift.answers else "all as locked"
        answers = f" {count(drift.held, 'answer')} held against the lock: {broken}."
    if not drift.changes:
        return f"{tools}, as reviewed.{answers}{_not_asked(drift)}"
    parts = [f"{number} {kind}" for kind in CHANGE_KINDS if (number := _number(drift, kind))]
    changed = len({(change.server, change.tool) for change in drift.changes})
    return f"{tools} now; changes that nobody reviewed in {changed}: {listed(parts)}.{answers}{_not_asked(drift)}"


def answer_line(one: AnswerBreach) -> str:
    """A tool whose answers are not as its lock says, in words; an inferred schema is called that.

    Example:
        >>> answer_line(AnswerBreach(server="s", tool="t", inferred=True, said="id: not a string", broken=1, answers=5))
        '1 of 5 answers is not as inferred from earlier ones (never declared): id: not a string'
    """
    against = "inferred from earlier ones (never declared)" if one.inferred else "declared"
    verb = "is" if one.broken == 1 else "are"
    return f"{one.broken} of {count(one.answers, 'answer')} {verb} not as {against}: {one.said}"


def _number(drift: Drift, kind: ChangeKind) -> int:
    return sum(change.kind == kind for change in drift.changes)


def render_lint(made: Linted, *, width: int | None = None, color: bool | None = None) -> str:
    """Lint for the terminal."""
    shown = printable(made)

    def write(console: Console) -> None:
        console.print(lint_headline(shown), style="bold")
        for offer in shown.offers:
            about = " · ".join(part for part in (offer.name, offer.server, offer.protocol) if part)
            console.print(f"\n{about} · {count(len(offer.tools), 'tool')}", style="dim")
            _lines(console, ((i.severity, i.tool, i.said) for i in shown.issues if i.server == offer.name))
            if offer.noise:
                said = f"{count(offer.noise, 'line')} on its stdout, no message: logs belong on stderr"
                console.print(said, style="yellow")
        _lines(console, (("fail", server, said) for server, said in _servers(shown)))

    return written(write, width=width, color=color)


def render_diff(drift: Drift, *, width: int | None = None, color: bool | None = None) -> str:
    """Drift for the terminal."""
    shown = printable(drift)

    def write(console: Console) -> None:
        console.print(diff_headline(shown), style="bold")
        _lines(console, ((c.kind, _of(c, shown), _change(c)) for c in shown.changes))
        _lines(console, ((_mark(a), _of(a, shown), answer_line(a)) for a in shown.answers))
        _lines(console, (("fail", server, said) for server, said in _servers(shown)))
        if shown.changes:
            console.print(
                "\nReviewed? gapless tools lock --accept TOOL keeps one, --accept all every one.",
                style="cyan",
            )

    return written(write, width=width, color=color)


def lint_json(made: Linted) -> str:
    """Lint for machines: `gapless.tools-lint/1`."""
    return _json({"schema": LINT, "headline": lint_headline(made), **plain(made)})


def diff_json(drift: Drift, **more: object) -> str:
    """Drift for machines: `gapless.tools-diff/1`."""
    body = {"schema": DIFF, "headline": diff_headline(drift), "worst": drift.worst, **plain(drift)}
    return _json({**body, **plain(dict(more))})


def lint_markdown(made: Linted) -> str:
    """Lint for a pull request."""
    shown = printable(made)
    rows = [[i.severity, code(i.tool), prose(i.said), code(i.rule)] for i in shown.issues]
    rows += [["fail", code(server), prose(said), ""] for server, said in _servers(shown)]
    return _markdown(lint_headline(shown), ["", "tool", "found", "rule"], rows)


def diff_markdown(drift: Drift) -> str:
    """Drift for a pull request."""
    shown = printable(drift)
    rows = [
        [c.kind, code(_of(c, shown)), prose(c.said), code(c.where) if c.where else "", prose(_from_to(c))]
        for c in shown.changes
    ]
    rows += [[_mark(a), code(_of(a, shown)), prose(answer_line(a)), "", ""] for a in shown.answers]
    rows += [["fail", code(server), prose(said), "", ""] for server, said in _servers(shown)]
    return _markdown(diff_headline(shown), ["", "tool", "change", "where", "was, is"], rows)


def render_call(made: ToolCalled, *, width: int | None = None, color: bool | None = None) -> str:
    """One call for the terminal."""
    shown = printable(made)

    def write(console: Console) -> None:
        answer = shown.answer
        console.print(f"{shown.server} · {shown.tool} · {answer.ended} in {answer.ms:.0f} ms", style="bold")
        if shown.refused_by_schema:
            console.print(
                f"its own schema refuses these arguments: {shown.refused_by_schema}", style="yellow"
            )
        if shown.breach:
            console.print(f"the answer breaks the output schema: {shown.breach}", style="bold red")
        if shown.disguise:
            console.print("the answer calls itself a success and is an error:", style="bold red")
        if answer.progress:
            console.print(f"progress: {' -> '.join(f'{one:g}' for one in answer.progress)}", style="dim")
        console.print(answer.text, markup=False, highlight=False)

    return written(write, width=width, color=color)


def call_json(made: ToolCalled) -> str:
    """One call for machines: `gapless.tools-call/1`."""
    return _json({"schema": CALL, **plain(made)})


def _json(body: dict[str, object]) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False)


def _markdown(headline: str, heads: list[str], rows: list[list[str]]) -> str:
    parts = [f"**{prose(headline)}**"]
    parts += [marked_table(heads, rows, words=len(heads))] if rows else []
    return "\n\n".join(parts) + "\n"


def _lines(console: Console, rows: Iterable[tuple[str, str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    lines = Table.grid(padding=(0, 2, 0, 0))
    for fold in (False, True, True):
        lines.add_column(overflow="fold", no_wrap=not fold)
    for mark, tool, said in rows:
        lines.add_row(Text(mark, style=_STYLES[mark]), Text(tool), Text(said))
    if lines.row_count:
        console.print(lines)


def _mark(one: AnswerBreach) -> str:
    return "inferred" if one.inferred else "answers"


def _of(change: ToolChange | AnswerBreach, drift: Drift) -> str:
    return f"{change.server}: {change.tool}" if len(drift.servers) > 1 else change.tool


def _change(change: ToolChange) -> str:
    where = f" ({change.where})" if change.where not in ("", "title", "description", "annotations") else ""
    was = _from_to(change) if change.kind == "description" else ""
    return f"{change.said}{where}{': ' + was if was else ''}"


def _from_to(change: ToolChange) -> str:
    """Both texts of a change of words, from where they part: a reader has to see what is promised now."""
    if not (isinstance(change.before, str) or isinstance(change.after, str)):
        return ""
    was, now = (" ".join(str(text or "").split()) for text in (change.before, change.after))
    same = next((n for n, (one, other) in enumerate(zip(was, now, strict=False)) if one != other), len(was))
    start = was.rfind(" ", 0, max(0, same - _BEFORE)) + 1 if was and now else 0
    return " -> ".join(f"“{'…' if start else ''}{shortened(text[start:], _ROOM)}”" for text in (was, now))
