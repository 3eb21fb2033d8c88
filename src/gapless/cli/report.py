"""`gapless report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gapless.cli.show import MARKDOWN, html_option, show, write
from gapless.errors import UsageError
from gapless.records.measurement import Measurement

if TYPE_CHECKING:
    from gapless.stores.store import Store


@click.command("report", epilog="Example: gapless report --html report.html")
@click.argument("measurement", metavar="[ID]", required=False)
@click.option("--list", "list_all", is_flag=True, help="List the measurements instead.")
@html_option("the report")
@MARKDOWN
@click.option("--junit", type=click.Path(dir_okay=False), help="Also write JUnit XML, a test case per trial.")
@click.option(
    "--compare",
    "earlier",
    metavar="ID",
    help="Hold it against an earlier measurement, case by case; exit code 1 where a loss is not excluded.",
)
@click.option(
    "--margin",
    type=click.FloatRange(min=0, max=1),
    help="Loss of S that --compare tolerates; else [budget] max_regression, else 0.03.",
)
@click.option(
    "--budget", is_flag=True, help="Hold it against [budget] in gapless.toml; exit code 1 where that says no."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON (gapless.report/1).")
def command(  # noqa: PLR0913 - click hands over one parameter per option
    measurement: str | None,
    list_all: bool,
    earlier: str | None,
    margin: float | None,
    budget: bool,
    html: str | None,
    markdown: str | None,
    junit: str | None,
    as_json: bool,
) -> None:
    """Show a measurement: the newest, or the one whose id begins with ID.

    Everything is computed from the recorded facts each time, with the labels given since.
    """
    import msgspec

    from gapless.operations.budget import check
    from gapless.operations.open import open_store, pick
    from gapless.operations.report import report_on, run_table
    from gapless.settings import locate

    if as_json and markdown == "-":
        raise UsageError("--json and --markdown both print. Give one of them a file: --markdown report.md.")
    with open_store() as store:
        if list_all:
            _list(store.measurements(), as_json)
            for error in store.damaged():
                click.echo(f"gapless: left out: {error}", err=True)
            return
        picked = pick(store, measurement)
        if earlier is not None:
            if html is not None or junit is not None:
                raise UsageError("--compare prints text, --json or --markdown. Leave --html and --junit out.")
            _compare(store, store.measurement(earlier), picked, margin, as_json, markdown)
            return
        report = report_on(store, picked)
        if budget:
            held = check(store, picked, locate().settings.budget)
            report = msgspec.structs.replace(report, budget=held)
        if junit is not None:
            from gapless.report.junit import render

            write(junit, render(report, run_table(store, picked)))
    show(report, as_json=as_json, html=html, markdown=markdown)
    if report.budget is not None and not report.budget.passes:
        raise SystemExit(1)


def _compare(
    store: Store,
    before: Measurement,
    after: Measurement,
    margin: float | None,
    as_json: bool,
    markdown: str | None,
) -> None:
    from gapless.operations.compare import compare
    from gapless.report.comparison import render, render_json, render_markdown
    from gapless.settings import locate

    tolerated = margin if margin is not None else locate().settings.budget.max_regression
    found = compare(store, before, after, margin=tolerated)
    if markdown == "-":
        click.echo(render_markdown(found), nl=False)
    else:
        if markdown is not None:
            write(markdown, render_markdown(found))
        click.echo(render_json(found) if as_json else render(found))
    if not found.passes:
        raise SystemExit(1)


def _list(measurements: list[Measurement], as_json: bool) -> None:
    import msgspec

    from gapless.report.printable import printable
    from gapless.report.wording import count

    if as_json:
        click.echo(msgspec.json.encode(measurements).decode())
        return
    cells = [m for m in measurements if m.kind == "fault"]
    for m in printable([m for m in measurements if m.kind != "fault"]):
        state = "complete" if m.finished_at is not None else "incomplete"
        click.echo(
            f"{m.id}  {m.kind:9}  {m.condition:12}  {m.cases} cases x {m.trials}  {state:10}  {m.target}"
        )
    if cells:
        click.echo(
            f"and {count(len(cells), 'cell')} of fault matrices, which `gapless faults` shows; --json has them."
        )
