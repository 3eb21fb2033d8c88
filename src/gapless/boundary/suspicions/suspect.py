"""Holds one trial to what is normal. A suspicion is no verdict: nobody has labelled it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gapless.boundary.suspicions import (
    empty_result,
    errors_ignored,
    no_progress,
    partial_result,
    retry_storm,
    schema_breach,
    ungrounded_figure,
)
from gapless.boundary.suspicions.base import ObservedTrial
from gapless.boundary.suspicions.normal import Normal
from gapless.boundary.suspicions.reading.story import Story, tell
from gapless.records.trial import Suspicion

CHECKS: dict[str, Callable[[Story, Normal], Iterator[tuple[int, str]]]] = {
    check.NAME: check.find
    for check in (
        errors_ignored,
        empty_result,
        partial_result,
        schema_breach,
        ungrounded_figure,
        no_progress,
        retry_storm,
    )
}
"""Name -> the check: it yields (index of the event, reason in words)."""


def suspect(trial: ObservedTrial, normal: Normal) -> dict[int, tuple[Suspicion, ...]]:
    """The suspicions of a trial by the index of the step event they fall on; the same trial always gives the same.

    A check fires at most once per event and reason.
    """
    story = tell(trial)
    found: dict[int, dict[Suspicion, None]] = {}
    for name, check in CHECKS.items():
        for index, reason in check(story, normal):
            found.setdefault(index, {})[Suspicion(check=name, reason=reason)] = None
    return {index: tuple(found[index]) for index in sorted(found)}
