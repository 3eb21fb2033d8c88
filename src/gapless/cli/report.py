"""`gapless report`."""

from __future__ import annotations

import click

from gapless.cli.show import show
from gapless.records.measurement import Measurement


@click.command("report", epilog="Example: gapless report --html report.html")
@click.argument("measurement", metavar="[ID]", required=False)
@click.option("--list", "list_all", is_flag=True, help="List the measurements instead.")
@click.option("--html", type=click.Path(dir_okay=False), help="Also write the report as one HTML file.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON (gapless.report/1).")
def command(measurement: str | None, list_all: bool, html: str | None, as_json: bool) -> None:
    """Show a measurement: the newest, or the one whose id begins with ID.

    Everything is computed from the recorded facts each time, with the labels given since.
    """
    from gapless.operations.open import open_store, pick
    from gapless.operations.report import report_on

    with open_store() as store:
        if list_all:
            _list(store.measurements(), as_json)
            return
        report = report_on(store, pick(store, measurement))
    show(report, as_json=as_json, html=html)


def _list(measurements: list[Measurement], as_json: bool) -> None:
    import msgspec

    if as_json:
        click.echo(msgspec.json.encode(measurements).decode())
        return
    for m in measurements:
        state = "complete" if m.finished_at is not None else "incomplete"
        click.echo(
            f"{m.id}  {m.kind:9}  {m.condition:12}  {m.cases} cases x {m.trials}  {state:10}  {m.target}"
        )
