"""What is left of the workflow when it is killed: the table of `gapless crash`, as one line of the checklist."""

from __future__ import annotations

from collections.abc import Iterable

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.commands import advised
from gapless.probes.orchestration.opened import shape_of
from gapless.records.crash import CrashCell, CrashTable, harmful
from gapless.records.finding import Figure, Finding
from gapless.report.crash import MOMENTS, told

CARD = Card(
    probe="crash-recovery",
    layer="orchestration",
    title="a run that is killed goes on: nothing twice, nothing lost",
    target="no kill after which an effect or a decision counts twice, or a run is lost without a trace",
    source="the six-layer checklist, layer 5; gapless crash",
)
_WHY_LOST = (
    ". The harm: the run had been accepted, and nothing is left that says so; it goes on only where whoever asked for it asks"
    " again, and else is lost without a trace"
)


def probe(subject: Subject) -> Iterable[Finding]:
    """What the kills came to that were made with leave."""
    shape_of(subject)
    table = subject.crash
    if table is None:
        raise ProbeUnavailable(_why_none(subject))
    cells = [cell for cell in _that_count(table) if cell.end != "never there"]
    if not cells:
        raise ProbeUnavailable("no kill was made before the time was over: gapless crash goes on")
    bad = [cell for cell in cells if harmful(cell)]
    figures = (
        Figure(name="kills", value=len(cells)),
        Figure(name="with harm", value=len(bad), unit=f"of {len(cells)}"),
        Figure(name="after which it went on to its end", value=sum(c.end == "ended" for c in cells)),
    )
    how = "under its contracts" if cells[0].guarded else "without contracts"
    over = "" if table.complete else ", as many as the time allowed"
    made = f"{len(cells)} kills {how}{over} (durability {_modes(cells)})"
    if not bad:
        yield CARD.finding("ok", f"{made}: nothing took place twice and no run was lost", figures=figures)
        return
    first = next((cell for cell in bad if cell.doubled), bad[0])
    said = f"{len(bad)} of {made} do harm: at {first.step}, {MOMENTS[first.moment]}: {told(first)}"
    if not (first.doubled or first.approvals_doubled or first.delivered > 1):
        said += _WHY_LOST
    yield CARD.finding("fail", said, figures=figures, **advised(subject, _advice(bad), "crash", "--full"))


def _why_none(subject: Subject) -> str:
    if not subject.own_workflow:
        return "the reference agent stands in, and is not killed; with your graph: gapless crash app.py:graph --suite suite.yaml"
    if subject.leave:
        return subject.no_crash or "no kill was made"
    needed = "" if subject.has_suite else ", and set `suite` in gapless.toml: its first case is run"
    return f"killing runs the workflow: say --leave, and --allow-effects where its steps may act{needed}"


def _that_count(table: CrashTable) -> list[CrashCell]:
    """Kills under contracts, where there are some: that is how it is meant to run."""
    guarded = [cell for cell in table.cells if cell.guarded]
    return guarded or list(table.cells)


def _modes(cells: list[CrashCell]) -> str:
    return ", ".join(dict.fromkeys(cell.durability for cell in cells))


def _advice(bad: list[CrashCell]) -> str:
    if any(cell.doubled for cell in bad):
        return "Name the action: Contract(effect=True, idempotency_key=...) with a durable ledger; and see the whole table."
    return 'A checkpointer that lasts, and durability="sync" where steps act, so that a run is known before it acts.'
