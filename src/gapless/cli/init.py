"""`gapless init`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("init", epilog="Example: gapless init app.py:graph")
@click.argument("target")
@click.option("--folder", type=click.Path(file_okay=False, exists=True), default=".", help="Where to write.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found and written as JSON.")
def command(target: str, folder: str, as_json: bool) -> None:
    """Write gapless.toml and a first suite.yaml from an existing workflow; nothing is overwritten.

    TARGET is app.py:graph or package.module:name. Its steps are listed with the layer each belongs to; a guess is
    marked with "?".
    """
    from gapless.operations.init import scaffold

    done = scaffold(target, Path(folder))
    if as_json:
        import msgspec

        body = {"files": done.files, "kept": done.kept, "shape": msgspec.to_builtins(done.shape)}
        click.echo(msgspec.json.encode(body).decode())
        return
    for step in done.shape.steps:
        marks = [name for name in ("router", "review", "effect") if getattr(step, name)]
        layer = step.layer + ("?" if step.layer_guessed else "")
        click.echo(f"{step.name:32} {layer:15} {' '.join(marks)}".rstrip())
    for name in done.files:
        click.echo(f"wrote {name}", err=True)
    for name in done.kept:
        click.echo(f"kept {name}: it was there already", err=True)
    click.echo("Next: put cases into suite.yaml, then `gapless measure`.", err=True)
