"""`gapless label --queries`: labelled queries from a folder of texts, proposed and then decided by a person."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from gapless.operations.label_queries import LabelQueriesAsk, Proposed
    from gapless.retrievers.labelling.draft import Draft

F = TypeVar("F", bound=Callable[..., Any])
_OPTIONS = (
    click.option(
        "--queries",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="FOLDER",
        help="Make labelled queries for a retriever from these texts instead, for you to decide on.",
    ),
    click.option(
        "--out",
        type=click.Path(dir_okay=False, path_type=Path),
        help="With --queries: the file they go to; that of [checkup], else queries.jsonl.",
    ),
    click.option("--count", type=click.IntRange(0), help="With --queries: questions with an answer (40)."),
    click.option(
        "--unanswerable", type=click.IntRange(0), help="With --queries: questions without one (10)."
    ),
    click.option(
        "--model",
        metavar="NAME|URL#NAME",
        help="With --queries: the chat model that proposes, and is sent passages; that of [checkup.model] by default.",
    ),
    click.option(
        "--extractive",
        is_flag=True,
        help="With --queries: ask no model; questions are made of the passages' own words.",
    ),
    click.option(
        "--as", "who", metavar="NAME", help="With --queries: who decides; your login name by default."
    ),
    click.option(
        "--accept-all",
        is_flag=True,
        help="With --queries: ask nobody; each is marked as unreviewed, and the checkup says so.",
    ),
)
_NAMES = ("queries", "out", "count", "unanswerable", "model", "extractive", "who", "accept_all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was said on the command line."""

    queries: Path
    out: Path | None
    count: int | None
    unanswerable: int | None
    model: str | None
    extractive: bool
    who: str | None
    accept_all: bool


