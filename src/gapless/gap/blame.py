"""The blame rule: the first step whose own check failed and stayed failed (METHOD section 5). Not "root cause"."""

from __future__ import annotations

from collections.abc import Sequence

from gapless.records.gap import CRASH, ESCALATION, UNJUDGED, UNOBSERVED
from gapless.records.trial import Outcome, StepOutcome

_WITHOUT_STEP: dict[Outcome, str] = {
    "escalated": ESCALATION,
    "failed": CRASH,
    "wrong": UNOBSERVED,
    "unjudged": UNJUDGED,
}


def blame(events: Sequence[StepOutcome], outcome: Outcome) -> str | None:
    """The exit a lost trial is placed at; None for a correct one.

    Example:
        >>> a = StepOutcome(step="a", visit=1, attempt=1, ok=False, ms=0)
        >>> again = StepOutcome(step="a", visit=1, attempt=2, ok=True, ms=0)
        >>> b = StepOutcome(step="b", visit=1, attempt=1, ok=False, ms=0)
        >>> blame([a, again, b], "wrong"), blame([a, again], "wrong"), blame([b], "correct")
        ('b', '(unobserved)', None)
    """
    if outcome == "correct":
        return None
    return first_failure(events) or _WITHOUT_STEP[outcome]


def first_failure(events: Sequence[StepOutcome]) -> str | None:
    """The earliest step whose last attempt of its last visit failed, whatever the outcome; None if there is none.

    Parallel branches of a step are told apart: each counts with its own last visit, and one failed branch is enough.
    """
    if not any(event.ok is False for event in events):
        return None
    last: dict[tuple[str, int | None], tuple[int, int]] = {}
    for event in events:
        key = (event.step, event.branch)
        here = (event.visit, event.attempt)
        last[key] = max(last.get(key, here), here)
    for event in events:
        if event.ok is False and last[event.step, event.branch] == (event.visit, event.attempt):
            return event.step
    return None
