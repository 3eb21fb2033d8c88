"""How often each tool was called, and how often it answered with an error or with nothing."""

from __future__ import annotations

from gapless.records.gap import Gap
from gapless.report.sections.base import Section


def tools(gap: Gap) -> Section | None:
    """The section; None where no tool call was recorded."""
    if not gap.tools:
        return None
    return Section(
        title="Tools",
        lead="Calls over all trials. They are counts: the calls of one trial are not independent, so no rate stands here.",
        heads=("Tool", "Calls", "In trials", "Errors", "Trials with an error", "Empty answers"),
        rows=tuple(
            (
                row.tool,
                str(row.n_calls),
                str(row.n_trials),
                str(row.n_errors),
                str(row.n_error_trials),
                "" if row.n_empty is None else str(row.n_empty),
            )
            for row in gap.tools
        ),
    )
