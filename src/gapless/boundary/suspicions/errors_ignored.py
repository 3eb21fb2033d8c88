"""An error was handed over as a result, and the trial ended as if nothing had happened.

An error is never normal, however often it comes. It is not silent when the same call worked later, or when the
reader was told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from gapless.boundary.suspicions.normal import SUPPORT, USUAL, Normal
from gapless.boundary.suspicions.reading.story import Result, Story

NAME = "errors-ignored"
_REFUSALS = ("success", "ok")


def find(story: Story, normal: Normal) -> Iterator[tuple[int, str]]:
    """The events whose error was ignored, each with the error's words."""
    if not story.delivered:
        return
    for place, result in enumerate(story.results):
        words = result.error or _refused(result, normal)
        if words is not None and not story.recovered(place) and not story.admitted(result, words):
            yield result.event, _sentence(result, words)


def _refused(result: Result, normal: Normal) -> str | None:
    """`success: false` where this source usually succeeds: a refusal nobody took for an error."""
    if not isinstance(result.value, dict):
        return None
    source = normal.source(result.source)
    for key in _REFUSALS:
        if cast("dict[str, object]", result.value).get(key) is False:
            well = source.trials - source.marks.get(f"{key}=false", 0)
            if well >= SUPPORT and well >= USUAL * source.trials:
                return f"{key} is false; it is not in {well} of {source.trials} trials"
    return None


def _sentence(result: Result, words: str) -> str:
    if result.kind == "raised":
        return f"{result.source} raised {words!r}, did not succeed later, and the trial ended as if it had"
    if result.kind == "text":
        return f"{result.source} delivered an error as its answer: {words!r}"
    return f"{result.named} answered with an error, {words!r}, and the trial went on as if it were a result"
