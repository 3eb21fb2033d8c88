"""What attempts beyond the first bought, and what they cost."""

from __future__ import annotations

from gapless.records.gap import Gap
from gapless.report.sections.base import Section
from gapless.report.wording import duration, rate


def retries(gap: Gap) -> Section | None:
    """The section; None where no step was tried twice in a visit."""
    if not gap.retries:
        return None
    return Section(
        title="Retries",
        lead="Share of a step's visits that pass at the first try and at the last, the gain in points, and the time further tries take per trial. A step that is repaired often is not free.",
        heads=(
            "Step",
            "Visits",
            "Retried",
            "First try",
            "Last try",
            "Gain",
            "Time",
        ),
        rows=tuple(
            (
                row.step,
                str(row.n_visits),
                str(row.n_retried),
                rate(row.first_attempt, n=False),
                rate(row.last_attempt, n=False),
                f"{100 * row.gain:+.1f}" if row.n_visits else "",
                "" if row.extra_ms_per_trial is None else duration(row.extra_ms_per_trial),
            )
            for row in gap.retries
        ),
    )
