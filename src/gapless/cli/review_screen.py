"""Reviews on a screen: nothing in them can drive the terminal, and nothing is cut that a person is asked to approve."""

from __future__ import annotations

import io
import shlex
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.records.review import ReviewRecord
from gapless.report.printable import isolated, printable

if TYPE_CHECKING:
    from rich.console import Console

_SHORT_ID, _CHUNK, _REASON = 14, 150, 60
_STYLES = {"waiting": "yellow", "overdue": "bold red", "decided": "green", "consumed": "dim", "closed": "dim"}
_AGES = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def plain(review: ReviewRecord, now: float) -> dict[str, Any]:
    """A review as JSON shows it."""
    return {"standing": review.standing(now), **msgspec.structs.asdict(review)}


def table(reviews: Sequence[ReviewRecord], now: float) -> str:
    """Reviews, one a line."""
    from rich.table import Table
    from rich.text import Text

    if not reviews:
        return "Nothing waits for a person."
    console = _console()
    rows = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for head in ("review", "step", "age", "standing"):
        rows.add_column(head, no_wrap=head != "step")
    rows.add_column("why it stopped", overflow="fold")
    for review in reviews:
        standing = review.standing(now)
        rows.add_row(
            review.id[:_SHORT_ID],
            Text(isolated(printable(review.step))),
            age(now - review.created_at),
            Text(_standing(review, now), style=_STYLES[standing]),
            Text(isolated(_short(str(printable(review.question.get("reason", "")))))),
        )
    console.print(rows)
    waiting = sum(review.standing(now) in ("waiting", "overdue") for review in reviews)
    console.print(Text(f"\n{waiting} waiting. Take one: gapless review next", style="dim"))
    return _text(console)


def page(review: ReviewRecord, now: float) -> str:
    """A review as a person needs it to decide."""
    from rich.text import Text

    console, asked = _console(), review.question
    standing = review.standing(now)
    console.print(
        Text.assemble((f"review {review.id}  ", "bold"), (_standing(review, now), _STYLES[standing]))
    )
    signal = asked.get("signal")
    facts = {
        "step": review.step,
        "thread": review.thread,
        "age": age(now - review.created_at),
        "stopped because": asked.get("reason", ""),
        "signal": "none" if signal is None else f"{signal:g}",
        "note": asked.get("note", ""),
        "came back because": review.returned,
    }
    for name, said in facts.items():
        if said:
            console.print(Text.assemble((f"{name:>18}  ", "dim"), isolated(safe(str(said)))))
    if asked.get("given") is not None:
        console.print(Text("\nthe step was given", style="bold"))
        console.print(Text(block(asked["given"])))
    console.print(Text("\nhanded over", style="bold"))
    console.print(Text(block(asked.get("handoff"))))
    decision = review.decision
    if decision is not None:
        console.print(Text(f"\n{safe(said_of(review))}", style="green"))
        if decision.get("choice") == "edit":
            console.print(Text(block(decision.get("value"))))
    return _text(console)


def said(review: ReviewRecord) -> str:
    """What a command answers after a decision."""
    told = safe(f"review {review.id[:_SHORT_ID]}: {said_of(review)}")
    if review.interrupt is None:
        return told  # a function waits for it by itself
    thread = shlex.quote(safe(review.thread))
    return f"{told}\nIts run goes on with: gapless review resume {thread} --workflow TARGET\n(TARGET is the guarded graph, as file.py:name)"


def said_of(review: ReviewRecord) -> str:
    """Who decided what."""
    words = {"approve": "approved", "edit": "edited", "reject": "rejected"}
    decision = review.decision or {}
    note = f": {decision['note']}" if decision.get("note") else ""
    return f"{words.get(str(decision.get('choice')), 'decided')} by {review.decided_by}{note}"


def block(value: Any) -> str:
    """A value as indented YAML, whole."""
    import yaml

    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100, default_flow_style=False)
    return "\n".join(f"  {safe(line)}" for line in text.removesuffix("...\n").splitlines())


def age(seconds: float) -> str:
    """How long ago, roughly; a clock that went back shows 0."""
    for size, unit in _AGES:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _standing(review: ReviewRecord, now: float) -> str:
    standing = review.standing(now)
    held = review.leased_until is not None and review.leased_until > now
    if standing in ("waiting", "overdue") and held:
        return safe(f"{standing}, {review.leased_by} is at it")
    if standing in ("decided", "consumed"):
        return safe(f"{(review.decision or {}).get('choice')} by {review.decided_by}")
    return standing


def safe(text: str) -> str:
    """A text that cannot drive the terminal, whole."""
    # Long texts are made safe piece by piece: as a whole they would be cut.
    return "".join(printable(text[at : at + _CHUNK]) for at in range(0, len(text), _CHUNK))


def _short(text: str) -> str:
    return text if len(text) <= _REASON else text[: _REASON - 1] + "…"


def _console() -> Console:
    from rich.console import Console

    width = min(120, max(60, shutil.get_terminal_size((100, 24)).columns))
    return Console(
        file=io.StringIO(), width=width, force_terminal=sys.stdout.isatty(), highlight=False, soft_wrap=False
    )


def _text(console: Console) -> str:
    written = console.file
    assert isinstance(written, io.StringIO)
    return "\n".join(line.rstrip() for line in written.getvalue().rstrip("\n").split("\n"))
