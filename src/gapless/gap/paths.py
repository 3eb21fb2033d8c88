"""The planned path of each case: the steps a complete answer needs (DESIGN: planned path)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.blame import last_visits
from gapless.gap.codes import compact, present
from gapless.gap.table import History, Table
from gapless.records.suite import Case
from gapless.records.workflow import Shape

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """The planned path of every trial: each distinct one once."""

    paths: tuple[Path | None, ...]
    """None: no planned path is known."""
    code: NDArray[Any]
    """int array [N]: which of them."""


def routes(table: Table, paths: Mapping[str, Path], shape: Shape) -> Routes:
    """The path each trial was to take: the one it declared itself, else its case's, else the only one there is.

    Args:
        table: Run table of N trials.
        paths: Planned path of each case, see `planned_paths`; cases may be missing.
        shape: The workflow.
    """
    only = shape.only_route()
    known: dict[Path | None, int] = {}
    declared = [known.setdefault(plan, len(known)) if plan else -1 for plan in table.plans]
    of_case = [known.setdefault(paths.get(case) or only or None, len(known)) for case in table.cases]
    code = np.array(declared, dtype=np.int64)[table.plan]
    code = np.where(code >= 0, code, np.array(of_case, dtype=np.int64)[table.case])
    every = tuple(known)
    return Routes(tuple(every[index] for index in present(code)), compact(code)[0])


def planned_paths(cases: Sequence[Case], table: Table, shape: Shape) -> dict[str, Path]:
    """Case id -> planned path: declared, else executed by its first correct trial, else the only acyclic route.

    Executed paths of failed trials are never used: a run that stopped early would make the prediction too high. A visit
    whose check failed and that a later visit made good is no success the path needs, and is not counted. A case for
    which none of the three exists is left out. Cases that only the table knows, which declare their paths trial by
    trial, have an executed one or none.
    """
    only = shape.only_route()
    executed = _first_correct(table, {step.name for step in shape.steps if step.review or step.router})
    paths = dict(executed)
    for case in cases:
        path = case.path or executed.get(case.id) or only
        if path:
            paths[case.id] = path
    return paths


def _first_correct(table: Table, hidden: set[str]) -> dict[str, Path]:
    """What the first correct trial of each case executed."""
    rows = np.flatnonzero(table.is_("correct") & (np.diff(table.starts) > 0))
    rows = rows[np.lexsort((table.trial[rows], table.case[rows]))]
    cases, first = np.unique(table.case[rows], return_index=True)
    histories = table.history[rows[first]]
    executed = {code: _executed(table.histories[code], hidden) for code in np.unique(histories)}
    return {table.cases[case]: executed[code] for case, code in zip(cases, histories, strict=True)}


def _executed(history: History, hidden: set[str]) -> Path:
    failed: dict[tuple[str, int | None, int], bool] = {}
    for event in history:
        if not event.router and event.step not in hidden:
            failed[event.step, event.branch, event.visit] = event.ok is False
    last = last_visits(history)
    return tuple(
        step
        for (step, branch, visit), bad in failed.items()
        if not bad or last[step].get(branch, (0, 0))[0] == visit
    )
