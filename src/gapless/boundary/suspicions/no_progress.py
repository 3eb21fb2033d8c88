"""A loop came round without getting anywhere: the same input gave the same output, the same call the same answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gapless.boundary.suspicions.base import UNKNOWN
from gapless.boundary.suspicions.normal import Normal, Source
from gapless.boundary.suspicions.reading.story import Result, Story
from gapless.boundary.suspicions.reading.symptoms import is_empty
from gapless.records.value import encode

NAME = "no-progress"
ROUNDS = 3
"""Times the same must happen to be called no progress."""


def find(story: Story, normal: Normal) -> Iterator[tuple[int, str]]:
    """The events at which the same happened for the third time."""
    yield from _repeated_visits(story)
    for result in repeated_calls(story):
        if not _is_meant(result, normal.source(result.source)):
            words = str(result.arguments)[:80]
            yield result.event, f"{result.named} was called {ROUNDS} times with {words} and answered the same"


def _is_meant(result: Result, source: Source) -> bool:
    """Whether the tool is polled in most trials, or returns nothing by design: then its answers show no progress."""
    whole = source.places.get("")
    silent = whole is not None and 2 * whole.empty > whole.trials
    return 2 * source.repeated > max(source.trials, 2) or (silent and is_empty(result.value))


def repeated_calls(story: Story) -> list[Result]:
    """For each source whose calls repeat, the result at which the same call brought the same answer a third time."""
    counts: dict[Any, int] = {}
    found: dict[str, Result] = {}
    for result in story.results:
        if result.kind != "tool" or result.arguments is UNKNOWN:
            continue
        answer = result.error if result.value is UNKNOWN else encode(result.value)
        key = (result.source, encode(result.arguments), answer)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] == ROUNDS:
            found.setdefault(result.source, result)
    return list(found.values())


def _repeated_visits(story: Story) -> Iterator[tuple[int, str]]:
    counts: dict[Any, int] = {}
    for index, seen in enumerate(story.trial.events):
        event = seen.event
        if event.router or event.status != "ok" or event.input is None or event.output is None:
            continue
        key = (event.step, event.branch, event.input, event.output)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] == ROUNDS:
            yield index, f"{event.step} was visited {ROUNDS} times with the same input and the same output"
