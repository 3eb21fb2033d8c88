"""`gapless export`."""

from __future__ import annotations

import re

import click

from gapless.errors import UsageError

_ID = re.compile(r"^[0-9A-Za-z]{1,26}$")


@click.command("export", epilog="Example: gapless export --format runs runs.jsonl.gz")
@click.argument("words", metavar="[ID] [FILE|-]", nargs=-1)
@click.option(
    "--format",
    "form",
    default="runs",
    show_default=True,
    help="runs: one JSON object a line (gapless.runs/1).",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(words: tuple[str, ...], form: str, as_json: bool) -> None:
    """Write a measurement as a run table: the newest, or the one whose id begins with ID.

    Every figure of its report can be recomputed from the file: `gapless ingest FILE && gapless report`. FILE is gzip if
    it ends in .gz, standard output when left out.
    """
    from gapless.operations.export import STDOUT, export
    from gapless.operations.open import open_store, pick

    which, file = _split(words)
    if as_json and file == STDOUT:
        raise UsageError(
            "--json and the table both print. Give the table a file: gapless export runs.jsonl --json."
        )
    with open_store() as store:
        done = export(store, pick(store, which), file, form)
    if as_json:
        import dataclasses

        import msgspec

        click.echo(msgspec.json.encode(dataclasses.asdict(done)).decode())
    elif file != STDOUT:
        from gapless.report.wording import count

        click.echo(f"{file}: {count(done.lines, 'line')} of measurement {done.measurement}", err=True)


def _split(words: tuple[str, ...]) -> tuple[str | None, str]:
    """The id and the file; of a single word, what looks like no id is the file."""
    if len(words) > 2:
        raise UsageError(f"expected at most an ID and a FILE, got {len(words)} words: {' '.join(words)}.")
    if len(words) == 2:
        return words[0], words[1]
    if words and not _ID.match(words[0]):
        return None, words[0]
    return (words[0] if words else None), "-"
