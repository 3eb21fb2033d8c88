"""A part of a result was used as if it were the whole: it says so itself, or it lacks what is usually there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from gapless.boundary.suspicions.normal import RARE, SUPPORT, Normal, Place, Source, is_usual
from gapless.boundary.suspicions.places import places_in
from gapless.boundary.suspicions.reading.story import Result, Story
from gapless.boundary.suspicions.reading.symptoms import (
    cut_markers,
    is_complete,
    is_prose,
    looks_like_cut_json,
)
from gapless.boundary.suspicions.schema_breach import lost_keys

NAME = "partial-result"
_STOPPED = "stopped by a limit"
_MIN_LENGTH = 3
"""A list of usually two that holds one is a smaller case, more often than not."""


def find(story: Story, normal: Normal) -> Iterator[tuple[int, str]]:
    """The events that handed over a part, each with what is missing."""
    for place, result in enumerate(story.results):
        if not result.judged:
            continue
        reason = next(_reasons(story, place, result, normal), None)
        if reason is not None and not story.admitted(result, ""):
            yield result.event, reason


def signs(result: Result) -> Iterator[tuple[str, str]]:
    """The signs in a result that are suspect only where they are rare: name and words."""
    if result.cut:
        yield _STOPPED, "the model was stopped by its token limit"
    if not isinstance(result.value, dict):
        return
    value = cast("dict[str, Any]", result.value)
    for key in ("success", "ok"):
        if value.get(key) is False:
            yield f"{key}=false", ""
    for inner in (value, *value.values()):
        yield from cut_markers(inner)


def _reasons(story: Story, place: int, result: Result, normal: Normal) -> Iterator[str]:
    source = normal.source(result.source)
    yield from _marked(story, place, result, source)
    for path, usual, kept in lost_keys(result.value, source):
        if kept and usual.missing and not usual.renamed:
            missing = ", ".join(repr(key) for key in usual.missing)
            yield f"{missing} missing in {_where(path, result)}; usual in {usual.trials} of {usual.of} trials"
    for path, value in places_in(result.value):
        known = source.places.get(path)
        if known is not None:
            yield from _short_list(path, value, known, result)
            yield from _cut_text(path, value, known, result)


def _marked(story: Story, place: int, result: Result, source: Source) -> Iterator[str]:
    for name, words in signs(result):
        rare = source.marks.get(name, 0) <= max(RARE * source.trials, 1) and source.trials > SUPPORT
        if words and (rare or name == _STOPPED) and not _went_on_reading(story, place, result):
            yield f"{result.named} handed over a part: {words}"


def _went_on_reading(story: Story, place: int, result: Result) -> bool:
    """Whether the same tool was asked again, with other arguments: the next page, most likely."""
    return result.tool is not None and any(
        later.tool == result.tool and later.arguments != result.arguments
        for later in story.results[place + 1 :]
    )


def _short_list(path: str, value: Any, known: Place, result: Result) -> Iterator[str]:
    if not isinstance(value, list) or "[]" in path or not known.lengths:
        return
    length, trials = max(known.lengths.items(), key=lambda pair: (pair[1], pair[0]))
    here = len(cast("list[Any]", value))
    if 0 < here < length >= _MIN_LENGTH and is_usual(trials, known.trials):
        yield f"{_where(path, result)} holds {here}; in {trials} of {known.trials} trials it holds {length}"


def _cut_text(path: str, value: Any, known: Place, result: Result) -> Iterator[str]:
    if looks_like_cut_json(value) and is_usual(known.whole, known.data):
        yield f"{_where(path, result)} begins as JSON and cannot be read: it ends with {value[-30:]!r}"
        return
    broken_off = isinstance(value, str) and is_prose(value) and not is_complete(value)
    if broken_off and is_usual(known.complete, known.prose):
        yield f"{_where(path, result)} breaks off: it ends with {value[-30:]!r}"


def _where(path: str, result: Result) -> str:
    return f"{path!r} of {result.named}" if path else f"the result of {result.named}"
