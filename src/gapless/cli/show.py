"""How a report leaves a command: to the terminal, as JSON, as an HTML or Markdown file."""

from __future__ import annotations

from pathlib import Path

import click

from gapless.errors import UsageError
from gapless.records.report import Report


def show(report: Report, *, as_json: bool, html: str | None, markdown: str | None = None) -> None:
    """Prints a report to stdout, and writes its HTML and Markdown where they were asked for ("-" is stdout)."""
    if html is not None:
        from gapless.report.html import render as render_html

        write(Path(html), render_html(report))
    if markdown is not None:
        from gapless.report.markdown import render as render_markdown

        if markdown == "-":
            click.echo(render_markdown(report), nl=False)
            return
        write(Path(markdown), render_markdown(report))
    if as_json:
        from gapless.report.json import render as render_json

        click.echo(render_json(report))
        return
    from gapless.report.text import render

    click.echo(render(report))
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
