"""How a report leaves a command: to the terminal, as JSON, as an HTML or Markdown file."""

from __future__ import annotations

from pathlib import Path

import click

from gapless.errors import UsageError
from gapless.records.report import Report


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
