"""A step needed many attempts, or far more of them than it normally does."""

from __future__ import annotations

from collections.abc import Iterator

from gapless.boundary.suspicions.normal import Normal
from gapless.boundary.suspicions.reading.story import Story

NAME = "retry-storm"
ATTEMPTS = 4
"""Attempts in one visit, or of one nested call, that make a storm."""
MAX_RETRIES = 50
"""More retries in a trial than this are counted as this many."""


def find(story: Story, normal: Normal) -> Iterator[tuple[int, str]]:
    """The events at which a storm was at its height."""
    stormy: set[str] = set()
    for (step, _branch, _visit), (index, attempt) in _last_attempts(story).items():
        if attempt >= ATTEMPTS:
            stormy.add(step)
            yield index, f"{step} took {attempt} attempts in one visit"
    for step, retries in retries_by_step(story).items():
        usual = _upper_quartile(normal.retries.get(step, {}))
        if step not in stormy and retries >= ATTEMPTS and retries > 3 * max(usual, 1):
            words = f"{step} took {retries} retries in this trial; three trials in four need at most {usual}"
            yield _last_retry(story, step), words
    yield from _failing_calls(story)


def retries_by_step(story: Story) -> dict[str, int]:
    """Step -> attempts beyond the first, over all visits of the trial; 0 for a step that needed none."""
    retries: dict[str, int] = {}
    for seen in story.trial.events:
        if not seen.event.router:
            retries[seen.event.step] = retries.get(seen.event.step, 0) + (seen.event.attempt > 1)
    return retries


def _last_attempts(story: Story) -> dict[tuple[str, int | None, int], tuple[int, int]]:
    last: dict[tuple[str, int | None, int], tuple[int, int]] = {}
    for index, seen in enumerate(story.trial.events):
        event = seen.event
        key = (event.step, event.branch, event.visit)
        if event.attempt > last.get(key, (0, 1))[1]:
            last[key] = (index, event.attempt)
    return last


def _last_retry(story: Story, step: str) -> int:
    retried = (
        i for i, seen in enumerate(story.trial.events) if seen.event.step == step and seen.event.attempt > 1
    )
    return max(retried)


def _failing_calls(story: Story) -> Iterator[tuple[int, str]]:
    for index, seen in enumerate(story.trial.events):
        failures: dict[tuple[str, str | None], int] = {}
        for call, _request, _response in seen.calls:
            if call.error is not None:
                key = (call.name, call.request)
                failures[key] = failures.get(key, 0) + 1
        for (name, _), count in failures.items():
            if count >= ATTEMPTS:
                yield index, f"{name} failed {count} times inside {seen.event.step}"


def _upper_quartile(counts: dict[int, int]) -> int:
    """The smallest number of retries that at least three trials in four do not exceed."""
    needed, total = 0.75 * sum(counts.values()), 0
    for retries in sorted(counts):
        total += counts[retries]
        if total >= needed:
            return retries
    return 0
