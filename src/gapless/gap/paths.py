"""The planned path of each case: the steps a complete answer needs (DESIGN: planned path)."""

from __future__ import annotations

from collections.abc import Sequence

from gapless.records.suite import Case
from gapless.records.trial import Run
from gapless.records.workflow import Shape


def planned_paths(cases: Sequence[Case], runs: Sequence[Run], shape: Shape) -> dict[str, tuple[str, ...]]:
    """Case id -> planned path: declared, else executed by a correct trial of that case, else the only acyclic route.

    Executed paths of failed trials are never used: a run that stopped early would make the prediction too high. A case
    for which none of the three exists is left out.
    """
    route = shape.only_route()
    hidden = {step.name for step in shape.steps if step.review or step.router}
    executed: dict[str, tuple[str, ...]] = {}
    for run in runs:
        if run.outcome == "correct" and run.case not in executed and run.events:
            executed[run.case] = _executed(run, hidden)
    paths: dict[str, tuple[str, ...]] = {}
    for case in cases:
        path = case.path or executed.get(case.id) or route
        if path:
            paths[case.id] = path
    return paths


def _executed(run: Run, hidden: set[str]) -> tuple[str, ...]:
    visits: dict[tuple[str, int | None, int], str] = {}
    for event in run.events:
        if not event.router and event.step not in hidden:
            visits.setdefault((event.step, event.branch, event.visit), event.step)
    return tuple(visits.values())
