"""What attempts beyond the first bought, and what they cost."""

from __future__ import annotations

from gapless.records.estimate import Estimate
from gapless.records.gap import Gap
from gapless.report.sections.base import Section
from gapless.report.wording import duration, points, rate


def retries(gap: Gap) -> Section | None:
    """The section; None where no step was tried twice in a visit."""
    if not gap.retries:
        return None
    return Section(
        title="Retries",
        lead="Share of a step's visits that pass at the first attempt and at the last. A step that is repaired often is not free.",
        heads=(
            "Step",
            "Visits",
            "Retried",
            "First attempt",
            "Last attempt",
            "Gain",
            "Extra attempts",
            "Extra time a trial",
        ),
        rows=tuple(
            (
                row.step,
                str(row.n_visits),
                str(row.n_retried),
                rate(row.first_attempt, n=False),
                rate(row.last_attempt, n=False),
                points(Estimate(point=row.gain)) if row.n_visits else "",
                str(row.extra_attempts),
                "" if row.extra_ms_per_trial is None else duration(row.extra_ms_per_trial),
            )
            for row in gap.retries
        ),
    )
