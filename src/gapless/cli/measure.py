"""`gapless measure`."""

from __future__ import annotations

from typing import Any

import click

from gapless.cli.live import progress
from gapless.cli.show import QUIET, html_option, show


@click.command(
    "measure",
    epilog="Example: gapless measure app.py:graph --cases inputs.jsonl --trials 3 --html report.html",
)
@click.argument("target", required=False)
@click.option(
    "--suite",
    "--cases",
    "suite",
    type=click.Path(),
    help="Suite (YAML, JSONL, CSV, .py), or inputs without labels.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    help="Independent executions per case. More extends a measurement.",
)
@click.option(
    "--condition",
    help="Name it is kept under: guarded for a workflow under contracts, else baseline. baseline: guards only look; shadow: gates let pass.",
)
@click.option(
    "--weather", help="Faults to inject, seeded per trial: module:NAME or file.py:NAME of a Weather."
)
@click.option("--seed", type=int, help="Root of every trial's seed; the suite's own by default.")
@click.option("--concurrency", type=click.IntRange(min=1), help="Trials in flight at once.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0.001), help="Seconds a trial may take.")
@click.option(
    "--baseline",
    type=click.Choice(["prompt"]),
    help="Then ask one plain prompt ([prompt] in gapless.toml) about the same cases: is the workflow worth its steps?",
)
@click.option(
    "--until",
    type=click.Choice(["decided"]),
    help="Stop as soon as [budget] min_success or max_silent_failures is decided, by a confidence sequence.",
)
@click.option(
    "--against",
    metavar="ID",
    help="With --until decided: decide whether this differs from an earlier measurement.",
)
@click.option(
    "--reviewer",
    metavar="MODULE:FUNCTION",
    help="Decides where a trial stops for a person; the trial stays escalated, and what that comes to is told beside it.",
)
@click.option("--no-budget", is_flag=True, help="Do not enforce the [budget] of gapless.toml at the end.")
@html_option("the report")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON (gapless.report/1).")
@QUIET
def command(  # noqa: PLR0913 - click hands over one parameter per option
    target: str | None,
    suite: str | None,
    weather: str | None,
    baseline: str | None,
    reviewer: str | None,
    no_budget: bool,
    html: str | None,
    as_json: bool,
    quiet: bool,
    **options: object,
) -> int:
    """Run cases x trials of a workflow, recorded, and say where its reliability goes.

    TARGET is app.py:graph or package.module:name; gapless.toml's `workflow` when left out. Works without labels: what
    looks like a silent failure is then reported as suspected. Run the same command again to resume or, with more
    --trials, to extend.
    """
    import msgspec

    from gapless.operations.after_review import after_review
    from gapless.operations.budget import check, limits
    from gapless.operations.loop import run_sync
    from gapless.operations.measure import Ask, measure_into
    from gapless.operations.open import import_object, open_store
    from gapless.operations.prompt_baseline import measure_both
    from gapless.operations.report import report_on
    from gapless.settings import locate

    if options.get("against") and not options.get("until"):
        raise click.UsageError(
            "--against is a question for --until decided; for a whole comparison use `gapless report --compare`."
        )
    ask = Ask(
        weather=import_object(weather) if weather else None,
        weather_name=weather,
        reviewer=_reviewer(reviewer),
        **options,  # type: ignore[arg-type]
    )
    place = locate()
    with open_store(place) as store, progress(quiet) as tell:
        run = measure_both if baseline else measure_into
        measured = run_sync(lambda stop: run(store, target, suite, ask, place=place, tell=tell, stop=stop))
        report = report_on(store, measured.measurement)
        budget = place.settings.budget
        if measured.complete and limits(budget) and not no_budget:
            held = check(store, measured.measurement, budget)
            report = msgspec.structs.replace(report, budget=held)
        reviewed = after_review(store, measured.measurement) if reviewer else {}
    show(report, as_json=as_json, html=html)
    if reviewer:
        told = ", ".join(f"{n} {_CAME_TO[outcome]}" for outcome, n in reviewed.items()) or "nothing was asked"
        click.echo(f"After review by {reviewer}, of the escalated trials: {told}.", err=as_json)
    if not measured.complete:
        click.echo(
            f"Stopped: {measured.done} of {measured.total} trials are kept. Run the same command again to go on.",
            err=True,
        )
        return 130
    if report.budget is not None and not report.budget.passes:
        raise SystemExit(1)
    return 0


_CAME_TO = {
    "correct": "ended right",
    "wrong": "ended wrong",
    "failed": "ended loudly",
    "escalated": "still waiting",
    "unjudged": "ended, nobody knows how",
}


def _reviewer(named: str | None) -> Any:
    """The function that decides.

    Raises:
        InvalidSettings: What is named cannot be called.
    """
    from gapless.errors import InvalidSettings
    from gapless.operations.open import import_object

    found = import_object(named) if named else None
    if named and not callable(found):
        raise InvalidSettings(
            f"--reviewer {named}: that is a {type(found).__name__}. Name a function of one question, which returns "
            "Review.approve(question), Review.edit(question, value) or Review.reject(question)."
        )
    return found
