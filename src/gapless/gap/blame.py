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

    A fan-out is one visit of its step: any branch of the last one that failed is enough, and what an earlier one left
    undone is not asked again.
    """
    if not any(event.ok is False for event in events):
        return None
    last = last_visits(events)
    for event in events:
        if event.ok is False and last[event.step].get(event.branch) == (event.visit, event.attempt):
            return event.step
    return None


def last_visits(events: Sequence[StepOutcome]) -> dict[str, dict[int | None, tuple[int, int]]]:
    """Step -> branches of its last visit, each with its visit number and its last attempt.

    Args:
        events: One trial's events in time order. Visits are counted per branch: a loop that sends fewer items than
            before leaves branches behind whose numbers tell nothing of the step's last visit, but their order does.

    Example:
        >>> def at(visit, branch):
        ...     return StepOutcome(step="a", visit=visit, attempt=1, ok=True, ms=0, branch=branch)
        >>> last_visits([at(1, 0), at(1, 1), at(2, 0)])
        {'a': {0: (2, 1)}}
    """
    found: dict[str, dict[int | None, tuple[int, int]]] = {}
    for event in events:
        mine = found.setdefault(event.step, {})
        here = (event.visit, event.attempt)
        known = mine.get(event.branch)
        if known is None:
            if (event.branch is None) != (None in mine):
                mine.clear()  # fanned out now and not before, or the other way round
            mine[event.branch] = here
        elif event.visit > known[0]:
            mine.clear()  # a branch that comes back begins the step's next visit
            mine[event.branch] = here
        else:
            mine[event.branch] = max(known, here)
    return found
