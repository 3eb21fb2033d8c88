"""`gapless benchmark`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gapless.cli.live import progress

if TYPE_CHECKING:
    from gapless.operations.benchmark import ComponentRate


@click.command(
    "benchmark", epilog="Example: gapless benchmark retrieve --target app.py:graph --suite suite.yaml"
)
@click.argument("steps", nargs=-1)
@click.option("--target", help="The workflow: app.py:graph; gapless.toml's when left out.")
@click.option("--suite", type=click.Path(), help="Suite with golden outputs.")
@click.option(
    "--trials", type=click.IntRange(min=1), default=1, show_default=True, help="Runs per step and case."
)
@click.option("--json", "as_json", is_flag=True, help="Print the rates as JSON.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(
    steps: tuple[str, ...], target: str | None, suite: str | None, trials: int, as_json: bool, quiet: bool
) -> int:
    """Run each step (or only STEPS) alone on golden inputs, with its own retries.

    These component rates are what the compounding prediction P is made of; reports of the same workflow and suite pick
    them up.
    """
    from gapless.operations.benchmark import benchmark_into
    from gapless.operations.loop import run_sync
    from gapless.operations.open import open_store
    from gapless.settings import locate

    place = locate()
    with open_store(place) as store, progress(quiet) as tell:
        done = run_sync(
            lambda stop: benchmark_into(
                store, target, suite, steps=steps, trials=trials, place=place, tell=tell, stop=stop
            )
        )
    if as_json:
        import msgspec

        body = {
            "schema": "gapless.benchmark/1",
            "measurement": done.measurement.id,
            "complete": done.complete,
        }
        body |= {"rates": msgspec.to_builtins(done.rates), "without": list(done.without)}
        click.echo(msgspec.json.encode(body).decode())
    else:
        from gapless.report.printable import printable

        for row in done.rates:
            click.echo(_line(row))
        for reason in printable(done.without):
            click.echo(f"not benchmarked  {reason}")
    return 0 if done.complete else 130


def _line(row: ComponentRate) -> str:
    from gapless.report.printable import printable
    from gapless.report.wording import layer, rate, shortened

    row = printable(row)
    said = rate(row.rate)
    unknown = f", {row.unknown} unknown" if row.unknown else ""
    why = f"  {shortened(row.reasons[0], 90)}" if row.reasons else ""
    name = shortened(row.step, 24)
    return f"{name:24} {layer(row.layer, row.layer_guessed):15} {said + unknown:30}{why}".rstrip()
