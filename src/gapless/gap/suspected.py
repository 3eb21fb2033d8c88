"""Suspected loss where nobody has labelled anything, and the label that would narrow it most (METHOD section 14)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from scipy import special

from gapless.gap.boundaries import receivers
from gapless.gap.clustered import Units, clustered
from gapless.records.estimate import Estimate
from gapless.records.gap import UNOBSERVED, NextLabel, SuspectedRow
from gapless.records.trial import Run
from gapless.records.workflow import Shape

_EXAMPLES = 3
_DELIVERED = ("correct", "wrong", "unjudged")


def suspected(
    runs: Sequence[Run], table: Units, shape: Shape, *, level: float = 0.95
) -> tuple[tuple[SuspectedRow, ...], Estimate | None]:
    """Share of trials in which a built-in check fired, by exit, the largest first; and the share with any at all.

    These are suspicions. What share of them is a real loss only labels can tell.
    """
    fired = [{} if run.labelled else _exits(run) for run in runs]  # a verdict stands above a suspicion
    if not any(fired):
        return (), None
    checks: dict[str, Counter[str]] = defaultdict(Counter)
    examples: dict[str, list[str]] = defaultdict(list)
    for run, exits in zip(runs, fired, strict=True):
        for exit_, names in exits.items():
            checks[exit_].update(names)
            if len(examples[exit_]) < _EXAMPLES:
                examples[exit_].append(f"{run.case}#{run.trial}")
    rows: list[SuspectedRow] = []
    for exit_, counts in checks.items():
        step = shape.step(exit_)
        rows.append(
            SuspectedRow(
                exit=exit_,
                receivers=receivers(shape, exit_),
                layer=step.layer if step else None,
                layer_guessed=step.layer_guessed if step else False,
                rate=clustered(np.array([exit_ in exits for exits in fired]), table, level=level),
                checks=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
                examples=tuple(examples[exit_]),
            )
        )
    rows.sort(key=lambda row: (-round(row.rate.point or 0.0, 12), row.exit))
    return tuple(rows), clustered(np.array([bool(exits) for exits in fired]), table, level=level)


def next_label(runs: Sequence[Run], rows: Sequence[SuspectedRow], *, level: float = 0.95) -> NextLabel | None:
    """The unlabelled trial whose label is expected to shrink the widest interval among the exits most.

    A label settles whether the trial was right and, if not, its first failing step. The prior of "a suspicion here is a
    loss here" is Beta(1/2, 1/2) per exit; an exit's interval is that posterior's, times the share suspected there.
    """
    unlabelled = [run for run in runs if _unlabelled(run)]
    if not unlabelled:
        return None
    if not rows:
        return _first_of_all(unlabelled, level)
    fired = [(run, exits) for run in runs if (exits := _exits(run))]
    widths = {
        row.exit: _width([run for run, exits in fired if row.exit in exits], row, level) for row in rows
    }
    for exit_ in sorted(widths, key=lambda name: (-widths[name][0], name)):
        candidates = [
            (-len(exits), run.case, run.trial, run)
            for run, exits in fired
            if exit_ in exits and _unlabelled(run)
        ]
        if candidates:
            # Among equals, the trial at which most exits are suspected teaches most.
            best = min(candidates, key=lambda row: row[:3])[3]
            width, expected = widths[exit_]
            return NextLabel(
                case=best.case, trial=best.trial, exit=exit_, width=width, expected_width=expected
            )
    return _first_of_all(unlabelled, level)


def _unlabelled(run: Run) -> bool:
    return not run.labelled and run.outcome in _DELIVERED


def _exits(run: Run) -> dict[str, set[str]]:
    exits: dict[str, set[str]] = {}
    for event in run.events:
        if event.suspicions:
            exits.setdefault(event.step, set()).update(event.suspicions)
    return exits


def _width(suspects: Sequence[Run], row: SuspectedRow, level: float) -> tuple[float, float]:
    labelled = [run for run in suspects if run.labelled and run.outcome in ("correct", "wrong")]
    lost = sum(run.outcome == "wrong" and run.blame == row.exit for run in labelled)
    a, b = 0.5 + lost, 0.5 + len(labelled) - lost
    share = row.rate.point or 0.0
    mean = a / (a + b)
    expected = mean * _beta_width(a + 1, b, level) + (1 - mean) * _beta_width(a, b + 1, level)
    return share * _beta_width(a, b, level), share * expected


def _first_of_all(unlabelled: list[Run], level: float) -> NextLabel:
    first = min(unlabelled, key=lambda run: (run.trial, run.case))
    return NextLabel(
        case=first.case,
        trial=first.trial,
        exit=UNOBSERVED,
        width=_beta_width(0.5, 0.5, level),
        expected_width=_beta_width(1.5, 0.5, level),
    )


def _beta_width(a: float, b: float, level: float) -> float:
    tail = (1 - level) / 2
    return float(special.betaincinv(a, b, 1 - tail) - special.betaincinv(a, b, tail))
