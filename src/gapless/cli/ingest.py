"""`gapless ingest`."""

from __future__ import annotations

import time

import click

from gapless.operations.progress import Progress, silent

_EVERY_S = 5.0


@click.command("ingest", epilog="Example: gapless ingest runs.jsonl.gz && gapless report")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--format", "form", help="run-table or tau-bench; told from how each file begins when left out."
)
@click.option("--arm", help="Condition of the runs, for formats that name none.")
@click.option("--json", "as_json", is_flag=True, help="Print what was taken in as JSON.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(files: tuple[str, ...], form: str | None, arm: str | None, as_json: bool, quiet: bool) -> None:
    """Take in runs that gapless did not make: run tables (gapless.runs/1) and tau-bench results.

    FILE may be gzip; "-" is standard input. Several files are one table. Each condition becomes a measurement; a file
    with a bad line is refused whole.
    """
    from gapless.operations.ingest import ingest
    from gapless.settings import locate

    done = ingest(locate(), files, form=form, arm=arm, tell=silent if quiet else _Lines())
    if as_json:
        import msgspec

        measurements = [
            {"id": m.id, "arm": m.condition, "runs": done.runs[m.condition], "cases": m.cases}
            for m in done.measurements
        ]
        body = {"schema": "gapless.ingest/1", "known": done.known, "measurements": measurements}
        body |= {"components": done.components, "replays": done.replays, "notes": list(done.notes)}
        click.echo(msgspec.json.encode(body).decode())
        return
    from gapless.report.printable import printable
    from gapless.report.wording import count, shortened

    for m in done.measurements:
        said = f"{count(done.runs[m.condition], 'trial')} of {count(m.cases, 'case')}"
        click.echo(
            f"{m.id}  {shortened(printable(m.condition), 40)}  {said}{', known already' if done.known else ''}"
        )
    if done.components:
        click.echo(f"{count(done.components, 'component run')} with them")
    if done.replays:
        click.echo(f"{count(done.replays, 'replay')} of lost trials with them")
    for note in done.notes:
        click.echo(printable(note), err=True)
    click.echo(f"Next: gapless report {done.measurements[0].id}", err=True)


class _Lines:
    """A line on stderr now and then: how long a file is shows only at its end."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, update: Progress) -> None:
        if time.monotonic() - self._last > _EVERY_S:
            self._last = time.monotonic()
            click.echo(f"{update.done:,} {update.what} read", err=True)
