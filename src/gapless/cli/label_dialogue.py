"""`gapless label --queries`: one proposed query after the other, with its passage and what else may answer it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from gapless.cli.review_screen import safe
from gapless.errors import ReviewConflict
from gapless.records.labelled_query import EXTRACTIVE

if TYPE_CHECKING:
    from gapless.records.label_proposal import Proposal
    from gapless.retrievers.labelling.draft import Draft

_ASK = "\n[a]ccept  [e]dit  [r]eject  [s]kip  [q]uit, then Enter"
_CHOICE = click.Choice(["a", "e", "r", "s", "q"])
_WIDTH, _RIVAL = 100, 60
"""Columns; words shown of another passage."""


def converse(draft: Draft, who: str, *, aside: bool = False) -> None:
    """Asks about everything that waits, each decision on disk before the next is shown, until the reviewer leaves.

    Args:
        draft: What was proposed.
        who: The reviewer.
        aside: Talk on stderr, for stdout is data.
    """
    waiting = draft.waiting()
    for number, proposal in enumerate(waiting, start=1):
        click.echo(page(proposal, number, len(waiting)), err=aside)
        chosen: str = click.prompt(_ASK, type=_CHOICE, show_choices=False, prompt_suffix="  ", err=aside)
        if chosen == "q":
            return
        if chosen != "s":
            _carry_out(draft, proposal, who, chosen, aside)


def page(proposal: Proposal, number: int, of: int) -> str:
    """A proposal as a person needs it to decide."""
    label = proposal.query
    if label is None:
        return ""
    by = "made of its own words" if label.model == EXTRACTIVE else f"proposed by {safe(label.model)}"
    where = safe(label.document) if label.answerable else "no passage should answer this"
    lines = [f"\n{number} of {of} · {where} · {by}", "", _wrapped(label.query)]
    if label.answerable:
        before, quote, after = _apart(proposal.excerpt, label.texts[0])
        marked = f"{before} >>> {quote} <<< {after}".strip()
        lines += ["", "the passage, with its answer marked", _wrapped(marked, "  ")]
    if proposal.rivals:
        lines += ["", "nearest elsewhere: reject the question if one of these answers it too"]
        lines += [_wrapped(f"{one.document}: {_short(one.text)}", "  - ", "    ") for one in proposal.rivals]
    return "\n".join(lines)


def _carry_out(draft: Draft, proposal: Proposal, who: str, chosen: str, aside: bool) -> None:
    try:
        if chosen == "r":
            why: str = click.prompt("why (may be empty)", default="", show_default=False, err=aside)
            draft.reject(proposal.key, who, why)
            click.echo("rejected", err=aside)
        elif chosen == "e":
            question, quote = _edited(proposal, aside)
            draft.accept(proposal.key, who, question=question, quote=quote)
            click.echo("accepted, edited", err=aside)
        else:
            draft.accept(proposal.key, who)
            click.echo("accepted", err=aside)
    except ReviewConflict as error:
        click.echo(f"{error}", err=True)


def _edited(proposal: Proposal, aside: bool) -> tuple[str, str | None]:
    """Other words for the question, and another quote; asked again until the quote stands in the passage."""
    from gapless.retrievers.labelling.excerpts import remembered

    label = proposal.query
    if label is None:
        return "", None
    question: str = click.prompt(
        "question (empty keeps it)", default=label.query, show_default=False, err=aside
    )
    while label.answerable:
        quote: str = click.prompt("quote (empty keeps it)", default="", show_default=False, err=aside)
        if not quote.strip():
            break
        try:
            remembered(proposal.excerpt, quote)
        except ValueError as error:
            click.echo(safe(f"{error}. Copy it word by word."), err=True)
        else:
            return question, quote
    return question, None


def _apart(excerpt: str, quote: str) -> tuple[str, str, str]:
    words, quoted = excerpt.split(), quote.split()
    size = len(quoted)
    at = next((at for at in range(len(words)) if words[at : at + size] == quoted), 0)
    return " ".join(words[:at]), " ".join(quoted), " ".join(words[at + size :])


def _short(text: str) -> str:
    words = text.split()
    return " ".join(words[:_RIVAL]) + (" …" if len(words) > _RIVAL else "")


def _wrapped(text: str, first: str = "", rest: str | None = None) -> str:
    indent = first if rest is None else rest
    return textwrap.fill(safe(text), _WIDTH, initial_indent=first, subsequent_indent=indent)
