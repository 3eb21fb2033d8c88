"""Collects what a trial had read by the time a step wrote a text, and tells which figures of the text come from nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

from gapless.boundary.figures import Evidence, Figure, figures
from gapless.boundary.suspicions.arithmetic import column_sums, follows, is_running_total
from gapless.boundary.suspicions.base import UNKNOWN, ObservedEvent
from gapless.boundary.suspicions.reading.messages import (
    role_of,
    text_of,
    tool_calls,
    updates_in,
)
from gapless.boundary.suspicions.reading.story import Result, Story, prose_in

MAX_CHARS = 2_000_000
"""Evidence beyond this is not read, and texts that were written after it are not judged."""
_SMALL = 12
"""A plain count up to this is a way of speaking ("two items", "step 3"), not a figure from anywhere."""
_CACHED_CHARS = 20_000
_ENDING = re.compile(r"\b(?:end(?:s|ing)\s+(?:in|with)|last\s+(?:four|4)(?:\s+digits)?:?)\s+$", re.IGNORECASE)
"""What stands before the end of an id ("card ending in 7447"): the id itself may be in the evidence, its end is not."""


def judged_texts(story: Story) -> Iterator[tuple[Result, tuple[str, ...]]]:
    """Every result whose text holds figures, and those of them that nothing before it holds."""
    read = Read()
    read.add(story.trial.input)
    by_event: dict[int, list[Result]] = {}
    for result in story.results:
        by_event.setdefault(result.event, []).append(result)
    for index, seen in enumerate(story.trial.events):
        if seen.event.router:
            continue
        _read_before(read, seen, by_event.get(index, []))
        for result in by_event.get(index, []):
            yield from _judged(result, read)
        for update in updates_in(seen.output) if seen.output is not UNKNOWN else ():
            read.add(update)


class Read:
    """All that was read so far in a trial. Nothing is searched for figures before somebody asks."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._new: list[str] = []
        self._chunks: list[Evidence] = []
        self._terms: set[Decimal] = set()
        self._sums: set[Decimal] = set()
        self._chars = 0

    @property
    def too_much(self) -> bool:
        """Whether there was more than is read."""
        return self._chars > MAX_CHARS

    def add(self, value: Any) -> None:
        """Reads a value: its texts and numbers, and of messages only what was said, called and answered."""
        if isinstance(value, str):
            self._add_text(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            self._add_text(repr(value))
        elif isinstance(value, dict) and role_of(value):
            self.add(text_of(value))
            for call in tool_calls(value).values():
                self.add(call.arguments)
        elif isinstance(value, dict):
            for inner in cast("dict[str, Any]", value).values():
                self.add(inner)
        elif isinstance(value, list):
            items = cast("list[Any]", value)
            self._sums.update(column_sums(items))
            for item in items:
                self.add(item)

    def loose(self, text: str) -> tuple[list[Figure], bool]:
        """The figures of a text that were not read and do not follow, and whether it has any figures to judge.

        What follows from figures of the text that are held themselves ("$105 + $102 = $207") is held too; what
        follows only from another figure out of nowhere is not.
        """
        found = [figure for figure in figures(text) if not _ENDING.search(text, 0, figure.span[0])]
        held = {figure.span for figure in found if is_small(figure) or self.holds(figure)}
        loose = [figure for figure in found if figure.span not in held]
        grew = True
        while grew and loose:
            terms = [figure for figure in found if figure.span in held and figure.kind != "date"]
            now = [figure for figure in loose if _made_from(figure, terms)]
            held.update(figure.span for figure in now)
            loose = [figure for figure in loose if figure.span not in held]
            grew = bool(now)
        return loose, not all(is_small(figure) for figure in found)

    def holds(self, figure: Figure) -> bool:
        """Whether a figure was read, or follows from what was read by one step of arithmetic."""
        self._catch_up()
        if any(chunk.holds(figure) for chunk in self._chunks):
            return True
        if figure.kind == "date":
            return False
        values = [abs(value) for value in (figure.value, *figure.also)]
        return any(value in self._sums or follows(value, self._terms) for value in values)

    def _add_text(self, text: str) -> None:
        if text not in self._known:
            self._known.add(text)
            self._chars += len(text)
            if not self.too_much:
                self._new.append(text)

    def _catch_up(self) -> None:
        for text in self._new:
            searched = _search(text) if len(text) <= _CACHED_CHARS else _search.__wrapped__(text)
            self._chunks.append(searched[0])
            self._terms.update(searched[1])
        self._new = []


@lru_cache(maxsize=4096)
def _search(text: str) -> tuple[Evidence, tuple[Decimal, ...]]:
    """A text as evidence, and the numbers in it that arithmetic may use. Prompts and documents come again and again."""
    found = (figure for figure in figures(text) if figure.kind != "date")
    return Evidence([text]), tuple(abs(value) for figure in found for value in (figure.value, *figure.also))


def _read_before(read: Read, seen: ObservedEvent, results: list[Result]) -> None:
    read.add(seen.input)
    for call, request, response in seen.calls:
        known = (
            request if call.kind == "model" else response
        )  # a prompt is read, what the model says is not evidence
        read.add(known)
    for result in results:
        if result.kind == "tool":
            read.add(result.value)


def _judged(result: Result, read: Read) -> Iterator[tuple[Result, tuple[str, ...]]]:
    if result.kind not in ("text", "update") or result.error is not None or read.too_much:
        return
    texts = [result.value] if result.kind == "text" else prose_in(result.value)
    looked_at = [read.loose(text) for text in texts]
    if any(judged for _, judged in looked_at):
        yield result, tuple(dict.fromkeys(figure.text for loose, _ in looked_at for figure in loose))


def _made_from(figure: Figure, held: list[Figure]) -> bool:
    if figure.kind == "date":
        return False
    value = abs(figure.value)
    before = [abs(one.value) for one in held if one.kind == figure.kind and one.span < figure.span]
    return follows(value, (abs(one.value) for one in held)) or is_running_total(value, before)


def is_small(figure: Figure) -> bool:
    """Whether a figure is a small whole count, as in "two items"."""
    value = figure.value
    return figure.kind == "plain" and value == value.to_integral_value() and abs(value) <= _SMALL
