"""`gapless demo`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gapless.cli.live import progress
from gapless.cli.show import write

if TYPE_CHECKING:
    from gapless.operations.demo import Shown
    from gapless.settings import Place


@click.command("demo", epilog="Example: gapless demo --cases 60 --html demo.html")
@click.option("--cases", type=click.IntRange(min=10), default=60, show_default=True, help="How many cases.")
@click.option(
    "--cuad", type=click.Path(file_okay=False), help="Folder of CUAD contracts: run on these instead."
)
@click.option(
    "--model", help="OpenAI-compatible endpoint (base URL) to draft with, instead of the embedded model."
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False),
    help="Where to write the report; .gapless/demo.html by default.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything that was measured as JSON.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@click.option("--open/--no-open", "open_page", default=None, help="Open the report in a browser.")
def command(
    cases: int,
    cuad: str | None,
    model: str | None,
    html: str | None,
    as_json: bool,
    quiet: bool,
    open_page: bool | None,
) -> int:
    """Measure the contract-risk agent on real parts: steps alone, then the workflow, then one plain prompt.

    Nothing leaves this machine. The first run downloads about 176 MB of weights, verified by hash.
    """
    from gapless.settings import locate

    place = locate()
    shown = _run(cases, Path(cuad) if cuad else None, model, place, quiet)
    page = Path(html) if html else place.folder / "demo.html"
    if shown.acts:
        _write_page(shown, page)
    if as_json:
        import msgspec

        from gapless.operations.demo import as_builtins

        click.echo(msgspec.json.encode(as_builtins(shown)).decode())
    else:
        _print(shown, page)
    if shown.acts and (open_page if open_page is not None else _has_screen() and not as_json):
        click.launch(str(page))
    if not shown.complete:
        click.echo("Stopped. What was measured is kept; run the same command again to go on.", err=True)
        return 130
    return 0


def _run(cases: int, cuad: Path | None, model: str | None, place: Place, quiet: bool) -> Shown:
    from gapless.operations.demo import Stage, demo, demo_cuad, find_agent
    from gapless.operations.loop import run_sync
    from gapless.operations.open import open_store

    def say(text: str) -> None:
        if not quiet:
            click.echo(f"> {text}", err=True)

    agent = find_agent()
    try:
        with open_store(place) as store, progress(quiet) as tell:

            async def work(stop: Any) -> Shown:
                stage = Stage(store=store, place=place, tell=tell, say=say, stop=stop)
                if cuad is not None:
                    return await demo_cuad(agent, stage, cuad)
                return await demo(agent, stage, cases=cases, model=model)

            return run_sync(work)
    finally:
        agent.close()


def _write_page(shown: Shown, page: Path) -> None:
    from gapless.report.html import render

    write(page, render(_headliner(shown).report))


def _headliner(shown: Shown) -> Any:
    """The act whose report is shown in full: the workflow in weather, or the last arm."""
    return next((act for act in shown.acts if act.name == "weather"), shown.acts[-1])


def _print(shown: Shown, page: Path) -> None:
    from gapless.operations.demo import summary
    from gapless.report.text import render

    if not shown.acts:
        return
    click.echo(render(_headliner(shown).report))
    click.echo(_table(summary(shown)))
    for note in shown.notes:
        click.echo(note)
    click.echo(f"\nReport: {page.resolve()}")


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [f"{'':20}{'S':>26}{'silent':>26}{'escalated':>12}{'failed':>10}"]
    for row in rows:
        cells = f"{_rate(row['success']):>26}{_rate(row['silent']):>26}"
        cells += f"{_point(row['escalated']):>12}{_point(row['failed']):>10}"
        lines.append(f"{row['name']:20}{cells}")
    return "\n".join(lines)


def _rate(estimate: Any) -> str:
    if estimate.point is None or estimate.low is None or estimate.high is None:
        return "not estimable"
    return f"{_point(estimate)} ({100 * estimate.low:.1f}-{100 * estimate.high:.1f})"


def _point(estimate: Any) -> str:
    return "-" if estimate.point is None else f"{100 * estimate.point:.1f} %"


def _has_screen() -> bool:
    return sys.stdout.isatty() and (sys.platform == "darwin" or bool(os.environ.get("DISPLAY")))
