"""`gapless tools`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from gapless.cli.show import MARKDOWN, deliver

F = TypeVar("F", bound=Callable[..., Any])
_TARGET = "[TARGET] [-- COMMAND...]"
_as_json = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
_lock_file = click.option(
    "--lock",
    type=click.Path(dir_okay=False),
    help="The lock; tools.lock.json beside gapless.toml by default.",
)


_sample = click.option(
    "--sample",
    type=click.IntRange(0, 100),
    default=0,
    metavar="N",
    help="Call each safe tool up to N times, with arguments made from its schema.",
)
HEADER_ENV = click.option(
    "--header-env",
    multiple=True,
    metavar="HEADER=VARIABLE",
    help="Send an address this header; its value is read from the variable. May be given several times.",
)
_effects = click.option(
    "--allow-effects", is_flag=True, help="Call tools that are not declared safe, too: they may act."
)


class ToACommand(click.Command):
    """Keeps what stands after `--` apart: it is a server to start, options and all."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments before it; what stands behind it is kept as `gapless.server`."""
        if "--" in args:
            at = args.index("--")
            ctx.meta["gapless.server"] = tuple(args[at + 1 :])
            args = args[:at]
            return super().parse_args(ctx, args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if "extra argument" not in error.message:
                raise
            hint = f"{error.message.rstrip('.')}. A command stands after --: {ctx.command_path} -- python server.py"
            raise click.UsageError(hint, ctx) from error


def started(ctx: click.Context, target: str | None) -> tuple[str, ...]:
    """The server to start that stands after `--`; empty where none does.

    Raises:
        UsageError: A target is named as well.
    """
    from gapless.errors import UsageError

    server: tuple[str, ...] = ctx.meta.get("gapless.server", ())
    if server and target is not None:
        raise UsageError(f"{target!r} and a command: name one server at a time.")
    return server


def _whose(command: F) -> F:
    for option in (
        click.argument("target", required=False, metavar=_TARGET),
        click.option("--openapi", is_flag=True, help="TARGET is the address of an OpenAPI document."),
        click.option("--base-url", help="Where the operations of an OpenAPI document are called."),
        HEADER_ENV,
        click.option("--name", help="What to call the server; what it calls itself by default."),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=20.0,
            help="Seconds it may take to start, and to answer; 20 by default.",
        ),
        MARKDOWN,
        _as_json,
    ):
        command = option(command)
    return command


