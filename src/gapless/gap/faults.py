"""How often faults end silently, with a limit that is a claim."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from gapless.gap.budget import claim
from gapless.gap.rate import NEVER
from gapless.gap.table import Table
from gapless.records.estimate import Estimate
from gapless.records.trial import Run


def silent_share(runs: Sequence[Run], silent: Sequence[bool]) -> Estimate:
    """Share of silent trials; trials of a group are taken together.

    Args:
        runs: The counted trials of one cell.
        silent: Whether each ended silently wrong.

    Returns:
        With exact limits, each a one-sided 95 % claim (METHOD sections 1 and 2).
    """
    if not runs:
        return Estimate(level=0.90, reason=NEVER)
    return claim(np.array(silent, dtype=bool), Table.of(iter(runs)))


def over_cells(cells: Iterable[tuple[str, Sequence[Run], Sequence[bool]]]) -> Estimate:
    """The same over several cells: every counted trial counts the same, and the groups are those of the cases.

    Args:
        cells: (name, counted trials, whether each ended silently wrong).
    """
    runs: list[Run] = []
    flags: list[bool] = []
    for name, counted, silent in cells:
        runs += [msgspec.structs.replace(run, case=f"{run.case} under {name}") for run in counted]
        flags += silent
    found = silent_share(runs, flags)
    if found.high is None or not any(flags):
        return found
    # One silent trial tells how much the few groups differ as little as none does: its limit is never the lower one.
    none = silent_share(runs, [False] * len(runs))
    return msgspec.structs.replace(found, high=max(found.high, none.high or 0.0))
