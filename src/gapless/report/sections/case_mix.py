"""Why a step passes less often in the chain than alone: the cases that reach it, and the boundary before it."""

from __future__ import annotations

from gapless.records.decomposition import CaseMixRow
from gapless.records.gap import Gap
from gapless.report.sections.base import Section
from gapless.report.wording import listed, part, shortened


def case_mix(gap: Gap) -> Section | None:
    """The section; None without a benchmark."""
    rows = [row for row in gap.case_mix if row.total is not None and not _same(row)]
    if not rows:
        return None
    return Section(
        title="Alone and in the chain",
        lead='Later steps see the cases that survived ("if reached"), which are easier. ln(alone / in the chain) is the sum of that selection '
        "(negative: easier cases) and of what the boundary loses. Points only: no interval stands behind them.",
        heads=(
            "Step",
            "Alone",
            "Alone, if reached",
            "In the chain",
            "ln ratio",
            "Selection",
            "Boundary",
        ),
        rows=tuple(_row(row) for row in rows),
        under=_under(rows),
    )


def _row(row: CaseMixRow) -> tuple[str, ...]:
    shares = (row.alone, row.alone_on_reached, row.in_chain)
    logs = (row.total, row.selection, row.boundary)
    return (row.step, *map(part, shares), *("" if log is None else f"{log + 0.0:.3f}" for log in logs))


def _same(row: CaseMixRow) -> bool:
    """Whether nothing failed, alone or in the chain."""
    return row.alone == 1 and row.in_chain == 1


def _under(rows: list[CaseMixRow]) -> str:
    why: dict[str, list[str]] = {}
    for row in rows:
        if row.reason:
            why.setdefault(row.reason, []).append(shortened(row.step, 32))
    return " ".join(f"{listed(steps)}: {reason}." for reason, steps in why.items())
