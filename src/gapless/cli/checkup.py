"""`gapless checkup`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gapless.cli.live import progress
from gapless.cli.show import MARKDOWN, QUIET, deliver, html_option, write
from gapless.errors import UsageError


@click.command(
    "checkup",
    epilog="Example: gapless checkup hardware orchestration --target app.py:graph --html checkup.html",
)
@click.argument("layers", nargs=-1, metavar="[LAYER]...")
@click.option(
    "--target", help="The workflow: app.py:graph; that of gapless.toml, else the reference agent, by default."
)
@click.option(
    "--leave",
    is_flag=True,
    help="Let probes run the workflow: replays of recorded trials, effects from the tape, and kills.",
)
@click.option(
    "--allow-effects",
    is_flag=True,
    help="Let probes call tools that are not declared safe, and kill steps with effects: only where both may act.",
)
@click.option(
    "--queries",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Labelled queries for the retriever (JSONL).",
)
@click.option(
    "--chunking",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Texts to try ways of cutting on; without a retriever, also searched by the built-in engines.",
)
@click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="NAME",
    help="Ask only this probe; may be given several times.",
)
@click.option("--url", help="Address of the model's endpoint: http://127.0.0.1:8000/v1.")
@click.option(
    "--model", help='Its name there; "provider:name" without --url is a chat model made by LangChain.'
)
@click.option(
    "--kind",
    type=click.Choice(["openai", "anthropic", "langchain"]),
    help="The protocol it speaks; OpenAI's chat completions by default.",
)
@click.option("--api-key-env", metavar="NAME", help="Environment variable that holds its key.")
@click.option(
    "--results",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the model's times from a result file of guidellm or aiperf instead of taking them.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True, max=3600),
    help="About how long one probe may take (8, or [checkup] seconds): more shows more.",
)
@click.option("--list", "list_all", is_flag=True, help="List the probes instead.")
@click.option(
    "--history",
    is_flag=False,
    flag_value="",
    metavar="[NAME]",
    help="Show earlier checkups instead; with the NAME of a probe or layer, its figures over time.",
)
@click.option(
    "--no-budget", is_flag=True, help="Do not end with exit code 1 where [checkup.budget] is broken."
)
@html_option("it")
@MARKDOWN
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON (gapless.checkup/1).")
@QUIET
def command(layers: tuple[str, ...], list_all: bool, history: str | None, **options: Any) -> int:
    """Check the layers under a workflow, one line of the checklist after the other.

    LAYER is one of those that --list shows; all of them when left out. Each finding has a figure, the target it
    was held against, and what to do. Nothing of the host is changed, and the workflow is only read unless --leave says more.
    Exit code 1 where a finding failed, or where [checkup.budget] in gapless.toml demands more and is broken.
    """
    from gapless.operations.checkup import CheckupAsk, checkup_into
    from gapless.operations.checkup_model import ModelAsk
    from gapless.operations.checkup_retrieval import RetrievalAsk
    from gapless.operations.loop import run_sync
    from gapless.operations.open import open_store
    from gapless.probes.shelf import layers as checkup_layers
    from gapless.settings import locate

    if list_all:
        _list(options["as_json"])
        return 0
    if options["markdown"] in checkup_layers():
        layer = options["markdown"]
        raise UsageError(
            f"--markdown {layer} would write a file called {layer!r}, and {layer!r} is a layer. Name the layer first:"
            f" gapless checkup {layer} --markdown; or write --markdown ./{layer} if a file is meant."
        )
    _refuse(history, options)
    place = locate()
    with open_store(place) as store:
        if history is not None:
            _history(store, history, options)
            return 0
        retrieval = RetrievalAsk(texts=options["chunking"], queries=options["queries"])
        model = ModelAsk(
            **{name: options[name] for name in ("url", "model", "kind", "api_key_env", "results")}
        )
        ask = CheckupAsk(
            layers=layers,
            probes=options["probes"],
            target=options["target"],
            leave=options["leave"],
            allow_effects=options["allow_effects"],
            retrieval=retrieval,
            model=model,
            seconds=options["seconds"],
        )
        with progress(options["quiet"]) as tell:
            made = run_sync(lambda stop: checkup_into(store, ask, place=place, tell=tell, stop=stop))
    _show(made, options)
    if not made.complete:
        return 130
    if not made.passes and not options["no_budget"]:
        raise SystemExit(1)
    return 0


def _refuse(history: str | None, options: dict[str, Any]) -> None:
    """Faces that would be dropped without a word.

    Raises:
        UsageError: Two of them print to stdout, or there is no such face.
    """
    if options["as_json"] and options["markdown"] == "-":
        raise UsageError("--json and --markdown would both print here: name a file for one, --markdown FILE.")
    if history is not None and options["markdown"] is not None:
        raise UsageError(
            "--history has no Markdown: --json, or with the NAME of a probe or layer --html FILE."
        )
    if history == "" and options["html"] is not None:
        raise UsageError(
            "--history --html FILE needs the NAME of a probe or layer: --history ttft --html FILE."
        )


def _show(made: Any, options: dict[str, Any]) -> None:
    from gapless.report.checkup import render, render_json, render_markdown

    if options["html"] is not None:
        from gapless.report.html import render_checkup

        write(options["html"], render_checkup(made))
    deliver(made, options, render, render_json, render_markdown)


def _list(as_json: bool) -> None:
    import json

    from gapless.probes.shelf import SHELF, card

    cards = [(name, card(name)) for name in SHELF]
    if as_json:
        rows = [
            {"probe": name, "layer": one.layer, "title": one.title, "target": one.target}
            for name, one in cards
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for name, one in cards:
        click.echo(f"{name:22}{one.layer:15}{one.title}")


def _history(store: Any, name: str, options: dict[str, Any]) -> None:
    if name:
        _trend(store, name, options)
        return
    from gapless.report.checkup import render_history

    found = store.checkups.newest(30)
    if options["as_json"]:
        import msgspec

        click.echo(msgspec.json.encode(found).decode())
    elif not found:
        click.echo("No checkup is on record yet.")
    else:
        click.echo(render_history(found))


def _trend(store: Any, name: str, options: dict[str, Any]) -> None:
    from gapless.operations.checkup_trend import trends
    from gapless.report.trend import render, render_json

    found = trends(store, name)
    if options["html"] is not None:
        from gapless.report.html import render_trend

        write(options["html"], render_trend(found))
    click.echo(render_json(found) if options["as_json"] else render(found))