@click.group(
    "tools", invoke_without_command=True, epilog="Example: gapless tools lint -- python server.py --port 0"
)
@_as_json
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Look at tools: lint them, keep what was reviewed, see what changed since, call one.

    TARGET is a server named in gapless.toml, the address of an MCP server (streamable HTTP), a file with an OpenAPI
    document (.json, .yaml) or an answer to tools/list (.json), or Python functions (tools.py:TOOLS); after -- stands a
    command that speaks MCP over stdio. Without any, all servers in gapless.toml. No tool is called, unless that is asked.
    """
    if ctx.invoked_subcommand is None:
        _list(as_json)


@command.command("lint", cls=ToACommand, epilog="Example: gapless tools lint -- python server.py")
@_whose
@click.option("--strict", is_flag=True, help="Exit code 1 on what is only to look at, too.")
@click.pass_context
def linting(ctx: click.Context, **options: Any) -> int:
    """Find what in the descriptions of tools leads a model, or its caller, astray.

    Exit code 1 where something fails, or one of several servers cannot be asked.
    """
    from gapless.operations.tools import lint_tools
    from gapless.report.tools import lint_json, lint_markdown, render_lint

    made = _ran(ctx, options, lint_tools)
    deliver(made, options, render_lint, lint_json, lint_markdown)
    if made.unheard or any(issue.severity == "fail" or options["strict"] for issue in made.issues):
        raise SystemExit(1)
    return 0


@command.command(
    "lock",
    cls=ToACommand,
    epilog="Example: gapless tools lock --accept search -- python server.py",
)
@_whose
@_lock_file
@click.option(
    "--accept",
    multiple=True,
    metavar="TOOL|all",
    help="Its changes were reviewed; may be given several times.",
)
@_sample
@click.option(
    "--from-records", is_flag=True, help="Learn from the calls of tools in the store, too; nothing is called."
)
@_effects
@click.pass_context
def locking(ctx: click.Context, lock: str | None, accept: tuple[str, ...], **options: Any) -> int:
    """Keep the tools as reviewed: schemas and descriptions in full.

    The first time, everything is kept. Later, changes are shown and kept only with --accept; exit code 1 where some
    are left. With --sample or --from-records, an output schema is inferred from answers for tools that declare none.
    """
    from gapless.operations.tools import Learn, lock_tools
    from gapless.report.printable import one_line
    from gapless.report.tools import diff_json, diff_markdown, render_diff

    learn = Learn(
        sample=options["sample"], effects=options["allow_effects"], recorded=options["from_records"]
    )
    file = Path(lock) if lock else None
    made = _ran(ctx, options, partial(lock_tools, lock=file, accept=accept, learn=learn))
    more = {"written": made.written, "new": made.new, "accepted": made.accepted, "inferred": made.inferred}
    deliver(made.drift, options, render_diff, lambda drift: diff_json(drift, **more), diff_markdown)
    for said, names in (("locked", made.new), ("accepted", made.accepted)):
        if names:
            click.echo(one_line(f"{said}: {', '.join(names)} ({made.drift.lock})"), err=True)
    if made.new:
        click.echo("From now on what is in the lock counts as reviewed: read it once.", err=True)
    for name, number in made.inferred.items():
        click.echo(one_line(f"inferred, not declared: what {name} answers, from {number}"), err=True)
    if not made.inferred and (learn.sample or learn.recorded):
        click.echo(
            "inferred: nothing; every tool declares its answers, answers in prose, or was not called",
            err=True,
        )
    if made.drift.changes or made.drift.unheard:
        raise SystemExit(1)
    return 0


@command.command("diff", cls=ToACommand, epilog="Example: gapless tools diff finance --strict")
@_whose
@_lock_file
@click.option("--strict", is_flag=True, help="Exit code 1 on any change, not only on breaking ones.")
@_sample
@_effects
@click.pass_context
def diffing(ctx: click.Context, lock: str | None, **options: Any) -> int:
    """Show what changed since the tools were reviewed: breaking, compatible, or only the description.

    With --sample, answers are held against the lock as well: against the declared output schema, else against the
    inferred one. Exit code 1 where a change breaks callers, an answer breaks what was declared, or one of several
    servers cannot be asked or is not in the lock.
    """
    from gapless.operations.tools import diff_tools
    from gapless.report.tools import diff_json, diff_markdown, render_diff

    file, sample, effects = Path(lock) if lock else None, options["sample"], options["allow_effects"]
    made = _ran(ctx, options, partial(diff_tools, lock=file, sample=sample, effects=effects))
    deliver(made, options, render_diff, diff_json, diff_markdown)
    broken = made.worst == "breaking" or any(not one.inferred for one in made.answers)
    if broken or made.unheard or made.unreviewed or (options["strict"] and (made.changes or made.answers)):
        raise SystemExit(1)
    return 0


@command.command(
    "call",
    cls=ToACommand,
    epilog="""Example: gapless tools call --tool search --arguments '{"query": "x"}' -- python server.py""",
)
@_whose
@click.option("--tool", required=True, help="Which one.")
@click.option(
    "--arguments", default="{}", metavar="JSON", help="What to send, right or wrong; {} by default."
)
@_effects
@click.pass_context
def calling(ctx: click.Context, tool: str, arguments: str, **options: Any) -> int:
    """Call one tool once, and show how that ended.

    Nothing is checked before: a checkup prints such a command to show again what it found. Exit code 1 where the tool
    answered with an error (also one that calls itself a success), not in time, or something else than it declares.
    """
    from gapless.operations.tool_answers import call_tool
    from gapless.report.tools import call_json, render_call

    given = _json_object(arguments)
    work = partial(call_tool, tool=tool, arguments=given, effects=options["allow_effects"])
    made = _ran(ctx, options, work)
    deliver(made, options, render_call, call_json, lambda one: f"```json\n{call_json(one)}\n```\n")
    if made.answer.ended != "answered" or made.breach or made.disguise:
        raise SystemExit(1)
    return 0


def _json_object(text: str) -> dict[str, Any]:
    import json

    from gapless.errors import UsageError

    try:
        given = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--arguments {text!r}: no JSON: {error}.") from error
    if not isinstance(given, dict):
        raise UsageError(f'--arguments {text!r}: an object is expected, such as \'{{"query": "x"}}\'.')
    return given


def _ran(ctx: click.Context, options: dict[str, Any], work: Callable[..., Any]) -> Any:
    from gapless.frameworks.tools.keys import spoken
    from gapless.operations.loop import run_sync, until_stopped
    from gapless.operations.tools import ToolsAsk
    from gapless.settings import locate

    ask = ToolsAsk(
        target=options["target"],
        command=started(ctx, options["target"]),
        openapi=options["openapi"],
        base_url=options["base_url"],
        headers_env=spoken(options["header_env"]),
        name=options["name"],
        timeout_s=options["timeout"],
    )
    place = locate()
    return run_sync(lambda stop: until_stopped(work(ask, place), stop))


def _list(as_json: bool) -> None:
    """The named servers, and whether their tools were reviewed."""
    import json

    from gapless.operations.tools_lock import lock_path, read_lock
    from gapless.report.printable import one_line
    from gapless.settings import locate

    place = locate()
    lock = read_lock(lock_path(place))
    named, locked = place.settings.checkup.servers, lock.servers if lock is not None else {}
    rows = [
        {"server": name, "locked_tools": len(locked[name].tools) if name in locked else None}
        for name in dict.fromkeys((*named, *locked))
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        tools = row["locked_tools"]
        click.echo(
            f"{one_line(str(row['server'])):24}{'not locked' if tools is None else f'{tools} tools locked'}"
        )
    if not rows:
        click.echo("No server is named in gapless.toml, and none is locked: gapless tools lint -- COMMAND...")