def options(command: F) -> F:
    """Adds the options to `gapless label`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def taken(said: dict[str, Any]) -> Wanted | None:
    """What was said, taken out of all that was; None without --queries.

    Raises:
        UsageError: Something was said that goes with --queries alone.
    """
    from gapless.errors import UsageError

    mine = {name: said.pop(name) for name in _NAMES}
    if mine["queries"] is not None:
        return Wanted(**mine)
    alone = next((name for name, value in mine.items() if value not in (None, False)), None)
    if alone is not None:
        flag = {"who": "as"}.get(alone, alone.replace("_", "-"))
        raise UsageError(f"--{flag} goes with --queries FOLDER: gapless label --queries contracts/")
    return None


def carry_out(wanted: Wanted, as_json: bool) -> None:
    """Proposes what is missing, and asks about what waits."""
    from gapless.cli.live import progress
    from gapless.operations.label_queries import LabelQueriesAsk, model_named, propose_into
    from gapless.operations.loop import run_sync
    from gapless.retrievers.labelling.draft import Draft
    from gapless.settings import locate

    place = locate()
    _refuse(wanted, as_json)
    known = place.settings.checkup.queries
    out = wanted.out or (Path(place.root) / known if known is not None else Path("queries.jsonl"))
    draft = Draft(out)
    usual = LabelQueriesAsk(folder=wanted.queries)
    ask = LabelQueriesAsk(
        folder=wanted.queries,
        count=usual.count if wanted.count is None else wanted.count,
        unanswerable=usual.unanswerable if wanted.unanswerable is None else wanted.unanswerable,
        model=None if wanted.extractive else model_named(wanted.model, place),
    )
    draft.need_writable()
    with progress() as tell:
        proposed = run_sync(lambda stop: propose_into(draft, ask, tell=tell, stop=stop))
    if not proposed.complete:
        raise KeyboardInterrupt
    if wanted.accept_all:
        draft.take_unseen()
    else:
        from gapless.cli.label_dialogue import converse
        from gapless.cli.reviewer import named

        converse(draft, named(wanted.who), aside=as_json)
    _tell(draft, ask, proposed, as_json)
    _need_some(draft, ask, wanted.accept_all)


def _refuse(wanted: Wanted, as_json: bool) -> None:
    """Before anything is asked of a model: are there texts, and somebody to decide?"""
    from gapless.errors import UsageError
    from gapless.retrievers.texts import read_texts

    if wanted.extractive and wanted.model is not None:
        raise UsageError("--extractive asks no model, and --model names one: leave out one of the two.")
    read_texts(wanted.queries)
    if not wanted.accept_all and not at_a_terminal(as_json):
        raise UsageError(
            "this is no terminal, so nobody can decide. Run it in one, or take everything unseen: --accept-all."
        )


def at_a_terminal(aside: bool) -> bool:
    """Whether a person reads what is asked and types the answer: nothing is reviewed that nobody saw."""
    shown = sys.stderr if aside else sys.stdout
    return sys.stdin.isatty() and shown.isatty()


def _need_some(draft: Draft, ask: LabelQueriesAsk, accept_all: bool) -> None:
    """Ends with exit code 1 where questions were wanted and the texts gave none: there is no label, and none to come."""
    rejected = any(one.decision == "rejected" for one in draft.proposals)
    if draft.queries or draft.waiting() or not (ask.count or ask.unanswerable):
        return
    if rejected and not accept_all:
        return
    other = (
        "a chat model asks better: --model NAME"
        if ask.model is None
        else "try another --model, or --extractive"
    )
    click.echo(
        f"No label was made: no passage gave a question that it alone answers. Add texts that differ, with names and figures; or {other}.",
        err=True,
    )
    raise SystemExit(1)


def _tell(draft: Draft, ask: LabelQueriesAsk, proposed: Proposed, as_json: bool) -> None:
    from collections import Counter

    found = draft.queries
    sources = Counter(one.source or "by hand" for one in found)
    waiting = sum(one.waits for one in draft.proposals)
    rejected = sum(one.decision == "rejected" for one in draft.proposals)
    told: dict[str, Any] = {
        "queries": str(draft.labels),
        "draft": str(draft.path),
        "labels": len(found),
        "sources": dict(sources),
        "unanswerable": sum(not one.answerable for one in found),
        "lexical": sum(one.lexical for one in found),
        "documents": len({one.document for one in found if one.document}),
        "rejected": rejected,
        "waiting": waiting,
        "proposed": proposed.fresh,
        "dropped": dict(proposed.dropped),
        "short": proposed.short,
        "asked_before": proposed.before,
        "renewed": proposed.renewed,
        "gone": proposed.gone,
    }
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(told).decode())
        return
    click.echo("\n".join(_lines(told, ask)))


def _lines(told: dict[str, Any], ask: LabelQueriesAsk) -> list[str]:
    from gapless.cli.review_screen import safe
    from gapless.report.wording import count

    def were(number: int) -> str:
        return f"{number} {'was' if number == 1 else 'were'}"

    parts = ", ".join(f"{number} {source}" for source, number in told["sources"].items()) or "none yet"
    file, waiting = safe(told["queries"]), told["waiting"]
    held = f"{count(told['labels'], 'labelled query', 'labelled queries')} ({parts}), {told['unanswerable']} of them unanswerable"
    lines = [f"{file}: {held}; {told['rejected']} rejected, {waiting} {'waits' if waiting == 1 else 'wait'}."]
    if told["renewed"]:
        lines.append(f"{were(told['renewed'])} put before you again: the text has changed.")
    if told["gone"]:
        lines.append(f"{were(told['gone'])} taken back: what is quoted is gone.")
    if told["dropped"]:
        whys = "; ".join(f"{number}: {why}" for why, number in told["dropped"].items())
        lines.append(f"Passages that gave no question: {whys}.")
    if told["short"]:
        lines.append(f"{told['short']} fewer than asked for: no further passage gave one.")
    if told["asked_before"]:
        asked = "their own words" if ask.model is None else safe(str(ask.model.model))
        other = "--model NAME" if ask.model is None else "another --model, or --extractive,"
        passages = count(told["asked_before"], "passage was", "passages were")
        lines.append(f"{passages} left out, for {asked} gave no question before: {other} tries again.")
    if told["lexical"]:
        number = told["lexical"]
        lines.append(
            f"{number} {'asks' if number == 1 else 'ask'} in the words of the passage, which is kind to word search: "
            "a comparison with other engines is not fair on that."
        )
    if waiting:
        lines.append("Go on with the same command.")
    if told["labels"]:
        folder = shlex.quote(safe(str(ask.folder)))
        lines.append(f"Next: gapless checkup context --queries {shlex.quote(file)} --chunking {folder}")
    return lines
