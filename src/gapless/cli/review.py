"""`gapless review`: decide what waits for a person."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gapless.cli import review_actions, review_seeding
from gapless.cli.reviewer import named

if TYPE_CHECKING:
    from gapless.records.review import ReviewRecord
    from gapless.review.inbox import Inbox

F = TypeVar("F", bound=Callable[..., Any])
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _whose(command: F) -> F:
    command = review_seeding.tell(command)
    decider = click.option("--as", "who", metavar="NAME", help="Who decides; your login name by default.")
    return decider(click.option("--note", default="", help="Why, in words.")(command))


@click.group(
    "review",
    invoke_without_command=True,
    epilog="Example: gapless review edit 01KC --set answer.total=82000 --note 'page 4 says so'",
)
@click.option("--all", "every", is_flag=True, help="Also those that are decided.")
@click.option("--overdue", is_flag=True, help="Only those that are too old; exit code 1 if there are any.")
@_as_json
@click.pass_context
def command(ctx: click.Context, every: bool, overdue: bool, as_json: bool) -> None:
    """List what waits for a person, and decide it: approve, edit or reject.

    ID is the beginning of a review's id. A decision is made once, is bound to the handoff that was shown, and is on
    disk when the command returns.
    """
    if ctx.invoked_subcommand is None:
        _list(ctx, every, overdue, as_json)


@command.command("list", epilog="Example: gapless review list --all")
@click.option("--all", "every", is_flag=True, help="Also those that are decided.")
@click.option("--overdue", is_flag=True, help="Only those that are too old; exit code 1 if there are any.")
@_as_json
@click.pass_context
def listing(ctx: click.Context, every: bool, overdue: bool, as_json: bool) -> None:
    """List what waits, the overdue first, then the oldest."""
    _list(ctx, every, overdue, as_json)


@command.command("show", epilog="Example: gapless review show 01KC")
@click.argument("review", metavar="ID")
@_as_json
def showing(review: str, as_json: bool) -> None:
    """Show what was handed over and why it stopped."""
    with _inbox() as inbox:
        found = inbox.get(review)
        _tell(found, inbox.clock(), as_json)


@command.command(
    "approve",
    short_help="Let a handoff pass as it is.",
    epilog="Example: gapless review approve 01KC --note checked",
)
@click.argument("review", metavar="ID")
@_whose
@_as_json
def approving(review: str, who: str | None, note: str, as_json: bool, tell: bool) -> None:
    """Let a handoff pass as it is."""
    _decide(review, "approve", who, note, as_json, tell=tell)


@command.command(
    "reject",
    short_help="Refuse a handoff.",
    epilog="Example: gapless review reject 01KC --note 'wrong contract'",
)
@click.argument("review", metavar="ID")
@_whose
@_as_json
def rejecting(review: str, who: str | None, note: str, as_json: bool, tell: bool) -> None:
    """Refuse a handoff; the run goes where its gate says, by default it ends loudly."""
    _decide(review, "reject", who, note, as_json, tell=tell)


@command.command(
    "edit",
    short_help="Hand over something else instead.",
    epilog="Example: gapless review edit 01KC --set answer.total=82000",
)
@click.argument("review", metavar="ID")
@click.option("--set", "changes", multiple=True, metavar="PATH=VALUE", help="Dotted path, value as YAML.")
@click.option("--file", "file", type=click.Path(dir_okay=False), help="YAML or JSON in the handoff's place.")
@_whose
@_as_json
def editing(
    review: str,
    changes: tuple[str, ...],
    file: str | None,
    who: str | None,
    note: str,
    as_json: bool,
    tell: bool,
) -> None:
    """Hand over something else instead; it has to keep to the step's contract too, which is looked at on resuming."""
    from gapless.errors import UsageError
    from gapless.operations.review import edited

    if not changes and file is None:
        raise UsageError("nothing to edit: give --set PATH=VALUE or --file FILE.")

    def change(found: ReviewRecord) -> Any:
        return edited(found, changes, Path(file) if file is not None else None)

    _decide(review, "edit", who, note, as_json, change, tell=tell)


@command.command(
    "next",
    short_help="Take the most urgent one, and ask what to do.",
    epilog="Example: gapless review next --as maria",
)
@click.option("--as", "who", metavar="NAME", help="Who decides; your login name by default.")
@review_seeding.tell
def asking(who: str | None, tell: bool) -> None:
    """Take the most urgent review that nobody else has, and ask: approve, edit, reject, skip or quit."""
    from gapless.cli.review_dialogue import converse

    with _inbox() as inbox:
        converse(inbox, named(who), review_seeding.what_it_was if tell else None)


@command.command(
    "resume",
    short_help="Go on with a run whose review is decided.",
    epilog="Example: gapless review resume order-17 --workflow app.py:graph",
)
@click.argument("thread")
@click.option("--workflow", required=True, metavar="TARGET", help='The guarded graph: "app.py:graph".')
@click.option("--async", "awaited", is_flag=True, help="The graph, or its checkpointer, has to be awaited.")
@_as_json
def resuming(thread: str, workflow: str, awaited: bool, as_json: bool) -> None:
    """Go on with a paused run whose review is decided; the judged step is not run again."""
    import asyncio

    from gapless.operations.open import import_object
    from gapless.operations.review import aresume, made, resume
    from gapless.records.value import to_plain

    graph = made(import_object(workflow))
    done = asyncio.run(aresume(graph, thread)) if awaited else resume(graph, thread)
    plain: dict[str, Any] = {"thread": thread, "output": to_plain(done)}
    if as_json:
        _echo_json(plain)
        return
    from gapless.cli.review_screen import block

    click.echo(f"{thread} went on.\n{block(plain['output'])}")


command.add_command(review_actions.listing)
command.add_command(review_actions.settling)
command.add_command(review_seeding.seeding)
command.add_command(review_seeding.measuring)


def _decide(
    prefix: str,
    choice: Any,
    who: str | None,
    note: str,
    as_json: bool,
    change: Callable[[ReviewRecord], Any] | None = None,
    *,
    tell: bool = False,
) -> None:
    from gapless.cli.review_screen import plain, said
    from gapless.operations.review import decision

    with _inbox() as inbox:
        found = inbox.get(prefix)
        value = change(found) if change is not None else None
        done = inbox.decide(found.id, decision(found, choice, note=note, value=value), named(who))
        now = inbox.clock()
    told = review_seeding.what_it_was(done) if tell else None
    if as_json:
        _echo_json(plain(done, now) | ({} if told is None else {"told": told}))
        return
    click.echo(said(done))
    if told is not None:
        click.echo(told)


def _list(ctx: click.Context, every: bool, overdue: bool, as_json: bool) -> None:
    from gapless.cli.review_screen import plain, table

    with _inbox() as inbox:
        now, found = inbox.clock(), inbox.list(every=every)
    if overdue:
        found = [review for review in found if review.standing(now) == "overdue"]
    if as_json:
        _echo_json([plain(review, now) for review in found])
    else:
        click.echo(table(found, now))
    if overdue and found:
        ctx.exit(1)


def _tell(found: ReviewRecord, now: float, as_json: bool) -> None:
    from gapless.cli.review_screen import page, plain

    if as_json:
        _echo_json(plain(found, now))
        return
    click.echo(page(found, now))


def _echo_json(value: Any) -> None:
    import msgspec

    click.echo(msgspec.json.encode(value).decode())


@contextmanager
def _inbox() -> Generator[Inbox]:
    from gapless.operations.review import open_inbox

    inbox = open_inbox()
    try:
        yield inbox
    finally:
        inbox.close()
