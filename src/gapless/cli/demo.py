"""`gapless demo`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gapless.cli.live import progress
from gapless.cli.show import write

if TYPE_CHECKING:
    from gapless.operations.demo import Shown
    from gapless.operations.demo_gate import GateAct
    from gapless.records.comparison import Comparison
    from gapless.settings import Place


@click.command(
    "demo",
    epilog="Example: gapless demo --html demo.html. On your own contracts, with a model of your own: "
    "gapless demo --contracts contracts/ --questions questions.jsonl --model openai:gpt-4o-mini",
)
@click.option("--cases", type=click.IntRange(min=1), help="How many cases; 60 by default, at least 10.")
@click.option(
    "--contracts",
    type=click.Path(),
    help="Folder of contracts, one per .txt or .md file: run on these instead. Needs no labels.",
)
@click.option(
    "--questions",
    type=click.Path(),
    help="What to ask about --contracts: one question per line, or cases with checks. One for each supplier by default.",
)
@click.option(
    "--cuad", type=click.Path(file_okay=False), help="Folder of CUAD contracts: run on these instead."
)
@click.option(
    "--model",
    help="Draft with another model than the embedded one: provider:model of LangChain (openai:gpt-4o-mini), "
    "or the base URL of an OpenAI-compatible endpoint (CONTRACT_RISK_MODEL names its model).",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False),
    help="Where to write the report; .gapless/demo.html by default.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print everything that was measured as JSON (gapless.demo/1)."
)
@click.option(
    "--full", is_flag=True, help="Certify the gate at alpha .03, over 1,500 suppliers: about half an hour."
)
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@click.option("--open/--no-open", "open_page", default=None, help="Open the report in a browser.")
def command(html: str | None, as_json: bool, quiet: bool, open_page: bool | None, **chosen: Any) -> int:
    """Measure the contract-risk agent on real parts: steps alone, then the workflow, then one plain prompt.

    Nothing leaves this machine, unless --model names a model elsewhere: that one is sent the findings. The first run
    downloads about 176 MB of weights, verified by hash.
    """
    from gapless.operations.open import without_steps
    from gapless.settings import locate

    _refuse(**chosen)
    place = without_steps(locate())
    shown = _run(place, quiet, **chosen)
    page = Path(html) if html else place.folder / "demo.html"
    if shown.acts:
        _write_page(shown, page)
    if as_json:
        import msgspec

        from gapless.operations.demo import as_builtins

        body = as_builtins(shown) | {"html": str(page.resolve()) if shown.acts else None}
        click.echo(msgspec.json.encode(body).decode())
    else:
        _print(shown, page)
    if shown.acts and (open_page if open_page is not None else _has_screen() and not as_json):
        click.launch(str(page))
    if not shown.complete:
        click.echo("Stopped. What was measured is kept; run the same command again to go on.", err=True)
        return 130
    return 0


def _refuse(
    *,
    cases: int | None,
    contracts: str | None,
    questions: str | None,
    cuad: str | None,
    model: str | None,
    full: bool,
) -> None:
    """Flags that exclude each other: none of them may be passed over in silence."""
    if questions and not contracts:
        raise click.UsageError("--questions are asked about --contracts: name that folder too.")
    if contracts and cuad:
        raise click.UsageError("--contracts and --cuad are two demos: choose one.")
    if cuad and (model or cases):
        raise click.UsageError(
            "--cuad asks every question of the data set, and no model: leave out --model and --cases."
        )
    if full and (contracts or cuad):
        raise click.UsageError(
            "--full certifies the gate of the agent on its own contracts: leave out --contracts and --cuad."
        )
    if cases is not None and cases < 10 and not contracts:
        raise click.BadParameter(f"{cases} is too few to say anything: at least 10.", param_hint="--cases")


def _run(
    place: Place,
    quiet: bool,
    *,
    cases: int | None,
    contracts: str | None,
    questions: str | None,
    cuad: str | None,
    model: str | None,
    full: bool,
) -> Shown:
    from gapless.operations.demo import demo, demo_contracts, find_agent
    from gapless.operations.demo_cuad import demo_cuad
    from gapless.operations.demo_stage import Stage
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
                    return await demo_cuad(agent, stage, Path(cuad))
                if contracts is not None:
                    asked = Path(questions) if questions else None
                    return await demo_contracts(
                        agent, stage, Path(contracts), questions=asked, cases=cases, model=model
                    )
                return await demo(agent, stage, cases=cases or 60, model=model, full=full)

            return run_sync(work)
    finally:
        agent.close()


def _write_page(shown: Shown, page: Path) -> None:  # the paths are told at the end, with what each page shows
    from gapless.report.html import render

    write(page, render(_headliner(shown).report), tell=False)
    for gate in shown.gates:
        from gapless.report.html import render_calibration

        write(_gate_page(page, gate), render_calibration(gate.calibration), tell=False)
    if shown.causes is not None:
        from gapless.report.html import render_causes

        write(_causes_page(page), render_causes(shown.causes), tell=False)
    for matrix in shown.matrices:
        from gapless.report.html import render_faults

        write(_beside(page, guarded=matrix.guarded), render_faults(matrix), tell=False)


def _causes_page(page: Path) -> Path:
    """Where the causes go: demo-causes.html beside demo.html."""
    return page.with_name(f"{page.stem}-causes{page.suffix}")


def _beside(page: Path, *, guarded: bool) -> Path:
    """Where the fault matrix goes: demo-faults-bare.html beside demo.html."""
    return page.with_name(f"{page.stem}-faults-{'guarded' if guarded else 'bare'}{page.suffix}")


def _gate_page(page: Path, gate: GateAct) -> Path:
    """Where a calibration goes: demo-gates-guarded.html beside demo.html."""
    return page.with_name(
        f"{page.stem}-gates-{'guarded' if 'contracts' in gate.name else 'alone'}{page.suffix}"
    )


def _headliner(shown: Shown) -> Any:
    """The act whose report is shown in full: the workflow in weather, or the last arm."""
    return next((act for act in shown.acts if act.name == "weather"), shown.acts[-1])


def _print(shown: Shown, page: Path) -> None:
    from gapless.operations.demo import summary
    from gapless.report.text import render

    if not shown.acts:
        return
    click.echo(render(_headliner(shown).report))
    rows = summary(shown)
    if len(rows) > 1:
        click.echo(_table(rows))
    if shown.comparison is not None:
        click.echo(f"\nUnder contracts against without, in the same weather: {shown.comparison.sentence}")
        click.echo("\n".join(_boundaries(shown.comparison)))
    for line in _replays(shown):
        click.echo(line)
    for matrix in shown.matrices:
        from gapless.report.faults import render as render_faults

        click.echo(render_faults(matrix, brief=True))
    for line in (*_gates(shown), *_certificates(shown)):
        click.echo(line)
    for note in shown.notes:
        click.echo(note)
    click.echo(f"\nReport: {page.resolve()}")
    for line in _pages(shown, page):
        click.echo(line)


def _pages(shown: Shown, page: Path) -> Iterator[str]:
    """Where the other pages are."""
    if shown.causes is not None:
        yield f"Causes: {_causes_page(page).resolve()}"
    for matrix in shown.matrices:
        yield f"Faults: {_beside(page, guarded=matrix.guarded).resolve()}"
    for gate in shown.gates:
        yield f"Gates:  {_gate_page(page, gate).resolve()}"


def _replays(shown: Shown) -> Iterator[str]:
    """How faithful replays are, and where they place the loss in bad weather."""
    from gapless.report.causes import render
    from gapless.report.replay import fidelity_headline

    for act, found in zip(shown.acts, shown.replays, strict=False):
        yield f"{'' if found is not shown.replays[0] else chr(10)}{act.name}: {fidelity_headline(found)}"
    if shown.causes is not None:
        yield render(shown.causes, brief=True)


def _gates(shown: Shown) -> Iterator[str]:
    """What the calibrated gates promise and what they did on fresh cases, a column for each."""
    from gapless.operations.demo_gate import gate_rows

    if not shown.gates:
        return
    made = shown.gates[0].calibration
    yield f"\nA calibrated gate before the draft (alpha {made.alpha:g}, delta {made.delta:g}), at work on fresh cases:"
    yield f"{'':34}" + "".join(f"{one.name:>30}" for one in shown.gates)
    for words, cells in gate_rows(shown.gates):
        yield f"{words:34}" + "".join(f"{cell:>30}" for cell in cells)


def _certificates(shown: Shown) -> Iterator[str]:
    """What a gate on real contracts can promise, and what it costs."""
    from gapless.report.calibration import table

    for made in shown.certificates:
        promise = made.statement.partition(". ")[0].rstrip(".")
        yield f"\nA gate on the decision, alpha {made.alpha:g}. {promise}."
        yield from (table(made) if made.certified else (f"- {line}" for line in made.advice[:2]))


def _boundaries(comparison: Comparison) -> list[str]:
    """Points lost at each boundary, without and under contracts."""
    return [
        f"  lost at {row.name:14}{_point(row.before):>8} -> {_point(row.after):>7}"
        for row in comparison.boundaries
    ]


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
