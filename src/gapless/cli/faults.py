"""`gapless faults`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gapless.cli.live import progress
from gapless.cli.show import MARKDOWN, QUIET, deliver, html_option, write

if TYPE_CHECKING:
    from gapless.records.faults import FaultMatrix

_ASKED = ("faults", "steps", "cases", "trials", "full", "bare", "concurrency", "timeout_s")
"""The options that say which part of the matrix to run."""


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
    "--fault", "faults", multiple=True, metavar="NAME", help="Only this fault; may be given several times."
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
@html_option("the matrix")
@MARKDOWN
@click.option("--json", "as_json", is_flag=True, help="Print the matrix as JSON (gapless.faults/1).")
@QUIET
def command(target: str | None, suite: str | None, list_all: bool, **options: Any) -> int:
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
        _list(options["as_json"])
        return 0
    ask = FaultsAsk(**{name: options[name] for name in _ASKED})
    place = locate()
    with open_store(place) as store, progress(options["quiet"]) as tell:
        matrix = run_sync(
            lambda stop: faults_into(store, target, suite, ask, place=place, tell=tell, stop=stop)
        )
    _show(matrix, options)
    if not matrix.complete:
        click.echo("Stopped: what was run is kept. Run the same command again to go on.", err=True)
        return 130
    broken = matrix.budget is not None and matrix.budget.verdict != "kept"
    undecided = matrix.budget is not None and matrix.budget.verdict == "undecided"
    if broken and not options["no_budget"] and not (undecided and place.settings.budget.undecided == "pass"):
        raise SystemExit(1)
    return 0


def _show(matrix: FaultMatrix, options: dict[str, Any]) -> None:
    from gapless.report.faults import render, render_json, render_markdown

    if options["html"] is not None:
        from gapless.report.html import render_faults

        write(options["html"], render_faults(matrix))
    deliver(matrix, options, render, render_json, render_markdown)


def _list(as_json: bool) -> None:
    import json

    from gapless.boundary.faults.shelf import KINDS

    if as_json:
        rows = [{"fault": k.name, "contract": k.detectable, "why": k.why} for k in KINDS]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for kind in KINDS:
        click.echo(f"{kind.name:20}{kind.detectable:9}{kind.why}")
