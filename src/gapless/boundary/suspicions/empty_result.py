"""A step or tool that usually hands over something handed over nothing, and the trial went on.

Judged per step and per tool: what is empty by design is never suspect.
"""

from __future__ import annotations

from collections.abc import Iterator

from gapless.boundary.suspicions.normal import Normal, is_usual
from gapless.boundary.suspicions.places import places_in
from gapless.boundary.suspicions.reading.story import Result, Story
from gapless.boundary.suspicions.reading.symptoms import is_empty

NAME = "empty-result"


def find(story: Story, normal: Normal) -> Iterator[tuple[int, str]]:
    """The events that handed over nothing where there usually is something."""
    if not story.delivered:
        return
    for place, result in enumerate(story.results):
        if not result.judged:
            continue
        reason = next(_empty_places(result, normal), None)
        if reason is not None and not story.recovered(place) and not story.admitted(result, ""):
            yield result.event, reason


def _empty_places(result: Result, normal: Normal) -> Iterator[str]:
    source = normal.source(result.source)
    for path, value in places_in(result.value):
        place = source.places.get(path)
        if "[]" in path or place is None or not is_empty(value):
            continue
        filled = place.trials - place.empty
        if is_usual(filled, place.trials):
            where = f"{path!r} of {result.named}" if path else f"the result of {result.named}"
            yield f"{where} is empty ({str(value)[:40]!r}); in {filled} of {place.trials} trials it never is"
