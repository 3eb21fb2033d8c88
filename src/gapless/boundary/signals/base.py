"""What all signals share: where they read, and that they never raise on what they find there."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.handoff import UNCHANGED, read
from gapless.records.value import to_plain

_WORD = re.compile(r"[^\W_]+")
_MOST_TEXT = 200_000
"""Characters looked at; a signal is asked while somebody waits."""


def at(crossing: Crossing, path: str) -> Any:
    """What stands at a dotted path in what is handed over, else in what the step was given, else in the case's input.

    Through a list, the path goes on in each of its items: `retrieved.score` is the scores of all that was retrieved.

    Returns:
        None where nothing stands there.
    """
    for source in (crossing.handoff, crossing.state, crossing.case_input):
        found = _follow(source, path.split(".") if path else [])
        if found is not UNCHANGED and found is not None:
            return found
    return None


def items(value: Any) -> list[Any] | None:
    """A list; None for anything else."""
    return list(cast("Iterable[Any]", value)) if isinstance(value, (list, tuple)) else None


def numbers(value: Any) -> list[float] | None:
    """A list of numbers; None where one of its items is none, or there are none at all."""
    found = items(value)
    if not found:
        return None
    read_ = [number(item) for item in found]
    return None if None in read_ else cast("list[float]", read_)


def number(value: Any) -> float | None:
    """A number; None for anything else, and for what is not finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        real = float(value)
    except OverflowError:
        return None
    return real if math.isfinite(real) else None


def text(value: Any) -> str | None:
    """All texts in a value, line by line; None where there are none."""
    joined = "\n".join(_texts(to_plain(value)))[:_MOST_TEXT]
    return joined if joined.strip() else None


def words(said: str) -> list[str]:
    """The words of a text, in small letters, without those that stand in every question."""
    return [word for word in _WORD.findall(said.casefold()) if word not in _EVERYWHERE and len(word) > 1]


def within(value: float) -> float:
    """A number put between 0 and 1."""
    return min(1.0, max(0.0, value))


def _follow(value: Any, path: list[str]) -> Any:
    for index, key in enumerate(path):
        if isinstance(value, (list, tuple)):
            found = [_follow(item, path[index:]) for item in cast("list[Any]", value)]
            kept = [item for item in found if item is not UNCHANGED]
            return kept if kept else UNCHANGED
        value = read(value, key)
        if value is UNCHANGED:
            return UNCHANGED
    return value


def _texts(plain: Any) -> Iterator[str]:
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, Mapping):
        for value in cast("Mapping[str, Any]", plain).values():
            yield from _texts(value)
    elif isinstance(plain, (list, tuple)):
        for value in cast("list[Any]", plain):
            yield from _texts(value)


_EVERYWHERE = frozenset(
    "a about all an and any are as at be been but by can could did do does for from had has have how i if in into is it its me"
    " may my no not of on or our please shall should so some tell than that the their them then there these they this those to"
    " us was we were what when where which who whom whose why will with would you your".split()
)
