"""Reruns of lost trials in columns: what share of them passes after each step, in both arms (METHOD section 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.blame import last_visits
from gapless.gap.clustered import Units, units
from gapless.records.replay import Arm, ReplayRun
from gapless.records.trial import StepOutcome

Trial = tuple[str, int]
"""(case, trial)."""
NO_VERDICT = "no verdict"


@dataclass(frozen=True, slots=True, eq=False)
class Arms:
    """N lost trials by K steps, in path order; carried where a trial skips a step or has no settled rerun there."""

    trials: tuple[Trial, ...]
    units: Units
    """Their groups; each trial counts the same."""
    steps: tuple[str, ...]
    """Steps with a golden output in some trial, in path order."""
    golden: NDArray[Any]
    """V, float array [N, K]: pass share with golden outputs up to the step."""
    observed: NDArray[Any]
    """U, float array [N, K]: pass share with the recorded outputs kept up to the step."""
    reruns: NDArray[Any]
    """int array [N, K]: settled reruns with golden outputs; 0 where the trial skips the step."""
    dropped: int
    """Sampled trials without a settled rerun in one of the arms: nothing can be said of them."""
    crossed: tuple[str, ...]
    """Steps that some trial reaches later than the path order has it: what they lose there is in the step before."""


@dataclass(slots=True)
class _Cell:
    """The reruns of one trial at one step in both arms."""

    position: int
    passed: dict[Arm, list[bool]]

    def share(self, arm: Arm) -> float | None:
        """Pass share of the settled reruns; None without any."""
        settled = self.passed.get(arm)
        return sum(settled) / len(settled) if settled else None

    def count(self, arm: Arm) -> int:
        """How many reruns are settled."""
        return len(self.passed.get(arm, ()))


def last_visit_path(events: Sequence[StepOutcome]) -> tuple[str, ...]:
    """The steps of a trial in the order in which their last visits begin; routers are no steps of it.

    Example:
        >>> def at(step, visit):
        ...     return StepOutcome(step=step, visit=visit, attempt=1, ok=True, ms=0)
        >>> last_visit_path([at("agent", 1), at("tool", 1), at("agent", 2), at("draft", 1)])
        ('tool', 'agent', 'draft')
    """
    last = last_visits(events)
    begun: dict[str, None] = {}
    for event in events:
        in_last = last[event.step].get(event.branch, (0, 0))[0] == event.visit
        if in_last and not event.router:
            begun.setdefault(event.step)
    return tuple(begun)


def path_order(paths: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """One order of all steps that every path agrees with, where there is one; a loop is cut at its earliest step.

    Args:
        paths: The steps of each trial by their last visits.

    Source:
        Kahn (1962), Communications of the ACM 5, on what follows what; ties by mean place, then by name.

    Example:
        >>> path_order([("a", "d", "e"), ("a", "b", "c", "d", "e")])
        ('a', 'b', 'c', 'd', 'e')
    """
    sums: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    ahead: dict[str, set[str]] = {}
    for path in paths:
        for place, step in enumerate(path):
            sums[step] += place
            counts[step] += 1
            ahead.setdefault(step, set()).update(path[max(0, place - 1) : place])
    order: list[str] = []
    while ahead:
        free = [step for step, before in ahead.items() if not before] or list(ahead)
        step = min(free, key=lambda name: (sums[name] / counts[name], name))
        order.append(step)
        del ahead[step]
        for before in ahead.values():
            before.discard(step)
    return tuple(order)


def follows(order: Sequence[str], paths: Iterable[Sequence[str]]) -> bool:
    """Whether every path takes its steps in this order.

    Example:
        >>> follows(("a", "b", "c"), [("a", "c"), ("b",)]), follows(("a", "b"), [("b", "a")])
        (True, False)
    """
    place = {step: index for index, step in enumerate(order)}
    told = ([place.get(step, -1) for step in path] for path in paths)
    return all(places == sorted(set(places)) and -1 not in places for places in told)


def rerun_paths(runs: Sequence[ReplayRun]) -> dict[Trial, tuple[str, ...]]:
    """Trial -> the steps it was rerun from, by their place on its path."""
    return {trial: tuple(_path(mine)) for trial, mine in _cells(runs)[0].items()}


def arranged(runs: Sequence[ReplayRun], order: Sequence[str]) -> Arms:
    """Pass shares of the arms `golden` and `observed`.

    V and U of a step that a trial skips are those of the step before; before its first step nothing is lost yet, and both
    are its first V. The same holds for an arm in which no rerun of the trial is settled.

    Args:
        runs: Reruns; those of the arm `subset` are left aside, and reruns without a verdict are not counted.
        order: All steps in path order; steps that only `runs` know come last.
    """
    cells, groups = _cells(runs)
    passing = {
        step for mine in cells.values() for step, cell in mine.items() if cell.share("golden") is not None
    }
    strangers = path_order(_path(mine) for mine in cells.values())
    steps = tuple(step for step in dict.fromkeys([*order, *strangers]) if step in passing)
    rows: list[tuple[Trial, list[tuple[float, float]]]] = []
    counts: list[list[int]] = []
    crossed: dict[str, None] = {}
    for trial in sorted(cells):
        filled = _filled(cells[trial], steps, crossed)
        if filled is not None:
            rows.append((trial, filled))
            counts.append(
                [cells[trial][step].count("golden") if step in cells[trial] else 0 for step in steps]
            )
    both = np.array([filled for _, filled in rows], dtype=float).reshape(len(rows), len(steps), 2)
    kept = tuple(trial for trial, _ in rows)
    table = units(
        [groups[trial] for trial in kept], weighting="runs", n_cases=len({case for case, _ in kept})
    )
    return Arms(
        trials=kept,
        units=table,
        steps=steps,
        golden=both[..., 0],
        observed=both[..., 1],
        reruns=np.array(counts, dtype=int).reshape(len(rows), len(steps)),
        dropped=len(cells) - len(kept),
        crossed=tuple(sorted(crossed)),
    )


def unsettled(runs: Iterable[ReplayRun]) -> dict[str, int]:
    """Why reruns have no verdict, and how many: the most frequent reason first."""
    counts = Counter(run.reason or NO_VERDICT for run in runs if run.ok is None)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _cells(runs: Sequence[ReplayRun]) -> tuple[dict[Trial, dict[str, _Cell]], dict[Trial, str]]:
    cells: dict[Trial, dict[str, _Cell]] = {}
    groups: dict[Trial, str] = {}
    for run in runs:
        if run.arm == "subset":
            continue
        trial = (run.case, run.trial)
        groups[trial] = run.group
        cell = cells.setdefault(trial, {}).setdefault(run.step, _Cell(run.position, {}))
        if run.ok is not None:
            cell.passed.setdefault(run.arm, []).append(run.ok)
    return cells, groups


def _path(mine: Mapping[str, _Cell]) -> list[str]:
    return sorted(mine, key=lambda step: (mine[step].position, step))


def _filled(
    mine: Mapping[str, _Cell], steps: Sequence[str], crossed: dict[str, None]
) -> list[tuple[float, float]] | None:
    """(V, U) of a trial at every step; None where one of its arms never settled."""
    known = [share for step in _path(mine) if (share := mine[step].share("golden")) is not None]
    if not known or all(cell.share("observed") is None for cell in mine.values()):
        return None
    v = u = known[0]
    reached = 0
    filled: list[tuple[float, float]] = []
    for step in steps:
        cell = mine.get(step)
        if cell is not None and cell.position < reached:
            crossed.setdefault(step)  # its state is older than the one that is carried
        elif cell is not None:
            golden, observed = cell.share("golden"), cell.share("observed")
            v, u = v if golden is None else golden, u if observed is None else observed
            reached = cell.position
        filled.append((v, u))
    return filled
