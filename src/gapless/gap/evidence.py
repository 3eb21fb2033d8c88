"""The step visits of a trial with what speaks against each: failed checks, errors, suspicions, repetition, slowness.

It finds evidence and weighs none; what it says of a trial does not depend on how the trial ended.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, cast

from gapless.records.trial import Run, StepOutcome

FAILED, UNKNOWN, ERROR = "failed check", "not judged", "error"
AGAIN, RETRIED, SLOW, PAUSED, PASSED = "again", "retried", "slow", "paused", "passed here"
_SLOWER = 3.0
"""Times the median of correct trials from which a visit is slow."""
_FEW, _MANY = 5, 2_000
Told = Mapping[int, Mapping[str, str]]
"""Position of a step event -> name of the evidence -> reason in words."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of one step: all of its attempts."""

    step: str
    visit: int
    branch: int | None
    message: int | None
    signs: tuple[tuple[str, str], ...]
    """(name of the evidence, reason in words), each name once."""


def usual_ms(runs: Iterable[Run]) -> dict[str, float]:
    """Step -> median duration of its events in correct trials, in milliseconds; only where at least 5 were timed.

    Args:
        runs: Trials; of each step the first 2,000 timed events count.
    """
    took: dict[str, list[float]] = {}
    for run in runs:
        for event in run.events if run.outcome == "correct" else ():
            known = took.setdefault(event.step, [])
            if len(known) < _MANY and math.isfinite(event.ms) and event.ms > 0:
                known.append(event.ms)
    return {step: median(known) for step, known in took.items() if len(known) >= _FEW}


def visits_of(run: Run, usual: Mapping[str, float], told: Told | None = None) -> tuple[Visit, ...]:
    """The step visits of a trial in time order, routers left out.

    Args:
        run: The trial. What its table said of a step beyond gapless' own words is read where it is `message` (a number),
            `evidence` (name -> reason) or `verdict` (a verdict that is on the whole trial, not on the step).
        usual: Step -> its usual duration in milliseconds.
        told: What else is known of its events, in words; it takes the place of plainer words for the same evidence.

    Example:
        >>> a = StepOutcome(step="a", visit=1, attempt=1, ok=False, ms=5.0)
        >>> run = Run(case="c", trial=0, group="c", outcome="wrong", events=(a,))
        >>> [visit.signs for visit in visits_of(run, {"a": 1.0})]
        [(('failed check', 'its check failed'), ('slow', 'it took 5 times as long as usual'), ('passed here', ''))]
    """
    grouped: dict[tuple[str, int | None, int], list[int]] = {}
    for at, event in enumerate(run.events):
        if not event.router:
            grouped.setdefault((event.step, event.branch, event.visit), []).append(at)
    return tuple(
        Visit(
            step, visit, branch, _message(run, places), tuple(_signs(run, places, usual, told or {}).items())
        )
        for (step, branch, visit), places in grouped.items()
    )


def _signs(run: Run, places: list[int], usual: Mapping[str, float], told: Told) -> dict[str, str]:
    events = [run.events[at] for at in places]
    found = _verdict(run, events[-1], places[-1])
    if events[-1].status in ("error", "abandoned"):
        found[ERROR] = "it ended with an error"
    if events[-1].status == "paused":
        found[PAUSED] = "it waited for a person"
    if len(events) > 1:
        found[RETRIED] = f"it took {len(events)} attempts"
    if events[-1].visit > 1:
        found[AGAIN] = f"it was visited for the {_ordinal(events[-1].visit)} time"
    found |= _slow(events, usual)
    for at, event in zip(places, events, strict=True):
        found |= dict.fromkeys(event.suspicions, "a built-in step check fired")
        found |= _given(run.step_metadata.get(at, {}))
        found |= dict(told.get(at, {}))
    found[PASSED] = ""
    return found


def _verdict(run: Run, last: StepOutcome, at: int) -> dict[str, str]:
    if run.step_metadata.get(at, {}).get("verdict") == "on the whole trial":
        return {}  # it stands here only because the visit is the last
    if last.ok is None:
        return {UNKNOWN: "no check judged it"}
    if last.ok:
        return {}
    why = f": {run.why}" if run.why and run.blame == last.step else ""
    return {FAILED: f"its check failed{why}"}


def _slow(events: list[StepOutcome], usual: Mapping[str, float]) -> dict[str, str]:
    """NaN, where nobody took the time, is not slow."""
    normal = usual.get(events[0].step)
    if not normal:
        return {}
    times = sum(event.ms for event in events) / normal
    return {SLOW: f"it took {times:.0f} times as long as usual"} if times > _SLOWER else {}


def _given(extra: Mapping[str, Any]) -> dict[str, str]:
    """The evidence that a table names; anything else under that key is somebody's own and says nothing here."""
    given = extra.get("evidence")
    if not isinstance(given, dict):
        return {}
    pairs = cast("dict[object, object]", given).items()
    return {name: why for name, why in pairs if isinstance(name, str) and isinstance(why, str)}


def _message(run: Run, places: list[int]) -> int | None:
    number = run.step_metadata.get(places[-1], {}).get("message")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
