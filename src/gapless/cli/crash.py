"""`gapless crash`."""

from __future__ import annotations

from typing import Any

import click

from gapless.cli.live import progress
from gapless.cli.show import MARKDOWN, QUIET, deliver

_ASKED = ("steps", "durabilities", "checkpointer", "case", "full", "jobs")
"""The options that say what to kill, and where."""


@click.command(
    "crash", epilog="Example: gapless crash app.py:graph --suite suite.yaml --step pay --durability exit"
)
@click.argument("target", required=False)
@click.option("--suite", "--cases", "suite", type=click.Path(), help="Suite, or inputs without labels.")
@click.option("--case", metavar="ID", help="Which case to run; the first by default.")
@click.option(
    "--step", "steps", multiple=True, metavar="STEP", help="Kill only here; may be given several times."
)
@click.option(
    "--durability",
    "durabilities",
    multiple=True,
    type=click.Choice(["sync", "async", "exit"]),
    help="Only in this mode; may be given several times. All three by default.",
)
@click.option(
    "--checkpointer", metavar="URL", help="postgresql://... instead of SQLite files. Needs gapless[postgres]."
)
@click.option("--full", is_flag=True, help="Kill at every step, however long it takes.")
@click.option("--jobs", type=click.IntRange(min=1), default=2, help="Processes at once; 2 by default.")
@MARKDOWN
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON (gapless.crash/1).")
@QUIET
def command(target: str | None, suite: str | None, **options: Any) -> int:
    """Kill a workflow at every moment of every step, resume it, and count what happens twice and what is lost.

    TARGET is app.py:graph or package.module:name; each life is a process of its own. Exit code 1 where, under contracts,
    an effect or a decision counted twice or a run was lost without a trace. Run the same command again to go on.
    """
    from gapless.operations.crash import CrashAsk, crash
    from gapless.operations.loop import run_sync
    from gapless.report.crash import render, render_json, render_markdown

    ask = CrashAsk(**{name: options[name] for name in _ASKED})
    with progress(options["quiet"]) as tell:
        table = run_sync(lambda stop: crash(target, suite, ask=ask, tell=tell, stop=stop))
    deliver(table, options, render, render_json, render_markdown)
    if not table.complete:
        click.echo("Stopped: what was done is kept. Run the same command again to go on.", err=True)
        return 130
    if table.harm:
        raise SystemExit(1)
    return 0
