"""How often tools were called, and what came back: counts, for calls are not independent and no rate is claimed of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gapless.gap.table import Table
from gapless.records.gap import ALL_TOOLS, ToolUse
from gapless.records.trial import ToolCount


def tool_use(table: Table) -> tuple[ToolUse, ...]:
    """All tools together, then each, the most called first; nothing where no trial called any."""
    runs = np.bincount(table.tool, minlength=len(table.tools)).tolist()
    every = [(counts, n) for counts, n in zip(table.tools, runs, strict=True) if counts and n]
    names = dict.fromkeys(count.tool for counts, _ in every for count in counts)
    rows = [_use(name, [([c for c in counts if c.tool == name], n) for counts, n in every]) for name in names]
    rows.sort(key=lambda row: (-row.n_calls, row.tool))
    return (_use(ALL_TOOLS, every), *rows) if rows else ()


def _use(name: str, used: Sequence[tuple[Sequence[ToolCount], int]]) -> ToolUse:
    """The sums over trials.

    Args:
        name: Of the row.
        used: The counts of a trial that belong to the row, and how many trials have the same.
    """
    empty = 0
    known = True
    calls = errors = trials = failing = 0
    for counts, n in used:
        bad = sum(count.errors for count in counts)
        calls += n * sum(count.calls for count in counts)
        errors += n * bad
        empty += n * sum(count.empty or 0 for count in counts)
        known = known and all(count.empty is not None for count in counts)
        trials += n * bool(counts)
        failing += n * bool(bad)
    return ToolUse(
        tool=name,
        n_calls=calls,
        n_trials=trials,
        n_errors=errors,
        n_error_trials=failing,
        n_empty=empty if known else None,
    )
