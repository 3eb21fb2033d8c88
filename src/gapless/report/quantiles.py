"""Which latency quantiles a report has room for: one that no row can show is said in a sentence, not in a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gapless.records.estimate import Estimate
from gapless.records.gap import LatencyRow
from gapless.report.wording import count, listed


@dataclass(frozen=True, slots=True)
class Quantiles:
    """The quantiles that at least one row can show."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Estimate, ...], int], ...]
    """Step, its quantiles in the order of the names, and the trials or visits behind them."""
    missing: str | None
    """The others, in a sentence."""


def quantiles(rows: Sequence[LatencyRow]) -> Quantiles | None:
    """Columns of a latency table; None where nothing was timed."""
    if not rows:
        return None
    columns = {"p50": [r.p50 for r in rows], "p95": [r.p95 for r in rows], "p99": [r.p99 for r in rows]}
    names = tuple(name for name, cells in columns.items() if any(e.point is not None for e in cells))
    shown = tuple(
        (row.step, tuple(columns[name][index] for name in names), row.p50.n_runs)
        for index, row in enumerate(rows)
    )
    missing = [name for name in columns if name not in names]
    most = count(max(row.p50.n_runs for row in rows), "trial")
    return Quantiles(names, shown, f"{listed(missing)}: not estimable from {most}" if missing else None)
