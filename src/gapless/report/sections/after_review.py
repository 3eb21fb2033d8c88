"""What reviewers made of the trials that were escalated, and how right the system is with them."""

from __future__ import annotations

from gapless.records.gap import Gap
from gapless.records.trial import Outcome
from gapless.report.sections.base import Section
from gapless.report.wording import rate

_CAME_TO: dict[Outcome, str] = {
    "wrong": "ended wrong",
    "failed": "failed or were refused",
    "escalated": "still waited for somebody",
    "unjudged": "ended without a verdict",
}


def after_review(gap: Gap) -> Section | None:
    """The section; None where no reviewer was asked."""
    told = gap.after_review
    if told is None:
        return None
    right, known = told.outcomes.get("correct", 0), told.system.point is not None
    share = rate(told.right, n=False) if told.right.point is not None else ""
    rows = [("ended right: h", f"{right} of {told.n_asked}", share)]
    rows += [
        (words, str(told.outcomes[name]), "") for name, words in _CAME_TO.items() if name in told.outcomes
    ]
    if known:
        ended = f"{gap.outcomes.get('correct', 0) + right} of {gap.n_runs}"
        rows.append(("all trials: P(C) + h P(E)", ended, rate(told.system, n=False)))
    accuracy = "P(C) + h P(E), how often the system is right with its reviewers,"
    return Section(
        title="After review",
        lead="How escalated trials ended once a reviewer had decided. They stay escalated, and are no success of the automation.",
        heads=("Escalated trials", "Trials", "Share"),
        rows=tuple(rows),
        under=f"{accuracy} takes h as it was measured here."
        if known
        else f"{accuracy} is not known: {told.system.reason}.",
        ours=True,
    )
