"""Learns over many trials what is normal for each step and tool, in one pass and in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gapless.boundary.schemas import DeclaredSchema
from gapless.boundary.suspicions.base import ObservedTrial
from gapless.boundary.suspicions.grounding import judged_texts
from gapless.boundary.suspicions.no_progress import repeated_calls
from gapless.boundary.suspicions.normal import Normal, Source
from gapless.boundary.suspicions.partial_result import signs
from gapless.boundary.suspicions.places import TrialPlaces
from gapless.boundary.suspicions.reading.story import Result, Story, tell
from gapless.boundary.suspicions.retry_storm import MAX_RETRIES, retries_by_step


def learn(trials: Iterable[ObservedTrial], declared: Mapping[str, Any] | None = None) -> Normal:
    """What is normal over these trials, errors left out: an error is never normal.

    Args:
        trials: Read once, one at a time.
        declared: Step, or "step:tool" -> the schema of what it hands over: a JSON Schema, a pydantic model, a
            TypedDict, a dataclass or a msgspec Struct. For the places it names it holds instead of what is learnt.
    """
    schemas = {name: DeclaredSchema.of(schema).schema for name, schema in (declared or {}).items()}
    normal = Normal(declared=schemas)
    for trial in trials:
        normal.trials += 1
        _learn_story(normal, tell(trial))
    return normal


def _learn_story(normal: Normal, story: Story) -> None:
    by_source: dict[str, list[Result]] = {}
    for result in story.results:
        if result.judged:
            by_source.setdefault(result.source, []).append(result)
    for name, results in by_source.items():
        _learn_source(normal.sources.setdefault(name, Source()), results)
    for result in repeated_calls(story):
        normal.sources.setdefault(result.source, Source()).repeated += 1
    _learn_figures(normal, story)
    for step, retries in retries_by_step(story).items():
        counts = normal.retries.setdefault(step, {})
        kept = min(retries, MAX_RETRIES)
        counts[kept] = counts.get(kept, 0) + 1


def _learn_source(source: Source, results: list[Result]) -> None:
    source.trials += 1
    places = TrialPlaces()
    marks: set[str] = set()
    for result in results:
        places.observe(result.value)
        marks.update(name for name, _ in signs(result))
        if result.kind != "text":
            source.schema.observe(result.value)
    places.fold_into(source.places)
    for mark in marks:
        source.marks[mark] = source.marks.get(mark, 0) + 1


def _learn_figures(normal: Normal, story: Story) -> None:
    judged: dict[str, bool] = {}
    for result, loose in judged_texts(story):
        judged[result.source] = judged.get(result.source, True) and not loose
    for name, grounded in judged.items():
        source = normal.sources.setdefault(name, Source())
        source.figured += 1
        source.grounded += grounded
