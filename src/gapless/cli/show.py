"""How a report leaves a command: to the terminal, as JSON, as an HTML or Markdown file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from gapless.errors import UsageError
from gapless.records.report import Report

T = TypeVar("T")


def show(
    report: Report,
    *,
    as_json: bool,
    html: str | None,
    markdown: str | None = None,
) -> None:
    """Prints a report to stdout, and writes its HTML and Markdown where they were asked for ("-" is stdout).

    A budget's answer goes with it: below the text, before the Markdown, within the JSON (and, for people, on stderr).
    """
    budget = report.budget
    if html is not None:
        from gapless.report.html import render as render_html

        write(Path(html), render_html(report))
    if markdown is not None:
        from gapless.report.markdown import render as render_markdown

        text = render_markdown(report)
        if budget is not None:
            from gapless.report.budget import render_markdown as render_budget

            text = f"{render_budget(budget)}\n{text}"
        if markdown == "-":
            click.echo(text, nl=False)
            return
        write(Path(markdown), text)
    if as_json:
        from gapless.report.json import render as render_json

        click.echo(render_json(report))
        if budget is not None:
            from gapless.report.budget import render as budget_text

            click.echo(budget_text(budget), err=True)
        return
    from gapless.report.text import render

    click.echo(render(report))
    if budget is not None:
        from gapless.report.budget import render as budget_text

        click.echo(budget_text(budget))
    if html is not None:
        click.echo(f"HTML: {Path(html).resolve()}", err=True)


def deliver(
    found: T,
    *,
    text: Callable[[T], str],
    json: Callable[[T], str],
    marked: Callable[[T], str],
    as_json: bool,
    markdown: str | None,
) -> None:
    """Prints a result to stdout as text or JSON, and writes its Markdown where it was asked for ("-" is stdout)."""
    if markdown not in (None, "-"):
        write(Path(str(markdown)), marked(found))
    if as_json:
        click.echo(json(found))
    elif markdown == "-":
        click.echo(marked(found), nl=False)
    else:
        click.echo(text(found))


def write(path: Path, text: str) -> None:
    """Writes a file whole or not at all.

    Raises:
        UsageError: It cannot be written there.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}). Choose another path.") from error
