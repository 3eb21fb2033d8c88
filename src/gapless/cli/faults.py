"""`gapless faults`."""

from __future__ import annotations

from pathlib import Path

import click

from gapless.cli.live import progress
from gapless.cli.show import deliver, write


@click.command(
    "faults",
    epilog="Example: gapless faults app.py:graph --suite suite.yaml --fault hang --fault partial-answer --html faults.html",
)
@click.argument("target", required=False)
@click.option("--suite", "suite", type=click.Path(), help="Suite (YAML, JSONL, CSV, .py).")
@click.option(
    "--cases",
    type=click.IntRange(min=1),
    help="Cases in each cell; 12 by default, fewer where the matrix is large.",
)
@click.option("--trials", type=click.IntRange(min=1), default=1, help="Trials per case.")
@click.option(
    "--fault", "names", multiple=True, metavar="NAME", help="Only this fault; may be given several times."
)
@click.option(
    "--step",
    "steps",
    multiple=True,
    metavar="STEP",
    help="Only at this step's exit; may be given several times.",
)
@click.option("--full", is_flag=True, help="Every cell with all of these cases, however long it takes.")
@click.option("--bare", is_flag=True, help="Contracts only look: what the workflow does without them.")
@click.option("--list", "list_all", is_flag=True, help="List the faults instead.")
@click.option("--concurrency", type=click.IntRange(min=1), help="Trials in flight at once.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.001),
    help="Seconds a trial may take; by default five times the slowest one without a fault, and what contracts allow.",
)
@click.option("--no-budget", is_flag=True, help="Do not enforce [budget] max_silent_failures.")
@click.option("--html", type=click.Path(dir_okay=False), help="Also write the matrix as one HTML file.")
@click.option(
    "--markdown",
    type=click.Path(dir_okay=False, allow_dash=True),
    is_flag=False,
    flag_value="-",
    metavar="[FILE|-]",
    help="Also write it as Markdown; without FILE, print that instead.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the matrix as JSON (gapless.faults/1).")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(  # noqa: PLR0913 - click hands over one parameter per option
    target: str | None,
    suite: str | None,
    cases: int | None,
    trials: int,
    names: tuple[str, ...],
    steps: tuple[str, ...],
    full: bool,
    bare: bool,
    list_all: bool,
    concurrency: int | None,
    timeout_s: float | None,
    no_budget: bool,
    html: str | None,
    markdown: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Break a workflow on purpose at every step, and see what becomes of each fault.

    TARGET is as for `gapless measure`. Every trial is held against the same case without the fault. Run the same command
    again to go on where it stopped.
    """
    from gapless.operations.fault_cells import FaultsAsk
    from gapless.operations.faults import faults_into
    from gapless.operations.loop import run_sync
    from gapless.operations.open import open_store
    from gapless.settings import locate

    if list_all:
        _list(as_json)
        return 0
    ask = FaultsAsk(
        faults=names,
        steps=steps,
        cases=cases,
        trials=trials,
        full=full,
        bare=bare,
        concurrency=concurrency,
        timeout_s=timeout_s,
    )
    place = locate()
    with open_store(place) as store, progress(quiet) as tell:
        matrix = run_sync(
            lambda stop: faults_into(store, target, suite, ask, place=place, tell=tell, stop=stop)
        )
    _show(matrix, html, markdown, as_json=as_json)
    if not matrix.complete:
        click.echo("Stopped: what was run is kept. Run the same command again to go on.", err=True)
        return 130
    broken = matrix.budget is not None and matrix.budget.verdict != "kept"
    undecided = matrix.budget is not None and matrix.budget.verdict == "undecided"
    if broken and not no_budget and not (undecided and place.settings.budget.undecided == "pass"):
        raise SystemExit(1)
    return 0


def _show(matrix: object, html: str | None, markdown: str | None, *, as_json: bool) -> None:
    from gapless.records.faults import FaultMatrix
    from gapless.report.faults import render, render_json, render_markdown

    assert isinstance(matrix, FaultMatrix)
    if html is not None:
        from gapless.report.html import render_faults

        write(Path(html), render_faults(matrix))
    deliver(matrix, text=render, json=render_json, marked=render_markdown, as_json=as_json, markdown=markdown)


def _list(as_json: bool) -> None:
    import json

    from gapless.boundary.faults.shelf import KINDS

    if as_json:
        rows = [{"fault": k.name, "contract": k.detectable, "why": k.why} for k in KINDS]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for kind in KINDS:
        click.echo(f"{kind.name:20}{kind.detectable:9}{kind.why}")
