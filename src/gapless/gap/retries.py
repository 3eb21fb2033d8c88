"""What attempts beyond the first bought at each step, and what they cost (METHOD section 5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.clustered import clustered, units_of
from gapless.gap.codes import compact, distinct
from gapless.gap.table import History, Table
from gapless.records.decomposition import RetryRow
from gapless.records.trial import StepOutcome

_LOUD = ("error", "abandoned")


def retries(table: Table, *, level: float = 0.95) -> tuple[RetryRow, ...]:
    """One row per step that was tried more than once in some visit, the most retried first."""
    visits = _visits(table)
    extra = _extra(table)
    rows = [_row(table, step, visits[step], extra[step], level) for step in extra]
    return tuple(sorted(rows, key=lambda row: (-row.n_retried, row.step)))


def _row(
    table: Table, step: str, visits: dict[int, NDArray[Any]], extra: tuple[int, int, float], level: float
) -> RetryRow:
    """`visits`: history -> int array [visits, 2] of how the first and the last attempt ended."""
    sizes = np.zeros(len(table.histories), dtype=np.int64)
    sizes[list(visits)] = [len(pairs) for pairs in visits.values()]
    # One row per visit: its trial's group, and its history's verdicts, trial after trial.
    per_trial = sizes[table.history]
    trials = np.flatnonzero(per_trial)
    groups = np.repeat(table.group[trials], per_trial[trials])
    pairs = (
        np.concatenate([visits[int(history)] for history in table.history[trials]])
        if len(trials)
        else np.zeros((0, 2))
    )
    codes, n_groups = compact(groups)
    units = units_of(codes, n_groups, weighting="runs", n_cases=distinct(table.case[trials]))
    first, last = (clustered(pairs[:, column], units, level=level) for column in (0, 1))
    attempts, retried, ms = extra
    return RetryRow(
        step=step,
        n_visits=len(pairs),
        n_retried=retried,
        first_attempt=first,
        last_attempt=last,
        gain=(last.point or 0.0) - (first.point or 0.0),
        extra_attempts=attempts,
        extra_ms_per_trial=None if np.isnan(ms) else ms / len(table),
    )


def _visits(table: Table) -> dict[str, dict[int, NDArray[Any]]]:
    """Step -> history -> (first attempt passed, last attempt passed) of its visits with both verdicts."""
    found: dict[str, dict[int, NDArray[Any]]] = defaultdict(dict)
    for code, history in enumerate(table.histories):
        pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for (step, _, _), attempts in _grouped(history).items():
            ended = (_passed(attempts[0]), _passed(attempts[-1]))
            if ended[0] is not None and ended[1] is not None:
                pairs[step].append((ended[0], ended[1]))
        for step, mine in pairs.items():
            found[step][code] = np.array(mine)
    return found


def _extra(table: Table) -> dict[str, tuple[int, int, float]]:
    """Step -> attempts beyond the first, visits that had any, and the milliseconds they took, over all trials."""
    attempts: dict[str, int] = defaultdict(int)
    retried: dict[str, int] = defaultdict(int)
    runs = table.per_history().tolist()
    for history, count in zip(table.histories, runs, strict=True):
        for (step, _, _), mine in _grouped(history).items() if count else ():
            if len(mine) > 1:
                attempts[step] += count * (len(mine) - 1)
                retried[step] += count
    if not attempts:
        return {}
    ms = _extra_ms(table, list(attempts))
    return {step: (attempts[step], retried[step], ms[step]) for step in attempts}


def _extra_ms(table: Table, steps: list[str]) -> dict[str, float]:
    code = {step: place for place, step in enumerate(steps)}
    laid: list[int] = [
        code.get(event.step, -1) if _is_extra(event) else -1
        for history in table.histories
        for event in history
    ]
    here = np.array(laid, dtype=np.int64)[table.event_places()]
    kept = here >= 0
    sums = np.bincount(here[kept], weights=table.durations[kept], minlength=len(steps))
    return dict(zip(steps, sums.tolist(), strict=True))


def _is_extra(event: StepOutcome) -> bool:
    return event.attempt > 1 and not event.router


def _grouped(history: History) -> dict[tuple[str, int | None, int], list[StepOutcome]]:
    found: dict[tuple[str, int | None, int], list[StepOutcome]] = defaultdict(list)
    for event in _steps(history):
        found[event.step, event.branch, event.visit].append(event)
    return found


def _steps(history: History) -> Iterable[StepOutcome]:
    return (event for event in history if not event.router and event.status != "paused")


def _passed(event: StepOutcome) -> float | None:
    """1 or 0 for an attempt; what raised did not pass, whether or not anybody judged it."""
    if event.status in _LOUD:
        return 0.0
    return None if event.ok is None else float(event.ok)
