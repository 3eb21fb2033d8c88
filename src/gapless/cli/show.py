"""How a report leaves a command: to the terminal, as JSON, as an HTML or Markdown file.

A file is written whole or not at all, its folder is made where it is missing, and its path is told on stderr.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from gapless.records.report import Report

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

MARKDOWN = click.option(
    "--markdown",
    type=click.Path(dir_okay=False, allow_dash=True),
    is_flag=False,
    flag_value="-",
    metavar="[FILE|-]",
    help="Also write it as Markdown; without FILE, print that instead.",
)
QUIET = click.option("--quiet", is_flag=True, help="No progress on stderr.")


def html_option(what: str) -> Callable[[F], F]:
    """The option --html, by which a command writes "the report" as a page too."""
    return click.option(
        "--html", type=click.Path(dir_okay=False), help=f"Also write {what} as one HTML file."
    )


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

        write(html, render_html(report))
    if markdown is not None:
        from gapless.report.markdown import render as render_markdown

        text = render_markdown(report)
        if budget is not None:
            from gapless.report.budget import render_markdown as render_budget

            text = f"{render_budget(budget)}\n{text}"
        if markdown == "-":
            click.echo(text, nl=False)
            return
        write(markdown, text)
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


def deliver(
    found: T,
    options: Mapping[str, Any],
    text: Callable[[T], str],
    json: Callable[[T], str],
    marked: Callable[[T], str],
) -> None:
    """Prints a result to stdout as text or JSON, and writes its Markdown where it was asked for ("-" is stdout).

    Args:
        found: The result.
        options: What the command was given, `as_json` and `markdown` among it.
        text: Its face in a terminal.
        json: Its face for programs.
        marked: Its face as Markdown.
    """
    markdown = options["markdown"]
    if markdown not in (None, "-"):
        write(markdown, marked(found))
    if options["as_json"]:
        click.echo(json(found))
    elif markdown == "-":
        click.echo(marked(found), nl=False)
    else:
        click.echo(text(found))


def write(file: str | Path, text: str, *, tell: bool = True) -> None:
    """Writes a file whole or not at all, in a folder that is made where it is missing, and tells where it is.

    Raises:
        UsageError: It cannot be written there.
    """
    from gapless.operations.whole_file import write_whole

    path = Path(file)
    write_whole(path, text)
    if tell:
        click.echo(f"written: {path.resolve()}", err=True)
