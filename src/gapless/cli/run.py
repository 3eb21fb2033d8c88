"""`gapless run`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    "run",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="Example: gapless run app.py --question 'What is due?'",
)
@click.option(
    "--json", "as_json", is_flag=True, help="After the program's own output, print what was recorded as JSON."
)
@click.argument("program", type=click.Path(dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(as_json: bool, program: str, arguments: tuple[str, ...]) -> int:
    """Run PROGRAM with every LangGraph graph in it recorded, no code changed.

    Every call of a graph is one trial of the condition "run". The program keeps its output and its exit code.
    """
    from gapless.operations.open import open_store
    from gapless.operations.run import run_program
    from gapless.settings import locate

    place = locate()
    with open_store(place) as store:
        ran = run_program(store, Path(program), arguments, place)
    if as_json:
        import msgspec

        body = {
            "trials": ran.trials,
            "measurements": [m.id for m in ran.measurements],
            "exit_code": ran.exit_code,
        }
        click.echo(msgspec.json.encode(body).decode())
    elif ran.trials:
        ids = " ".join(m.id for m in ran.measurements)
        click.echo(f"gapless: {ran.trials} graph calls recorded. Next: gapless report {ids}", err=True)
    else:
        click.echo("gapless: no LangGraph graph was called, nothing was recorded.", err=True)
    return ran.exit_code
