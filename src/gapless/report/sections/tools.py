"""How often each tool was called, and how often it answered with an error or with nothing."""

from __future__ import annotations

from gapless.records.gap import Gap
from gapless.report.sections.base import Section

_MOST = 26


def tools(gap: Gap) -> Section | None:
    """The section; None where no tool call was recorded."""
    if not gap.tools:
        return None
    return Section(
        title="Tools",
        lead="Calls over all trials. They are counts: the calls of one trial are not independent, so no rate stands here.",
        heads=("Tool", "Calls", "In trials", "Errors", "Error trials", "Empty answers"),
        rows=tuple(
            (
                row.tool,
                str(row.n_calls),
                str(row.n_trials),
                str(row.n_errors),
                str(row.n_error_trials) if row.n_errors else "",
                "" if row.n_empty is None else str(row.n_empty),
            )
            for row in gap.tools[:_MOST]
        ),
        under=f"{len(gap.tools) - _MOST} more tools are in the JSON." if len(gap.tools) > _MOST else "",
    )
