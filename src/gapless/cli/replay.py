"""`gapless replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from gapless.cli.live import progress
from gapless.cli.show import MARKDOWN, QUIET, deliver, html_option, write

if TYPE_CHECKING:
    from gapless.operations.attribute import AttributeAsk, Attribution
    from gapless.operations.progress import Stop
    from gapless.operations.replay import Opened
    from gapless.operations.replay_plan import Wanted
    from gapless.records.replay import ReplayDiff

_CHEAP_S = 60.0
"""Reruns that take no longer, and ask no model, start without a question."""


@click.command("replay", epilog="Example: gapless replay c7#0 --from draft --golden retrieve")
@click.argument("trial", metavar="[CASE#TRIAL|ID]", required=False)
@click.option(
    "--from", "start", metavar="STEP", help="The first step that runs again: STEP, STEP#VISIT, STEP[BRANCH]."
)
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="PATH=VALUE",
    help="Hand over another value: in the state, in STEP.path, or in input.path. VALUE is JSON or text.",
)
@click.option(
    "--golden", multiple=True, metavar="STEP", help="Hand over the case's golden output of this step."
)
@click.option(
    "--live-effects", is_flag=True, help="Let steps with effects run; else the tape answers for them."
)
@click.option(
    "--workflow", metavar="TARGET", help="Another version of the workflow, or one with another model."
)
@click.option(
    "--weather", help="The faults it ran under, where the measurement does not name them: module:NAME."
)
@click.option("--clear", is_flag=True, help="Replay without the faults it ran under.")
@click.option("--measurement", metavar="ID", help="Beginning of the measurement's id; the newest by default.")
@click.option(
    "--all", "every", is_flag=True, help="Replay every trial unchanged: how many come out as recorded?"
)
@click.option(
    "--attribute",
    is_flag=True,
    help="Rerun lost trials with golden and with recorded outputs: what is the cause?",
)
@click.option(
    "--reps", type=click.IntRange(1, 1000), help="With --attribute: reruns in each arm; 2 by default."
)
@click.option("--sample", metavar="N|all", help="With --attribute: lost trials at most; 50 by default.")
@click.option(
    "--interactions",
    metavar="STEP,STEP",
    help="With --attribute: up to four steps, every subset of which is replaced: finds losses that need two bad inputs.",
)
@click.option("--yes", is_flag=True, help="With --attribute: do not ask before it starts.")
@click.option(
    "--suspects", is_flag=True, help="Rank the steps of lost trials by what the record shows; runs nothing."
)
@html_option("it")
@MARKDOWN
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@QUIET
def command(trial: str | None, **options: Any) -> int:
    """Run a recorded trial again from any step, everything before it served from the record.

    With --all, replay every trial of a measurement unchanged and say how many come out the same. With --attribute, find
    the step that loses the lost trials, by experiment. With --suspects, rank suspects without running anything.
    """
    from gapless.operations.open import open_store, pick
    from gapless.settings import locate

    modes = [name for name in ("every", "attribute", "suspects") if options[name]]
    _check(trial, modes, options)
    place = locate()
    with open_store(place) as store:
        measurement = pick(store, options["measurement"] or (trial if modes else None))
        if modes == ["suspects"]:
            return _suspects(store, measurement, options)
        from gapless.operations.open import import_object
        from gapless.operations.replay import World, open_recorded
        from gapless.operations.replay_plan import Wanted

        weather = import_object(options["weather"]) if options["weather"] else None
        world = World(workflow=options["workflow"], weather=weather, clear=options["clear"])
        opened = open_recorded(store, measurement, world, place=place)
        wanted = Wanted(
            start=options["start"],
            sets=options["sets"],
            golden=options["golden"],
            live_effects=options["live_effects"],
        )
        if modes == ["every"]:
            return _all(opened, wanted, options)
        if modes == ["attribute"]:
            return _attribute(opened, options)
        return _one(opened, str(trial), wanted, options)


def _check(trial: str | None, modes: list[str], options: dict[str, Any]) -> None:
    if len(modes) > 1:
        raise click.UsageError("--all, --attribute and --suspects are three questions: ask one at a time.")
    if not modes and trial is None:
        raise click.UsageError(
            "name a trial, as in `gapless replay c7#0 --from draft`, or ask --all, --attribute, --suspects."
        )
    if modes and trial is not None and ("#" in trial or options["measurement"]):
        raise click.UsageError(
            f"--{_flag(modes[0])} is about all trials of a measurement: leave {trial} out."
        )
    if modes and (options["sets"] or options["golden"]):
        raise click.UsageError(
            f"--set and --golden change one trial; --{_flag(modes[0])} takes all as they are."
        )
    if options["start"] is not None and modes in (["attribute"], ["suspects"]):
        raise click.UsageError(f"--from goes with one trial and with --all, not with --{_flag(modes[0])}.")
    if options["clear"] and modes == ["attribute"]:
        raise click.UsageError("--clear: what loses trials under faults is found under the same faults.")
    if options["html"] is not None and modes in (["every"], ["suspects"]):
        raise click.UsageError("--html goes with one trial and with --attribute.")
    if modes != ["attribute"] and any(options[name] for name in ("reps", "sample", "interactions")):
        raise click.UsageError("--reps, --sample and --interactions go with --attribute.")


def _flag(mode: str) -> str:
    return "all" if mode == "every" else mode


def _one(opened: Opened, trial: str, wanted: Wanted, options: dict[str, Any]) -> int:
    import asyncio

    from gapless.operations.label import parse
    from gapless.operations.loop import run_sync
    from gapless.operations.replay import replay_into
    from gapless.report import replay as faces

    case, number = parse(trial)

    async def once(stop: Stop) -> ReplayDiff:
        task = asyncio.ensure_future(replay_into(opened, case, number, wanted))
        stop.listen(lambda: cast("None", task.cancel()))  # half a trial is nothing to keep
        return await task

    try:
        diff = run_sync(once)
    except asyncio.CancelledError as error:
        raise KeyboardInterrupt from error
    if options["html"] is not None:
        from gapless.report.html import render_replay

        write(options["html"], render_replay(diff))
    deliver(diff, options, faces.render, faces.render_json, faces.render_markdown)
    return 0


def _all(opened: Opened, wanted: Wanted, options: dict[str, Any]) -> int:
    from gapless.operations.fidelity import fidelity_into
    from gapless.operations.loop import run_sync
    from gapless.report import replay as faces

    with progress(options["quiet"]) as tell:
        found = run_sync(lambda stop: fidelity_into(opened, wanted, tell=tell, stop=stop))
    deliver(found, options, faces.render_fidelity, faces.render_fidelity_json, faces.render_fidelity_markdown)
    return 0 if found.complete else 130


def _attribute(opened: Opened, options: dict[str, Any]) -> int:
    from gapless.operations.attribute import (
        REPS,
        SAMPLE,
        AttributeAsk,
        attribute_into,
        attributed,
        attribution,
    )
    from gapless.operations.loop import run_sync
    from gapless.report import causes as faces

    named = (options["interactions"] or "").split(",")
    ask = AttributeAsk(
        reps=options["reps"] or REPS,
        sample=_sample(options["sample"]) if options["sample"] else SAMPLE,
        interactions=tuple(name.strip() for name in named if name.strip()),
        live_effects=options["live_effects"],
    )
    found = attribution(opened, ask)
    _agreed(found, ask, opened, yes=options["yes"])
    with progress(options["quiet"]) as tell:
        complete = run_sync(lambda stop: attribute_into(opened, found, ask, tell=tell, stop=stop))
    made = attributed(opened, found, complete=complete)
    if made is None:
        click.echo(
            "No lost trial was rerun at all of its steps yet. Run the same command again to go on.", err=True
        )
        return 130
    if options["html"] is not None:
        from gapless.report.html import render_causes

        write(options["html"], render_causes(made))
    deliver(made, options, faces.render, faces.render_json, faces.render_markdown)
    return 0 if complete else 130


def _sample(said: str) -> int | None:
    if said == "all":
        return None
    if not said.isdecimal() or int(said) == 0:
        raise click.UsageError(f"--sample {said}: write a number of lost trials, or all.")
    return int(said)


def _agreed(found: Attribution, ask: AttributeAsk, opened: Opened, *, yes: bool) -> None:
    """Says what it costs, and asks before it costs much.

    Raises:
        UsageError: It costs much, and there is nobody to ask.
    """
    import sys

    from gapless.errors import UsageError
    from gapless.report.wording import count

    seconds = found.seconds / max(1, opened.place.settings.concurrency)
    done = f", {found.total - len(found.units)} of them on record" if len(found.units) < found.total else ""
    click.echo(
        f"{found.sampled} of {count(found.lost, 'lost trial')}, {count(ask.reps, 'rerun')} in each arm: "
        f"{count(found.total, 'rerun')}{done}; about {seconds:.0f} s and {count(found.model_calls, 'model call')}.",
        err=True,
    )
    if yes or not found.units or (seconds <= _CHEAP_S and not found.model_calls):
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "nobody is there to agree to that: say --yes, or ask for less with --sample and --reps."
        )
    click.confirm("Start?", abort=True, err=True)


def _suspects(store: Any, measurement: Any, options: dict[str, Any]) -> int:
    from gapless.operations.suspects import suspects_of
    from gapless.report import suspects as faces

    found = suspects_of(store, measurement)
    deliver(found, options, faces.render, faces.render_json, faces.render_markdown)
    return 0
