"""What reviewers made of the trials that were escalated, and how right the system is with them."""

from __future__ import annotations

from gapless.records.estimate import Estimate
from gapless.records.gap import Gap
from gapless.records.trial import Outcome
from gapless.report.sections.base import Section
from gapless.report.wording import rate

_CAME_TO: dict[Outcome, str] = {
    "wrong": "ended wrong after review",
    "failed": "failed or were refused after review",
    "escalated": "still waited for somebody",
    "unjudged": "ended without a verdict after review",
}


def after_review(gap: Gap) -> Section | None:
    """The section; None where no reviewer was asked."""
    told = gap.after_review
    if told is None:
        return None
    right = told.outcomes.get("correct", 0)
    rows = [("ended right after review (h)", f"{right} of {told.n_asked}", _share(told.right))]
    rows += [
        (words, str(told.outcomes[name]), "") for name, words in _CAME_TO.items() if name in told.outcomes
    ]
    ended = (
        f"{gap.outcomes.get('correct', 0) + right} of {gap.n_runs}" if told.system.point is not None else ""
    )
    rows.append(("all trials, right with reviewers: P(C) + h P(E)", ended, _share(told.system)))
    return Section(
        title="After review",
        lead="How escalated trials ended once a reviewer had decided. They stay escalated, and are no success of the automation.",
        heads=("Escalated trials", "Trials", "Share"),
        rows=tuple(rows),
        ours=True,
    )


def _share(estimate: Estimate) -> str:
    return f"not known: {estimate.reason}" if estimate.point is None else rate(estimate)
