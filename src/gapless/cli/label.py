"""`gapless label`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gapless.cli import label_queries
from gapless.cli.review_screen import safe

if TYPE_CHECKING:
    from gapless.operations.review_labels import Taken


@click.command("label", epilog="Example: gapless label c7#0 --wrong --blame tools --note 'price was made up'")
@click.argument("trial", metavar="[CASE#TRIAL]", required=False)
@click.option("--correct/--wrong", "correct", default=None, help="Whether the delivered answer was right.")
@click.option("--blame", help="The first step that went wrong, if you know it.")
@click.option("--note", default="", help="Why, in words.")
@click.option(
    "--promote",
    type=click.Path(dir_okay=False),
    help="Add the trial, or the reviewed handoff, to this suite file as a case with golden outputs.",
)
@click.option(
    "--cause",
    is_flag=False,
    flag_value="",
    metavar="[STEP]",
    help="With --promote: the trial was lost, and replay shows that this step is the cause; without STEP, what --attribute found.",
)
@click.option("--from-review", "review", metavar="ID", help="Make a label of a reviewer's decision instead.")
@click.option(
    "--from-reviews", "every", is_flag=True, help="Make labels of all decisions that have none yet."
)
@label_queries.options
@click.option("--measurement", help="Beginning of a measurement's id; the newest by default.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done, or the trial, as JSON.")
def command(
    trial: str | None,
    correct: bool | None,
    blame: str | None,
    note: str,
    promote: str | None,
    measurement: str | None,
    as_json: bool,
    **decisions: Any,
) -> None:
    """Look at a trial, say whether its answer was right, or promote it to a case with golden outputs.

    A lost trial becomes a case with --cause, once `gapless replay` has found what lost it.

    Without --correct, --wrong and --promote it shows what happened: input, each step, output. With --from-review ID or
    --from-reviews it takes what reviewers decided about handoffs. With --queries FOLDER it proposes labelled queries for a
    retriever, one passage of the texts after the other, and asks you about each: accept, edit, reject, skip or quit.
    """
    from gapless.errors import UsageError

    said = (trial, correct, blame, note or None, measurement)
    queries = label_queries.taken(decisions)
    if queries is not None:
        others = (*said, promote, decisions["cause"], decisions["review"], decisions["every"] or None)
        if any(word is not None for word in others):
            raise UsageError(
                "--queries goes with --out, --count, --unanswerable, --model, --extractive, --as, --accept-all and --json."
            )
        label_queries.carry_out(queries, as_json)
        return
    if decisions["review"] is not None or decisions["every"]:
        both = decisions["review"] is not None and decisions["every"]
        if both or any(word is not None for word in said):
            raise UsageError(
                "--from-review and --from-reviews go with --promote and --json, and with nothing else."
            )
        _from_reviews(decisions["review"], promote, as_json)
        return
    if trial is None:
        raise UsageError(
            "name a trial, as in `gapless label c7#0`, or decisions: --from-review ID, --from-reviews."
        )
    if decisions["cause"] is not None:
        if promote is None or correct is not None or blame is not None:
            raise UsageError("--cause goes with --promote SUITE, and with neither --correct nor --wrong.")
        _promote_cause(trial, decisions["cause"] or None, promote, measurement, as_json)
        return
    _label_trial(trial, correct, blame, note, promote, measurement, as_json)


def _promote_cause(
    trial: str, cause: str | None, promote: str, measurement: str | None, as_json: bool
) -> None:
    import msgspec

    from gapless.operations.label import parse
    from gapless.operations.open import open_store, pick
    from gapless.operations.regression import promote_cause

    case, number = parse(trial)
    with open_store() as store:
        written = promote_cause(store, pick(store, measurement), case, number, cause, Path(promote))
    if as_json:
        click.echo(msgspec.json.encode({"promoted": promote, "case": written}).decode())
        return
    goldens = ", ".join(name for name in written["golden"] if name != "end")
    click.echo(f"Added case {written['id']} to {promote}, with golden outputs of {goldens}.")
    click.echo(f"Next: {_benchmark(promote)}")


def _label_trial(
    trial: str,
    correct: bool | None,
    blame: str | None,
    note: str,
    promote: str | None,
    measurement: str | None,
    as_json: bool,
) -> None:
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


def _from_reviews(review: str | None, promote: str | None, as_json: bool) -> None:
    import msgspec

    from gapless.operations.review_labels import open_labelling
    from gapless.report.json import plain

    file = Path(promote) if promote is not None else None
    with open_labelling() as labelling:
        done = labelling.take_all(file) if review is None else [labelling.take(review, file)]
    if as_json:
        click.echo(msgspec.json.encode(plain(done if review is None else done[0])).decode())
        return
    if not done:
        click.echo(
            "No decision is without its label."
            if file is None
            else "Every decision is labelled and in its file."
        )
    for taken in done:
        click.echo(_taken(taken, file is not None))
    if file is not None and any(taken.promoted for taken in done):
        click.echo(f"Next: {_benchmark(str(file))}")


def _benchmark(file: str) -> str:
    """What to type next; the workflow with it where no gapless.toml names it."""
    from gapless.settings import locate

    known = locate().settings.workflow is not None
    return f"gapless benchmark --suite {_quoted(file)}{'' if known else ' --target app.py:graph'}"


def _taken(taken: Taken, wanted: bool) -> str:
    label = taken.label
    said = "right" if label.correct else "wrong"
    note = f": {label.note}" if label.note else ""
    lines = [f"review {label.review}: what {label.step} handed over is labelled {said} (by {label.by}){note}"]
    if wanted and taken.case is None:
        lines.append(f"  no case: {taken.why_no_case}.")
    elif wanted:
        there = "is now" if taken.case_is_new else "was already"
        golden = (
            "" if "golden" in (taken.case or {}) else ", without a golden output: nobody said what is right"
        )
        lines.append(f"  review-{label.review} {there} a case in {taken.promoted}{golden}.")
    return "\n".join(safe(line) for line in lines)


def _quoted(text: str) -> str:
    return shlex.quote(safe(text))


def _tell(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(done).decode())
        return
    trial = safe(f"{done['case']}#{done['trial']}")
    was = f" (it was {done['was']})" if "was" in done else ""
    if "label" in done:
        click.echo(
            f"{trial} is labelled {done['label']}{was}. See the effect: gapless report {done['measurement']}"
        )
    if "promoted" in done:
        file = safe(done["promoted"])
        click.echo(f"{trial} is now a case in {file}. Next: {_benchmark(done['promoted'])}")


def _show(shown: Any, measurement: str, as_json: bool) -> None:
    import dataclasses

    import msgspec

    if as_json:
        click.echo(msgspec.json.encode(dataclasses.asdict(shown)).decode())
        return
    _show_steps(shown)
    if shown.outcome in ("escalated", "failed"):
        return
    trial = _quoted(f"{shown.case}#{shown.trial}")
    say = f"gapless label {trial} --measurement {measurement} --correct"
    click.echo(f"\nRight or wrong? Say so: {say}   (or --wrong --blame STEP)")


def _show_steps(shown: Any) -> None:
    click.echo(f"{safe(shown.case)}#{shown.trial}: {shown.outcome}\n")
    if not shown.kept:
        for step, state, _ in shown.steps:
            click.echo(safe(f"{step}: {state}"))
        click.echo("\nIt came from a run table, which holds no inputs and outputs.")
        return
    click.echo(f"input\n{_pretty(shown.input)}")
    for step, state, value in shown.steps:
        click.echo(f"\n{safe(step)}: {safe(state)}\n{_pretty(value)}")
    click.echo(f"\noutput\n{_pretty(shown.output)}")


def _pretty(value: Any) -> str:
    import yaml

    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100, default_flow_style=False)
    lines = text.removesuffix("...\n").splitlines()
    shown = lines[:40] + ([f"... {len(lines) - 40} more lines (--json shows all)"] if len(lines) > 40 else [])
    return "\n".join(f"  {safe(line)}" for line in shown)
