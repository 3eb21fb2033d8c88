"""S on declared slices, the lowest of each kind first."""

from __future__ import annotations

from gapless.records.gap import Gap
from gapless.report.sections.base import Section
from gapless.report.wording import rate, shortened


def slices(gap: Gap) -> Section | None:
    """The section; None where no case declares a slice."""
    if not gap.slices:
        return None
    return Section(
        title="Slices",
        lead="Simultaneous intervals. The lowest of several noisy numbers is biased low: read it beside the whole.",
        heads=("Slice", "S", "Silent", "Trials"),
        rows=tuple(
            (
                f"{row.key} = {row.value}",
                rate(row.success, n=False),
                str(row.outcomes.get("wrong", "") or ""),
                str(row.success.n_runs),
            )
            for row in sorted(gap.slices, key=lambda row: (row.key, row.success.point or 0.0))
        ),
        under=_worst(gap),
    )


def _worst(gap: Gap) -> str:
    row = gap.worst_slice
    if row is None or row.success.point is None or gap.success.point is None:
        return ""
    name = shortened(f"{row.key} = {row.value}", 60)
    return (
        f"The worst of {len(gap.slices)}: {name}, {rate(row.success)}, beside {rate(gap.success)} over all."
    )
