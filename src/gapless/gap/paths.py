"""The planned path of each case: the steps a complete answer needs (DESIGN: planned path)."""

from __future__ import annotations

from collections.abc import Sequence

from gapless.gap.blame import last_visits
from gapless.records.suite import Case
from gapless.records.trial import Run
from gapless.records.workflow import Shape


def planned_paths(cases: Sequence[Case], runs: Sequence[Run], shape: Shape) -> dict[str, tuple[str, ...]]:
    """Case id -> planned path: declared, else executed by its first correct trial, else the only acyclic route.

    Executed paths of failed trials are never used: a run that stopped early would make the prediction too high. A visit
    whose check failed and that a later visit made good is no success the path needs, and is not counted. A case for
    which none of the three exists is left out.
    """
    route = shape.only_route()
    hidden = {step.name for step in shape.steps if step.review or step.router}
    first: dict[str, Run] = {}
    for run in runs:
        if run.outcome == "correct" and run.events:
            known = first.get(run.case)
            if known is None or run.trial < known.trial:
                first[run.case] = run
    executed = {case: _executed(run, hidden) for case, run in first.items()}
    paths: dict[str, tuple[str, ...]] = {}
    for case in cases:
        path = case.path or executed.get(case.id) or route
        if path:
            paths[case.id] = path
    return paths


def _executed(run: Run, hidden: set[str]) -> tuple[str, ...]:
    failed: dict[tuple[str, int | None, int], bool] = {}
    for event in run.events:
        if not event.router and event.step not in hidden:
            failed[event.step, event.branch, event.visit] = event.ok is False
    last = last_visits(run.events)
    return tuple(
        step
        for (step, branch, visit), bad in failed.items()
        if not bad or last[step].get(branch, (0, 0))[0] == visit
    )
