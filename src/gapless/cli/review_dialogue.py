"""`gapless review next`: one review after the other, each on lease while its reviewer thinks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gapless.cli.review_screen import page, said
from gapless.errors import ReviewConflict, UsageError
from gapless.operations.review import decision, edited

if TYPE_CHECKING:
    from collections.abc import Callable

    from gapless.records.review import ReviewRecord
    from gapless.review.inbox import Inbox

_ASK = "\n[a]pprove  [e]dit  [r]eject  [s]kip  [q]uit"
_CHOICE = click.Choice(["a", "e", "r", "s", "q"])


def converse(inbox: Inbox, who: str, tell: Callable[[ReviewRecord], str] | None = None) -> None:
    """Takes reviews on lease and asks about each, until there is none or the reviewer leaves.

    Args:
        inbox: Where they wait.
        who: The reviewer.
        tell: What a reviewer who wants to know is told after each decision.
    """
    skipped: frozenset[str] = frozenset()
    while True:
        review = inbox.take(who, skip=skipped)
        if review is None:
            click.echo("Nothing else waits for a person." if skipped else "Nothing waits for a person.")
            return
        try:
            click.echo(page(review, inbox.clock()))
            chosen: str = click.prompt(_ASK, type=_CHOICE, show_choices=False, prompt_suffix="  ")
            if chosen in "sq":
                skipped |= {review.id}
            else:
                _carry_out(inbox, review, who, chosen, tell)
        finally:
            inbox.release(review.id, who)
        if chosen == "q":
            return


def _carry_out(
    inbox: Inbox, review: ReviewRecord, who: str, chosen: str, tell: Callable[[ReviewRecord], str] | None
) -> None:
    try:
        done = inbox.decide(review.id, _decision(review, chosen), who)
    except (ReviewConflict, UsageError) as error:
        click.echo(f"{error}\n", err=True)
        return
    click.echo(f"{said(done)}\n" if tell is None else f"{said(done)}\n{tell(done)}\n")


def _decision(review: ReviewRecord, chosen: str) -> dict[str, Any]:
    if chosen == "a":
        return decision(review, "approve")
    if chosen == "r":
        return decision(review, "reject", note=click.prompt("why", default="", show_default=False))
    changes: list[str] = []
    while True:
        change: str = click.prompt("path=value (empty when done)", default="", show_default=False)
        if not change:
            break
        changes.append(change)
    return decision(review, "edit", value=edited(review, changes))
