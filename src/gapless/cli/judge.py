"""`gapless judge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gapless.records.report import Report


@click.command("judge", epilog="Example: gapless judge --draw 30")
@click.argument("measurement", metavar="[ID]", required=False)
@click.option(
    "--draw", type=click.IntRange(min=0), default=10, show_default=True, help="How many trials to name."
)
@click.option(
    "--labels",
    type=click.Path(dir_okay=False, exists=True),
    help="First take people's labels from a file: CSV or JSON Lines with `trial` and `correct`.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(measurement: str | None, draw: int, labels: str | None, as_json: bool) -> None:
    """Hold a model's end verdicts against people's, and draw the trials whose labels are needed next.

    The trials come in an order that has nothing to do with how they ended: label them from the top, all of them, and the
    judge's two rates are unbiased. The report then corrects S for its errors.
    """
    from gapless.operations import judge
    from gapless.operations.open import open_store, pick
    from gapless.operations.report import report_on

    taken = 0
    with open_store() as store:
        which = pick(store, measurement)
        if labels is not None:
            taken = judge.put_file(store, which, Path(labels))
        report = report_on(store, which)
        names = judge.to_label(store, which, draw)
    body = {"measurement": which.id, "labels_taken": taken, "label_next": names}
    if as_json:
        import json

        from gapless.report.json import as_builtins

        gap = as_builtins(report)["gap"]
        click.echo(json.dumps({**body, "judge": gap["judge"], "verdict_sources": gap["verdict_sources"]}))
        return
    _tell(report, body)


def _tell(report: Report, body: dict[str, Any]) -> None:
    import shlex

    from gapless.report.printable import printable
    from gapless.report.sections.judge import judge

    if body["labels_taken"]:
        click.echo(f"{body['labels_taken']} labels taken.\n")
    section = judge(printable(report.gap))
    if section is None:
        click.echo(f"No end verdict of {body['measurement']} is a model's: there is no judge to measure.")
        return
    click.echo(f"{section.lead}\n")
    for name, figure in section.rows:
        click.echo(f"{name:<38}{figure}")
    if section.under:
        click.echo(section.under)
    if not body["label_next"]:
        click.echo("\nEvery trial that the judge decided has a label.")
        return
    click.echo("\nLabel these next, all of them and in this order (see, then add --correct or --wrong):")
    for name in body["label_next"]:
        click.echo(f"  gapless label {shlex.quote(name)} --measurement {body['measurement']}")
