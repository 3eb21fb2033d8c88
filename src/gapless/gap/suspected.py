"""Suspected loss where nobody has labelled anything, and the label that would narrow it most (METHOD section 14)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gapless.gap.boundaries import receivers
from gapless.gap.clustered import Units, clustered
from gapless.gap.table import History, Table
from gapless.records.estimate import Estimate
from gapless.records.gap import UNOBSERVED, NextLabel, SuspectedRow
from gapless.records.trial import Outcome
from gapless.records.workflow import Shape

_EXAMPLES = 3
_DELIVERED: tuple[Outcome, ...] = ("correct", "wrong", "unjudged")


def suspected(
    table: Table, units: Units, shape: Shape, *, level: float = 0.95
) -> tuple[tuple[SuspectedRow, ...], Estimate | None]:
    """Share of trials in which a built-in check fired, by exit, the largest first; and the share with any at all.

    These are suspicions. What share of them is a real loss only labels can tell.
    """
    open_ = ~table.labelled  # a verdict stands above a suspicion
    fired = [_exits(history) for history in table.histories]
    any_ = np.array([bool(exits) for exits in fired], dtype=bool)[table.history] & open_
    if not any_.any():
        return (), None
    checks: dict[str, Counter[str]] = defaultdict(Counter)
    for exits, runs in zip(fired, table.per_history(open_), strict=True):
        for exit_, names in exits.items() if runs else ():
            checks[exit_].update(dict.fromkeys(names, int(runs)))
    rows: list[SuspectedRow] = []
    for exit_, counts in checks.items():
        step = shape.step(exit_)
        here = _at(exit_, fired, table) & open_
        rows.append(
            SuspectedRow(
                exit=exit_,
                receivers=receivers(shape, exit_),
                layer=step.layer if step else None,
                layer_guessed=step.layer_guessed if step else False,
                rate=clustered(here, units, level=level),
                checks=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
                examples=tuple(table.name(row) for row in np.flatnonzero(here)[:_EXAMPLES]),
            )
        )
    rows.sort(key=lambda row: (-round(row.rate.point or 0.0, 12), row.exit))
    return tuple(rows), clustered(any_, units, level=level)


def next_label(table: Table, rows: Sequence[SuspectedRow], *, level: float = 0.95) -> NextLabel | None:
    """The unlabelled trial whose label is expected to shrink the widest interval among the exits most.

    A label settles whether the trial was right and, if not, its first failing step. The prior of "a suspicion here is a
    loss here" is Beta(1/2, 1/2) per exit; an exit's interval is that posterior's, times the share suspected there.
    """
    unlabelled = ~table.labelled & table.is_(*_DELIVERED)
    if not unlabelled.any():
        return None
    fired = [_exits(history) for history in table.histories]
    widths = {row.exit: _width(table, _at(row.exit, fired, table), row, level) for row in rows}
    exits = np.array([len(found) for found in fired], dtype=np.int64)[table.history]
    for exit_ in sorted(widths, key=lambda name: (-widths[name][0], name)):
        candidates = np.flatnonzero(_at(exit_, fired, table) & unlabelled)
        if len(candidates):
            # Among equals, the trial at which most exits are suspected teaches most.
            most = candidates[exits[candidates] == exits[candidates].max()]
            best = _first_case(table, most)
            best = best[np.argmin(table.trial[best])]
            width, expected = widths[exit_]
            return _label(table, best, exit_, width, expected)
    return _first_of_all(table, np.flatnonzero(unlabelled), level)


def _exits(history: History) -> dict[str, set[str]]:
    exits: dict[str, set[str]] = {}
    for event in history:
        if event.suspicions:
            exits.setdefault(event.step, set()).update(event.suspicions)
    return exits


def _at(exit_: str, fired: Sequence[dict[str, set[str]]], table: Table) -> NDArray[Any]:
    """bool array [N]: the trials in which a check fired at an exit."""
    return np.array([exit_ in exits for exits in fired], dtype=bool)[table.history]


def _first_case(table: Table, rows: NDArray[Any]) -> NDArray[Any]:
    """Those of the rows that belong to the first of their cases by name."""
    first = min(np.unique(table.case[rows]).tolist(), key=table.cases.__getitem__)
    return rows[table.case[rows] == first]


def _width(table: Table, suspects: NDArray[Any], row: SuspectedRow, level: float) -> tuple[float, float]:
    known = suspects & table.labelled
    lost = 0
    if row.exit in table.exits:
        here = table.blame == table.exits.index(row.exit)
        lost = int(np.count_nonzero(known & here & table.is_("wrong")))
    labelled = int(np.count_nonzero(known & table.is_("correct", "wrong")))
    a, b = 0.5 + lost, 0.5 + labelled - lost
    share = row.rate.point or 0.0
    mean = a / (a + b)
    expected = mean * _beta_width(a + 1, b, level) + (1 - mean) * _beta_width(a, b + 1, level)
    return share * _beta_width(a, b, level), share * expected


def _first_of_all(table: Table, unlabelled: NDArray[Any], level: float) -> NextLabel:
    earliest = unlabelled[table.trial[unlabelled] == table.trial[unlabelled].min()]
    first = _first_case(table, earliest)[0]
    return _label(table, first, UNOBSERVED, _beta_width(0.5, 0.5, level), _beta_width(1.5, 0.5, level))


def _label(table: Table, row: Any, exit_: str, width: float, expected: float) -> NextLabel:
    case, trial = table.cases[table.case[row]], int(table.trial[row])
    return NextLabel(case=case, trial=trial, exit=exit_, width=width, expected_width=expected)


def _beta_width(a: float, b: float, level: float) -> float:
    tail = (1 - level) / 2
    return float(special.betaincinv(a, b, 1 - tail) - special.betaincinv(a, b, tail))
