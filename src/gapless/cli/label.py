"""`gapless label`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click


@click.command("label", epilog="Example: gapless label c7#0 --wrong --blame tools --note 'price was made up'")
@click.argument("trial", metavar="CASE#TRIAL")
@click.option("--correct/--wrong", "correct", default=None, help="Whether the delivered answer was right.")
@click.option("--blame", help="The first step that went wrong, if you know it.")
@click.option("--note", default="", help="Why, in words.")
@click.option(
    "--promote",
    type=click.Path(dir_okay=False),
    help="Add the trial to this suite file as a case with golden outputs.",
)
@click.option("--measurement", help="Beginning of a measurement's id; the newest by default.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done, or the trial, as JSON.")
def command(
    trial: str,
    correct: bool | None,
    blame: str | None,
    note: str,
    promote: str | None,
    measurement: str | None,
    as_json: bool,
) -> None:
    """Look at a trial, say whether its answer was right, or promote it to a case with golden outputs.

    Without --correct, --wrong and --promote it shows what happened: input, each step, output.
    """
    from gapless.operations import label as labels
    from gapless.operations.open import open_store, pick
    from gapless.records.label import Label

    case, number = labels.parse(trial)
    with open_store() as store:
        which = pick(store, measurement)
        if correct is None and promote is None:
            _show(labels.show(store, which, case, number), which.id, as_json)
            return
        done: dict[str, Any] = {"measurement": which.id, "case": case, "trial": number}
        if correct is not None:
            new = Label(case=case, trial=number, correct=correct, blame=blame, note=note)
            before = labels.put(store, which, new)
            if before is not None and before.correct != correct:
                done["was"] = "correct" if before.correct else "wrong"
            done["label"] = "correct" if correct else "wrong"
        if promote is not None:
            labels.promote(store, which, case, number, Path(promote))
            done["promoted"] = promote
    _tell(done, as_json)


def _tell(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(done).decode())
        return
    was = f" (it was {done['was']})" if "was" in done else ""
    if "label" in done:
        click.echo(
            f"{done['case']}#{done['trial']} is labelled {done['label']}{was}. See the effect: gapless report {done['measurement']}"
        )
    if "promoted" in done:
        click.echo(
            f"{done['case']}#{done['trial']} is now a case in {done['promoted']}. Next: gapless benchmark --suite {done['promoted']}"
        )


def _show(shown: Any, measurement: str, as_json: bool) -> None:
    import dataclasses

    import msgspec

    if as_json:
        click.echo(msgspec.json.encode(dataclasses.asdict(shown)).decode())
        return
    _show_steps(shown)
    if shown.outcome in ("escalated", "failed"):
        return
    trial = shlex.quote(f"{shown.case}#{shown.trial}")
    say = f"gapless label {trial} --measurement {measurement} --correct"
    click.echo(f"\nRight or wrong? Say so: {say}   (or --wrong --blame STEP)")


def _show_steps(shown: Any) -> None:
    from gapless.report.printable import printable

    click.echo(f"{printable(shown.case)}#{shown.trial}: {shown.outcome}\n")
    if not shown.kept:
        for step, state, _ in shown.steps:
            click.echo(printable(f"{step}: {state}"))
        click.echo("\nIt came from a run table, which holds no inputs and outputs.")
        return
    click.echo(f"input\n{_pretty(shown.input)}")
    for step, state, value in shown.steps:
        click.echo(f"\n{printable(step)}: {printable(state)}\n{_pretty(value)}")
    click.echo(f"\noutput\n{_pretty(shown.output)}")


def _pretty(value: Any) -> str:
    import yaml

    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100, default_flow_style=False)
    lines = text.removesuffix("...\n").splitlines()
    shown = lines[:40] + ([f"... {len(lines) - 40} more lines (--json shows all)"] if len(lines) > 40 else [])
    return "\n".join(f"  {line}" for line in shown)
